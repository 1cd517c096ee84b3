"""The one writer of a call: events before audio, bounded, and not patient for ever.

Rules:

1. Events keep their order among themselves; audio keeps its order.
2. An event overtakes the audio that waits at the end of the queue, except ReplyFinished, Ended and TurnReport: what
   they tell of is the audio before them.
3. `flush` drops the waiting audio of a reply.
4. Nothing follows `Ended`.
5. A client is stalled when more than the bound waits, or when one write has been pending for too long. gRPC's own
   backpressure is no such detector: it takes minutes of audio before a write blocks (measured).
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple, Protocol

from voice_gateway.domain.events import Ended, Event, ReplyAudio, ReplyFinished, TurnReport
from voice_gateway.domain.ids import ReplyId

KEEPS_PLACE: Final = (ReplyFinished, Ended, TurnReport)


class Encoder(Protocol):
    """Turns what the session says into a wire's messages; may hold messages back and give them with later ones."""

    def encode_event(self, event: Event) -> Sequence[bytes]:
        """Messages that tell of `event`."""

    def encode_audio(self, audio: ReplyAudio) -> Sequence[bytes]:
        """Messages that carry `audio`."""


class _Entry(NamedTuple):
    raw: bytes
    reply: ReplyId | None
    """The reply whose audio this is; None: an event."""
    offset_samples: int = 0
    """Where in the reply the audio begins."""


class Outbox:
    """A ClientSink in front of one call's `write`.

    Attributes:
        has_ended: whether the session has told its end; nothing is queued from then on.
        stalled: done once the client is stalled, with the reason in words; nothing is queued from then on.
    """

    def __init__(self, encoder: Encoder, *, max_bytes: int, write_stall_ms: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._encoder = encoder
        self._max_bytes = max_bytes
        self._write_stall_ms = write_stall_ms
        self._entries: deque[_Entry] = deque()
        self._queued_bytes = 0
        self._is_closed = False
        self.has_ended = False
        self._wake = asyncio.Event()
        self._write_began_s: float | None = None
        self._timer: asyncio.TimerHandle
        self.stalled: asyncio.Future[str] = self._loop.create_future()

    def emit(self, event: Event) -> None:
        """Queue what tells of `event`, before trailing audio where rule 2 lets it."""
        place = len(self._entries)
        while place and not isinstance(event, KEEPS_PLACE) and self._entries[place - 1].reply is not None:
            place -= 1
        for raw in self._encoder.encode_event(event):
            self._insert(place, _Entry(raw, None))
            place += 1
        if isinstance(event, Ended):
            self.has_ended = True
            self.close()

    def play(self, audio: ReplyAudio) -> None:
        """Queue audio, last."""
        for raw in self._encoder.encode_audio(audio):
            self._insert(len(self._entries), _Entry(raw, audio.reply, audio.offset_samples))

    def flush(self, reply: ReplyId) -> int | None:
        """Drop waiting audio of `reply`. Returns where in the reply that begins, in samples; None: none waited."""
        first = next((entry.offset_samples for entry in self._entries if entry.reply == reply), None)
        self._entries = deque(entry for entry in self._entries if entry.reply != reply)
        self._queued_bytes = sum(len(entry.raw) for entry in self._entries)
        return first

    def put(self, raw: bytes) -> None:
        """Queue a message that no event stands for, last."""
        self._insert(len(self._entries), _Entry(raw, None))

    def close(self) -> None:
        """Take nothing more; `drain` returns when all that waits is written."""
        self._is_closed = True
        self._wake.set()

    def drop(self) -> None:
        """Let go of what waits: nobody will read it."""
        self._entries.clear()
        self._queued_bytes = 0

    async def drain(self, write: Callable[[bytes], Awaitable[None]]) -> None:
        """Write what is queued until closed and empty. Raises what `write` raises."""
        self._timer = self._loop.call_later(self._write_stall_ms / 1_000, self._watch)
        try:
            while True:
                while self._entries:
                    entry = self._entries.popleft()
                    self._queued_bytes -= len(entry.raw)
                    self._write_began_s = self._loop.time()
                    await write(entry.raw)
                    self._write_began_s = None
                if self._is_closed:
                    return
                self._wake.clear()
                await self._wake.wait()
        finally:
            self._timer.cancel()

    def _insert(self, place: int, entry: _Entry) -> None:
        if self._is_closed or self.stalled.done():
            return
        if self._queued_bytes + len(entry.raw) > self._max_bytes:
            self.stalled.set_result(f"{self._queued_bytes} bytes wait to be read by the client")
            return
        self._entries.insert(place, entry)
        self._queued_bytes += len(entry.raw)
        self._wake.set()

    def _watch(self) -> None:
        """See to it that no write is pending for too long: one timer a call, not one a write."""
        began_s, now_s = self._write_began_s, self._loop.time()
        due_s = (now_s if began_s is None else began_s) + self._write_stall_ms / 1_000
        if due_s > now_s:
            self._timer = self._loop.call_at(due_s, self._watch)
        elif not self.stalled.done():
            self.stalled.set_result(f"a write has been pending for {self._write_stall_ms} ms")
