"""The Riva services, each assembled from its engines: what `app` needs to know of them and no more."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import grpc.aio
import numpy as np
from riva.client.proto import riva_asr_pb2, riva_audio_pb2, riva_nmt_pb2, riva_tts_pb2

from local_models.engines.apertium import ApertiumEngine
from local_models.engines.espeak import EspeakEngine
from local_models.engines.faster_whisper import FasterWhisperEngine
from local_models.engines.hibari import HibariEngine
from local_models.engines.moonshine import MoonshineEngine
from local_models.engines.piper import PiperEngine
from local_models.engines.pool import InferencePool, Priority
from local_models.engines.recognition import (
    SAMPLE_RATE_HZ,
    EngineDescription,
    EngineUnavailableError,
    RecognitionEngine,
)
from local_models.engines.synthesis import SynthesisEngine
from local_models.engines.voice_activity import VoiceActivityModel
from local_models.riva.asr_ears import Ears
from local_models.riva.asr_servicer import AsrLimits, register_asr
from local_models.riva.nmt_servicer import register_nmt
from local_models.riva.speech_pool import SpeechPool
from local_models.riva.tts_codec import SpeechRequest
from local_models.riva.tts_servicer import register_tts
from local_models.settings import Settings

MAX_PENDING_JOBS: Final = 64
"""Four for each of the 16 streams that recognition carries at once."""
_ASR_SERVICE: Final = riva_asr_pb2.DESCRIPTOR.services_by_name["RivaSpeechRecognition"].full_name
_TTS_SERVICE: Final = riva_tts_pb2.DESCRIPTOR.services_by_name["RivaSpeechSynthesis"].full_name
_NMT_SERVICE: Final = riva_nmt_pb2.DESCRIPTOR.services_by_name["RivaTranslation"].full_name


@dataclass(frozen=True, slots=True)
class Room:
    """One service: what the start-up table says of it, how to warm it, and how to close it after the server."""

    service_name: str
    rows: tuple[EngineDescription, ...]
    warm_up: Callable[[], Awaitable[object]]
    close: Callable[[], None]
    is_serving: bool = True
    """False when there is no engine, so that the service's health says what its calls would."""


def recognition(server: grpc.aio.Server, settings: Settings) -> Room:
    """Raises EngineUnavailableError."""
    engine: RecognitionEngine = (
        FasterWhisperEngine(settings.whisper_model) if settings.whisper_model else MoonshineEngine()
    )
    ears = Ears(VoiceActivityModel())
    pool = InferencePool(max_pending_jobs=MAX_PENDING_JOBS)
    engines = dict.fromkeys(engine.language_codes, engine)
    register_asr(server, engines, ears=ears, pool=pool, limits=AsrLimits())

    async def warm_up() -> None:
        silence = np.zeros(SAMPLE_RATE_HZ, np.float32)
        await pool.submit(Priority.OFFLINE, lambda: engine.recognize(silence)).future

    def close() -> None:
        pool.close()
        ears.close()

    return Room(_ASR_SERVICE, engine.describe(), warm_up, close)


def synthesis(server: grpc.aio.Server, settings: Settings) -> Room:
    """Raises EngineUnavailableError."""
    engines: list[SynthesisEngine] = [HibariEngine(), EspeakEngine()]
    if settings.piper_voice:
        engines.insert(0, PiperEngine(settings.piper_voice))
    pool = SpeechPool()
    register_tts(server, engines, pool=pool)

    async def warm_up() -> None:
        for engine in engines:
            encoding = riva_audio_pb2.AudioEncoding.LINEAR_PCM
            request = SpeechRequest("Ready.", engine, engine.voices[0], encoding, engine.rate_hz, False, "")
            async for _ in pool.pieces(request):
                pass

    rows = tuple(row for engine in engines for row in engine.describe())
    return Room(_TTS_SERVICE, rows, warm_up, pool.close)


def translation(server: grpc.aio.Server) -> Room:
    """Without Apertium the service answers UNIMPLEMENTED, and its row says what to install."""
    try:
        engine = ApertiumEngine()
    except EngineUnavailableError as error:
        register_nmt(server, None)
        rows = (EngineDescription("NMT", "-", "none", "-", str(error)),)
        return Room(_NMT_SERVICE, rows, _nothing_to_warm, _nothing_to_close, is_serving=False)
    register_nmt(server, engine)
    return Room(_NMT_SERVICE, engine.describe(), _nothing_to_warm, _nothing_to_close)


async def _nothing_to_warm() -> None:
    """A translator is a new process for each text."""


def _nothing_to_close() -> None:
    """As above."""
