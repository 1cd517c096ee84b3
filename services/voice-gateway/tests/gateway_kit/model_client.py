"""A client behind a wire that may be slow: it buffers, plays in real time, and does what its kind of player does.

What it is sent passes the real `Outbox`. What it hears is kept byte for byte.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway_kit.port_fakes import FakeSink
from voice_gateway.domain.events import Event, ReplyAudio, ReplyFinished, ReplyPaused, ReplyResumed
from voice_gateway.domain.ids import ReplyId
from voice_gateway.domain.player import Player
from voice_gateway.session.ports import Session
from voice_gateway.transports.outbox import Outbox

PER_MS = 16
NEVER_MS = 3_600_000
REPORT_EVERY_MS = 200


@dataclass
class Break:
    """A place at which a client that was flushed hears on, and what was known there. Positions are samples."""

    heard: int | None = None
    """Where the client stood when it was flushed; None: it has not been told yet."""
    received: int = 0
    """How much it had been sent by then."""
    is_told: bool = False
    """Whether its position was known when the reply went on."""
    resumed: int | None = None
    """Where the reply goes on by ReplyResumed; None: it has not yet."""
    again: int | None = None
    """Where the audio goes on that it is sent then; None: there was none before the next break."""


class _Encoder:
    """A message is the number of what it stands for."""

    def __init__(self) -> None:
        self.things: list[Event | ReplyAudio] = []

    def encode_event(self, event: Event) -> Sequence[bytes]:
        """One message."""
        self.things.append(event)
        return [b"%d" % (len(self.things) - 1)]

    def encode_audio(self, audio: ReplyAudio) -> Sequence[bytes]:
        """One message."""
        self.things.append(audio)
        return [b"%d" % (len(self.things) - 1)]


class ModelClient(FakeSink):
    """Plays the only reply of a session. The session's sink, the wire and the player behind it.

    Args:
        player: what it does while the reply is held.
        buffer_ms: it plays so long after its first audio, whenever it has run dry.
        report_ms: its reports take so long; None: it never reports.
        slow_ms: how long the write of that number takes; any other takes no time.
    """

    def __init__(self, player: Player, buffer_ms: int, report_ms: int | None, slow_ms: Mapping[int, int]) -> None:
        super().__init__()
        self._player, self._buffer_ms, self._report_ms = player, buffer_ms, report_ms
        self._slow_ms = slow_ms
        self._encoder = _Encoder()
        self._outbox = Outbox(self._encoder, max_bytes=10**9, write_stall_ms=NEVER_MS)
        self._writes = 0
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._plays_at = 0.0
        """When the next sample is played, if there is one."""
        self._is_standing = False
        self._is_over = False
        self.heard = bytearray()
        self.position = 0
        """Where in the reply the next sample would be, if it follows what was heard last."""
        self._received = 0
        self.breaks: list[Break] = []
        self.session: Session | None = None

    # --- the session's sink --------------------------------------------------------------------------------------

    def emit(self, event: Event) -> None:
        """Keep, and send."""
        super().emit(event)
        self._outbox.emit(event)
        if isinstance(event, ReplyPaused) and self._player is Player.FLUSHES:
            self.breaks.append(Break())
        elif isinstance(event, ReplyResumed) and self._player is Player.FLUSHES:
            self.breaks[-1].resumed = event.offset_samples

    def play(self, audio: ReplyAudio) -> None:
        """Keep, and send."""
        super().play(audio)
        self._outbox.play(audio)

    def flush(self, reply: ReplyId) -> int | None:
        """Drop what was not written."""
        super().flush(reply)
        return self._outbox.flush(reply)

    # --- the wire ------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Write what is queued, and report."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._outbox.drain(self._write))
            if self._report_ms is not None:
                tasks.create_task(self._report_for_ever())

    def close(self) -> None:
        """The call is over."""
        self._is_over = True
        self._outbox.close()

    async def _write(self, raw: bytes) -> None:
        self._writes += 1
        if slow_ms := self._slow_ms.get(self._writes):
            await asyncio.sleep(slow_ms / 1_000)
        thing = self._encoder.things[int(raw)]
        self.advance()
        match thing:
            case ReplyAudio():
                self._take(thing)
            case ReplyPaused():
                self._pause()
            case ReplyResumed():
                self._is_standing, self._plays_at = False, _now()
            case ReplyFinished():
                self._report(is_final=True)

    # --- the player ----------------------------------------------------------------------------------------------

    def advance(self) -> None:
        """Play what is due by now."""
        due = 0 if self._is_standing else max(0, round((_now() - self._plays_at) * 1_000 * PER_MS))
        while due > 0 and self._waiting:
            offset, pcm = self._waiting.popleft()
            now, later = pcm[: 2 * due], pcm[2 * due :]
            self.heard += now
            self.position = offset + len(now) // 2
            if later:
                self._waiting.appendleft((self.position, later))
            self._plays_at += len(now) / 2_000 / PER_MS
            due -= len(now) // 2

    def _take(self, audio: ReplyAudio) -> None:
        told = [each for each in self.breaks if each.heard is not None]
        if audio.pcm and told and told[-1].again is None:
            told[-1].again = audio.offset_samples
        if audio.pcm and not self._waiting:
            self._plays_at, self.position = _now() + self._buffer_ms / 1_000, audio.offset_samples
        if audio.pcm:
            self._waiting.append((audio.offset_samples, audio.pcm))
            self._received = max(self._received, audio.offset_samples + len(audio.pcm) // 2)

    def _pause(self) -> None:
        if self._player is Player.FLUSHES:
            self._waiting.clear()
            told = next(each for each in self.breaks if each.heard is None)
            told.heard, told.received = self.position, self._received
            self._report(told, is_final=True)
        else:
            self._is_standing = True
            self._report(is_final=True)

    def _report(self, told: Break | None = None, *, is_final: bool) -> None:
        if self._report_ms is None or self.session is None:
            return
        session, position = self.session, self.position

        def report() -> None:
            session.report_playback(ReplyId(1), position, is_final=is_final)
            if told is not None and told.resumed is None:
                told.is_told = True

        asyncio.get_running_loop().call_later(self._report_ms / 1_000, report)

    async def _report_for_ever(self) -> None:
        while not self._is_over:
            self.advance()
            if self.position:
                self._report(is_final=False)
            await asyncio.sleep(REPORT_EVERY_MS / 1_000)


def _now() -> float:
    return asyncio.get_running_loop().time()
