"""One reply, from the question to the model until all of it was heard, or it was stopped.

Its state decides what a fact or an order does to it; `tables.REPLY` says how the state moves. What belongs to one state
alone lives in that state (`Attempt`, `Settling`). What it says is its `Wording`, how far that was heard its `Playback`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from voice_gateway.domain.chat import ToolCall
from voice_gateway.domain.errors import Backend, Reason
from voice_gateway.domain.events import (
    InterruptCause,
    Notice,
    ReplyInterrupted,
    ReplyKind,
    ReplyPaused,
    ReplyResumed,
    SpeculationTrigger,
    TurnReport,
)
from voice_gateway.domain.ids import ReplyId
from voice_gateway.domain.instant import Instant
from voice_gateway.domain.items import Item
from voice_gateway.turn import inputs
from voice_gateway.turn.effects import BeginReply, CancelReply, Emit, Flush, Orders, PausePlay, ResumePlay
from voice_gateway.turn.reply.answering import Answering
from voice_gateway.turn.reply.brief import Brief
from voice_gateway.turn.reply.latency import ReplyClock, turn_report
from voice_gateway.turn.reply.playback import Heard, Playback
from voice_gateway.turn.reply.questions import TOO_LONG, Question, Questions
from voice_gateway.turn.reply.wording import Wording
from voice_gateway.turn.tables import REPLY, Floor, FloorEvent, Machine, ReplyEvent, ReplyState

_RUNNING = (ReplyState.SPEAKING, ReplyState.DRAINING)
_AUDIBLE = (*_RUNNING, ReplyState.HELD)
_IN_FLIGHT = (*_AUDIBLE, ReplyState.WAITING, ReplyState.WITHHELD)
_MADE = (*_IN_FLIGHT, ReplyState.PREPARING)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is known while a reply is prepared."""

    text: str
    """What the user is thought to have said."""
    trigger: SpeculationTrigger
    history_version: int
    """The version of the history that it follows."""


@dataclass(frozen=True, slots=True)
class Settling:
    """What is known while the client of an interrupted reply has yet to tell how far it played."""

    heard: Heard
    """As far as that was known when it was interrupted."""
    deadline: Instant


@dataclass(frozen=True, slots=True)
class Shared:
    """What all replies of a session are given."""

    orders: Orders
    floor: Machine[Floor, FloorEvent]
    questions: Questions


