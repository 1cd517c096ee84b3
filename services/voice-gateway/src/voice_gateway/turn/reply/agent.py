"""The agent's side: the one reply of a session, from its preparation until it is settled, and the tools it calls."""

from collections.abc import Callable
from typing import Any, ClassVar

from voice_gateway.domain.agreement import Agreement
from voice_gateway.domain.errors import Reason
from voice_gateway.domain.events import (
    InterruptCause,
    Notice,
    ReplyKind,
    SpeculationTrigger,
)
from voice_gateway.domain.ids import CallId, ReplyId, TurnId
from voice_gateway.domain.instant import Instant, after_ms, earliest
from voice_gateway.domain.reply_options import AS_AGREED, ReplyOptions
from voice_gateway.turn import inputs
from voice_gateway.turn.effects import Emit, Fail
from voice_gateway.turn.history import History
from voice_gateway.turn.reply.answering import Answering, Requested
from voice_gateway.turn.reply.current import CurrentReply
from voice_gateway.turn.reply.endings import Endings, remember
from voice_gateway.turn.reply.factory import ReplyFactory
from voice_gateway.turn.reply.latency import ReplyClock
from voice_gateway.turn.reply.playback import Heard
from voice_gateway.turn.reply.reply import Attempt, Reply, Shared, Step
from voice_gateway.turn.reply.speculations import Speculations
from voice_gateway.turn.reply.tools import Tools
from voice_gateway.turn.snapshot import Snapshot
from voice_gateway.turn.tables import Floor, ReplyState
from voice_gateway.turn.user.turn_so_far import CommittedTurn

TAKE_BACK_MS = 1_000
"""A reply can be taken back if no more than this was heard of it while the words were recognised. Otherwise it is
interrupted: the user remembers it."""


def _of_reply(step: Step) -> Callable[["Agent", Any, Instant], None]:
    return lambda agent, fact, now: agent.on_reply_fact(fact, now, step)


