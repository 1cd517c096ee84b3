"""A microphone that is always on: frames at their instants, silence unless something is being said."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

NS_PER_S = 1_000_000_000
LATE_NS = 10_000_000
"""A frame that leaves later than this is counted: a measurement with many of them is worth nothing."""


@dataclass(frozen=True, slots=True)
class Said:
    """Where and when something was said."""

    start_samples: int
    end_samples: int
    """One past the last sample, silence that was part of it included."""
    start_ns: int
    """When the first sample was spoken, on `time.monotonic_ns`."""


class Microphone:
    """Speaks into `send`, one frame a tick. Sample s is spoken at `instant_ns(s)`; its frame leaves once it is full."""

    def __init__(
        self, send: Callable[[bytes, int], None], rate_hz: int, sample_bytes: int, silence: bytes, frame_ms: int = 20
    ) -> None:
        """Makes a microphone; `silence` is one silent sample, `send` takes a frame and its first sample's position."""
        self._send = send
        self._rate_hz = rate_hz
        self._sample_bytes = sample_bytes
        self._frame_samples = rate_hz * frame_ms // 1000
        self._silent_frame = silence * self._frame_samples
        self._to_say = bytearray()
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._next_samples = 0
        self._start_ns = 0
        self._start_samples = 0
        self._task: asyncio.Task[None] | None = None
        self.frames = 0
        self.late_frames = 0
        """Frames that left more than 10 ms late."""

    @property
    def is_on(self) -> bool:
        """Whether frames are leaving."""
        return self._task is not None

    def turn_on(self, at_samples: int) -> None:
        """Begins; the first sample has position `at_samples`."""
        self._start_ns = time.monotonic_ns()
        self._start_samples = self._next_samples = at_samples
        self._task = asyncio.create_task(self._run())

    async def turn_off(self) -> int:
        """Stops; gives the position of the next sample."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        return self._next_samples

    def instant_ns(self, at_samples: int) -> int:
        """Gives when a sample was or will be spoken."""
        return self._start_ns + (at_samples - self._start_samples) * NS_PER_S // self._rate_hz

    async def say(self, audio: bytes) -> Said:
        """Says `audio` after what is being said; returns when its last frame has left."""
        start = self._next_samples + len(self._to_say) // self._sample_bytes
        self._to_say += audio
        end = start + len(audio) // self._sample_bytes
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((end, future))
        await future
        return Said(start, end, self.instant_ns(start))

    def hush(self) -> None:
        """Says no more of what was to be said: the user stops, as far as this microphone knows, mid-word."""
        self._to_say.clear()
        self._tell(self._next_samples, is_hushed=True)

    async def _run(self) -> None:
        while True:
            leaves_ns = self.instant_ns(self._next_samples + self._frame_samples)
            if (wait_ns := leaves_ns - time.monotonic_ns()) > 0:
                await asyncio.sleep(wait_ns / NS_PER_S)
            self.frames += 1
            self.late_frames += time.monotonic_ns() - leaves_ns > LATE_NS
            self._send(self._take_frame(), self._next_samples)
            self._next_samples += self._frame_samples
            self._tell(self._next_samples, is_hushed=False)

    def _take_frame(self) -> bytes:
        frame_bytes = len(self._silent_frame)
        said = bytes(self._to_say[:frame_bytes])
        del self._to_say[:frame_bytes]
        return said + self._silent_frame[len(said) :]

    def _tell(self, at_samples: int, *, is_hushed: bool) -> None:
        done = [entry for entry in self._waiting if is_hushed or entry[0] <= at_samples]
        for entry in done:
            self._waiting.remove(entry)
            if not entry[1].done():
                entry[1].set_result(None)
