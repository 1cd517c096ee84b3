"""Playout and the client's player of a simulated call: what is ordered is sent, and heard, in real time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway_kit.phone_call import PER_MS
from voice_gateway.domain.ids import ReplyId, SentenceId
from voice_gateway.domain.player import Player
from voice_gateway.turn import effects, inputs

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway_kit.simulated.call import Call

_LEAD_MS = 200
_BUFFER_MS = 60
_EVERY_MS = 400
"""Between two reports; clients report more often, which costs time here and shows nothing more."""


class ClientPlayer:
    """Plays one reply at a time. The client reports, or does not; it may tell too much, or too late, or stand still.

    While a reply is held it does as its kind of player does.
    """

    def __init__(self, call: Call) -> None:
        self._call, self._kind = call, call.line.player
        self.reports = call.choices.of(("honestly", "never", "too much", "seldom"))
        self._reply = ReplyId(0)
        self._audio: dict[tuple[ReplyId, SentenceId], tuple[int, bool]] = {}
        """How much there is of a sentence, in ms, and whether that is all."""
        self._order: list[SentenceId] = []
        self._sent_ms = 0
        self._since_ms: int | None = None
        """When the reply's beginning would have been played, had it never starved; None while nothing is played."""
        self._held_at_ms: int | None = None
        """Where the client's player stands still; None: it plays, or has nothing to play."""
        self._is_held = False
        """Whether nothing may leave."""
        self._run_ms: int | None = None
        """When the reply's beginning would have been played in this run or, while nothing is played, in the last."""
        self._heard_before_ms = 0
        """Heard before this run."""
        self.resumed: list[tuple[int, int]] = []
        """Of each reply that went on: what was heard of it by then, and where it goes on, in ms."""
        self._is_ended = self._is_over = False
        self.performs: dict[type, Callable[[Any], None]] = {
            effects.StartReply: lambda effect: self._begin(effect.reply),
            effects.BeginReply: lambda effect: self._begin(effect.reply),
            effects.DropSpeech: self._forget,
            effects.Play: self._play,
            effects.EndPlay: self._end,
            effects.PausePlay: lambda _: self._pause(),
            effects.ResumePlay: lambda effect: self._resume(effect.from_samples // PER_MS),
            effects.Flush: lambda effect: self._flush(effect.reply),
        }

    def has(self, reply: ReplyId, sentence: SentenceId, length_ms: int, *, is_all: bool) -> None:
        """So much audio of a sentence has come."""
        self._audio[reply, sentence] = (length_ms, is_all)
        self._call.in_ms(0, self._update)

    def sent_samples(self) -> int:
        """How much of the latest reply has left."""
        if self._since_ms is not None and not self._is_over and not self._is_held:
            self._send(self._there_is()[0])
        return self._sent_ms * PER_MS

    def played_samples(self) -> int:
        """How much of the latest reply was heard."""
        return self._heard_ms() * PER_MS

    def _begin(self, reply: ReplyId) -> None:
        self._reply, self._order, self._sent_ms, self._since_ms = reply, [], 0, None
        self._run_ms, self._heard_before_ms = None, 0
        self._held_at_ms, self._is_held, self._is_ended, self._is_over = None, False, False, False

    def _forget(self, effect: effects.DropSpeech) -> None:
        self._audio.pop((effect.reply, effect.sentence), None)

    def _play(self, effect: effects.Play) -> None:
        self._order.append(effect.sentence)
        self._call.in_ms(0, self._update)

    def _end(self, _: effects.EndPlay) -> None:
        self._is_ended = True
        self._call.in_ms(0, self._update)

    def _pause(self) -> None:
        self._is_held = True
        if self._kind is Player.PLAYS_OUT:
            if self._since_ms is not None:
                self._call.in_ms(self._since_ms + self._sent_ms - self._call.now_ms, self._update)
            return
        self._held_at_ms, self._heard_before_ms = self._position_ms(), self._heard_ms()
        self._since_ms = self._run_ms = None
        self._last_report()

    def _resume(self, from_ms: int) -> None:
        self.resumed.append((self._heard_ms(), from_ms))
        self._held_at_ms, self._is_held = None, False
        if self._kind is Player.FLUSHES:
            self._sent_ms, self._is_over = min(self._sent_ms, from_ms), False
        elif self._kind is not Player.PLAYS_OUT and self._sent_ms:
            self._since_ms = self._run_ms = self._call.now_ms - from_ms
            self._report_soon()
        self._call.in_ms(0, self._update)

    def _flush(self, reply: ReplyId) -> None:
        if reply == self._reply:
            self._held_at_ms = self._position_ms()
            self._since_ms, self._is_over = None, True
            self._last_report()

    def _position_ms(self) -> int:
        if self._held_at_ms is not None:
            return self._held_at_ms
        return self._sent_ms if self._since_ms is None else min(self._sent_ms, self._call.now_ms - self._since_ms)

    def _heard_ms(self) -> int:
        """What was heard by now: what was played `_BUFFER_MS` ago."""
        if self._run_ms is None:
            return self._heard_before_ms
        return max(self._heard_before_ms, min(self._sent_ms, self._call.now_ms - self._run_ms - _BUFFER_MS))

    def _there_is(self) -> tuple[int, bool]:
        """How much audio may be sent, in ms, and whether more of its last sentence is to come."""
        total_ms = 0
        for sentence in self._order:
            length_ms, is_all = self._audio.get((self._reply, sentence), (0, False))
            total_ms += length_ms
            if not is_all:
                return total_ms, False
        return total_ms, self._is_ended

    def _update(self) -> None:
        """Send what is due; tell what has become of it."""
        there_ms, is_all = self._there_is()
        if self._is_held:
            self._end_or_starve(there_ms, is_all=is_all and self._kind is Player.PLAYS_OUT)
        if self._is_over or self._is_held:
            return
        if self._since_ms is None and there_ms > self._sent_ms:
            self._heard_before_ms = self._heard_ms()
            self._since_ms = self._run_ms = self._call.now_ms - self._sent_ms
            started_at = self._sent_ms * PER_MS
            self._send(there_ms)
            self._report_soon()
            self._call.tell(inputs.PlayoutStarted(self._reply, started_at))
            return
        self._send(there_ms)
        self._end_or_starve(there_ms, is_all=is_all)

    def _end_or_starve(self, there_ms: int, *, is_all: bool) -> None:
        """Tell that all has left, or that the client has nothing left to play, and more is to come."""
        if is_all and self._sent_ms == there_ms and not self._is_over:
            self._is_over = True
            self._call.tell(inputs.PlayoutCompleted(self._reply, there_ms * PER_MS))
            return
        is_dry = self._since_ms is not None and self._call.now_ms - self._since_ms >= self._sent_ms
        if is_dry and not self._is_over:
            self._since_ms = None
            self._call.tell(inputs.PlayoutStarved(self._reply, self._sent_ms * PER_MS))

    def _send(self, there_ms: int) -> None:
        """Send what is there, so far ahead as is allowed; look again when that matters."""
        if self._since_ms is None:
            return
        self._sent_ms = max(self._sent_ms, min(there_ms, self._call.now_ms - self._since_ms + _LEAD_MS))
        again_ms = self._since_ms + there_ms - (_LEAD_MS if self._sent_ms < there_ms else 0) - self._call.now_ms
        if again_ms > 0:
            self._call.in_ms(again_ms, self._update)

    def _report_soon(self) -> None:
        if self.reports == "never":
            return
        reply, since_ms = self._reply, self._since_ms

        def report() -> None:
            if reply != self._reply or since_ms != self._since_ms or since_ms is None:
                return
            is_last = self._is_over and self._call.now_ms - since_ms >= self._sent_ms + _BUFFER_MS
            self._report(reply, max(0, self._call.now_ms - since_ms - _BUFFER_MS), is_final=is_last)
            if not is_last and not (self.reports == "seldom" and self._call.choices.one_in(3)):
                self._report_soon()

        self._call.in_ms(_EVERY_MS, report)

    def _last_report(self) -> None:
        """The client tells where it stands, before or after `playback_settle_ms`."""
        reply, position_ms = self._reply, max(0, self._position_ms() - _BUFFER_MS)
        if self.reports == "never" or self._call.choices.one_in(5):
            return
        self._call.in_ms(self._call.choices.ms(10, 350), lambda: self._report(reply, position_ms, is_final=True))

    def _report(self, reply: ReplyId, played_ms: int, *, is_final: bool) -> None:
        sent = self.sent_samples() if reply == self._reply else played_ms * PER_MS
        played = min(played_ms * PER_MS, sent) if self.reports != "too much" else 2 * played_ms * PER_MS
        self._call.tell(inputs.PlaybackReported(reply, played, sent, is_final=is_final))
