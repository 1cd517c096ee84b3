"""The shell round one conversation: facts in, effects out, one timer. Nothing here knows what they mean.

`run` waits for a fact or the deadline, steps the conversation and performs its effects in order without awaiting.
Backend calls are tasks; what they deliver, and how they fail, comes back as facts.
"""

import asyncio
import logging
from collections import deque
from dataclasses import replace

from voice_gateway.domain.agreement import Agreement
from voice_gateway.domain.audio import PCM_SAMPLE_BYTES
from voice_gateway.domain.errors import GatewayError, InternalError, Reason, Unavailable
from voice_gateway.domain.events import UNBEGUN, Ended, ReplyAudio, TurnOutcome
from voice_gateway.domain.ids import CallId, ReplyId
from voice_gateway.domain.instant import NS_PER_MS, Instant, after_ms, ms_between, samples_to_ns
from voice_gateway.domain.limits import TokenBucket
from voice_gateway.domain.reply_options import ReplyOptions
from voice_gateway.session import clock
from voice_gateway.session.admission.gate import Place
from voice_gateway.session.backlog import Backlog
from voice_gateway.session.calls import BackendCalls, Shared
from voice_gateway.session.hearing import Hearing
from voice_gateway.session.idle import IdleWatch
from voice_gateway.session.journal.writer import Journal
from voice_gateway.session.negotiation import Negotiator
from voice_gateway.session.own_voice import OwnVoice
from voice_gateway.session.performer import Performer
from voice_gateway.session.playout import Playout
from voice_gateway.session.ports import Bound, ClientSink, SessionUpdate
from voice_gateway.session.tracing.session_trace import SessionTrace
from voice_gateway.session.voice import Ear, Onset
from voice_gateway.turn import effects, inputs
from voice_gateway.turn.conversation import Conversation

_log = logging.getLogger("voice_gateway.session")

MAX_INBOX = 4_096
"""Facts that may wait. Each step of the loop empties the inbox, so more means that the loop has stopped."""
DEEDS = TokenBucket(capacity=60, per_s=10)
"""How much a client may make the session do: voice_gateway_service.proto, rule 10. A user who types, presses keys or
uses push-to-talk does less than one thing a second; a program that answers 16 tools at once does 16."""
REPORTS = TokenBucket(capacity=100, per_s=50)
"""Positions of a client's player that count, final ones aside: clients report every 200 ms, or with each frame of
20 ms. Others are dropped: the next one says as much."""
PLAIN, DEAR = 1, 2
"""Tokens that a deed costs: PLAIN is done here, DEAR calls a backend or checks what the backends have."""
_TOO_MUCH = (
    f"the client does more than {DEEDS.capacity} things at once and {DEEDS.per_s} a second: text, commit, update "
    f"and reply_request count {DEAR}, and each # of dtmf {PLAIN} more"
)


class _Deeds:
    """What a client has made the session do lately."""

    def __init__(self) -> None:
        self._bucket = DEEDS

    def spend(self, tokens: int) -> None:
        """Count one deed more; raises Unavailable when that is too much."""
        now = clock.now()
        self._bucket = self._bucket.take(tokens, now)
        if self._bucket.debt_ns(now):
            raise Unavailable(Reason.RATE_EXCEEDED, _TOO_MUCH)


