"""Where the user's sound comes from and the agent's goes to: the port, and a device made of nothing but a clock."""

import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol

from voicegateway.v1 import server_pb2

from voice_client.link import ServerEvent
from voice_client.player import BYTES_PER_SAMPLE, PlaybackReport, Played, Player
from voice_client.timeline import Said, Timeline

NS_PER_S = 1_000_000_000
INPUT_RATE_HZ = 16_000
DEFAULT_FRAME_MS = 20


class Playout:
    """A player shared by the event loop and, with a real device, the audio thread."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._player = Player(sample_rate_hz)
        self._lock = threading.Lock()
        self.sample_rate_hz = sample_rate_hz

    @property
    def clock_samples(self) -> int:
        return self._player.clock_samples

    @property
    def underruns(self) -> int:
        return self._player.underruns

    @property
    def is_idle(self) -> bool:
        return self._player.is_idle

    @property
    def is_speaking(self) -> bool:
        return self._player.is_speaking

    def apply(self, event: ServerEvent) -> None:
        """Do what the server orders the player to do.

        Raises:
            ReplyAudioError: see `Player.push`.
        """
        with self._lock:
            match event:
                case server_pb2.ReplyAudio():
                    self._player.push(event.reply_id, event.offset_samples, event.data, is_last=event.is_last)
                case server_pb2.ReplyPaused():
                    self._player.pause(event.reply_id)
                case server_pb2.ReplyResumed():
                    self._player.resume(event.reply_id, event.offset_samples)
                case server_pb2.ReplyInterrupted():
                    self._player.flush(event.reply_id)
                case server_pb2.ReplyFinished():
                    self._player.complete(event.reply_id)
                case _:
                    pass

    def flush_all(self) -> None:
        with self._lock:
            self._player.flush_all()

    def pull(self, count_samples: int) -> tuple[Played, ...]:
        with self._lock:
            return self._player.pull(count_samples)

    def reports(self, audible_clock_samples: int) -> tuple[PlaybackReport, ...]:
        with self._lock:
            return self._player.reports(audible_clock_samples)


class Device(Protocol):
    """A microphone and a loudspeaker. `hear` takes a frame of s16le mono at `INPUT_RATE_HZ`, on the event loop."""

    def open(self, playout: Playout, hear: Callable[[bytes], None], frame_ms: int) -> None:
        """Start; raises AudioDeviceError when there is nothing to start."""

    def sync(self) -> int:
        """Bring the player up to now; returns the clock of the sample that is leaving the loudspeaker."""

    def close(self) -> None:
        """Stop; safe before `open` and twice."""


class VirtualDevice:
    """A microphone that says what it is given, else silence, and a loudspeaker that keeps what it plays.

    Both run on one real-time clock, as a sound card does: a frame is heard when its last sample is due, and a reply
    that arrives now is played from now.
    """

    def __init__(self, *, has_microphone: bool = True, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._has_microphone = has_microphone
        self._clock_ns = clock_ns
        self._waiting = bytearray()
        self._captured_samples = 0
        self._skipped_samples = 0
        self._is_rushing = False
        self._playout: Playout | None = None

    def open(self, playout: Playout, hear: Callable[[bytes], None], frame_ms: int) -> None:
        self._playout = playout
        self._hear = hear
        self._frame_samples = INPUT_RATE_HZ * frame_ms // 1000
        self.timeline = Timeline(INPUT_RATE_HZ, playout.sample_rate_hz)
        self._opened_ns = self._clock_ns()

    def close(self) -> None:
        self._playout = None

    def sync(self) -> int:
        if self._playout is None:
            return 0
        elapsed_ns = self._clock_ns() - self._opened_ns
        self._play(self._playout, elapsed_ns * self._playout.sample_rate_hz // NS_PER_S)
        if self._has_microphone:
            self._capture(elapsed_ns * INPUT_RATE_HZ // NS_PER_S + self._skipped_samples)
        return self._playout.clock_samples

    def say(self, pcm: bytes) -> Said:
        """Begin to speak after what is being said; returns its place on the time axis."""
        said = Said(self._captured_samples + len(self._waiting) // BYTES_PER_SAMPLE, pcm, INPUT_RATE_HZ)
        self._waiting += pcm
        self.timeline.said.append(said)
        return said

    async def rush(self, drained: Callable[[], Awaitable[None]]) -> None:
        """Speak everything begun without minding the clock, each frame when `drained` says that the last one has gone.

        The time axis of both sides jumps ahead by what was said.
        """
        self._is_rushing = True
        try:
            while self._waiting:
                self._capture_frame()
                self._skipped_samples += self._frame_samples
                await drained()
        finally:
            self._is_rushing = False

    def _capture(self, due_samples: int) -> None:
        while not self._is_rushing and self._captured_samples + self._frame_samples <= due_samples:
            self._capture_frame()

    def _capture_frame(self) -> None:
        frame_bytes = self._frame_samples * BYTES_PER_SAMPLE
        frame = bytes(self._waiting[:frame_bytes])
        del self._waiting[:frame_bytes]
        self._hear(frame.ljust(frame_bytes, b"\0"))
        self._captured_samples += self._frame_samples

    def _play(self, playout: Playout, due_samples: int) -> None:
        skipped_samples = self._skipped_samples * playout.sample_rate_hz // INPUT_RATE_HZ
        for played in playout.pull(max(0, due_samples - playout.clock_samples)):
            self.timeline.played.append(replace(played, clock_samples=played.clock_samples + skipped_samples))
