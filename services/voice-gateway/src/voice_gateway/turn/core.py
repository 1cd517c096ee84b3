"""The conversation as a pure machine: facts in, orders out.

Three small machines (`tables.py`) say who has the floor, what the reply in flight does and what recognition does; this
module joins them, `dialogue.py` decides about the user's words, `agent.py` about the reply. Rules, in order of
precedence:

1. Nothing happens after the end: `Close` and `Fail` are absorbing.
2. A result of something that is no longer in flight is stale and dies here (`_is_stale`, in this module for streams and
   in `agent.py` for replies), and nowhere else.
3. A final transcript ends a segment; the turn is committed when its words read finished, or when it was held long
   enough without new speech. Live, it interrupts the reply in flight and supersedes turns that wait. Speech that nobody
   can have spoken over a reply waits its turn instead: what comes after the client half-closed, and what was pushed
   faster than real time.
4. One reply at a time. The next begins when the last is settled: history holds what was heard before the model reads
   it. A reply may be prepared before its turn is committed; nobody is told of it until then.
5. Nobody is answered while keys are being pressed, and changed settings wait until nothing is going on.
6. When nothing is left to answer, a half-closed or draining session ends, and so does one that nobody uses.

The shell calls `handle` for each fact, performs the effects in order, and calls `on_deadline` once `deadline()` is due.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from typing import Any, ClassVar

from voice_gateway.domain.agreement import Agreement
from voice_gateway.domain.errors import Reason
from voice_gateway.domain.events import (
    EndCause,
    Ended,
    GoingAway,
    InterruptCause,
    ReplyKind,
)
from voice_gateway.domain.instant import Instant, earliest, ms_between
from voice_gateway.turn import inputs
from voice_gateway.turn.changes import Changes
from voice_gateway.turn.contest import Contest
from voice_gateway.turn.dialogue import Dialogue
from voice_gateway.turn.effects import Close, Effect, Emit, Fail, Orders, Reconfigure
from voice_gateway.turn.history import History
from voice_gateway.turn.reply.agent import Agent
from voice_gateway.turn.reply.questions import Questions
from voice_gateway.turn.reply.reply import Shared
from voice_gateway.turn.silence import Silence, Unheard
from voice_gateway.turn.snapshot import Snapshot
from voice_gateway.turn.tables import FLOOR, Floor, FloorEvent, Listening, Machine, ReplyState
from voice_gateway.turn.user.user import User


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
    reply: ReplyState
    listening: Listening


def _of(part: str, handlers: Mapping[Any, Callable[..., None]]) -> dict[Any, Callable[..., None]]:
    """Handlers of a part of the core as handlers of the core."""

    def handled(core: "Core", fact: inputs.Input, now: Instant, handler: Callable[..., None]) -> None:
        handler(getattr(core, part), fact, now)

    return {kind: partial(handled, handler=handler) for kind, handler in handlers.items()}


class Core:
    """One conversation. Not thread-safe, not reentrant; raises only `Forbidden`, and that is a bug of its own."""

    def __init__(self, agreement: Agreement) -> None:
        self._agreement = agreement
        policy, persona = agreement.policy, agreement.persona
        self._phase = Phase.NEW
        self._floor = Machine(FLOOR, Floor.NOBODY)
        self._orders = orders = Orders()
        self._history = History(orders)
        self._questions = Questions(persona.system_prompt, agreement.prompt_tokens, orders)
        shared = Shared(orders, self._floor, self._questions)
        self._agent = Agent(agreement, history=self._history, shared=shared)
        self._user = User(policy, self._floor, agreement.input_rate_hz, orders, agreement.backend_patience_ms)
        contest = Contest(policy, agreement.heard_language, self._floor, self._agent, player=agreement.player)
        self._dialogue = Dialogue(policy, self._user, self._agent, contest, self._history, orders=orders)
        self._silence = Silence(persona, orders)
        self._unheard = Unheard()
        self._changes = Changes()
        self._drain_deadline: Instant | None = None

    @property
    def state(self) -> State:
        """What the core is doing."""
        return State(self._phase, self._floor.state, self._agent.current.state, self._user.recognition.state)

    def snapshot(self, now: Instant) -> dict[str, Any]:
        """What another core needs to go on with the conversation, as a plain value; changes nothing.

        It has what was heard by `now` of a reply in flight. Turns that wait, and what has been said of the running
        turn, are in it as said and not answered. Its agreement has every change of the client, in force or not.
        """
        history = self._agent.history(now)
        for turn, text in self._dialogue.unanswered():
            history.said(turn, text)
        agreement = self._changes.applied_to(self._agreement)
        return Snapshot(
            replace(agreement, prompt_tokens=self._questions.prompt_tokens),
            history.items,
            history.last,
            self._user.turn,
            *self._agent.last,
            self._agent.has_reports,
        ).plain()

    @classmethod
    def restore(cls, kept: Snapshot) -> "Core":
        """A core that goes on where a snapshot was taken; it waits for SessionStarted, and input begins at sample 0.

        `snapshot.parse` reads what `snapshot` gave. What was agreed is as `kept` has it.
        """
        core = cls(kept.agreement)
        core._user.resume(kept.turn)
        core._history.resume(kept.history, kept.last_item)
        core._agent.restore(kept)
        return core

    def handle(self, fact: inputs.Input, now: Instant) -> tuple[Effect, ...]:
        """Take a fact; the effects are to be performed in order (`effects.py` has the contract)."""
        if self._is_stale(fact):
            return ()
        self._user.keep_quiet_time(now)
        if isinstance(fact, inputs.HeardInput):
            self._user.clock.told(fact.received_samples, now)
        self._HANDLERS[type(fact)](self, fact, now)
        self._silence.noticed(fact)
        self._unheard.noticed(fact)
        return self._batch(now)

    def deadline(self) -> Instant | None:
        """When `on_deadline` is to be called if no fact comes first."""
        if self._phase is Phase.ENDED:
            return None
        no_input_ms = self._agreement.policy.prompt_after_ms
        is_asked = self._dialogue.answers.is_requested
        awaits_quiet = self._drain_deadline is not None or no_input_ms or self._changes.is_pending or is_asked
        quiet_by = self._user.utterance.quiet_by if awaits_quiet else None
        prompt_at = self._silence.deadline(no_input_ms, self._user.recognition.doubtful_until)
        change_at = self._changes.due
        if change_at is not None and not self._dialogue.is_quiet:
            change_at = None
        return earliest(self._dialogue.deadline(), self._drain_deadline, quiet_by, prompt_at, change_at)

    def on_deadline(self, now: Instant) -> tuple[Effect, ...]:
        """Do what has become due."""
        if self._phase is Phase.ENDED:
            return ()
        if self._drain_deadline is not None and now >= self._drain_deadline:
            self._orders.add(Fail(Reason.DRAIN_DEADLINE, "the server had to leave before the turn was complete"))
            return self._batch(now)
        self._user.keep_quiet_time(now)
        self._dialogue.on_deadline(now)
        doubtful_until = self._user.recognition.doubtful_until
        is_due = self._silence.is_due(self._agreement.policy.prompt_after_ms, doubtful_until, now)
        if is_due and (prompt := self._silence.next_prompt()):
            self._agent.say(ReplyKind.REPROMPT, prompt, None, now)
        return self._batch(now)

    def _is_stale(self, fact: inputs.Input) -> bool:
        if self._phase is Phase.ENDED:
            return True
        if isinstance(fact, inputs.SessionStarted):
            return self._phase is not Phase.NEW
        if self._phase is Phase.NEW:
            return not isinstance(fact, inputs.EndRequested)
        if self._phase is Phase.FINISHING and isinstance(fact, inputs.InputEnded | inputs.DigitsPressed):
            return True
        stream = getattr(fact, "stream", None)
        return stream is not None and self._user.recognition.is_stale(stream)

    def _batch(self, now: Instant) -> tuple[Effect, ...]:
        """The batch, once all that follows from it is done; its changes of the conversation are told at its end."""
        if self._phase is not Phase.ENDED:
            self._run_couplings(now)
        self._history.tell()
        return self._orders.drain()

    def _run_couplings(self, now: Instant) -> None:
        """Run the couplings to a fixed point: what has failed ends, what is over finishes, what waits begins."""
        failure = self._orders.failure
        if failure is not None:
            self._orders.drain()  # nothing else of this batch is performed
            self._end(failure, now)
            return
        self._settle(now)
        if self._changes.is_pending and self._dialogue.is_quiet and self._reconfigure(now):
            self._settle(now)  # what had nothing to do by the old settings may have by the new ones
        self._silence.watch(now, is_quiet=self._dialogue.is_quiet, is_away=self._user.recognition.is_away)
        cause = self._reason_to_end()
        if cause is not None:
            self._end(Close(Ended(cause)), now)

    def _settle(self, now: Instant) -> None:
        while True:
            self._agent.finish(now)
            if self._user.utterance.is_speaking:
                self._floor.move(FloorEvent.USER_SPOKE)
            count = self._orders.count
            self._dialogue.go_on(now)
            if self._orders.count == count:
                self._tell_unheard(now)
            if self._orders.count == count:
                break

    def _tell_unheard(self, now: Instant) -> None:
        """Say that nobody can be heard, once everything that was said is answered.

        A client that has left, that is to leave, or that asks for each reply is not told.
        """
        recognition, text = self._user.recognition, self._agreement.persona.unheard
        if not self._unheard.review(is_away=recognition.is_away, is_deaf=recognition.is_deaf):
            return
        stays = self._phase is Phase.RUNNING and self._drain_deadline is None and self._agreement.policy.auto_reply
        if text and stays and self._dialogue.is_listening:
            self._unheard.told()
            self._agent.say(ReplyKind.APOLOGY, text, None, now)

    def _reason_to_end(self) -> EndCause | None:
        if not self._agent.is_free:
            return None
        if self._phase is Phase.FINISHING and self._user.recognition.is_over:
            return EndCause.CLIENT_HALF_CLOSED
        if self._drain_deadline is not None and not (self._user.may_become_turn or self._dialogue.is_pressing):
            return EndCause.DRAINING
        return EndCause.NO_INPUT if self._silence.is_over else None

    def _reconfigure(self, now: Instant) -> bool:
        """Apply what the client has changed; says whether there was anything to apply now."""
        has_stream = self._user.recognition.state is Listening.OPEN
        changed = self._changes.put_in_force(self._agreement, now, has_stream=has_stream)
        if changed is None:
            return False
        after = self._agreement = self._agreement.apply(changed.change)
        self._agent.reconfigure(after)
        self._dialogue.reconfigure(after.policy, after.heard_language)
        self._orders.add(Reconfigure(changed.change))
        if changed.renews_recognition:
            self._user.recognition.renew(now)
        return True

    def _end(self, last: Close | Fail, now: Instant) -> None:
        self._phase = Phase.ENDED
        self._agent.speculations.stop()
        if isinstance(last, Fail) and last.reason is not Reason.CLIENT_STALLED:
            self._agent.session_breaks()
        self._agent.interrupt(InterruptCause.CLIENT, now)
        self._agent.settle()
        self._agent.finish(now)  # what was called in an open round has happened
        self._dialogue.answers.give_up()
        self._user.recognition.close()
        if isinstance(last, Close):
            self._orders.add(Emit(last.ended))
        self._history.tell()
        self._orders.add(last)

    # --- facts about the session ---------------------------------------------------------------------------------

    def _on_session_started(self, _: inputs.SessionStarted, now: Instant) -> None:
        self._phase = Phase.RUNNING
        self._user.clock.told(0, now)
        self._user.recognition.open(now)

    def _on_settings_changed(self, fact: inputs.SettingsChanged, _: Instant) -> None:
        self._changes.add(fact.change)

    def _on_input_ended(self, _: inputs.InputEnded, now: Instant) -> None:
        self._phase = Phase.FINISHING
        self._dialogue.input_ended(now)

    def _on_end_requested(self, _: inputs.EndRequested, now: Instant) -> None:
        self._end(Close(Ended(EndCause.CLIENT_ENDED)), now)

    def _on_session_idled(self, _: inputs.SessionIdled, now: Instant) -> None:
        """End, unless an answer is still to come. Words of a recogniser that is away do not count: it may send none."""
        if self._dialogue.is_still:
            self._end(Close(Ended(EndCause.IDLE)), now)

    def _on_drain_requested(self, fact: inputs.DrainRequested, now: Instant) -> None:
        self._drain_deadline = fact.deadline
        self._orders.add(Emit(GoingAway(max(0, ms_between(now, fact.deadline)))))

    _HANDLERS: ClassVar[dict[type[inputs.Input], Callable[["Core", Any, Instant], None]]] = {
        inputs.SessionStarted: _on_session_started,
        inputs.SettingsChanged: _on_settings_changed,
        inputs.InputEnded: _on_input_ended,
        inputs.EndRequested: _on_end_requested,
        inputs.SessionIdled: _on_session_idled,
        inputs.DrainRequested: _on_drain_requested,
        **_of("_dialogue", Dialogue.HANDLERS),
        **_of("_agent", Agent.HANDLERS),
    }
