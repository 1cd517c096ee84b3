"""From a client's bytes to speech probabilities, on one thread of its own.

Decoding, resampling and the voice activity model cost about 5 ms of CPU per second of audio: nothing for a microphone,
much for a file sent at once. They run neither on the event loop, nor behind a decode of the recogniser, which would
delay every endpoint by it. Each stream awaits its own call, so no more calls wait than there are streams.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from local_models.audio import AudioEncoding, StreamDecoder
from local_models.engines.recognition import Samples
from local_models.engines.voice_activity import CHUNK_SAMPLES, VoiceActivityModel, VoiceActivityState


@dataclass(frozen=True, slots=True)
class Heard:
    """Whole frames of audio, shape [frames, CHUNK_SAMPLES], and the speech probability of each."""

    frames: Samples
    probabilities: tuple[float, ...]


class Listener:
    """One stream's decoder, voice activity state, and the samples that do not fill a frame yet."""

    def __init__(self, model: VoiceActivityModel, encoding: AudioEncoding, sample_rate_hz: int) -> None:
        """Raises BadAudio when the encoding or the rate is impossible."""
        self._model = model
        self._decoder = StreamDecoder(encoding, sample_rate_hz)
        self._state = VoiceActivityState()
        self._rest: Samples = np.zeros(0, np.float32)

    def feed(self, data: bytes) -> Heard:
        """Blocking. Raises BadAudio."""
        return self._listen(self._decoder.feed(data))

    def finish(self) -> Heard:
        """The tail, filled up with silence to a whole frame. Blocking. Raises BadAudio."""
        tail = self._decoder.finish()
        missing = -(self._rest.size + tail.size) % CHUNK_SAMPLES
        return self._listen(np.concatenate((tail, np.zeros(missing, np.float32))))

    def _listen(self, samples: Samples) -> Heard:
        joined = np.concatenate((self._rest, samples))
        whole = joined.size - joined.size % CHUNK_SAMPLES
        self._rest = joined[whole:].copy()
        probabilities = tuple(self._model.probabilities(self._state, joined[:whole]))
        return Heard(joined[:whole].reshape(-1, CHUNK_SAMPLES), probabilities)


class Ears:
    """The thread and the model that all listeners share. `close()` it after the server has stopped."""

    def __init__(self, model: VoiceActivityModel) -> None:
        self._model = model
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ears")

    def listener(self, encoding: AudioEncoding, sample_rate_hz: int) -> Listener:
        """A listener for one stream. Raises BadAudio."""
        return Listener(self._model, encoding, sample_rate_hz)

    async def run(self, listen: Callable[[], Heard]) -> Heard:
        """Run one blocking call of a listener on the shared thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, listen)

    def close(self) -> None:
        """Wait for the call in progress, start no other."""
        self._thread.shutdown(cancel_futures=True)
