"""The one thread that synthesises, apart from recognition's, so that an answer never waits behind a transcript."""

import asyncio
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor

from riva.client.proto import riva_tts_pb2 as pb

from local_models.riva.tts_codec import SpeechRequest, speech


class SpeechOverloadError(RuntimeError):
    """As many requests are being answered as this process will carry: the caller must refuse, not wait."""


class SpeechPool:
    """Synthesises and encodes a second of audio at a time; requests take turns after each second.

    One thread, because engines hold one model (espeak one global state) and the machine this is made for has two cores.
    The queue is bounded by `max_requests`: each has at most one step in it. `close()` it after the server has stopped.
    """

    def __init__(self, *, max_requests: int = 32) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="synthesis")
        self._max_requests = max_requests
        self.running_requests = 0

    async def pieces(self, request: SpeechRequest) -> AsyncGenerator[tuple[pb.SynthesizeSpeechResponse, ...], None]:
        """The request's responses, as they are made. Closing or cancelling this ends the work with the running step.

        Raises SpeechOverloadError before anything is made, and whatever the engine raises.
        """
        if self.running_requests >= self._max_requests:
            raise SpeechOverloadError(f"{self.running_requests} texts are being spoken already; try again later")
        self.running_requests += 1
        try:
            loop = asyncio.get_running_loop()
            steps = speech(request)
            while (piece := await loop.run_in_executor(self._executor, next, steps, None)) is not None:
                yield piece
        finally:
            self.running_requests -= 1

    def close(self) -> None:
        """Wait for the running step and drop the rest."""
        self._executor.shutdown(wait=True, cancel_futures=True)
