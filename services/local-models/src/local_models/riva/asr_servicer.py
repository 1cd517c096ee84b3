"""Riva's RivaSpeechRecognition on grpc.aio.

For the assembler:

    ears = Ears(VoiceActivityModel())
    pool = InferencePool(max_pending_jobs=...)                  # one per process; synthesis may share it
    engines = {code: engine for code in engine.language_codes}  # preferred engine first
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", MAX_MESSAGE_BYTES), ...])
    register_asr(server, engines, ears=ears, pool=pool, limits=AsrLimits())
    rows = [row for engine in engines.values() for row in engine.describe()]   # the table printed at start
    ...
    await server.stop(grace); pool.close(); ears.close()

Status codes:

| code | when |
|---|---|
| INVALID_ARGUMENT | the request or its audio is wrong; the message says what and what is available |
| RESOURCE_EXHAUSTED | `max_streams` calls are running, or the inference pool is full |
| INTERNAL | the engine failed; logged with its traceback |
"""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import grpc
import grpc.aio
from riva.client.proto import riva_asr_pb2 as pb
from riva.client.proto import riva_asr_pb2_grpc as pb_grpc

from local_models.audio import BadAudio
from local_models.engines.pool import InferencePool, PoolFullError
from local_models.engines.recognition import RecognitionEngine
from local_models.riva import asr_codec as codec
from local_models.riva.asr_ears import Ears
from local_models.riva.asr_stream import RecognitionStream
from local_models.riva.refusals import Codes, Context, ends_with_status
from local_models.without_effect import WithoutEffect

MAX_MESSAGE_BYTES: Final = 64 * 1024 * 1024
"""`Recognize` takes a whole file in one message: 35 minutes of 16 kHz PCM. gRPC's own 4 MiB is 2 minutes."""


@dataclass(frozen=True, slots=True)
class AsrLimits:
    """What is carried at once; more is refused. 16 people talking at the same time keep one core busy with finals."""

    max_streams: int = 16


class OverloadedError(RuntimeError):
    """All streams are taken. RESOURCE_EXHAUSTED."""


_CODES: Final[Codes] = {
    codec.BadRequestError: grpc.StatusCode.INVALID_ARGUMENT,
    BadAudio: grpc.StatusCode.INVALID_ARGUMENT,
    OverloadedError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    PoolFullError: grpc.StatusCode.RESOURCE_EXHAUSTED,
}


class AsrServicer(pb_grpc.RivaSpeechRecognitionServicer):  # type: ignore[misc] # the generated stubs carry no types
    """The three calls. Every call that recognises holds one of `limits.max_streams` places while it runs."""

    def __init__(
        self, engines: Mapping[str, RecognitionEngine], *, ears: Ears, pool: InferencePool, limits: AsrLimits
    ) -> None:
        self._engines = engines
        self._ears = ears
        self._pool = pool
        self._limits = limits
        self._in_vain = WithoutEffect("speech recognition")
        self.running_streams = 0

    @ends_with_status("recognition", _CODES)
    async def StreamingRecognize(self, _: object, context: Context) -> None:  # noqa: N802 - Riva's name
        """Config first, then audio; interims, first passes and finals until the client half-closes."""
        with self._place():
            await self._stream(context)

    @ends_with_status("recognition", _CODES)
    async def Recognize(  # noqa: N802 - Riva's name
        self, request: pb.RecognizeRequest, _: Context
    ) -> pb.RecognizeResponse:
        """A whole file at once: one result per utterance."""
        settings = codec.read_offline_config(request, self._engines)
        self._in_vain.note(settings.without_effect)
        with self._place(), contextlib.closing(RecognitionStream(self._ears, self._pool, settings)) as stream:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_hear_all(stream, request.audio))
                hypotheses = [hypothesis async for hypothesis in stream.hypotheses()]
        return codec.offline_response(hypotheses, settings, request.id.value)

    @ends_with_status("recognition", _CODES)
    async def GetRivaSpeechRecognitionConfig(  # noqa: N802 - Riva's name
        self, request: pb.RivaSpeechRecognitionConfigRequest, _: Context
    ) -> pb.RivaSpeechRecognitionConfigResponse:
        """The models, twice each: `type` online and offline."""
        return codec.config_response(request.model_name, self._engines)

    async def _stream(self, context: Context) -> None:
        first = await context.read()
        if first is grpc.aio.EOF:
            raise codec.BadRequestError("the stream ended before its first message, which must carry streaming_config")
        settings = codec.read_streaming_config(first, self._engines)
        self._in_vain.note((*settings.without_effect, *codec.runtime_options(first)))
        request_id = first.id.value
        with contextlib.closing(RecognitionStream(self._ears, self._pool, settings)) as stream:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._hear_stream(stream, context))
                async for hypothesis in stream.hypotheses():
                    await context.write(codec.streaming_response(hypothesis, settings, request_id))

    async def _hear_stream(self, stream: RecognitionStream, context: Context) -> None:
        while (request := await context.read()) is not grpc.aio.EOF:
            self._in_vain.note(codec.runtime_options(request))
            await stream.hear(codec.read_audio(request))
        await stream.finish()

    @contextlib.contextmanager
    def _place(self) -> Iterator[None]:
        if self.running_streams >= self._limits.max_streams:
            raise OverloadedError(f"all {self._limits.max_streams} recognition streams are taken; try again later")
        self.running_streams += 1
        try:
            yield
        finally:
            self.running_streams -= 1


def register_asr(
    server: grpc.aio.Server,
    engines: Mapping[str, RecognitionEngine],
    *,
    ears: Ears,
    pool: InferencePool,
    limits: AsrLimits,
) -> AsrServicer:
    """Add the service to `server`. `engines` maps language codes to engines, the default of a language first."""
    servicer = AsrServicer(engines, ears=ears, pool=pool, limits=limits)
    pb_grpc.add_RivaSpeechRecognitionServicer_to_server(servicer, server)
    return servicer


async def _hear_all(stream: RecognitionStream, audio: bytes) -> None:
    await stream.hear(audio)
    await stream.finish()
