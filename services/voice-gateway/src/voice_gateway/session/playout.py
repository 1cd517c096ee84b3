"""The audio plane outwards: reply audio leaves in order, at most `lead_ms` ahead of real time."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from voice_gateway.domain.agreement import Agreement
from voice_gateway.domain.audio import PCM_SAMPLE_BYTES, pcm_bytes
from voice_gateway.domain.events import ReplyAudio
from voice_gateway.domain.ids import ReplyId, SentenceId
from voice_gateway.domain.instant import Instant, samples_between, samples_to_ns
from voice_gateway.domain.player import Player
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.session import clock
from voice_gateway.session.pacer import Pacer
from voice_gateway.turn.inputs import PlayoutCompleted, PlayoutStarted, PlayoutStarved

FRAME_MS = 60
"""Length of one frame to the client, or `lead_ms` if that is shorter: a third of the messages of 20 ms frames."""
MAX_BUFFER_MS = 10_000
"""Synthesis waits while more audio than this is unsent; one chunk, a sentence at the longest, comes on top."""
LATE_MS = 1_000
"""A client that is flushed may be this far behind the lead and its assumed buffer: a network both ways, a busy loop."""


@dataclass(slots=True)
class _Sentence:
    """Audio of one sentence that has not left."""

    pcm: bytearray = field(default_factory=bytearray)
    is_complete: bool = False


class _Sent:
    """The end of what has left, kept for a player that drops what it has not played."""

    def __init__(self) -> None:
        self.max_bytes = 0
        """Up to this much is kept, and one frame on top."""
        self._frames: deque[tuple[SentenceId, bytes]] = deque()
        self._kept_bytes = 0

    def add(self, sentence: SentenceId, pcm: bytes) -> None:
        """Keep what has left; the oldest makes room for it."""
        self._frames.append((sentence, pcm))
        self._kept_bytes += len(pcm)
        while self._kept_bytes - len(self._frames[0][1]) >= self.max_bytes:
            self._kept_bytes -= len(self._frames.popleft()[1])

    def take(self, size_bytes: int) -> Iterator[tuple[SentenceId, bytes]]:
        """Give up `size_bytes` from the end, or all that is kept: in pieces, the newest first."""
        while size_bytes > 0 and self._frames:
            sentence, pcm = self._frames.pop()
            self._kept_bytes -= len(pcm)
            if len(pcm) > size_bytes:
                self.add(sentence, pcm[:-size_bytes])
                pcm = pcm[-size_bytes:]
            size_bytes -= len(pcm)
            yield sentence, pcm

    def clear(self) -> None:
        """Keep nothing."""
        self._frames.clear()
        self._kept_bytes = 0


class Playout:
    """Reply audio of one session. Facts about it are posted; audio goes to `play`."""

    def __init__(
        self,
        agreement: Agreement,
        pacer: Pacer,
        play: Callable[[ReplyAudio], None],
        post: Callable[[PlayoutStarted | PlayoutStarved | PlayoutCompleted], None],
    ) -> None:
        self._rate_hz = rate_hz = agreement.output_rate_hz
        self._player = agreement.player
        self._kept = _Sent()
        self.reconfigure(agreement.policy)
        self._max_buffer_bytes = pcm_bytes(MAX_BUFFER_MS, rate_hz)
        self._pacer = pacer
        self._play = play
        self._post = post
        self._reply = ReplyId(0)
        self._sent = self._most_sent = 0
        self._sentences: dict[SentenceId, _Sentence] = {}
        self._order: deque[SentenceId] = deque()
        self._running_since: Instant | None = None
        """When the reply's sample 0 would have left if it had never starved; None while nothing is due."""
        self._is_ended = False
        """Whether no more sentences follow."""
        self._is_over = True
        """Whether the last audio has left, or never will."""
        self._is_held = False
        """Whether the reply is paused."""
        self._unwritten_samples: int | None = None
        """Where the dropped audio begins: it had left, but was not written when the reply was paused."""
        self._room = asyncio.Event()
        self._room.set()

    def reconfigure(self, policy: TurnPolicy) -> None:
        """Send up to this policy's `lead_ms` ahead of real time from now on."""
        self._lead_samples = self._rate_hz * policy.lead_ms // 1_000
        self._frame_bytes = pcm_bytes(min(FRAME_MS, policy.lead_ms), self._rate_hz)
        self._kept.max_bytes = pcm_bytes(policy.lead_ms + policy.client_buffer_ms + LATE_MS, self._rate_hz)

    def begin(self, reply: ReplyId) -> None:
        """Audio of this reply follows."""
        self._drop()
        self._reply, self._sent, self._most_sent, self._is_over = reply, 0, 0, False

    def append(self, reply: ReplyId, sentence: SentenceId, pcm: bytes) -> None:
        """Take synthesised audio; that of a reply that is over is dropped."""
        if self._is_current(reply):
            self._sentences.setdefault(sentence, _Sentence()).pcm += pcm
            self._update_room()
            self.tick(clock.now())

    def complete(self, reply: ReplyId, sentence: SentenceId) -> None:
        """No more audio of this sentence follows."""
        if self._is_current(reply):
            self._sentences.setdefault(sentence, _Sentence()).is_complete = True
            self.tick(clock.now())

    def forget(self, reply: ReplyId, sentence: SentenceId) -> None:
        """This sentence, which was not to be played so far, is spoken anew, or not at all."""
        if self._is_current(reply):
            self._sentences.pop(sentence, None)
            self._update_room()

    def play(self, reply: ReplyId, sentence: SentenceId) -> None:
        """Send this sentence, after those before."""
        if self._is_current(reply):
            self._sentences.setdefault(sentence, _Sentence())
            self._order.append(sentence)
            self.tick(clock.now())

    def end(self, reply: ReplyId) -> None:
        """No more sentences follow."""
        if self._is_current(reply):
            self._is_ended = True
            self.tick(clock.now())

    def pause(self, reply: ReplyId, unwritten_samples: int | None) -> None:
        """Send nothing more until `resume`. A client that plays out what it has is watched until it has nothing.

        `unwritten_samples`: from there on what has left was dropped before it was written; None: nothing was dropped.
        """
        if reply == self._reply:
            self._is_held, self._unwritten_samples = True, unwritten_samples
            if self._player.falls_silent:
                self._stop()

    def resume(self, reply: ReplyId, from_samples: int) -> None:
        """Go on sending; the client plays on at `from_samples`, or had played up to there if it did not stop.

        The clock may take for heard what a slow wire had not written: one that is flushed gets that, too.
        """
        if reply == self._reply and self._is_held:
            self._is_held = False
            if self._player is Player.FLUSHES:
                unwritten = self._unwritten_samples
                self._take_back(from_samples if unwritten is None else min(from_samples, unwritten))
            elif self._player.falls_silent and not self._is_over and self._sent:
                self._running_since = Instant(clock.now() - samples_to_ns(from_samples, self._rate_hz))
                self._pacer.add(self)
            self.tick(clock.now())

    def _take_back(self, from_samples: int) -> None:
        """What left from here on waits to be sent again, as far as it is still kept."""
        for sentence, pcm in self._kept.take((self._sent - from_samples) * PCM_SAMPLE_BYTES):
            if not self._order or self._order[0] != sentence:
                self._order.appendleft(sentence)
                self._sentences[sentence] = _Sentence(is_complete=True)
            self._sentences[sentence].pcm[:0] = pcm
            self._sent -= len(pcm) // PCM_SAMPLE_BYTES
        self._is_over = False

    def flush(self, reply: ReplyId) -> None:
        """Send nothing more of this reply."""
        if reply == self._reply:
            self._drop()

    def sent(self, reply: ReplyId) -> int:
        """Samples of the reply that have left at least once; 0 for any reply but the last."""
        return self._most_sent if reply == self._reply else 0

    def close(self) -> None:
        """The session is over."""
        self._drop()

    def lead_ms(self, now: Instant) -> int | None:
        """How much of what has left is not played yet, by the clock; None: nothing is being played."""
        if self._running_since is None:
            return None
        return (self._sent - self._position(now)) * 1_000 // self._rate_hz

    def has_room(self) -> bool:
        """Whether synthesis may go on."""
        return self._room.is_set()

    async def wait_for_room(self) -> None:
        """Return when synthesis may go on."""
        await self._room.wait()

    def tick(self, now: Instant) -> None:
        """Send what is due. A reply of which all has left may end while it is held, if the client has played on."""
        self._drop_spent()
        while not self._is_held and self._is_frame_due(now):
            self._send_frame(now)
        may_end = not (self._is_held and self._player.falls_silent) and not self._is_over
        if may_end and self._is_ended and not self._order:
            self._send(SentenceId(0), b"", is_last=True)
        else:
            self._stop_if_starved(now)

    def _stop_if_starved(self, now: Instant) -> None:
        if self._running_since is not None and self._position(now) >= self._sent:
            self._stop()
            self._post(PlayoutStarved(self._reply, self._sent))

    def _is_frame_due(self, now: Instant) -> bool:
        """Whether the next frame may leave: a whole one, or less where a sentence ends or the client would starve."""
        if not self._order or self._is_over:
            return False
        ahead = self._sent - self._position(now)
        if ahead >= self._lead_samples:
            return False
        head = self._sentences[self._order[0]]
        is_urgent = head.is_complete or ahead * PCM_SAMPLE_BYTES < self._frame_bytes
        return len(head.pcm) >= (PCM_SAMPLE_BYTES if is_urgent else self._frame_bytes)

    def _send_frame(self, now: Instant) -> None:
        sentence = self._order[0]
        pcm = self._sentences[sentence].pcm
        frame = bytes(pcm[: self._frame_bytes])
        del pcm[: self._frame_bytes]
        self._drop_spent()
        self._update_room()
        if self._running_since is None:
            self._running_since = Instant(now - samples_to_ns(self._sent, self._rate_hz))
            self._pacer.add(self)
            self._post(PlayoutStarted(self._reply, self._sent))
        self._send(sentence, frame, is_last=self._is_ended and not self._order)

    def _send(self, sentence: SentenceId, pcm: bytes, *, is_last: bool) -> None:
        self._play(ReplyAudio(self._reply, sentence, self._sent, pcm, is_last=is_last))
        if self._player is Player.FLUSHES and pcm:
            self._kept.add(sentence, pcm)
        self._sent += len(pcm) // PCM_SAMPLE_BYTES
        self._most_sent = max(self._most_sent, self._sent)
        if is_last:
            self._is_over = True
            self._stop()
            self._post(PlayoutCompleted(self._reply, self._sent))

    def _drop_spent(self) -> None:
        while self._order and (head := self._sentences[self._order[0]]).is_complete and not head.pcm:
            del self._sentences[self._order.popleft()]

    def _update_room(self) -> None:
        if sum(len(waiting.pcm) for waiting in self._sentences.values()) > self._max_buffer_bytes:
            self._room.clear()
        else:
            self._room.set()

    def _drop(self) -> None:
        self._stop()
        self._sentences.clear()
        self._order.clear()
        self._kept.clear()
        self._is_ended, self._is_over, self._is_held = False, True, False
        self._room.set()

    def _stop(self) -> None:
        self._running_since = None
        self._pacer.remove(self)

    def _is_current(self, reply: ReplyId) -> bool:
        return reply == self._reply and not self._is_over

    def _position(self, now: Instant) -> int:
        return self._sent if self._running_since is None else samples_between(self._running_since, now, self._rate_hz)
