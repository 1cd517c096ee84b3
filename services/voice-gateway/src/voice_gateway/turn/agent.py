"""The agent's side: the reply in flight, the one that is being settled, and the history both write."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from voice_gateway.domain.chat import Toolbox, ToolCall
from voice_gateway.domain.errors import Backend, Reason
from voice_gateway.domain.events import (
    InterruptCause,
    Notice,
    ReplyFinished,
    ReplyHeard,
    ReplyInterrupted,
    ReplyKind,
    ReplyOutcome,
    ReplyPaused,
    ReplyResumed,
    TurnRecord,
    TurnReport,
)
from voice_gateway.domain.ids import CallId, ReplyId, TurnId
from voice_gateway.domain.instant import Instant, after_ms, ms_between
from voice_gateway.domain.persona import Persona
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.turn import inputs
from voice_gateway.turn.effects import (
    CancelReply,
    Effect,
    Emit,
    Fail,
    Flush,
    PausePlay,
    RecordTurn,
    ResumePlay,
    StartPrompt,
    StartReply,
)
from voice_gateway.turn.history import History
from voice_gateway.turn.playback import Heard, Playback
from voice_gateway.turn.reply import ReplyInFlight, TurnClock
from voice_gateway.turn.snapshot import Snapshot
from voice_gateway.turn.tables import REPLY, Floor, FloorEvent, Machine, Reply, ReplyEvent
from voice_gateway.turn.tools import Tools


@dataclass(frozen=True, slots=True)
class CommittedTurn:
    """What the user said, and when."""

    id: TurnId
    text: str
    spoke: Instant
    """The last speech sample; for a typed turn its arrival."""
    committed: Instant
    is_live: bool
    """Whether it may have been spoken over a reply. One that may not waits until earlier turns are answered."""


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
    ) -> None:
        self._policy = policy
        self._persona = persona
        self._floor = floor
        self._rate_hz = rate_hz
        """Of reply audio."""
        self._machine = Machine(REPLY, Reply.NONE)
        self._history = History(persona.system_prompt)
        self._reply: ReplyInFlight | None = None
        self._settling: _Settling | None = None
        self._tools = Tools(toolbox)
        self._last = ReplyId(0)
        self._has_reports = False

    @property
    def state(self) -> Reply:
        """What the reply in flight is doing."""
        return self._machine.state

    @property
    def is_free(self) -> bool:
        """Whether the next reply may begin."""
        return self._reply is None and self._settling is None and self._tools.is_idle

    @property
    def last(self) -> ReplyId:
        """The latest reply; 0 before the first."""
        return self._last

    @property
    def has_reports(self) -> bool:
        """Whether the client reports playback."""
        return self._has_reports or (self._reply is not None and self._reply.playback.is_reporting)

    @property
    def last_call(self) -> CallId:
        """The latest call of a tool; 0 before the first."""
        return self._tools.last

    def history(self, now: Instant) -> History:
        """A copy of the history, with what has been heard by `now` of the reply in flight or being settled."""
        copy = History(self._persona.system_prompt)
        copy.resume(self._history.conversation())
        if self._settling is not None:
            copy.heard(self._settling.reply.heard_text(self._settling.heard.samples))
        if self._reply is not None:
            copy.heard(self._reply.heard_text(self._reply.playback.heard(now).samples))
        if outcomes := self._tools.outcomes():
            copy.called(outcomes)
        return copy

    def restore(self, kept: Snapshot) -> None:
        """Go on from an earlier conversation."""
        self._history.resume(kept.history)
        self._last, self._has_reports = kept.last_reply, kept.has_reports
        self._tools.last = kept.last_call

    def said(self, text: str) -> None:
        """The user said something that is not answered on its own."""
        self._history.said(text)

    def input_ended(self) -> list[Effect]:
        """The client half-closed: it reports no more, so that the clock alone tells how far it has played."""
        self._has_reports = False
        self._tools.client_left()
        if self._reply is not None:
            self._reply.playback.reports_ended()
        return self.settle()

    def answer(self, turn: CommittedTurn, now: Instant) -> list[Effect]:
        """Begin the reply to a turn."""
        self._history.said(turn.text)
        reply = self._begin(turn.id, len(turn.text), TurnClock(turn.spoke, turn.committed, now, turn.is_live))
        return self._ask(reply)

    def _begin(self, turn: TurnId, user_chars: int, clock: TurnClock) -> ReplyInFlight:
        self._machine.move(ReplyEvent.ASKED)
        self._last = ReplyId(self._last + 1)
        policy = self._policy
        playback = Playback(self._rate_hz, policy.client_buffer_ms, policy.stall_ms, self._has_reports)
        self._reply = ReplyInFlight(self._last, turn, user_chars, clock, playback, self._rate_hz)
        return self._reply

    def _ask(self, reply: ReplyInFlight) -> list[Effect]:
        return [StartReply(reply.id, reply.turn, self._history.messages(), self._tools.offered(reply.rounds))]

    def interrupt(self, cause: InterruptCause, now: Instant) -> list[Effect]:
        """Stop the reply in flight and the tools, if any; what was heard of it is settled now or soon."""
        reply, effects = self._reply, self._tools.interrupt()
        if reply is None:
            return effects
        self._release(reply)
        effects += [CancelReply(reply.id), Flush(reply.id), Emit(ReplyInterrupted(reply.id, cause))]
        heard = reply.playback.heard(now)
        if reply.clock.played is None or reply.playback.is_settled or not reply.playback.is_reporting:
            return [*effects, *self._close_interrupted(reply, heard)]
        self._settling = _Settling(reply, heard, after_ms(now, self._policy.playback_settle_ms))
        return effects

    def pause(self, now: Instant) -> list[Effect]:
        """Hold the reply that is being played: somebody may be interrupting."""
        reply = self._audible
        reply.playback.paused(now)
        return [PausePlay(reply.id), Emit(ReplyPaused(reply.id))]

    def resume(self, now: Instant) -> list[Effect]:
        """Go on with the reply that is held, from where it was heard to."""
        reply = self._audible
        heard = reply.playback.heard(now).samples
        reply.playback.resumed(heard, now)
        return [Emit(ReplyResumed(reply.id, heard)), ResumePlay(reply.id, heard)]

    @property
    def _audible(self) -> ReplyInFlight:
        """The reply that has the floor; the core asks only while one has it."""
        assert self._reply is not None  # noqa: S101  a fact about the floor's table, for the type checker
        return self._reply

    def settle(self) -> list[Effect]:
        """Wait no longer for the client's last report."""
        settling, self._settling = self._settling, None
        return self._close_interrupted(settling.reply, settling.heard) if settling else []

    def finish(self, now: Instant) -> list[Effect]:
        """End what is over: the reply in flight, then the tools that were called, after which the model goes on."""
        effects = self._finish_reply(now)
        if self._reply is None and self._settling is None:
            effects += self._finish_tools(now)
        return effects

    def _finish_reply(self, now: Instant) -> list[Effect]:
        """End the reply in flight if everything of it was heard, or shown when there was nothing to hear."""
        reply = self._reply
        if reply is None or not (reply.is_told_without_audio or reply.playback.is_over(now)):
            return []
        self._release(reply)
        text = reply.whole_text()
        self._history.heard(text)
        outcome = ReplyOutcome.FAILED if reply.has_failed else ReplyOutcome.COMPLETED
        return self._record(reply, outcome, reply.playback.total_samples, len(text))

    def _finish_tools(self, now: Instant) -> list[Effect]:
        """With the outcomes of all calls the history is whole, and the model is asked again for the same turn."""
        over = self._tools.take_over()
        if over is None:
            return []
        self._history.called(over.outcomes)
        if over.is_interrupted:
            return []
        caller = over.caller
        reply = self._begin(caller.turn, caller.user_chars, caller.clock.after_tools(over.called, now))
        reply.rounds, reply.is_told = caller.rounds + 1, caller.is_told
        return self._ask(reply)

    def deadline(self) -> Instant | None:
        """When to look again."""
        if self._settling is not None:
            return self._settling.deadline
        playback = self._reply.playback.deadline() if self._reply is not None else None
        due = (playback, self._tools.deadline())
        return min((instant for instant in due if instant is not None), default=None)

    def on_deadline(self, now: Instant) -> list[Effect]:
        """Give up on a client that stands still; settle what has waited long enough."""
        if self._reply is not None and self._reply.playback.is_stalled(now):
            return [Fail(Reason.CLIENT_STALLED, "playback has stood still while audio was due")]
        if self._settling is not None and now >= self._settling.deadline:
            return self.settle()
        return [*self._tools.on_deadline(now), *self._fill(now)]

    def _fill(self, now: Instant) -> list[Effect]:
        """Say that it takes a while, unless somebody is speaking."""
        caller = self._tools.take_filler(now)
        if caller is None or self._floor.state is not Floor.NOBODY:
            return []
        reply = self._begin(caller.turn, 0, TurnClock(now, now, now, is_live=True))
        reply.kind, reply.is_told = ReplyKind.FILLER, True
        return [StartPrompt(reply.id), *reply.write(self._persona.filler, now), *reply.finish_writing(now)]

    def handle(self, fact: inputs.AgentInput, now: Instant) -> list[Effect]:
        """Take a fact about a reply; one that concerns no reply in flight, or a part of it that is over, is dropped."""
        if isinstance(fact, inputs.ToolReturned):
            self._tools.returned(fact)
            return []
        if isinstance(fact, inputs.PlaybackReported):
            return self._on_playback_reported(fact, now)
        if self._reply is None or self._is_stale(self._reply, fact):
            return []
        return self._HANDLERS[type(fact)](self, self._reply, fact, now)

    def _is_stale(self, reply: ReplyInFlight, fact: inputs.ReplyInput) -> bool:
        if fact.reply != reply.id:
            return True
        if isinstance(fact, inputs.SpeechReady | inputs.SpeechCompleted | inputs.SpeechFailed):
            return not reply.awaits_speech(fact.sentence)
        is_written = isinstance(
            fact, inputs.ReplyDelta | inputs.ReplyCompleted | inputs.ToolsCalled | inputs.ReplyFailed
        )
        return is_written and reply.is_written

    def _on_delta(self, reply: ReplyInFlight, fact: inputs.ReplyDelta, now: Instant) -> list[Effect]:
        return reply.write(fact.text, now)

    def _on_completed(self, reply: ReplyInFlight, _: inputs.ReplyCompleted, now: Instant) -> list[Effect]:
        if reply.has_written:
            return reply.finish_writing(now)
        return self._apologise(reply, Reason.LLM_FAILED, "the language model wrote nothing", now)

    def _on_tools_called(self, reply: ReplyInFlight, fact: inputs.ToolsCalled, now: Instant) -> list[Effect]:
        if self._tools.offered(reply.rounds):
            return [*reply.finish_writing(now), *self.call_tools(reply, fact.calls, now)]
        if reply.has_written:
            return reply.finish_writing(now)
        return self._apologise(reply, Reason.LLM_FAILED, "the language model called tools that it was not offered", now)

    def call_tools(self, reply: ReplyInFlight, calls: tuple[ToolCall, ...], now: Instant) -> list[Effect]:
        """Call what the model asked for at the end of a reply; once all have returned, it is asked again."""
        may_fill = bool(self._persona.filler) and not reply.has_written
        return self._tools.begin(reply, calls, now, may_fill=may_fill)

    def _on_failed(self, reply: ReplyInFlight, fact: inputs.ReplyFailed, now: Instant) -> list[Effect]:
        return self._apologise(reply, fact.reason, fact.message, now)

    def _apologise(self, reply: ReplyInFlight, reason: Reason, message: str, now: Instant) -> list[Effect]:
        """Say that there will be no answer, or no more of it."""
        if not reply.has_written:
            reply.kind = ReplyKind.APOLOGY
        reply.has_failed = True
        notice = Emit(Notice(reason, message, Backend.LLM, reply.turn))
        apology = reply.write(f"\n{self._persona.apology}", now) if self._persona.apology else []
        return [notice, *apology, *reply.finish_writing(now)]

    def _on_speech_ready(self, reply: ReplyInFlight, fact: inputs.SpeechReady, now: Instant) -> list[Effect]:
        return reply.speech_ready(fact.sentence, now)

    def _on_speech_completed(self, reply: ReplyInFlight, fact: inputs.SpeechCompleted, _: Instant) -> list[Effect]:
        return reply.speech_done(fact.sentence, fact.samples, fact.words)

    def _on_speech_failed(self, reply: ReplyInFlight, fact: inputs.SpeechFailed, _: Instant) -> list[Effect]:
        reply.has_failed = True
        notice = Emit(Notice(fact.reason, fact.message, Backend.TTS, reply.turn))
        return [notice, *reply.go_mute(fact.sentence, fact.samples)]

    def _on_playout_started(self, reply: ReplyInFlight, fact: inputs.PlayoutStarted, now: Instant) -> list[Effect]:
        reply.playback.started(fact.at_samples, now)
        self._machine.move(ReplyEvent.AUDIBLE)
        self._floor.move(FloorEvent.AGENT_SPOKE)
        if reply.clock.played is not None:
            return []
        reply.clock.played = now
        if reply.is_told:
            return []
        reply.is_told = True
        total_ms = max(0, ms_between(reply.clock.spoke, now))
        reply.report = TurnReport(reply.turn, reply.id, total_ms, reply.clock.spans())
        return [Emit(reply.report)]

    def _on_playout_starved(self, reply: ReplyInFlight, fact: inputs.PlayoutStarved, now: Instant) -> list[Effect]:
        reply.playback.starved(fact.at_samples, now)
        return []

    def _on_playout_completed(self, reply: ReplyInFlight, fact: inputs.PlayoutCompleted, _: Instant) -> list[Effect]:
        reply.playback.completed(fact.total_samples)
        self._machine.move(ReplyEvent.SENT)
        return []

    def _on_playback_reported(self, fact: inputs.PlaybackReported, now: Instant) -> list[Effect]:
        self._has_reports = True
        if not 1 <= fact.reply <= self._last:
            return [Emit(Notice(Reason.PLAYBACK_IMPLAUSIBLE, f"there is no reply {fact.reply}"))]
        reply, settling = self._reply, self._settling
        played = max(0, min(fact.played_samples, fact.sent_samples))
        effects: list[Effect] = []
        if reply is not None and fact.reply == reply.id:
            reply.playback.reported(played, is_final=fact.is_final, now=now)
        elif settling is not None and fact.reply == settling.reply.id and fact.is_final:
            self._settling = None
            effects += self._close_interrupted(settling.reply, Heard(played, is_estimate=False))
        else:
            return []
        if fact.played_samples > fact.sent_samples:
            told = f"reply {fact.reply}: {fact.played_samples} samples reported, {fact.sent_samples} sent"
            effects.append(Emit(Notice(Reason.PLAYBACK_IMPLAUSIBLE, told)))
        return effects

    def _close_interrupted(self, reply: ReplyInFlight, heard: Heard) -> list[Effect]:
        text = reply.heard_text(heard.samples)
        self._history.heard(text)
        told = Emit(ReplyHeard(reply.id, heard.samples, text, heard.is_estimate))
        return [told, *self._record(reply, ReplyOutcome.INTERRUPTED, heard.samples, len(text))]

    def _release(self, reply: ReplyInFlight) -> None:
        self._reply = None
        self._has_reports = self._has_reports or reply.playback.is_reporting
        self._machine.move(ReplyEvent.ENDED)
        self._floor.move(FloorEvent.AGENT_DONE)

    def _record(self, reply: ReplyInFlight, outcome: ReplyOutcome, samples: int, chars: int) -> list[Effect]:
        goes_on = outcome is not ReplyOutcome.INTERRUPTED and not self._tools.is_idle
        finished = ReplyFinished(reply.id, reply.turn, reply.kind, outcome, samples, goes_on)
        record = TurnRecord(finished, reply.report, reply.user_chars, chars, reply.sentence_count, samples)
        return [Emit(finished), RecordTurn(record)]

    _HANDLERS: ClassVar[
        dict[type[inputs.ReplyInput], Callable[["Agent", ReplyInFlight, Any, Instant], list[Effect]]]
    ] = {
        inputs.ReplyDelta: _on_delta,
        inputs.ReplyCompleted: _on_completed,
        inputs.ToolsCalled: _on_tools_called,
        inputs.ReplyFailed: _on_failed,
        inputs.SpeechReady: _on_speech_ready,
        inputs.SpeechCompleted: _on_speech_completed,
        inputs.SpeechFailed: _on_speech_failed,
        inputs.PlayoutStarted: _on_playout_started,
        inputs.PlayoutStarved: _on_playout_starved,
        inputs.PlayoutCompleted: _on_playout_completed,
    }
