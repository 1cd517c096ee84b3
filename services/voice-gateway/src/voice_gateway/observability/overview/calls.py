"""Calls in progress and the last turns, from what clients were told."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar

from voice_gateway.domain import events
from voice_gateway.domain.agreement import Agreement
from voice_gateway.domain.ids import ReplyId, SessionId
from voice_gateway.domain.instant import Instant, ms_between
from voice_gateway.domain.overview.values import MAX_CALLS, CallSeen, FloorSeen, TurnSeen

MAX_TURNS = 100
"""Turns that are kept, about 1 kB each. With 100 calls to write them takes 8 ms of a thread (2026-11-30, a busy
machine)."""
MAX_TEXT_CHARS = 200
"""Of what somebody said; a screen has no room for more."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """When a turn's answer began, and what it waited for."""

    session_id: SessionId
    at: Instant
    report: events.TurnReport

    def seen(self, now: Instant) -> TurnSeen:
        report = self.report
        return TurnSeen(self.session_id, report.turn, ms_between(self.at, now), report.total_ms, report.spans)


class _Call:
    """What is known of one call."""

    def __init__(self, agreement: Agreement, began: Instant) -> None:
        # not the agreement itself, which has the system prompt
        self._session_id = agreement.session_id
        self._transport = agreement.transport
        self._account = agreement.caller.account
        self._client_label = agreement.client_label
        self._began = began
        self._user_speaks = False
        self._reply: ReplyId | None = None
        self._is_held = False
        self._turns = 0
        self._user_text = ""
        self._agent_text = ""
        self.answer: _Answer | None = None

    def told(self, event: events.Event) -> None:
        """The client was told this."""
        learn = self._LEARN.get(type(event))
        if learn is not None:
            learn(self, event)

    def keep_text(self, event: events.Event) -> None:
        """Keep what somebody said."""
        if isinstance(event, events.Transcript):
            self._user_text = event.text[:MAX_TEXT_CHARS]
        elif isinstance(event, events.ReplyText):
            self._agent_text = event.text[:MAX_TEXT_CHARS]

    def answered(self, answer: _Answer) -> None:
        """A turn's answer has begun."""
        self._turns += 1
        self.answer = answer

    def seen(self, now: Instant) -> CallSeen:
        return CallSeen(
            session_id=self._session_id,
            transport=self._transport,
            account=self._account,
            client_label=self._client_label,
            age_ms=ms_between(self._began, now),
            floor=self._floor(),
            turns=self._turns,
            last_turn=None if self.answer is None else self.answer.seen(now),
            user_text=self._user_text,
            agent_text=self._agent_text,
        )

    def _floor(self) -> FloorSeen:
        if self._reply is None:
            return FloorSeen.USER if self._user_speaks else FloorSeen.NOBODY
        return FloorSeen.CONTESTED if self._user_speaks or self._is_held else FloorSeen.AGENT

    def _user(self, *, speaks: bool) -> None:
        self._user_speaks = speaks

    def _replies(self, event: events.ReplyText) -> None:
        self._reply = event.reply

    def _held(self, *, is_held: bool) -> None:
        self._is_held = is_held

    def _reply_over(self, event: events.ReplyInterrupted | events.ReplyFinished) -> None:
        if event.reply == self._reply:
            self._reply, self._is_held = None, False

    _LEARN: ClassVar[dict[type[Any], Callable[["_Call", Any], None]]] = {
        events.SpeechStarted: lambda self, _: self._user(speaks=True),
        events.SpeechEnded: lambda self, _: self._user(speaks=False),
        events.ReplyText: _replies,
        events.ReplyPaused: lambda self, _: self._held(is_held=True),
        events.ReplyResumed: lambda self, _: self._held(is_held=False),
        events.ReplyInterrupted: _reply_over,
        events.ReplyFinished: _reply_over,
    }


class Calls:
    """Calls in progress and the last turns of all."""

    def __init__(self, clock: Callable[[], Instant], *, has_text: bool) -> None:
        """Words are kept only if `has_text`."""
        self._clock = clock
        self._has_text = has_text
        self._present: dict[SessionId, _Call] = {}
        """In the order in which they began. As many as admission lets in."""
        self._answers: deque[_Answer] = deque(maxlen=MAX_TURNS)

    def began(self, agreement: Agreement) -> None:
        """A session was admitted."""
        self._present[agreement.session_id] = _Call(agreement, self._clock())

    def ended(self, agreement: Agreement) -> None:
        """A session is over."""
        self._present.pop(agreement.session_id, None)

    def told(self, agreement: Agreement, event: events.Event) -> None:
        """A client was told this."""
        call = self._present.get(agreement.session_id)
        if call is None:
            return
        if isinstance(event, events.TurnReport):
            answer = _Answer(agreement.session_id, self._clock(), event)
            self._answers.appendleft(answer)
            call.answered(answer)
            return
        call.told(event)
        if self._has_text:
            call.keep_text(event)

    def seen(self, now: Instant) -> tuple[CallSeen, ...]:
        """The oldest first; MAX_CALLS at most."""
        return tuple(call.seen(now) for call in islice(self._present.values(), MAX_CALLS))

    def turns_seen(self, now: Instant) -> tuple[TurnSeen, ...]:
        """The newest first."""
        return tuple(answer.seen(now) for answer in self._answers)