class Reply:
    """A reply and everything that is known of it. It begins with `ask`, `prepare` or `say`."""

    def __init__(
        self, brief: Brief, answering: Answering | None, clock: ReplyClock, playback: Playback, shared: Shared
    ) -> None:
        self.brief = brief
        self.answering = answering
        """The turn it answers, once that is certain; None: it answers no turn."""
        self.clock = clock
        self.playback = playback
        self.wording = Wording(brief, clock, playback.rate_hz, orders=shared.orders)
        self._orders, self._floor, self._questions = shared.orders, shared.floor, shared.questions
        self._machine = Machine(REPLY, ReplyState.NONE)
        self.attempt: Attempt | None = None
        """What it presumes while it is prepared."""
        self.settling: Settling | None = None
        """What its end waits for once it was interrupted."""
        self._question: Question | None = None
        """What the model was asked, until it has written anything."""
        self._calls: tuple[ToolCall, ...] = ()
        """What the model called at its end, until these calls are made."""
        self.report: TurnReport | None = None
        """Its turn's report, if it was told with this reply."""
        self.underruns = 0
        """How often playout had to wait for more audio."""

    # --- what it is ----------------------------------------------------------------------------------------------

    @property
    def id(self) -> ReplyId:
        """Its number."""
        return self.brief.id

    @property
    def state(self) -> ReplyState:
        """What it is doing."""
        return self._machine.state

    @property
    def is_in_flight(self) -> bool:
        """Whether its turn is certain, and it was neither stopped nor heard to its end."""
        return self.state in _IN_FLIGHT

    @property
    def is_held(self) -> bool:
        """Whether it waits for a verdict on speech over it."""
        return self.state in (ReplyState.WITHHELD, ReplyState.HELD)

    @property
    def is_audible(self) -> bool:
        """Whether audio of it has left, and it is in flight."""
        return self.state in _AUDIBLE

    @property
    def is_remembered(self) -> bool:
        """Whether what was heard of it enters history. An apology to no turn does not: the model did not write it."""
        return self.wording.kind is not ReplyKind.APOLOGY or self.brief.turn is not None

    def is_over(self, now: Instant) -> bool:
        """Whether everything of it was heard, or shown when there was nothing to hear."""
        is_played_out = self.is_held and _is_playing(self) and self.playback.is_completed
        if self.state is ReplyState.DRAINING or is_played_out:
            return self.playback.is_over(now)
        is_silent = self.wording.is_silent or self.playback.is_empty
        return self.is_in_flight and is_silent

    def is_stalled(self, now: Instant) -> bool:
        """Whether its client has stood still while audio was due."""
        return _is_playing(self) and self.playback.is_stalled(now)

    def deadline(self) -> Instant | None:
        """When to look again."""
        if self.settling is not None:
            return self.settling.deadline
        return self.playback.deadline() if _is_playing(self) else None

    # --- what it is told to do -----------------------------------------------------------------------------------

    def prepare(self, attempt: Attempt, items: tuple[Item, ...]) -> None:
        """Ask the model before the turn is certain; nobody is told."""
        self._move(ReplyEvent.SUSPECTED)
        self.attempt = attempt
        self._question = self._questions.ask(self.brief, items)

    def ask(self, items: tuple[Item, ...], now: Instant) -> None:
        """Ask the model."""
        self._move(ReplyEvent.ASKED)
        self._question = self._questions.ask(self.brief, items)
        self.wording.release(now)

    def say(self, text: str, now: Instant) -> None:
        """All of it is this text; the model is not asked."""
        self._move(ReplyEvent.ASKED)
        self._orders.add(BeginReply(self.id, self.brief.turn))
        self.wording.release(now)
        self.wording.write(text, now)
        self.wording.finish(now)

    def commit(self, answering: Answering, now: Instant) -> None:
        """The turn is what was suspected: tell, speak and play."""
        self._move(ReplyEvent.COMMITTED)
        self.answering = answering
        self.wording.release(now)
        self.told(now)

    def drop(self) -> None:
        """The turn is another, or a backend has failed: nobody was told of it."""
        self._move(ReplyEvent.DROPPED)
        self._orders.add(CancelReply(self.id), Flush(self.id))

    def hold(self, now: Instant) -> None:
        """Somebody may be interrupting. A reply that nobody hears yet is kept back silently."""
        self._move(ReplyEvent.HELD)
        self.playback.held(now)
        self._orders.add(PausePlay(self.id))
        if self.state is ReplyState.HELD and self.playback.player.falls_silent:
            self._orders.add(Emit(ReplyPaused(self.id)))

    def resume(self, now: Instant) -> None:
        """Go on, from where it was heard to."""
        if self.state is ReplyState.WITHHELD:
            self.clock.released(now)
            self._orders.add(ResumePlay(self.id, 0))
        else:
            heard = self.playback.resumed(now)
            if self.playback.player.falls_silent:
                self._orders.add(Emit(ReplyResumed(self.id, heard)))
            self._orders.add(ResumePlay(self.id, heard))
        self._move(ReplyEvent.RESUMED)
        if self.playback.is_completed:
            self._move(ReplyEvent.SENT)

    def interrupt(self, cause: InterruptCause, now: Instant, settle_by: Instant | None) -> None:
        """Stop. Until `settle_by` the client may tell how far it has played; None: that is not needed."""
        self._orders.add(CancelReply(self.id), Flush(self.id), Emit(ReplyInterrupted(self.id, cause)))
        awaits_report = self.is_audible and self.playback.is_reporting and not self.playback.is_settled
        if awaits_report and settle_by is not None:
            self._move(ReplyEvent.INTERRUPTED)
            self.settling = Settling(self.playback.heard(now), settle_by)
        else:
            self._move(ReplyEvent.ENDED)
        self._floor.move(FloorEvent.AGENT_DONE)

    def end(self) -> None:
        """It was heard to its end, or has nothing to hear."""
        self._move(ReplyEvent.ENDED)
        self._floor.move(FloorEvent.AGENT_DONE)

    def settle(self) -> None:
        """The client has told how far it played, or nobody waits for that any more."""
        self._move(ReplyEvent.SETTLED)

    def take_calls(self) -> tuple[ToolCall, ...]:
        """What the model has called, told once; the turn must be certain."""
        calls, self._calls = self._calls, ()
        return calls

    def told(self, now: Instant) -> None:
        """Something of it may have been told: the first sentence of a text completes its turn's report."""
        if self.brief.is_text and self.is_in_flight and not self.wording.is_untold:
            self._tell_report(now)

    def reported(self, played_samples: int, now: Instant, *, is_final: bool) -> None:
        """The client has played so far."""
        self.playback.reported(played_samples, now, is_final=is_final, is_held=self.is_held)

    # --- facts ---------------------------------------------------------------------------------------------------

    def _is_being_written(self, _: inputs.ReplyInput) -> bool:
        return self.state in _MADE and self.wording.is_coming

    def _is_being_spoken(self, fact: inputs.SpeechInput) -> bool:
        return self.state in _MADE and self.wording.awaits(fact)

    def _may_start(self, _: inputs.PlayoutStarted) -> bool:
        return self.is_in_flight and self.wording.has_audio and not self.playback.is_completed

    def _has_started(self, _: inputs.PlayoutStarved) -> bool:
        return self.is_audible and not self.playback.is_completed

    def _is_all(self, fact: inputs.PlayoutCompleted) -> bool:
        """Whether its playout can end here: it has started, or there was nothing to send."""
        has_audio = self.is_in_flight and self.wording.has_audio
        may_end = self.is_held or self.playback.may_end_at(fact.total_samples)
        is_open = has_audio and may_end and not self.playback.is_completed
        return is_open and (self.is_audible or not fact.total_samples)

    def _on_delta(self, fact: inputs.ReplyDelta, now: Instant) -> None:
        self._question = None
        self.wording.write(fact.text, now)

    def _on_completed(self, _: inputs.ReplyCompleted | inputs.ToolsCalled, now: Instant) -> None:
        """The model has finished; if it wrote nothing, that is a failure."""
        if self.wording.has_written:
            self.wording.finish(now)
        else:
            self._fail(Reason.LLM_FAILED, "the language model wrote nothing", now)

    def _on_tools_called(self, fact: inputs.ToolsCalled, now: Instant) -> None:
        """No tool runs for what was perhaps not said: calls wait for the commitment."""
        if not (self.brief.tools and fact.calls):
            self._on_completed(fact, now)
            return
        self._calls = fact.calls
        self.wording.finish(now)

    def _on_failed(self, fact: inputs.ReplyFailed, now: Instant) -> None:
        self._fail(fact.reason, fact.message, now)

    def _on_too_long(self, _: inputs.ReplyTooLong, now: Instant) -> None:
        """The model refused the question for its length: ask again, unless nothing is left to leave out."""
        self._question = self._question and self._questions.ask_again(self._question)
        if self._question is None:
            self._fail(Reason.LLM_FAILED, TOO_LONG, now)

    def _fail(self, reason: Reason, message: str, now: Instant) -> None:
        """A prepared reply is dropped: the backend is asked again once the turn is certain, and answers for itself."""
        if self.state is ReplyState.PREPARING:
            self.drop()
        else:
            notice = Notice(reason, message, Backend.LLM, self.brief.turn)
            self.wording.apologise(self.brief.apology, notice, now)

    def _on_speech_ready(self, fact: inputs.SpeechReady, now: Instant) -> None:
        self.wording.sound_came(fact.sentence, now)

    def _on_speech_completed(self, fact: inputs.SpeechCompleted, _: Instant) -> None:
        if not self._drop_silent_apology(fact.samples):
            self.wording.sound_ended(fact)

    def _on_speech_failed(self, fact: inputs.SpeechFailed, _: Instant) -> None:
        if self.state is ReplyState.PREPARING:
            self.drop()
        elif not self._drop_silent_apology(fact.samples):
            self.wording.sound_failed(fact)

    def _drop_silent_apology(self, samples: int) -> bool:
        """Whether this was an apology to no turn, dropped as it has no sound: it is for the ear only."""
        if samples or self.is_remembered or not self.wording.is_untold:
            return False
        self._orders.add(CancelReply(self.id), Flush(self.id))
        self.end()
        return True

    def _on_playout_started(self, fact: inputs.PlayoutStarted, now: Instant) -> None:
        """Its audio leaves. If it was withheld just before its first audio left, the client holds its player, too."""
        is_first, is_held = not self.is_audible, self.is_held
        self.playback.started(fact.at_samples, now, is_held=is_held)
        self._move(ReplyEvent.AUDIBLE)
        self._floor.move(FloorEvent.AGENT_SPOKE)
        if is_held and self._floor.state is Floor.AGENT:
            self._floor.move(FloorEvent.CONTESTED)
        if is_first and is_held and self.playback.player.falls_silent:
            self._orders.add(Emit(ReplyPaused(self.id)))
        if is_first:
            self._tell_report(now)

    def _tell_report(self, now: Instant) -> None:
        """Tell its turn's report, once: the first of the reply has left."""
        answering = self.answering
        if answering is not None and not answering.is_reported:
            answering.reported()
            self.report = turn_report(answering, self.id, self.clock, now)
            self._orders.add(Emit(self.report))

    def _on_playout_starved(self, fact: inputs.PlayoutStarved, now: Instant) -> None:
        self.underruns += self.playback.player.falls_silent or not self.is_held
        self.playback.starved(fact.at_samples, now, is_held=self.is_held)

    def _on_playout_completed(self, fact: inputs.PlayoutCompleted, _: Instant) -> None:
        self.playback.completed(fact.total_samples)
        if self.is_audible:
            self._move(ReplyEvent.SENT)

    def _move(self, event: ReplyEvent) -> None:
        """Into the next state; what was known in the last one alone is forgotten."""
        self._machine.move(event)
        self.attempt = self.settling = None

    STEPS: ClassVar[dict[type[inputs.ReplyInput], "Step"]] = {
        inputs.ReplyDelta: (_is_being_written, _on_delta),
        inputs.ReplyCompleted: (_is_being_written, _on_completed),
        inputs.ToolsCalled: (_is_being_written, _on_tools_called),
        inputs.ReplyFailed: (_is_being_written, _on_failed),
        inputs.ReplyTooLong: (_is_being_written, _on_too_long),
        inputs.SpeechReady: (_is_being_spoken, _on_speech_ready),
        inputs.SpeechCompleted: (_is_being_spoken, _on_speech_completed),
        inputs.SpeechFailed: (_is_being_spoken, _on_speech_failed),
        inputs.PlayoutStarted: (_may_start, _on_playout_started),
        inputs.PlayoutStarved: (_has_started, _on_playout_starved),
        inputs.PlayoutCompleted: (_is_all, _on_playout_completed),
    }
    """Whether a fact is about a part that has begun and is not over, and what it does then; others are dropped."""


def _is_playing(reply: Reply) -> bool:
    """Whether the client's player moves."""
    return reply.state in _RUNNING or (reply.state is ReplyState.HELD and not reply.playback.player.falls_silent)


Step = tuple[Callable[[Reply, Any], bool], Callable[[Reply, Any, Instant], None]]
