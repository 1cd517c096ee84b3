"""The conversation as a pure machine: facts in, orders out.

Three small machines (`tables.py`) say who has the floor, what the reply in flight does and what recognition does; this
module joins them. Rules, in order of precedence:

1. Nothing happens after the end: `Close` and `Fail` are absorbing.
2. A result of something that is no longer in flight is stale and dies here (`_is_stale`, in this module for streams and
   in `agent.py` for replies), and nowhere else.
3. A final transcript with words ends the turn. Live, it interrupts the reply in flight and supersedes turns that wait.
   Speech that nobody can have spoken over a reply waits its turn instead: what comes after the client half-closed, and
   what was pushed faster than real time.
4. One reply at a time. The next begins when the last is settled: history holds what was heard before the model reads
   it.
5. When nothing is left to answer, a half-closed or draining session ends.

The shell calls `handle` for each fact, performs the effects in order, and calls `on_deadline` once `deadline()` is due.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar

from voice_gateway.domain.chat import NO_TOOLS, Toolbox
from voice_gateway.domain.errors import Reason
from voice_gateway.domain.events import (
    EndCause,
    Ended,
    GoingAway,
    InterruptCause,
    Transcript,
)
from voice_gateway.domain.ids import TurnId
from voice_gateway.domain.instant import Instant, after_ms, ms_between, samples_to_ns
from voice_gateway.domain.persona import Persona
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.turn import inputs
from voice_gateway.turn.agent import Agent, CommittedTurn
from voice_gateway.turn.contest import Verdict, judge
from voice_gateway.turn.effects import Close, Effect, Emit, Fail
from voice_gateway.turn.listening import Recognition
from voice_gateway.turn.snapshot import Snapshot, parse
from voice_gateway.turn.tables import FLOOR, Floor, FloorEvent, Listening, Machine, Reply
from voice_gateway.turn.utterance import Utterance

AHEAD_MS = 1_000
"""Input that is so far ahead of real time was pushed. Less is a client's clock that runs fast: at 100 ppm, a sound
card's tolerance, it gains this in three hours."""


class Phase(Enum):
    """How far the session is."""

    NEW = "new"
    RUNNING = "running"
    FINISHING = "finishing"
    """The client half-closed: answer what was heard."""
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class State:
    """What the core is doing, for whoever watches."""

    phase: Phase
    floor: Floor
    reply: Reply
    listening: Listening


