"""What the recognition tests share: audio whose words are chosen, an engine that can be held, a server on loopback.

The loudness of the audio is its script: `LoudnessModel` takes loud frames for speech, and `ScriptedEngine` names the
frames it was given, so that a test sees exactly which stretch of audio became which text.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import grpc.aio
import moonshine_voice.utils
import numpy as np
from local_models.audio import AudioEncoding
from local_models.engines.moonshine import MoonshineEngine
from local_models.engines.pool import InferencePool, Priority
from local_models.engines.recognition import EngineDescription, Recognition, RecognitionEngine, Samples
from local_models.engines.voice_activity import CHUNK_SAMPLES, VoiceActivityModel, VoiceActivityState
from local_models.riva.asr_codec import Mode, StreamSettings
from local_models.riva.asr_ears import Ears
from local_models.riva.asr_servicer import MAX_MESSAGE_BYTES, AsrLimits, AsrServicer, register_asr
from local_models.riva.endpointing import EndpointingPolicy
from riva.client.proto import riva_asr_pb2 as pb
from riva.client.proto import riva_asr_pb2_grpc as pb_grpc

RATE_HZ = 16_000
TWO_CITIES = Path(str(moonshine_voice.utils.get_assets_path())) / "two_cities.wav"
LOUD = 0.5


class LoudnessModel(VoiceActivityModel):
    """Speech is what is loud."""

    def __init__(self) -> None:
        """Nothing to load."""

    def probabilities(self, state: VoiceActivityState, samples: Samples) -> Iterator[float]:
        del state
        for chunk in samples.reshape(-1, CHUNK_SAMPLES):
            yield float(np.abs(chunk).max() > LOUD / 2)


class ScriptedEngine(RecognitionEngine):
    """Answers with the number of loud frames it was given ("w5" for five), once `gate` is open."""

    model_name = "scripted-en"
    language_codes = ("en-US",)

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.calls: list[str] = []
        self.error: Exception | None = None
        self.text: str | None = None

    def recognize(self, samples: Samples) -> Recognition:
        loud = int((np.abs(samples.reshape(-1, CHUNK_SAMPLES)).max(axis=1) > LOUD / 2).sum())
        self.calls.append(f"w{loud}")
        if not self.gate.wait(timeout=10):
            raise TimeoutError("the test never opened the gate")
        if self.error is not None:
            raise copy(self.error)
        return Recognition(f"w{loud}" if self.text is None else self.text)

    def describe(self) -> tuple[EngineDescription, ...]:
        return (EngineDescription("ASR", "en-US", "scripted", self.model_name, "tests"),)


def pcm(script: str) -> bytes:
    """Audio from a script like "-10 w20 -15": so many frames of silence or of speech, as 16 kHz s16le."""
    parts = [
        np.full(int(part[1:]) * CHUNK_SAMPLES, LOUD if part[0] == "w" else 0.0, np.float32) for part in script.split()
    ]
    return bytes((np.concatenate(parts) * 32767).astype("<i2").tobytes())


def settings(
    engine: RecognitionEngine,
    policy: EndpointingPolicy | None = None,
    *,
    mode: Mode = Mode.STREAMING,
    interim_results: bool = True,
) -> StreamSettings:
    return StreamSettings(
        engine=engine,
        encoding=AudioEncoding.LINEAR_PCM,
        sample_rate_hz=RATE_HZ,
        policy=policy or EndpointingPolicy(),
        mode=mode,
        interim_results=interim_results,
        word_times=True,
        punctuation=True,
    )


def recognition_config(**changes: object) -> pb.RecognitionConfig:
    fields: dict[str, object] = {"encoding": 1, "sample_rate_hertz": RATE_HZ, "language_code": "en-US"}
    return pb.RecognitionConfig(**(fields | changes))


def first_message(
    config: pb.RecognitionConfig | None = None, *, interim_results: bool = True, request_id: str = ""
) -> pb.StreamingRecognizeRequest:
    streaming = pb.StreamingRecognitionConfig(config=config or recognition_config(), interim_results=interim_results)
    request = pb.StreamingRecognizeRequest(streaming_config=streaming)
    if request_id:
        request.id.value = request_id
    return request


def audio_message(data: bytes) -> pb.StreamingRecognizeRequest:
    return pb.StreamingRecognizeRequest(audio_content=data)


@asynccontextmanager
async def both_workers_busy(pool: InferencePool) -> AsyncIterator[None]:
    """Inside, whatever is submitted stays queued."""
    gate = threading.Event()
    jobs = []
    for _ in range(2):  # one after the other, because a pool may have but one place in its queue
        started = threading.Event()
        jobs.append(pool.submit(Priority.FINAL, partial(announce_and_wait, started, gate)))
        await asyncio.to_thread(started.wait, 10)
    yield
    gate.set()
    await asyncio.gather(*(job.future for job in jobs))


def announce_and_wait(started: threading.Event, gate: threading.Event) -> None:
    started.set()
    gate.wait(timeout=10)


@dataclass(frozen=True, slots=True)
class Serving:
    """A running server and what it was made of."""

    target: str
    stub: pb_grpc.RivaSpeechRecognitionStub
    servicer: AsrServicer
    pool: InferencePool


@asynccontextmanager
async def serving(
    engine: RecognitionEngine, model: VoiceActivityModel, *, max_streams: int = 8, max_pending_jobs: int = 32
) -> AsyncIterator[Serving]:
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", MAX_MESSAGE_BYTES)])
    ears, pool = Ears(model), InferencePool(max_pending_jobs=max_pending_jobs)
    engines = dict.fromkeys(engine.language_codes, engine)
    servicer = register_asr(server, engines, ears=ears, pool=pool, limits=AsrLimits(max_streams=max_streams))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    target = f"127.0.0.1:{port}"
    try:
        async with grpc.aio.insecure_channel(target) as channel:
            yield Serving(target, pb_grpc.RivaSpeechRecognitionStub(channel), servicer, pool)
    finally:
        await server.stop(None)
        pool.close()
        ears.close()


@cache
def moonshine() -> MoonshineEngine:
    """Loaded once for the test process: it takes a second."""
    return MoonshineEngine()


@cache
def silero() -> VoiceActivityModel:
    return VoiceActivityModel()