class SessionRunner:
    """One conversation; implements `ports.Session`."""

    def __init__(
        self,
        agreement: Agreement,
        conversation: Conversation,
        sink: ClientSink,
        shared: Shared,
        *,
        negotiator: Negotiator,
        journal: Journal | None,
        place: Place,
    ) -> None:
        self._granted = agreement
        """The agreement with every change that was granted, also those that wait for the next turn."""
        self._negotiator = negotiator
        self._conversation = conversation
        self._sink = sink
        self._shared = shared
        self._journal = journal
        self._place = place
        self._hearing = Hearing(agreement.input_rate_hz, agreement.asr_rate_hz)
        self._backlog = Backlog()
        self._own_voice = OwnVoice(agreement.output_rate_hz)
        self._playout = Playout(agreement, shared.pacer, self._play, self._post)
        policy = agreement.policy
        onset = Onset(policy.vad_onset_ms, policy.pause_ms, policy.input_stall_ms)
        self._ear = Ear(self._hearing, onset, self._own_voice, shared.voices.new_state(), self._post)
        self._inbox: deque[inputs.Input] = deque()
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for: Instant | None = None
        self._trace = SessionTrace(shared.tracing, agreement)
        self._calls = BackendCalls(agreement, shared, self._hearing, self._playout, self._post, trace=self._trace)
        self._performer = Performer(
            sink,
            shared.telemetry,
            calls=self._calls,
            hearing=self._hearing,
            ear=self._ear,
            playout=self._playout,
            trace=self._trace,
        )
        self._deeds = _Deeds()
        self._reports = REPORTS
        self._idle = IdleWatch(agreement.idle_timeout_ms, lambda: self._post(inputs.SessionIdled()))
        self._post(inputs.SessionStarted())
        place.count(self.heard_ms)

    # --- ports.Session -------------------------------------------------------------------------------------------

    @property
    def agreement(self) -> Agreement:
        """What is in force."""
        return self._calls.agreement

    def hear(self, pcm: bytes, offset_samples: int) -> None:
        """Take audio; it goes to the tape and to recognition, never to the conversation."""
        now, hearing, received = clock.now(), self._hearing, self._hearing.received_samples
        self._idle.mark(now)
        for edge in self._backlog.heard(
            audio_ns=samples_to_ns(len(pcm) // PCM_SAMPLE_BYTES, hearing.asr_rate_hz),
            gap_ns=samples_to_ns(max(0, offset_samples - received), hearing.input_rate_hz),
            unread_ns=hearing.unread_ms * NS_PER_MS if self._backlog.is_on else 0,
            received_samples=received,
            now=now,
        ):
            self._post(edge)
        hearing.hear(pcm, offset_samples)

    def heard_ms(self) -> int:
        """Length on the tape of all audio that was heard so far."""
        return self._hearing.end() * 1_000 // self._hearing.asr_rate_hz

    def has_room(self) -> bool:
        """Whether input is welcome."""
        return self._hearing.has_room()

    async def wait_for_room(self) -> None:
        """Return when input is welcome, or the session is over."""
        if not self._hearing.has_room():
            self._shared.telemetry.bound_reached(self.agreement, Bound.INPUT)
        await self._hearing.wait_for_room()

    def type_text(self, text: str) -> None:
        """Take a typed turn."""
        self._deeds.spend(DEAR)
        self._idle.mark(clock.now())
        self._post(inputs.TextTyped(text))

    def press(self, digits: str) -> None:
        """Take telephone keys; each `END_KEY` among them costs a token more."""
        self._deeds.spend(PLAIN + digits.count(inputs.END_KEY))
        self._idle.mark(clock.now())
        self._post(inputs.DigitsPressed(digits))

    def update(self, update: SessionUpdate) -> None:
        """Change the session from the next turn on; see `ports.Session`."""
        self._deeds.spend(DEAR)
        change = self._negotiator.update(update, self._granted)
        self._granted = self._granted.apply(change)
        self._post(inputs.SettingsChanged(change))

    def request_reply(self, options: ReplyOptions) -> None:
        """Give a reply to the conversation as it is; see `ports.Session`."""
        self._deeds.spend(DEAR)
        self._idle.mark(clock.now())
        self._post(inputs.ReplyRequested(self._negotiator.reply_options(options)))

    def report_playback(self, reply: ReplyId, played_samples: int, *, is_final: bool) -> None:
        """Take a position of the client's player, together with what was sent by now; too many are ignored."""
        if is_final:
            self._deeds.spend(PLAIN)
        else:
            now = clock.now()
            reports = self._reports.take(1, now)
            if reports.debt_ns(now):
                self._shared.telemetry.bound_reached(self.agreement, Bound.REPORTS)
                return
            self._reports = reports
        self._post(inputs.PlaybackReported(reply, played_samples, self._playout.sent(reply), is_final))

    def interrupt(self) -> None:
        """Stop the running reply."""
        self._deeds.spend(PLAIN)
        self._post(inputs.ClientInterrupted())

    def commit(self) -> None:
        """End the user's turn now."""
        self._deeds.spend(DEAR)
        self._post(inputs.CommitRequested(self._hearing.received_samples))

    def return_tool(self, call: CallId, output: str, *, is_error: bool) -> None:
        """Take the outcome of a tool that the client executed."""
        self._deeds.spend(PLAIN)
        self._idle.mark(clock.now())
        self._post(inputs.ToolReturned(call, output, is_error))

    def finish(self) -> None:
        """The client half-closed."""
        self._post(inputs.InputEnded())

    def end(self) -> None:
        """The client wants to stop now."""
        self._post(inputs.EndRequested())

    async def run(self) -> Ended:
        """Hold the conversation to its end."""
        with self._trace.recorded():
            outcome = await self._run()
        if isinstance(outcome, Ended):
            return outcome
        raise outcome

    def release(self) -> None:
        """Give back the place, and close the journal."""
        self._place.release(clock.now())
        if self._journal is not None:
            self._journal.close()

    def lead_ms(self) -> int | None:
        """How far the reply audio that was sent is ahead of what is played; None: nothing is being played."""
        return self._playout.lead_ms(clock.now())

    def drain(self, deadline_ms: int) -> None:
        """The server is leaving."""
        self._post(inputs.DrainRequested(after_ms(clock.now(), deadline_ms)))

    # --- the loop ------------------------------------------------------------------------------------------------

    async def _run(self) -> Ended | GatewayError:
        started, performer = clock.now(), self._performer
        self._shared.telemetry.session_started(self.agreement)
        try:
            with self._shared.roster.present(self):
                return await self._converse()
        finally:
            self.release()
            duration_ms = ms_between(started, clock.now())
            self._trace.ended(performer.outcome, performer.turns)
            self._shared.telemetry.session_ended(self.agreement, performer.outcome, duration_ms, performer.turns)

    async def _converse(self) -> Ended | GatewayError:
        self._shared.voices.add(self._ear)
        self._idle.start()
        self._calls.prepare()
        try:
            while self._performer.outcome is None:
                await self._wake.wait()
                self._wake.clear()
                self._step()
        except Exception as error:  # noqa: BLE001  a fault of our own ends this session alone, and is told and logged
            self._shared.telemetry.trouble(self.agreement, InternalError(f"{type(error).__name__}: {error}"))
            self._performer.outcome = InternalError()
        finally:
            self._arm(None)
            self._idle.stop()
            self._shared.voices.remove(self._ear)
            self._hearing.release()
            self._playout.close()
            if self._journal is not None:
                self._journal.close()
            self._count_last_turn()
            await self._calls.close()
        return self._performer.outcome

    def _count_last_turn(self) -> None:
        """Count the turn that was being answered when the client vanished, or the session broke.

        The conversation is over: nothing else that it orders is performed, and nobody records it. What was not answered
        has failed if the session broke.
        """
        is_broken = isinstance(self._performer.outcome, InternalError)
        try:
            for effect in self._conversation.handle(inputs.EndRequested(), clock.now()):
                if isinstance(effect, effects.CountTurn):
                    has_failed = is_broken and effect.outcome in UNBEGUN
                    self._performer.count_turn(replace(effect, outcome=TurnOutcome.FAILED) if has_failed else effect)
        except Exception:  # noqa: BLE001  it may be the one that has just raised an error
            _log.exception("the last turn of a session was not counted")

    def _play(self, audio: ReplyAudio) -> None:
        now = clock.now()
        self._idle.mark(now)
        self._own_voice.sent(audio.pcm, now)
        self._sink.play(audio)

    def _post(self, fact: inputs.Input) -> None:
        if len(self._inbox) < MAX_INBOX:
            self._inbox.append(fact)
        elif self._performer.outcome is None:
            self._shared.telemetry.bound_reached(self.agreement, Bound.INBOX)
            self._performer.outcome = InternalError("the session's inbox is full")
        self._wake.set()

    def _step(self) -> None:
        while self._inbox and self._performer.outcome is None:
            self._performer.perform(self._tell(self._inbox.popleft()))
        deadline = self._conversation.deadline()
        if deadline is not None and deadline <= clock.now() and self._performer.outcome is None:
            self._performer.perform(self._tell(None))
            deadline = self._conversation.deadline()
        self._arm(deadline)

    def _tell(self, fact: inputs.Input | None) -> tuple[effects.Effect, ...]:
        """Tell a fact, or that the deadline has come; who records has it even if the conversation raises an error."""
        now, batch = clock.now(), None
        try:
            batch = self._conversation.on_deadline(now) if fact is None else self._conversation.handle(fact, now)
        finally:
            if self._journal is not None:
                self._journal.record(fact, now, batch)
            self._trace.record(fact, now, batch)
        return batch

    def _arm(self, deadline: Instant | None) -> None:
        if deadline == self._armed_for and deadline is not None:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._armed_for = deadline
        self._timer = None
        if deadline is not None:
            self._timer = asyncio.get_running_loop().call_at(clock.loop_time(deadline), self._ring)

    def _ring(self) -> None:
        self._armed_for = None
        self._wake.set()