class Core:
    """One conversation. Not thread-safe, not reentrant; raises only `Forbidden`, and that is a bug of its own."""

    def __init__(
        self,
        policy: TurnPolicy,
        persona: Persona,
        *,
        input_rate_hz: int,
        output_rate_hz: int,
        can_pause: bool = True,
        toolbox: Toolbox = NO_TOOLS,
    ) -> None:
        self._policy = policy
        self._persona = persona
        self._can_pause = can_pause
        """Whether the client's player can be held; if not, speech contests nothing and words alone interrupt."""
        self._input_rate_hz = input_rate_hz
        self._output_rate_hz = output_rate_hz
        self._phase = Phase.NEW
        self._floor = Machine(FLOOR, Floor.NOBODY)
        self._agent = Agent(policy, persona, self._floor, output_rate_hz, toolbox)
        self._recognition = Recognition()
        self._waiting: deque[CommittedTurn] = deque()
        self._superseded: set[TurnId] = set()
        """Waiting turns that are still said, but not answered on their own."""
        self._started_at = Instant(0)
        self._turn = TurnId(1)
        """The turn being spoken, or the next one."""
        self._utterance = Utterance(self._floor, input_rate_hz)
        self._contested_until = Instant(0)
        self._drain_deadline: Instant | None = None

    @property
    def state(self) -> State:
        """What the core is doing."""
        return State(self._phase, self._floor.state, self._agent.state, self._recognition.state)

    def snapshot(self, now: Instant) -> dict[str, Any]:
        """What another core needs to go on with the conversation, as a plain value; changes nothing.

        A reply in flight is in it as what has been heard by `now`, turns that wait as said and not answered.
        """
        history = self._agent.history(now)
        for turn in self._waiting:
            history.said(turn.text)
        return Snapshot(
            self._persona,
            self._input_rate_hz,
            self._output_rate_hz,
            self._can_pause,
            history.conversation(),
            self._turn,
            self._agent.last,
            self._agent.last_call,
            self._agent.has_reports,
        ).plain()

    @classmethod
    def restore(cls, value: Mapping[str, Any], policy: TurnPolicy, toolbox: Toolbox = NO_TOOLS) -> "Core":
        """A core that goes on where `snapshot` was taken; it waits for SessionStarted, and input begins at sample 0.

        Raises:
            SnapshotError: the value is no snapshot of this version.
        """
        kept = parse(value)
        core = cls(
            policy,
            kept.persona,
            input_rate_hz=kept.input_rate_hz,
            output_rate_hz=kept.output_rate_hz,
            can_pause=kept.can_pause,
            toolbox=toolbox,
        )
        core._turn = kept.turn
        core._agent.restore(kept)
        return core

    def handle(self, fact: inputs.Input, now: Instant) -> tuple[Effect, ...]:
        """Take a fact; the effects are to be performed in order (`effects.py` has the contract)."""
        if self._is_stale(fact):
            return ()
        if isinstance(fact, inputs.AgentInput):
            return self._settle_down(self._agent.handle(fact, now), now)
        return self._settle_down(self._HANDLERS[type(fact)](self, fact, now), now)

    def deadline(self) -> Instant | None:
        """When `on_deadline` is to be called if no fact comes first."""
        if self._phase is Phase.ENDED:
            return None
        quiet_by = self._utterance.quiet_by if self._drain_deadline is not None else None
        contested_until = self._contested_until if self._floor.state is Floor.CONTESTED else None
        candidates = (
            self._recognition.deadline(),
            self._agent.deadline(),
            self._drain_deadline,
            quiet_by,
            contested_until,
        )
        return min((instant for instant in candidates if instant is not None), default=None)

    def on_deadline(self, now: Instant) -> tuple[Effect, ...]:
        """Do what has become due."""
        if self._phase is Phase.ENDED:
            return ()
        if self._drain_deadline is not None and now >= self._drain_deadline:
            late = Fail(Reason.DRAIN_DEADLINE, "the server had to leave before the turn was complete")
            return self._settle_down([late], now)
        self._utterance.keep_quiet_time(now)
        is_undecided = self._floor.state is Floor.CONTESTED and now >= self._contested_until
        effects = self._resume(now) if is_undecided else []
        effects += [*self._recognition.on_deadline(now), *self._agent.on_deadline(now)]
        return self._settle_down(effects, now)

    def _is_stale(self, fact: inputs.Input) -> bool:
        if self._phase is Phase.ENDED:
            return True
        if isinstance(fact, inputs.SessionStarted):
            return self._phase is not Phase.NEW
        if self._phase is Phase.NEW:
            return not isinstance(fact, inputs.EndRequested)
        if isinstance(fact, inputs.InputEnded):
            return self._phase is Phase.FINISHING
        stream = getattr(fact, "stream", None)
        return stream is not None and self._recognition.is_stale(stream)

    def _settle_down(self, effects: list[Effect], now: Instant) -> tuple[Effect, ...]:
        """Run the couplings to a fixed point: what has failed ends, what is over finishes, what waits begins."""
        if self._phase is Phase.ENDED:
            return tuple(effects)
        for effect in effects:
            if isinstance(effect, Fail):
                return tuple(self._end(effect, now))
        effects += self._agent.finish(now)
        if self._utterance.is_speaking:
            self._floor.move(FloorEvent.USER_SPOKE)
        if self._agent.is_free:
            effects += self._answer_next(now)
        cause = self._reason_to_end()
        return tuple(effects) if cause is None else (*effects, *self._end(Close(Ended(cause)), now))

    def _answer_next(self, now: Instant) -> list[Effect]:
        while self._waiting:
            turn = self._waiting.popleft()
            if turn.id not in self._superseded:
                return self._agent.answer(turn, now)
            self._superseded.remove(turn.id)
            self._agent.said(turn.text)
        return []

    def _reason_to_end(self) -> EndCause | None:
        if not self._agent.is_free:
            return None
        if self._phase is Phase.FINISHING and self._recognition.is_over:
            return EndCause.CLIENT_HALF_CLOSED
        is_quiet = not (self._utterance.may_become_turn or self._recognition.owes_a_final)
        if self._drain_deadline is not None and is_quiet:
            return EndCause.DRAINING
        return None

    def _end(self, last: Close | Fail, now: Instant) -> list[Effect]:
        self._phase = Phase.ENDED
        effects = [*self._agent.interrupt(InterruptCause.CLIENT, now), *self._agent.settle()]
        effects += self._recognition.close()
        if isinstance(last, Close):
            effects.append(Emit(last.ended))
        return [*effects, last]

    # --- facts about the session ---------------------------------------------------------------------------------

    def _on_session_started(self, _: inputs.SessionStarted, now: Instant) -> list[Effect]:
        self._phase, self._started_at = Phase.RUNNING, now
        return self._recognition.open(now)

    def _on_input_ended(self, _: inputs.InputEnded, now: Instant) -> list[Effect]:
        self._phase = Phase.FINISHING
        return [*self._agent.input_ended(), *self._recognition.input_ended(now)]

    def _on_end_requested(self, _: inputs.EndRequested, now: Instant) -> list[Effect]:
        return self._end(Close(Ended(EndCause.CLIENT_ENDED)), now)

    def _on_drain_requested(self, fact: inputs.DrainRequested, now: Instant) -> list[Effect]:
        self._drain_deadline = fact.deadline
        return [Emit(GoingAway(max(0, ms_between(now, fact.deadline))))]

    # --- facts about the user ------------------------------------------------------------------------------------

    def _on_speech_started(self, fact: inputs.SpeechStarted, now: Instant) -> list[Effect]:
        if fact.at_samples < self._recognition.confirmed_samples:
            return []  # the words of pushed audio may come before its sound has been judged
        effects = self._utterance.sounded(fact.at_samples)
        if self._floor.state is not Floor.AGENT or not self._can_pause or not self._is_live(fact.at_samples, now):
            return effects
        self._floor.move(FloorEvent.CONTESTED)
        self._contested_until = after_ms(now, self._policy.contested_timeout_ms)
        return [*effects, *self._agent.pause(now)]

    def _on_speech_ended(self, fact: inputs.SpeechEnded, now: Instant) -> list[Effect]:
        return self._utterance.fell_silent(fact.at_samples, now)

    def _on_transcript_revised(self, fact: inputs.TranscriptRevised, now: Instant) -> list[Effect]:
        self._recognition.answered(fact.stream, now)
        text = fact.text.strip()
        if not text:
            return []
        interim = Transcript(self._turn, text, is_final=False, stability=fact.stability)
        effects: list[Effect] = [*self._utterance.worded(fact.end_samples), Emit(interim)]
        if (
            self._is_live(fact.end_samples, now)
            and self._over_agent(text, fact.end_samples, is_final=False) is Verdict.YIELD
        ):
            effects += self._agent.interrupt(InterruptCause.USER_SPEECH, now)
        return effects

    def _on_segment_final(self, fact: inputs.SegmentFinal, now: Instant) -> list[Effect]:
        self._recognition.answered(fact.stream, now)
        effects = self._recognition.confirmed(fact.stream, fact.covered_samples)
        text = fact.text.strip()
        if text:
            effects += self._utterance.worded(fact.words[0].start_samples if fact.words else fact.end_samples)
        end_samples = self._utterance.sound_end(fact.end_samples)
        spoken_over = self._over_agent(text, end_samples, is_final=True)
        effects += self._utterance.finalised(fact.end_samples)
        if not text:
            return effects
        is_ahead = self._is_ahead(fact.received_samples, now)
        # of speech that was pushed nobody knows when it was spoken
        silent = 0 if is_ahead else max(0, fact.received_samples - end_samples)
        spoke = Instant(now - samples_to_ns(silent, self._input_rate_hz))
        is_live = self._is_live(fact.received_samples, now)
        if is_live and spoken_over is Verdict.GO_ON:
            return [*effects, *self._resume(now)]
        turn = CommittedTurn(self._turn, text, spoke, now, is_live)
        effects.append(Emit(Transcript(self._turn, text, is_final=True, words=fact.words)))
        return [*effects, *self._commit(turn, InterruptCause.USER_SPEECH, now)]

    def _over_agent(self, text: str, end_samples: int, *, is_final: bool) -> Verdict:
        """Whether what was said so far takes the floor; WAIT when there is nobody to take it from."""
        if self._floor.state not in (Floor.AGENT, Floor.CONTESTED):
            return Verdict.WAIT
        speech_ms = self._utterance.speech_ms(end_samples)
        return judge(self._policy, text, speech_ms, is_final=is_final)

    def _resume(self, now: Instant) -> list[Effect]:
        if self._floor.state is not Floor.CONTESTED:
            return []
        self._floor.move(FloorEvent.RESUMED)
        return self._agent.resume(now)

    def _is_live(self, samples: int, now: Instant) -> bool:
        """Whether somebody may be speaking now, and not a recording that was pushed or half-closed."""
        return not (self._is_ahead(samples, now) or self._phase is Phase.FINISHING)

    def _is_ahead(self, received_samples: int, now: Instant) -> bool:
        """Whether the input is ahead of real time: it was pushed, nobody is listening to a reply yet."""
        return self._started_at + samples_to_ns(received_samples, self._input_rate_hz) > after_ms(now, AHEAD_MS)

    def _on_text_typed(self, fact: inputs.TextTyped, now: Instant) -> list[Effect]:
        turn = CommittedTurn(self._turn, fact.text.strip(), spoke=now, committed=now, is_live=True)
        effects: list[Effect] = [Emit(Transcript(turn.id, turn.text, is_final=True))]
        return [*effects, *self._commit(turn, InterruptCause.INPUT, now)]

    def _on_commit_requested(self, fact: inputs.CommitRequested, now: Instant) -> list[Effect]:
        return self._recognition.commit(fact.received_samples, now)

    def _on_recognition_ended(self, fact: inputs.RecognitionEnded, now: Instant) -> list[Effect]:
        return self._recognition.ended(fact.stream, now)

    def _on_recognition_failed(self, fact: inputs.RecognitionFailed, now: Instant) -> list[Effect]:
        return self._recognition.broke(fact.stream, fact.message, now)

    def _on_client_interrupted(self, _: inputs.ClientInterrupted, now: Instant) -> list[Effect]:
        return self._agent.interrupt(InterruptCause.CLIENT, now)

    def _commit(self, turn: CommittedTurn, cause: InterruptCause, now: Instant) -> list[Effect]:
        """The turn is complete. A live one ends the reply in flight and supersedes turns that wait."""
        effects: list[Effect] = []
        if turn.is_live:
            self._superseded.update(waiting.id for waiting in self._waiting)
            effects = self._agent.interrupt(cause, now)
        self._turn = TurnId(self._turn + 1)
        self._waiting.append(turn)
        return effects

    _HANDLERS: ClassVar[dict[type[inputs.Input], Callable[["Core", Any, Instant], list[Effect]]]] = {
        inputs.SessionStarted: _on_session_started,
        inputs.SpeechStarted: _on_speech_started,
        inputs.SpeechEnded: _on_speech_ended,
        inputs.TranscriptRevised: _on_transcript_revised,
        inputs.SegmentFinal: _on_segment_final,
        inputs.RecognitionEnded: _on_recognition_ended,
        inputs.RecognitionFailed: _on_recognition_failed,
        inputs.TextTyped: _on_text_typed,
        inputs.CommitRequested: _on_commit_requested,
        inputs.ClientInterrupted: _on_client_interrupted,
        inputs.InputEnded: _on_input_ended,
        inputs.EndRequested: _on_end_requested,
        inputs.DrainRequested: _on_drain_requested,
    }