class Agent:
    """Replies of one session, one at a time."""

    def __init__(self, agreement: Agreement, *, history: History, shared: Shared) -> None:
        self._agreement = agreement
        self._floor, self._orders, self._questions = shared.floor, shared.orders, shared.questions
        self._history = history
        self._tools = Tools(agreement.toolbox, has_filler=bool(agreement.persona.filler), orders=shared.orders)
        self._factory = ReplyFactory(agreement, shared)
        self.current = CurrentReply()
        self.speculations = Speculations(self.current, history)
        self._endings = Endings(history, shared.orders)

    # --- what it does --------------------------------------------------------------------------------------------

    @property
    def is_free(self) -> bool:
        """Whether the next reply may begin. One that is prepared is released for it, or dropped."""
        reply = self.current.reply
        return (reply is None or reply.attempt is not None) and self._tools.is_idle

    @property
    def last(self) -> tuple[ReplyId, CallId]:
        """The latest reply and call of a tool; 0 before the first."""
        return self._factory.last, self._tools.last

    @property
    def unanswered(self) -> CommittedTurn | None:
        """The turn of the latest reply, if that failed, or was stopped before anything of it was heard."""
        return self._endings.unanswered

    @property
    def has_reports(self) -> bool:
        """Whether the client reports playback."""
        return self._factory.has_reports

    def is_protected(self, now: Instant) -> bool:
        """Whether the reply is in the part that speech does not interrupt."""
        return self.current.is_opening(now, self._agreement.policy.protected_opening_ms)

    def spoken(self, began: Instant, ended: Instant, now: Instant) -> str:
        """What the agent has said aloud, as far as it may come back in words spoken from `began` to `ended`."""
        return self._endings.own_words.spoken(self.current.in_flight, began, ended, now)

    def has_asked(self, then: Instant, now: Instant) -> bool:
        """Whether what was heard of the agent last by `then` is a question, or the beginning of one.

        Of a reply that has ended since, what was heard of it in the end counts.
        """
        return self.current.has_asked(then, now) or self._endings.own_words.has_asked(then)

    def history(self, now: Instant) -> History:
        """A copy of the history, with what has been heard by `now` of the reply in flight or being settled."""
        copy, reply = self._history.copy(), self.current.reply
        if reply is not None and reply.attempt is None:
            heard = reply.playback.heard(now) if reply.settling is None else reply.settling.heard
            remember(copy, reply, reply.wording.heard_text(heard.samples), is_interrupted=True)
        if outcomes := self._tools.outcomes():
            copy.called(outcomes)
        return copy

    # --- what it is told to do -----------------------------------------------------------------------------------

    def restore(self, kept: Snapshot) -> None:
        """Count on from an earlier conversation."""
        self._factory.resume(kept.last_reply, has_reports=kept.has_reports)
        self._tools.resume(kept.last_call)

    def reconfigure(self, agreement: Agreement) -> None:
        """Speak by this from the next reply on."""
        self._agreement = agreement
        self._factory.reconfigure(agreement)
        self._questions.reconfigure(agreement)
        self._tools.offer(agreement.toolbox)

    def input_ended(self) -> None:
        """The client half-closed: it reports no more, so that the clock alone tells how far it has played."""
        self._factory.reports_ended()
        self._tools.client_left()
        if self.current.reply is not None:
            self.current.reply.playback.reports_ended()
        self.settle()

    def speculate(self, turn: TurnId, text: str, trigger: SpeculationTrigger, now: Instant) -> None:
        """Prepare the reply to a turn that has probably ended, unless one is prepared, or enough were."""
        if self.speculations.may_begin(text, self._agreement.policy.max_speculations):
            reply = self.current.begin(self._factory.make(turn, ReplyClock(now), tools=self._tools.offered(0)))
            reply.prepare(Attempt(text, trigger, self._history.version), self._history.items_with(turn, text))

    def answer(self, turn: CommittedTurn, now: Instant) -> None:
        """Begin the reply to a turn, or release the one that was prepared for it."""
        self._endings.begun()
        prepared = self.speculations.claim(turn)
        self._history.said(turn.id, turn.text)
        answering = Answering(turn, self.speculations.turn_over())
        if prepared is not None:
            prepared.commit(answering, now)
        else:
            tools = self._tools.offered(0)
            reply = self._factory.make(turn.id, ReplyClock(now), answering=answering, tools=tools)
            self.current.begin(reply).ask(self._history.items, now)
        if self._begin_tools(now):
            self.finish(now)

    def reply_as_asked(self, turn: CommittedTurn | None, requested: Requested, now: Instant) -> None:
        """Begin the reply that the client has asked for; it answers `turn`, which has been said, if there is one."""
        self._endings.begun()
        self.speculations.stop()
        early, options = self.speculations.turn_over(), requested.options
        answering = None if turn is None else Answering(turn, early, requested.at)
        reply = self._factory.make(
            None if turn is None else turn.id,
            ReplyClock(now),
            answering=answering,
            tools=self._tools.offered(0, options.tools),
            options=options,
        )
        self.current.begin(reply).ask(self._history.items, now)

    def say(
        self, kind: ReplyKind, text: str, turn: TurnId | None, now: Instant, options: ReplyOptions = AS_AGREED
    ) -> None:
        """Begin a reply whose text is fixed, without asking the model; no other may be in flight.

        `turn` is what it belongs to, None when nobody asked for it. What was heard of it enters history, except an
        apology that nobody asked for.
        """
        self.speculations.stop()
        self.current.begin(self._factory.make(turn, ReplyClock(now), kind=kind, options=options)).say(text, now)

    def take_back(self, reply: Reply, now: Instant, *, is_waiting: bool) -> CommittedTurn | None:
        """Drop this reply, of which nothing had been heard when the user began to speak on; the turn that goes on.

        None: it was interrupted instead, because its turn may not go on or has called tools, because the client has
        asked for it, because another turn waits, or because too much was heard by now.
        """
        has_called = reply.brief.turn == self._tools.turn
        turn = None if has_called or is_waiting else _turn_that_goes_on(reply, now)
        if turn is None:
            self.interrupt(InterruptCause.USER_SPEECH, now)
            return None
        self._endings.taken_back(reply, now)
        self.current.let_go()
        return turn

    def interrupt(self, cause: InterruptCause, now: Instant) -> None:
        """Stop the reply in flight and the tools, if any; what was heard of it is settled now or soon."""
        self._tools.interrupt()
        if (reply := self.current.in_flight) is not None:
            self._endings.stopped(reply, cause, now, after_ms(now, self._agreement.policy.playback_settle_ms))
            self.current.let_go()

    def session_breaks(self) -> None:
        """The gateway itself ends the session: what is not answered has failed."""
        self._endings.session_breaks()

    def settle(self) -> None:
        """Wait no longer for the client's last report."""
        if self.current.reply is not None and self.current.reply.settling is not None:
            self._settled(self.current.reply, self.current.reply.settling.heard)

    def finish(self, now: Instant) -> None:
        """End what is over: the reply in flight, then the tools that were called, after which the model goes on."""
        if self.current.reply is not None and self.current.reply.is_over(now):
            self._endings.heard_out(self.current.reply, now, goes_on=not self._tools.is_idle)
            self.current.let_go()
        if self.current.reply is None:
            self._finish_tools(now)

    def deadline(self) -> Instant | None:
        """When to look again."""
        reply = self.current.reply.deadline() if self.current.reply is not None else None
        return earliest(reply, self._tools.deadline())

    def on_deadline(self, now: Instant) -> None:
        """Give up on a client that stands still; settle what has waited long enough."""
        reply = self.current.reply
        if reply is not None and reply.is_stalled(now):
            self._orders.add(Fail(Reason.CLIENT_STALLED, "playback has stood still while audio was due"))
        elif reply is not None and reply.settling is not None and now >= reply.settling.deadline:
            self.settle()
        else:
            self._tools.on_deadline(now)
            self._fill(now)

    # --- facts ---------------------------------------------------------------------------------------------------

    def _on_tool_returned(self, fact: inputs.ToolReturned, _: Instant) -> None:
        self._tools.returned(fact)

    def on_reply_fact(self, fact: inputs.ReplyInput, now: Instant, step: Step) -> None:
        """Take a fact about the current reply; one about another, or about a part of it that is over, is dropped.

        What comes of a sentence that only looks ended waits until it has.
        """
        reply, (concerns, perform) = self.current.reply, step
        if reply is None or reply.id != fact.reply or not concerns(reply, fact):
            return
        if reply.wording.guesses.keeps_back(fact):
            return
        attempt = reply.attempt
        perform(reply, fact, now)
        for kept in reply.wording.guesses.confirmed():
            Reply.STEPS[type(kept)][1](reply, kept, now)
        reply.told(now)
        self._begin_tools(now)
        if attempt is not None and reply.state is ReplyState.OVER:
            self.speculations.failed(reply, attempt)
        self.current.let_go()

    def _on_playback_reported(self, fact: inputs.PlaybackReported, now: Instant) -> None:
        self._factory.reports_came()
        reply, prepared = self.current.reply, self.current.prepared
        is_known = 1 <= fact.reply <= self._factory.last and not (prepared and prepared[0].id == fact.reply)
        if not is_known:
            self._tell_implausible(f"there is no reply {fact.reply}")
        if not is_known or reply is None or reply.id != fact.reply:
            return
        played = max(0, min(fact.played_samples, fact.sent_samples))
        if reply.settling is None:
            reply.reported(played, now, is_final=fact.is_final)
        elif fact.is_final:
            self._settled(reply, Heard(played, is_estimate=False))
        else:
            return
        if fact.played_samples > fact.sent_samples:
            told = f"reply {fact.reply}: {fact.played_samples} samples reported, {fact.sent_samples} sent"
            self._tell_implausible(told)

    def _tell_implausible(self, message: str) -> None:
        self._orders.add(Emit(Notice(Reason.PLAYBACK_IMPLAUSIBLE, message)))

    HANDLERS: ClassVar[dict[type[inputs.AgentInput], Callable[["Agent", Any, Instant], None]]] = {
        **{kind: _of_reply(step) for kind, step in Reply.STEPS.items()},
        inputs.PlaybackReported: _on_playback_reported,
        inputs.ToolReturned: _on_tool_returned,
    }

    # --- how a reply begins and ends -----------------------------------------------------------------------------

    def _settled(self, reply: Reply, heard: Heard) -> None:
        self._endings.settled(reply, heard)
        self.current.let_go()

    def _begin_tools(self, now: Instant) -> bool:
        """Call what the model has called at the end of the reply, whose turn is certain."""
        reply = self.current.in_flight
        calls = reply.take_calls() if reply is not None else ()
        if reply is not None and calls:
            self._tools.begin(reply, calls, now)
        return bool(calls)

    def _finish_tools(self, now: Instant) -> None:
        """With the outcomes of all calls the history is whole, and the model is asked again for the same turn."""
        over = self._tools.close_round()
        if over is None:
            return
        self._history.called(over.outcomes)
        if over.is_interrupted:
            self._endings.given_up(over.caller, now)
            return
        caller, rounds = over.caller, over.caller.brief.rounds + 1
        reply = self._factory.make(
            caller.brief.turn,
            caller.clock.after_tools(over.called, now),
            answering=caller.answering,
            tools=self._tools.offered(rounds, caller.brief.options.tools),
            rounds=rounds,
            options=caller.brief.options,
        )
        self.current.begin(reply).ask(self._history.items, now)

    def _fill(self, now: Instant) -> None:
        """Say that it takes a while, unless somebody is speaking."""
        caller = self._tools.take_filler(now)
        if caller is not None and self._floor.state is Floor.NOBODY:
            brief = caller.brief
            self.say(ReplyKind.FILLER, self._agreement.persona.filler, brief.turn, now, brief.options)


def _turn_that_goes_on(reply: Reply, now: Instant) -> CommittedTurn | None:
    """The turn that goes on if this reply is taken back; None: it may not go on, or too much of the reply was heard."""
    is_known = reply.playback.heard(now).samples * 1_000 > TAKE_BACK_MS * reply.playback.rate_hz
    turn = reply.answering.turn_that_may_go_on if reply.answering is not None else None
    return None if is_known else turn
