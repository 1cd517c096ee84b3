"""The agent's side: the reply in flight, the one that is being settled, and the history both write."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

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
    SpeculationTrigger,
    TurnRecord,
    TurnReport,
)
from voice_gateway.domain.ids import ReplyId, TurnId
from voice_gateway.domain.instant import Instant, after_ms
from voice_gateway.domain.persona import Persona
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.turn import inputs
from voice_gateway.turn.effects import (
    BeginReply,
    CancelReply,
    Effect,
    Emit,
    Fail,
    Flush,
    PausePlay,
    RecordTurn,
    ResumePlay,
    StartReply,
)
from voice_gateway.turn.history import History
from voice_gateway.turn.latency import ReplyClock, spans, total_ms
from voice_gateway.turn.playback import Heard, Playback
from voice_gateway.turn.rehearsal import Rehearsal
from voice_gateway.turn.reply import ReplyInFlight
from voice_gateway.turn.snapshot import Snapshot
from voice_gateway.turn.tables import REPLY, Floor, FloorEvent, Machine, Reply, ReplyEvent
from voice_gateway.turn.turn_so_far import CommittedTurn


@dataclass(frozen=True, slots=True)
class _Settling:
    """An interrupted reply whose client has yet to tell how far it played."""

    reply: ReplyInFlight
    heard: Heard
    """By the clock, when it was interrupted."""
    deadline: Instant


class Agent:
    """Replies of one session, one at a time."""

    def __init__(self, policy: TurnPolicy, persona: Persona, floor: Machine[Floor, FloorEvent], rate_hz: int) -> None:
        self._policy = policy
        self._persona = persona
        self._floor = floor
        self._rate_hz = rate_hz
        """Of reply audio."""
        self._machine = Machine(REPLY, Reply.NONE)
        self._history = History(persona.system_prompt)
        self._reply: ReplyInFlight | None = None
        self._settling: _Settling | None = None
        self._last = ReplyId(0)
        self._has_reports = False
        self._rehearsal = Rehearsal(self._machine)
        self._said_last = ""
        """What was said aloud of the reply before this one."""
        self._fell_silent_at = Instant(0)

    @property
    def state(self) -> Reply:
        """What the reply in flight is doing."""
        return self._machine.state

    @property
    def is_free(self) -> bool:
        """Whether the next reply may begin."""
        return self._reply is None and self._settling is None

    @property
    def is_unheard(self) -> bool:
        """Whether a turn is being answered, and no word of the answer has been heard."""
        return self._reply is not None and self._reply.clock.played is None

    @property
    def is_held(self) -> bool:
        """Whether the reply waits for a verdict on speech over it."""
        return self._reply is not None and self._reply.playback.is_paused

    def is_protected(self, now: Instant) -> bool:
        """Whether the reply is in the part that speech does not interrupt."""
        opening_samples = self._policy.protected_opening_ms * self._rate_hz // 1_000
        return self._reply is not None and self._reply.playback.heard(now).samples < opening_samples

    def spoken(self, began: Instant, now: Instant) -> str:
        """What the agent has said aloud, as far as somebody may have heard it who began to speak at `began`."""
        before = self._said_last if began <= self._fell_silent_at else ""
        return f"{before} {self._reply.spoken_text(now)}".strip() if self._reply is not None else before

    @property
    def last(self) -> ReplyId:
        """The latest reply; 0 before the first."""
        return self._last

    @property
    def has_reports(self) -> bool:
        """Whether the client reports playback."""
        return self._has_reports or (self._reply is not None and self._reply.playback.is_reporting)

    def history(self, now: Instant) -> History:
        """A copy of the history, with what has been heard by `now` of the reply in flight or being settled."""
        copy = History(self._persona.system_prompt)
        copy.resume(self._history.conversation())
        if self._settling is not None:
            copy.heard(self._settling.reply.heard_text(self._settling.heard.samples))
        if self._reply is not None:
            copy.heard(self._reply.heard_text(self._reply.playback.heard(now).samples))
        return copy

    def restore(self, kept: Snapshot) -> None:
        """Go on from an earlier conversation."""
        self._history.resume(kept.history)
        self._last, self._has_reports = kept.last_reply, kept.has_reports

    def said(self, text: str) -> None:
        """The user said something that is not answered on its own."""
        self._history.said(text)

    def input_ended(self) -> list[Effect]:
        """The client half-closed: it reports no more, so that the clock alone tells how far it has played."""
        self._has_reports = False
        if self._reply is not None:
            self._reply.playback.reports_ended()
        return self.settle()

    def answer(self, turn: CommittedTurn, now: Instant) -> list[Effect]:
        """Begin the reply to a turn, or release the one that was prepared for it."""
        effects, reply = self._rehearsal.claim(turn.text, self._history.version)
        self._history.said(turn.text)
        if reply is None:
            self._machine.move(ReplyEvent.ASKED)
            reply = self._new_reply(turn.id, turn.text, now)
            effects.append(StartReply(reply.id, turn.id, self._history.messages()))
        self._reply = reply
        reply.committed, reply.speculations = turn, self._rehearsal.take()
        return [*effects, *reply.release(turn.text, now)]

    def say(self, kind: ReplyKind, text: str, turn: TurnId | None, now: Instant) -> list[Effect]:
        """Begin a reply whose text is fixed, without asking the model; the agent must be free.

        `turn` is what it belongs to, None when nobody asked for it. What was heard of it enters history.
        """
        effects = self._rehearsal.stop()
        self._machine.move(ReplyEvent.ASKED)
        reply = self._reply = self._new_reply(turn, "", now)
        reply.kind = kind
        effects += [BeginReply(reply.id), *reply.release("", now)]
        return [*effects, *reply.write(text, now), *reply.finish_writing(now)]

    def reconfigure(self, policy: TurnPolicy, persona: Persona) -> None:
        """Speak by another policy and persona from the next reply on."""
        self._policy, self._persona = policy, persona
        self._history.system_prompt = persona.system_prompt

    def speculate(self, turn: TurnId, text: str, trigger: SpeculationTrigger, now: Instant) -> list[Effect]:
        """Prepare the reply to a turn that has probably ended."""
        if not self._rehearsal.may_begin(text, self._policy.max_speculations):
            return []
        reply = self._new_reply(turn, text, now)
        self._rehearsal.begin(reply, trigger, self._history.version)
        return [StartReply(reply.id, turn, self._history.messages_with(text))]

    def review(self, said: str) -> list[Effect]:
        """Drop the prepared reply if something else has been said."""
        return self._rehearsal.review(said, self._history.version)

    def take_back(self, now: Instant) -> tuple[list[Effect], CommittedTurn | None]:
        """Drop a reply of which nothing was heard; its turn goes on, unless the user said that it was over."""
        reply = self._reply
        if reply is None or not self.is_unheard:
            return [], None
        turn = reply.committed
        if turn is not None and turn.may_go_on:
            self._history.unsaid(reply.user_text)
        else:
            turn = None
        return self.interrupt(InterruptCause.USER_SPEECH, now), turn

    def _new_reply(self, turn: TurnId | None, user_text: str, now: Instant) -> ReplyInFlight:
        self._last = ReplyId(self._last + 1)
        policy = self._policy
        playback = Playback(self._rate_hz, policy.client_buffer_ms, policy.stall_ms, self._has_reports)
        return ReplyInFlight(self._last, turn, user_text, ReplyClock(now), playback, self._rate_hz)

    def interrupt(self, cause: InterruptCause, now: Instant) -> list[Effect]:
        """Stop the reply in flight, if any; what was heard of it is settled now or soon."""
        reply = self._reply
        if reply is None:
            return []
        self._release(reply, now)
        effects: list[Effect] = [CancelReply(reply.id), Flush(reply.id), Emit(ReplyInterrupted(reply.id, cause))]
        heard = reply.playback.heard(now)
        if reply.clock.played is None or reply.playback.is_settled or not reply.playback.is_reporting:
            return [*effects, *self._close_interrupted(reply, heard)]
        self._settling = _Settling(reply, heard, after_ms(now, self._policy.playback_settle_ms))
        return effects

    def pause(self, now: Instant) -> list[Effect]:
        """Hold the reply in flight: somebody may be interrupting. One that nobody hears yet is held back silently."""
        reply = self._reply
        if reply is None or reply.playback.is_paused:
            return []
        reply.playback.paused(now)
        told = [Emit(ReplyPaused(reply.id))] if reply.clock.played is not None else []
        return [PausePlay(reply.id), *told]

    def resume(self, now: Instant) -> list[Effect]:
        """Go on with the reply that is held, from where it was heard to."""
        reply = self._reply
        if reply is None or not reply.playback.is_paused:
            return []
        if reply.clock.played is None:
            reply.playback.released()
            reply.clock.held_until = now
            return [ResumePlay(reply.id, 0)]
        heard = reply.playback.heard(now).samples
        reply.playback.resumed(heard, now)
        return [Emit(ReplyResumed(reply.id, heard)), ResumePlay(reply.id, heard)]

    def end(self, now: Instant) -> list[Effect]:
        """The session is over."""
        return [*self._rehearsal.stop(), *self.interrupt(InterruptCause.CLIENT, now), *self.settle()]

    def settle(self) -> list[Effect]:
        """Wait no longer for the client's last report."""
        settling, self._settling = self._settling, None
        return self._close_interrupted(settling.reply, settling.heard) if settling else []

    def finish(self, now: Instant) -> list[Effect]:
        """End the reply in flight if everything of it was heard, or shown when there was nothing to hear."""
        reply = self._reply
        if reply is None or not (reply.is_told_without_audio or reply.playback.is_over(now)):
            return []
        self._release(reply, now)
        text = reply.whole_text()
        self._history.heard(text)
        outcome = ReplyOutcome.FAILED if reply.has_failed else ReplyOutcome.COMPLETED
        return _record(reply, outcome, reply.playback.total_samples, len(text))

    def deadline(self) -> Instant | None:
        """When to look again."""
        if self._settling is not None:
            return self._settling.deadline
        return self._reply.playback.deadline() if self._reply is not None else None

    def on_deadline(self, now: Instant) -> list[Effect]:
        """Give up on a client that stands still; settle what has waited long enough."""
        if self._reply is not None and self._reply.playback.is_stalled(now):
            return [Fail(Reason.CLIENT_STALLED, "playback has stood still while audio was due")]
        if self._settling is not None and now >= self._settling.deadline:
            return self.settle()
        return []

    def handle(self, fact: inputs.ReplyInput, now: Instant) -> list[Effect]:
        """Take a fact about a reply; one that concerns no reply in flight, or a part of it that is over, is dropped."""
        if isinstance(fact, inputs.PlaybackReported):
            return self._on_playback_reported(fact, now)
        if self._rehearsal.takes(fact):
            return self._rehearsal.handle(fact, now)
        if self._reply is None or not self._reply.takes(fact):
            return []
        return self._HANDLERS[type(fact)](self, self._reply, fact, now)

    def _on_completed(self, reply: ReplyInFlight, _: inputs.ReplyCompleted, now: Instant) -> list[Effect]:
        if reply.has_written:
            return reply.finish_writing(now)
        return self._apologise(reply, Reason.LLM_FAILED, "the language model wrote nothing", now)

    def _apologise(self, reply: ReplyInFlight, reason: Reason, message: str, now: Instant) -> list[Effect]:
        """Say that there will be no answer, or no more of it."""
        told = Emit(Notice(reason, message, Backend.LLM, reply.turn))
        return [told, *reply.give_up(self._persona.apology, now)]

    def _on_speech_failed(self, reply: ReplyInFlight, fact: inputs.SpeechFailed, _: Instant) -> list[Effect]:
        reply.has_failed = True
        notice = Emit(Notice(fact.reason, fact.message, Backend.TTS, reply.turn))
        return [notice, *reply.go_mute(fact.sentence, fact.samples)]

    def _on_playout_started(self, reply: ReplyInFlight, fact: inputs.PlayoutStarted, now: Instant) -> list[Effect]:
        reply.playback.started(fact.at_samples, now)
        self._machine.move(ReplyEvent.AUDIBLE)
        self._floor.move(FloorEvent.AGENT_SPOKE)
        turn = reply.committed
        is_first, reply.clock.played = reply.clock.played is None, reply.clock.played or now
        if turn is None or not is_first:
            return []
        reply.report = TurnReport(turn.id, reply.id, total_ms(turn, now), spans(turn, reply.clock), reply.speculations)
        return [Emit(reply.report)]

    def _on_playout_starved(self, reply: ReplyInFlight, fact: inputs.PlayoutStarved, now: Instant) -> list[Effect]:
        reply.underruns += 1
        reply.playback.starved(fact.at_samples, now)
        return []

    def _on_playout_completed(self, reply: ReplyInFlight, fact: inputs.PlayoutCompleted, _: Instant) -> list[Effect]:
        reply.playback.completed(fact.total_samples)
        self._machine.move(ReplyEvent.SENT)
        return []

    def _on_playback_reported(self, fact: inputs.PlaybackReported, now: Instant) -> list[Effect]:
        self._has_reports = True
        reply, settling = self._reply, self._settling
        if self._rehearsal.takes(fact) or not 1 <= fact.reply <= self._last:
            return [Emit(Notice(Reason.PLAYBACK_IMPLAUSIBLE, f"there is no reply {fact.reply}"))]
        played = max(0, min(fact.played_samples, fact.sent_samples))
        effects: list[Effect] = []
        if reply is not None and fact.reply == reply.id:
            reply.playback.reported(played, is_final=fact.is_final, now=now)
        elif settling is not None and fact.reply == settling.reply.id and fact.is_final:
            self._settling = None
            effects += self._close_interrupted(settling.reply, Heard(played, is_estimate=False))
        else:
            return []
        return [*effects, *_told_if_implausible(fact)]

    def _close_interrupted(self, reply: ReplyInFlight, heard: Heard) -> list[Effect]:
        text = reply.heard_text(heard.samples)
        self._history.heard(text)
        told = Emit(ReplyHeard(reply.id, heard.samples, text, heard.is_estimate))
        return [told, *_record(reply, ReplyOutcome.INTERRUPTED, heard.samples, len(text))]

    def _release(self, reply: ReplyInFlight, now: Instant) -> None:
        self._reply = None
        if reply.clock.played is not None:
            self._said_last, self._fell_silent_at = reply.spoken_text(now), now
        self._has_reports = self._has_reports or reply.playback.is_reporting
        self._machine.move(ReplyEvent.ENDED)
        self._floor.move(FloorEvent.AGENT_DONE)

    _HANDLERS: ClassVar[
        dict[type[inputs.ReplyInput], Callable[["Agent", ReplyInFlight, Any, Instant], list[Effect]]]
    ] = {
        inputs.ReplyDelta: lambda _, reply, fact, now: reply.deliver(fact, now),
        inputs.ReplyCompleted: _on_completed,
        inputs.ReplyFailed: lambda self, reply, fact, now: self._apologise(reply, fact.reason, fact.message, now),
        inputs.SpeechReady: lambda _, reply, fact, now: reply.deliver(fact, now),
        inputs.SpeechCompleted: lambda _, reply, fact, now: reply.deliver(fact, now),
        inputs.SpeechFailed: _on_speech_failed,
        inputs.PlayoutStarted: _on_playout_started,
        inputs.PlayoutStarved: _on_playout_starved,
        inputs.PlayoutCompleted: _on_playout_completed,
    }


def _record(reply: ReplyInFlight, outcome: ReplyOutcome, samples: int, chars: int) -> list[Effect]:
    finished = ReplyFinished(reply.id, reply.turn, reply.kind, outcome, samples)
    record = TurnRecord(
        finished, reply.report, len(reply.user_text), chars, reply.sentence_count, samples, reply.underruns
    )
    return [Emit(finished), RecordTurn(record)]


def _told_if_implausible(fact: inputs.PlaybackReported) -> list[Effect]:
    if fact.played_samples <= fact.sent_samples:
        return []
    told = f"reply {fact.reply}: {fact.played_samples} samples reported, {fact.sent_samples} sent"
    return [Emit(Notice(Reason.PLAYBACK_IMPLAUSIBLE, told))]
