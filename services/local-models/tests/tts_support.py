"""A synthesiser that counts instead of speaking, and servers on free ports of the loopback."""

import contextlib
import threading
from collections.abc import AsyncIterator, Iterator, Sequence

import grpc.aio
import numpy as np
from local_models.engines.recognition import EngineDescription
from local_models.engines.synthesis import SpokenPiece, SynthesisEngine, SynthesisError, Voice, share_out
from local_models.riva.speech_pool import SpeechPool
from local_models.riva.tts_servicer import register_tts

MS_PER_WORD = 500


class CountingEngine:
    """Says every word of a sentence as half a second of the sentence's number; sentences end at `|`.

    Before each sentence it takes a permit from `permits`, so that a test decides how far it gets.
    The sentence `crash` raises SynthesisError.
    """

    rate_hz = 8_000
    voices = (
        Voice("Count.EN-US", "One", "en-US"),
        Voice("Count.EN-US", "Two", "en-US"),
        Voice("Count.DE-DE", "Eins", "de-DE"),
    )

    def __init__(self, *, free: bool = True) -> None:
        self.permits = threading.Semaphore(10_000 if free else 0)
        self.started: list[str] = []
        self.threads: set[str] = set()

    def speak(self, text: str, voice: Voice) -> Iterator[SpokenPiece]:
        """One piece per sentence."""
        for number, sentence in enumerate(text.split("|"), start=1):
            self.started.append(f"{voice.variant}: {sentence}")
            self.threads.add(threading.current_thread().name)
            assert self.permits.acquire(timeout=30)
            if sentence == "crash":
                raise SynthesisError("the engine is out of order")
            words = sentence.split()
            samples = np.full(len(words) * MS_PER_WORD * 8, number / 16, np.float32)
            if words:
                timed = share_out(words, 0, len(words) * MS_PER_WORD)
                yield SpokenPiece(sentence, sentence.upper(), samples, timed)

    def describe(self) -> tuple[EngineDescription, ...]:
        """One row."""
        return (EngineDescription("TTS", "en-US, de-DE", "counting", "none", "tts_support.py"),)


@contextlib.asynccontextmanager
async def tts_server(engines: Sequence[SynthesisEngine], pool: SpeechPool) -> AsyncIterator[str]:
    """The address of a server with the synthesis service."""
    server = grpc.aio.server()
    register_tts(server, engines, pool=pool)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)
        pool.close()
