"""Riva's real stubs on a fake's address, for the kit's own tests."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
from riva.client.proto import riva_asr_pb2 as asr_pb2
from riva.client.proto import riva_asr_pb2_grpc as asr_grpc
from riva.client.proto import riva_audio_pb2 as audio_pb2
from riva.client.proto import riva_tts_pb2 as tts_pb2
from riva.client.proto import riva_tts_pb2_grpc as tts_grpc
from voicegateway_testkit.clients.call import watch_status
from voicegateway_testkit.clients.log import CallStatus

RATE_HZ = 16000
LOCAL = (("grpc.use_local_subchannel_pool", 1),)
"""A channel of its own connection: a shared one would remember a refusal for a second."""


@asynccontextmanager
async def asr_stub(address: str) -> AsyncIterator[Any]:
    """Gives a recognition stub."""
    async with grpc.aio.insecure_channel(address, LOCAL) as channel:
        yield asr_grpc.RivaSpeechRecognitionStub(channel)


@asynccontextmanager
async def tts_stub(address: str) -> AsyncIterator[Any]:
    """Gives a synthesis stub."""
    async with grpc.aio.insecure_channel(address, LOCAL) as channel:
        yield tts_grpc.RivaSpeechSynthesisStub(channel)


def asr_config(endpointing: dict[str, int] | None = None, **changes: Any) -> Any:
    """Gives the first message of a recognition stream."""
    fields = {
        "encoding": audio_pb2.LINEAR_PCM,
        "sample_rate_hertz": RATE_HZ,
        "language_code": "en-US",
        "enable_word_time_offsets": True,
        **changes,
    }
    config = asr_pb2.RecognitionConfig(**fields)
    if endpointing is not None:
        config.endpointing_config.CopyFrom(asr_pb2.EndpointingConfig(**endpointing))
    return asr_pb2.StreamingRecognizeRequest(
        streaming_config=asr_pb2.StreamingRecognitionConfig(config=config, interim_results=True), id={"value": "r-1"}
    )


def asr_audio(pcm: bytes, chunk_ms: int = 100) -> list[Any]:
    """Gives audio as messages."""
    size = RATE_HZ * chunk_ms // 1000 * 2
    return [asr_pb2.StreamingRecognizeRequest(audio_content=pcm[at : at + size]) for at in range(0, len(pcm), size)]


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A call and its status to come."""

    call: Any
    status: asyncio.Task[CallStatus]

    async def code(self) -> grpc.StatusCode:
        """Reads the call to its end and gives the code."""
        with contextlib.suppress(grpc.aio.AioRpcError):
            async for _ in self.call:
                pass
        return (await self.status).code


async def open_asr(stub: Any, *requests: Any) -> OpenCall:
    """Opens a recognition stream and sends these messages, or as many as the call lives to take."""
    call = stub.StreamingRecognize()
    opened = OpenCall(call, watch_status(call))
    for request in requests:
        try:
            await call.write(request)
        except (asyncio.InvalidStateError, grpc.aio.AioRpcError):
            break
    return opened


async def read_results(opened: OpenCall) -> list[Any]:
    """Reads the results to the end of the call."""
    return [result async for response in opened.call for result in response.results]


def tts_request(text: str, **changes: Any) -> Any:
    """Gives a synthesis request."""
    fields = {
        "text": text,
        "language_code": "en-US",
        "encoding": audio_pb2.LINEAR_PCM,
        "sample_rate_hz": 22050,
        "enable_word_time_offsets": True,
        **changes,
    }
    return tts_pb2.SynthesizeSpeechRequest(**fields)
