"""The agent's side: the reply in flight, and the one that is being settled."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from voice_gateway.domain.chat import Tool, Toolbox
from voice_gateway.domain.errors import Reason
from voice_gateway.domain.events import (
    InterruptCause,
    Notice,
    ReplyInterrupted,
    ReplyKind,
    ReplyOutcome,
    SpeculationTrigger,
)
from voice_gateway.domain.ids import CallId, ReplyId, TurnId
from voice_gateway.domain.instant import Instant, after_ms
from voice_gateway.domain.persona import Persona
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.turn import inputs
from voice_gateway.turn.effects import BeginReply, CancelReply, Emit, Fail, Flush, Orders
from voice_gateway.turn.history import History
from voice_gateway.turn.latency import ReplyClock
from voice_gateway.turn.playback import Heard
from voice_gateway.turn.questions import TOO_LONG, Questions
from voice_gateway.turn.rehearsal import Rehearsal
from voice_gateway.turn.replies import Replies
from voice_gateway.turn.reply import ReplyInFlight
from voice_gateway.turn.said_aloud import SaidAloud
from voice_gateway.turn.snapshot import Snapshot
from voice_gateway.turn.tables import REPLY, Floor, FloorEvent, Machine, Reply, ReplyEvent
from voice_gateway.turn.tools import Tools
from voice_gateway.turn.turn_so_far import CommittedTurn

TAKE_BACK_MS = 1_000
"""Of a reply so much may have been heard while the words that take it back were recognised; of more it is interrupted,
and the user remembers it."""

_SpeechOver = inputs.SpeechCompleted | inputs.SpeechFailed


@dataclass(frozen=True, slots=True)
class _Settling:
    """An interrupted reply whose client has yet to tell how far it played."""

    reply: ReplyInFlight
    heard: Heard
    """By the clock, when it was interrupted."""
    deadline: Instant


class Agent:
    """Replies of one session, one at a time."""

    def __init__(
        self,
        policy: TurnPolicy,
        persona: Persona,
        floor: Machine[Floor, FloorEvent],
        rate_hz: int,
        toolbox: Toolbox,
        *,
        questions: Questions,
        orders: Orders,
    ) -> None:
        self._policy, self._persona, self._orders = policy, persona, orders
        self._floor, self._machine = floor, Machine(REPLY, Reply.NONE)
        self._questions, self._history = questions, questions.history
        self._reply: ReplyInFlight | None = None
        self._settling: _Settling | None = None
        self.rehearsal = Rehearsal(self._machine, questions, orders)
        self._tools = Tools(toolbox, orders, has_filler=bool(persona.filler))
        self._replies = Replies(policy, rate_hz, self._history, self._tools, orders)
        self._said_aloud = SaidAloud()

    @property
    def state(self) -> Reply:
        """What the reply in flight is doing."""
        return self._machine.state

    @property
    def is_free(self) -> bool:
        """Whether the next reply may begin."""
        return self._reply is None and self._settling is None and self._tools.is_idle

    def is_unheard(self, by: Instant) -> bool:
        """Whether a reply is in flight of which nothing had been heard by then."""
        return self._reply is not None and not self._reply.playback.is_heard_by(by)

    @property
    def is_held(self) -> bool:
        """Whether the reply waits for a verdict on speech over it."""
        return self._reply is not None and self._reply.playback.is_paused

    def has_asked(self, now: Instant) -> bool:
        """Whether what was heard last of the reply in flight is a question, or the beginning of one."""
        return self._reply is not None and self._reply.has_asked(now)

    def is_protected(self, now: Instant) -> bool:
        """Whether the reply is in the part that speech does not interrupt."""
        return self._reply is not None and self._reply.is_opening(now, self._policy.protected_opening_ms)

    def spoken(self, began: Instant, ended: Instant, now: Instant) -> str:
        """What the agent has said aloud, as far as it may come back in words spoken from `began` to `ended`."""
        return self._said_aloud.text(self._reply, began, ended, now)

    @property
    def last(self) -> tuple[ReplyId, CallId]:
        """The latest reply and call of a tool; 0 before the first."""
        return self._replies.last, self._tools.last

    @property
    def has_reports(self) -> bool:
        """Whether the client reports playback."""
        return self._replies.has_reports or (self._reply is not None and self._reply.playback.is_reporting)

    def history(self, now: Instant) -> History:
        """A copy of the history, with what has been heard by `now` of the reply in flight or being settled."""
        copy, settling = self._history.copy(), self._settling
        if settling is not None:
            _remember_cut(copy, settling.reply, settling.heard)
        if self._reply is not None:
            _remember_cut(copy, self._reply, self._reply.playback.heard(now))
        if outcomes := self._tools.outcomes():
            copy.called(outcomes)
        return copy

    def restore(self, kept: Snapshot) -> None:
        """Count on from an earlier conversation."""
        self._replies.last, self._replies.has_reports = kept.last_reply, kept.has_reports
        self._tools.last = kept.last_call

    def input_ended(self) -> None:
        """The client half-closed: it reports no more, so that the clock alone tells how far it has played."""
        self._replies.has_reports = False
        self._tools.client_left()
        if self._reply is not None:
            self._reply.playback.reports_ended()
        self.settle()

    def answer(self, turn: CommittedTurn, now: Instant) -> None:
        """Begin the reply to a turn, or release the one that was prepared for it."""
        reply = self.rehearsal.claim(turn, self._history.version)
        self._history.said(turn.id, turn.text)
        if reply is None:
            reply = self._replies.make(turn.id, turn.text, ReplyClock(now))
            self._machine.move(ReplyEvent.ASKED)
            self._questions.ask(reply)
        self._reply = reply
        reply.committed, reply.speculations = turn, self.rehearsal.take()
        reply.release(turn.text, now)
        if reply.calls:
            self._tools.begin(reply, now)
            self.finish(now)

    def say(self, kind: ReplyKind, text: str, turn: TurnId | None, now: Instant) -> None:
        """Begin a reply whose text is fixed, without asking the model; no other may be in flight.

        `turn` is what it belongs to, None when nobody asked for it. What was heard of it enters history, except an
        apology that nobody asked for.
        """
        self.rehearsal.stop()
        self._machine.move(ReplyEvent.ASKED)
        reply = self._reply = self._replies.make(turn, "", ReplyClock(now))
        reply.kind = kind
        self._orders.add(BeginReply(reply.id))
        reply.say(text, now)

    def reconfigure(self, policy: TurnPolicy, persona: Persona, tools: tuple[Tool, ...] | None) -> None:
        """Speak by another policy and persona, with other tools of the client, from the next reply on."""
        self._policy, self._persona, self._replies.policy = policy, persona, policy
        self._questions.system_prompt = persona.system_prompt
        if tools is not None:
            self._tools.replace(tools)

    def speculate(self, turn: TurnId, text: str, trigger: SpeculationTrigger, now: Instant) -> None:
        """Prepare the reply to a turn that has probably ended."""
        if self.rehearsal.may_begin(text, self._policy.max_speculations):
            reply = self._replies.make(turn, text, ReplyClock(now))
            self.rehearsal.begin(reply, trigger, self._history.version)
            self._questions.ask_early(reply, turn)

    def take_back(self, now: Instant, *, is_waiting: bool) -> CommittedTurn | None:
        """Drop the reply of which nothing had been heard when the user began to speak on; the turn that goes on.

        That stays as it is if it was ended by hand, has called tools, if another waits, or too much was heard by now.
        """
        reply, turn = self._reply, None
        if reply is not None and reply.turn != self._tools.turn and not is_waiting:
            turn = _turn_that_goes_on(reply, now)
        if reply is None or turn is None:
            self.interrupt(InterruptCause.USER_SPEECH, now)
            return None
        self._history.unsaid()
        self._stop(reply, InterruptCause.USER_SPEECH, now)
        reply.record_cut(reply.playback.heard(now), "")
        return turn

    def interrupt(self, cause: InterruptCause, now: Instant) -> None:
        """Stop the reply in flight and the tools, if any; what was heard of it is settled now or soon."""
        reply = self._reply
        self._tools.interrupt()
        if reply is None:
            return
        self._stop(reply, cause, now)
        heard = reply.playback.heard(now)
        if reply.clock.played is None or reply.playback.is_settled or not reply.playback.is_reporting:
            _close_interrupted(self._history, reply, heard)
        else:
            self._settling = _Settling(reply, heard, after_ms(now, self._policy.playback_settle_ms))

    def _stop(self, reply: ReplyInFlight, cause: InterruptCause, now: Instant) -> None:
        self._release(reply, now)
        self._orders.add(CancelReply(reply.id), Flush(reply.id), Emit(ReplyInterrupted(reply.id, cause)))

    def pause(self, now: Instant) -> None:
        """Hold the reply in flight: somebody may be interrupting."""
        self._let_reply(ReplyInFlight.pause, now)

    def resume(self, now: Instant) -> None:
        """Go on with the reply that is held, from where it was heard to."""
        self._let_reply(ReplyInFlight.resume, now)

    def _let_reply(self, do: Callable[[ReplyInFlight, Instant], None], now: Instant) -> None:
        if self._reply is not None:
            do(self._reply, now)

    def settle(self) -> None:
        """Wait no longer for the client's last report."""
        settling, self._settling = self._settling, None
        if settling is not None:
            _close_interrupted(self._history, settling.reply, settling.heard)

    def finish(self, now: Instant) -> None:
        """End what is over: the reply in flight, then the tools that were called, after which the model goes on."""
        self._finish_reply(now)
        if self._reply is None and self._settling is None:
            self._reply = self._replies.after_tools(now)  # with all outcomes the history is whole
            if self._reply is not None:
                self._machine.move(ReplyEvent.ASKED)
                self._questions.ask(self._reply)

    def _finish_reply(self, now: Instant) -> None:
        """End the reply in flight if everything of it was heard, or shown when there was nothing to hear."""
        reply = self._reply
        if reply is None or not (reply.is_told_without_audio or reply.playback.is_over(now)):
            return
        self._release(reply, now)
        text = reply.whole_text()
        _remember(self._history, reply, text, is_interrupted=False)
        outcome = ReplyOutcome.FAILED if reply.has_failed else ReplyOutcome.COMPLETED
        reply.record(outcome, reply.playback.total_samples, len(text), goes_on=not self._tools.is_idle)

    def deadline(self) -> Instant | None:
        """When to look again."""
        if self._settling is not None:
            return self._settling.deadline
        playback = self._reply.playback.deadline() if self._reply is not None else None
        due = (playback, self._tools.deadline())
        return min((instant for instant in due if instant is not None), default=None)

    def on_deadline(self, now: Instant) -> None:
        """Give up on a client that stands still; settle what has waited long enough; say that tools take a while."""
        if self._reply is not None and self._reply.playback.is_stalled(now):
            self._orders.add(Fail(Reason.CLIENT_STALLED, "playback has stood still while audio was due"))
        elif self._settling is not None and now >= self._settling.deadline:
            self.settle()
        else:
            self._tools.on_deadline(now)
            caller = self._tools.take_filler(now)
            if caller is not None and self._floor.state is Floor.NOBODY:
                self.say(ReplyKind.FILLER, self._persona.filler, caller.turn, now)

    def handle(self, fact: inputs.AgentInput, now: Instant) -> None:
        """Take a fact about a reply; one that concerns no reply in flight, or a part of it that is over, is dropped."""
        if isinstance(fact, inputs.ToolReturned):
            self._tools.returned(fact)
        elif isinstance(fact, inputs.PlaybackReported):
            self._on_playback_reported(fact, now)
        elif self.rehearsal.takes(fact):
            self.rehearsal.handle(fact, now)
        elif (reply := self._reply) is not None and reply.takes(fact):
            is_of_playout = isinstance(fact, inputs.PlayoutStarted | inputs.PlayoutStarved | inputs.PlayoutCompleted)
            if reply.has_audio or not is_of_playout:
                self._HANDLERS[type(fact)](self, reply, fact, now)

    def _on_tools_called(self, reply: ReplyInFlight, fact: inputs.ToolsCalled, now: Instant) -> None:
        if not reply.tools:
            reply.complete(self._persona.apology, now)
            return
        reply.calls = fact.calls
        reply.finish_writing(now)
        self._tools.begin(reply, now)

    def _on_speech_ended(self, reply: ReplyInFlight, fact: _SpeechOver, now: Instant) -> None:
        """An apology to nobody's turn is for the ear only: without sound it is dropped before it is told."""
        if fact.samples or reply.is_remembered or not reply.is_untold:
            reply.deliver(fact, now)
            return
        self._release(reply, now)
        self._orders.add(CancelReply(reply.id), Flush(reply.id))

    def _on_playout_started(self, reply: ReplyInFlight, fact: inputs.PlayoutStarted, now: Instant) -> None:
        reply.playback.started(fact.at_samples, now)
        self._machine.move(ReplyEvent.AUDIBLE)
        self._floor.move(FloorEvent.AGENT_SPOKE)
        if reply.playback.is_paused and self._floor.state is Floor.AGENT:
            self._floor.move(FloorEvent.CONTESTED)
        reply.audible(now)

    def _on_playout_completed(self, reply: ReplyInFlight, fact: inputs.PlayoutCompleted, _: Instant) -> None:
        reply.playback.completed(fact.total_samples)
        self._machine.move(ReplyEvent.SENT)

    def _on_playback_reported(self, fact: inputs.PlaybackReported, now: Instant) -> None:
        self._replies.has_reports = True
        reply, settling = self._reply, self._settling
        if self.rehearsal.takes(fact) or not 1 <= fact.reply <= self._replies.last:
            self._orders.add(_implausible(f"there is no reply {fact.reply}"))
            return
        played = max(0, min(fact.played_samples, fact.sent_samples))
        if reply is not None and fact.reply == reply.id:
            reply.playback.reported(played, is_final=fact.is_final, now=now)
        elif settling is not None and fact.reply == settling.reply.id and fact.is_final:
            self._settling = None
            _close_interrupted(self._history, settling.reply, Heard(played, is_estimate=False))
        else:
            return
        if fact.played_samples > fact.sent_samples:
            told = f"reply {fact.reply}: {fact.played_samples} samples reported, {fact.sent_samples} sent"
            self._orders.add(_implausible(told))

    def _release(self, reply: ReplyInFlight, now: Instant) -> None:
        self._reply = None
        self._said_aloud.is_over(reply, now)
        self._replies.has_reports = self._replies.has_reports or reply.playback.is_reporting
        self._machine.move(ReplyEvent.ENDED)
        self._floor.move(FloorEvent.AGENT_DONE)

    _HANDLERS: ClassVar[dict[type[inputs.ReplyInput], "_Handler"]] = {
        inputs.ReplyDelta: lambda _, reply, fact, now: reply.deliver(fact, now),
        inputs.ReplyCompleted: lambda self, reply, _, now: reply.complete(self._persona.apology, now),
        inputs.ToolsCalled: _on_tools_called,
        inputs.ReplyFailed: lambda self, reply, fact, now: reply.apologise(
            self._persona.apology, fact.reason, fact.message, now
        ),
        inputs.ReplyTooLong: lambda self, reply, _, now: _shorten(self._questions, reply, self._persona.apology, now),
        inputs.SpeechReady: lambda _, reply, fact, now: reply.deliver(fact, now),
        inputs.SpeechCompleted: _on_speech_ended,
        inputs.SpeechFailed: _on_speech_ended,
        inputs.PlayoutStarted: _on_playout_started,
        inputs.PlayoutStarved: lambda _, reply, fact, now: reply.deliver(fact, now),
        inputs.PlayoutCompleted: _on_playout_completed,
    }


