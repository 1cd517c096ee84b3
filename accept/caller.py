"""One caller of the gateway for the acceptance of conversations: says sounds, notes when each event came.

The room may echo: what the loudspeaker plays then comes back into the microphone, quieter and later.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self, TypeVar

import numpy as np
import numpy.typing as npt
from voice_client.audio import samples_of
from voice_client.device import INPUT_RATE_HZ, Playout, VirtualDevice
from voice_client.link import ServerEvent, Target
from voice_client.player import BYTES_PER_SAMPLE
from voice_client.session import Session
from voice_client.timeline import Said, Timeline
from voicegateway.v1 import audio_pb2, client_pb2, server_pb2

Event = TypeVar("Event")

ECHO_GAIN = 10 ** (-12 / 20)
ECHO_DELAY_SAMPLES = INPUT_RATE_HZ * 120 // 1000
SPEAKER_DELAY_SAMPLES = INPUT_RATE_HZ * 300 // 1000
"""As of a sound card with large buffers: long enough to speak in it, when it is known that audio has come."""
WINDOW_SAMPLES = INPUT_RATE_HZ // 100
"""10 ms."""
SILENCE_RATIO = 10 ** (-30 / 20)


@dataclass(frozen=True, slots=True)
class Seen:
    """An event, and how much the gateway had been sent when it came; samples."""

    heard_samples: int
    event: ServerEvent


class EchoingRoom(VirtualDevice):
    """A device whose loudspeaker is heard by its microphone; both run at `INPUT_RATE_HZ`."""

    def _capture_frame(self) -> None:
        hear, at = self._hear, self._captured_samples
        self._hear = lambda frame: hear(self._with_echo(frame, at))
        try:
            super()._capture_frame()
        finally:
            self._hear = hear

    def _with_echo(self, frame: bytes, at_samples: int) -> bytes:
        own = samples_of(frame).astype(np.float32)
        mixed = own + ECHO_GAIN * self._played(at_samples - ECHO_DELAY_SAMPLES, own.size)
        return np.clip(np.rint(mixed), -32_768, 32_767).astype("<i2").tobytes()

    def _played(self, at_samples: int, count: int) -> npt.NDArray[np.float32]:
        """What the loudspeaker played there, in stretches of any length."""
        track = np.zeros(count, np.float32)
        for played in reversed(self.timeline.played):
            start = played.clock_samples - at_samples
            samples = samples_of(played.pcm)
            low, high = max(0, start), min(count, start + samples.size)
            if high <= 0:
                break
            if low < high:
                track[low:high] = samples[low - start : high - start]
        return track


class LateSpeaker(VirtualDevice):
    """A device whose loudspeaker sounds `SPEAKER_DELAY_SAMPLES` after it was given the audio, as its reports tell."""

    def sync(self) -> int:
        return max(0, super().sync() - SPEAKER_DELAY_SAMPLES)


class Caller:
    """A session in real time whose microphone is always open."""

    def __init__(self, gateway: str, device: type[VirtualDevice] = VirtualDevice) -> None:
        self._device = device()
        pcm = audio_pb2.AudioFormat(encoding=audio_pb2.AUDIO_ENCODING_LINEAR_PCM, sample_rate_hz=INPUT_RATE_HZ)
        start = client_pb2.Start(audio_in=pcm, audio_out=pcm)
        self._session = Session(Target(gateway), start, self._device, observe=self._note)
        self.seen: list[Seen] = []

    async def __aenter__(self) -> Self:
        await self._session.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.__aexit__()

    @property
    def started(self) -> server_pb2.Started:
        return self._session.started

    @property
    def heard_samples(self) -> int:
        """How much the gateway has been sent."""
        return self._session.heard_samples

    @property
    def timeline(self) -> Timeline:
        return self._device.timeline

    @property
    def playout(self) -> Playout:
        return self._session.playout

    def begin(self, pcm: bytes) -> Said:
        """Begin to say s16le mono at `INPUT_RATE_HZ`, now."""
        return self._device.say(pcm)

    async def say(self, pcm: bytes) -> Said:
        """Say s16le mono at `INPUT_RATE_HZ`; returns when it has been sent."""
        said = self._device.say(pcm)
        await self._session.heard_up_to(said.end_samples)
        return said

    def type_text(self, text: str) -> None:
        """Send a typed turn."""
        self._session.say_text(text)

    async def wait_ms(self, duration_ms: int) -> None:
        """Let `duration_ms` of the microphone's time pass."""
        await self._session.heard_up_to(self._session.heard_samples + duration_ms * INPUT_RATE_HZ // 1000)

    async def until(self, is_so: Callable[[], bool], limit_s: float) -> bool:
        """Wait until it is so; False when it has not become so within `limit_s` or the session is over."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + limit_s
        while not is_so():
            self._session.raise_failure()
            if self._session.is_over or loop.time() > end_s:
                return False
            await self._session.ticked()
        return True

    def of(self, kind: type[Event], since: int = 0) -> list[Event]:
        """The events of a kind among those from the index `since` on."""
        return [seen.event for seen in self.seen[since:] if isinstance(seen.event, kind)]

    def times_of(self, kinds: tuple[type, ...], since: int) -> list[int]:
        """When events of these kinds came, from the index `since` on; samples of the microphone."""
        return [seen.heard_samples for seen in self.seen[since:] if isinstance(seen.event, kinds)]

    def _note(self, event: ServerEvent) -> None:
        self.seen.append(Seen(self._session.heard_samples, event))


def trimmed(pcm: bytes) -> bytes:
    """The sound without silence before and behind it."""
    samples = samples_of(pcm)
    start = samples.size - sound_end_samples(samples[::-1].tobytes())
    return pcm[start * BYTES_PER_SAMPLE : sound_end_samples(pcm) * BYTES_PER_SAMPLE]


def sound_end_samples(pcm: bytes) -> int:
    """One past the last sample of a sound without noise, such as what is synthesised; 0 when all of it is silence.

    A window is silent when its loudness is below `SILENCE_RATIO` of the loudest. By single samples speech would lose
    the quiet end of its last sound, and recognition hears another word ("What is there?" for "What is the").
    """
    samples = samples_of(pcm).astype(np.float64)
    windows = np.pad(samples, (0, -samples.size % WINDOW_SAMPLES)).reshape(-1, WINDOW_SAMPLES)
    loudness = np.sqrt(np.mean(windows**2, axis=1))
    if not loudness.any():
        return 0
    threshold = loudness.max() * SILENCE_RATIO
    last = int(np.flatnonzero(loudness >= threshold)[-1])
    return last * WINDOW_SAMPLES + int(np.flatnonzero(np.abs(windows[last]) >= threshold)[-1]) + 1


def silence(duration_ms: int) -> bytes:
    """Digital silence."""
    return bytes(INPUT_RATE_HZ * duration_ms // 1000 * BYTES_PER_SAMPLE)