_Handler = Callable[[Agent, ReplyInFlight, Any, Instant], None]


def _remember(history: History, reply: ReplyInFlight, heard: str, *, is_interrupted: bool) -> None:
    if reply.is_remembered:
        history.heard(reply.id, reply.whole_text(), heard, is_interrupted=is_interrupted)


def _shorten(questions: Questions, reply: ReplyInFlight, apology: str, now: Instant) -> None:
    """The model refused the question for its length: ask again, unless nothing is left to leave out."""
    if not questions.ask_again(reply):
        reply.apologise(apology, Reason.LLM_FAILED, TOO_LONG, now)


def _turn_that_goes_on(reply: ReplyInFlight, now: Instant) -> CommittedTurn | None:
    """The turn that goes on if this reply is taken back; None: it stays, or so much was heard that it is known."""
    is_known = reply.playback.heard(now).samples * 1_000 > TAKE_BACK_MS * reply.rate_hz
    turn = reply.committed
    return None if turn is None or is_known or not turn.may_go_on else turn


def _remember_cut(history: History, reply: ReplyInFlight, heard: Heard) -> None:
    _remember(history, reply, reply.heard_text(heard.samples), is_interrupted=True)


def _close_interrupted(history: History, reply: ReplyInFlight, heard: Heard) -> None:
    text = reply.heard_text(heard.samples)
    _remember(history, reply, text, is_interrupted=True)
    reply.record_cut(heard, text)


def _implausible(told: str) -> Emit:
    return Emit(Notice(Reason.PLAYBACK_IMPLAUSIBLE, told))
