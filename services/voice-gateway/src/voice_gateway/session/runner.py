"""The shell round one conversation: facts in, effects out, one timer. Nothing here knows what they mean.

`run` waits for a fact or the deadline, steps the conversation and performs its effects in order without awaiting.
Backend calls are tasks; what they deliver, and how they fail, comes back as facts.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar

from voice_gateway.domain.agreement import Agreement
from voice_gateway.domain.audio import PCM_SAMPLE_BYTES
from voice_gateway.domain.errors import BackendError, GatewayError, InternalError, Reason, Unavailable
from voice_gateway.domain.events import Ended, ReplyAudio
from voice_gateway.domain.ids import CallId, ReplyId, TurnId
from voice_gateway.domain.instant import NS_PER_MS, Instant, after_ms, ms_between, samples_to_ns
from voice_gateway.domain.limits import TokenBucket
from voice_gateway.domain.player import Player
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
from voice_gateway.session.playout import Playout
from voice_gateway.session.ports import ClientSink, SessionUpdate
from voice_gateway.session.voice import Ear, Onset
from voice_gateway.turn import effects, inputs
from voice_gateway.turn.conversation import Conversation

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
        self._calls = BackendCalls(agreement, shared, self._hearing, self._playout, self._post)
        self._turns = _TurnCount()
        self._outcome: Ended | GatewayError | None = None
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
        self._idle.mark()
        for edge in _paced(self._backlog, self._hearing, self.agreement, pcm, offset_samples):
            self._post(edge)
        self._hearing.hear(pcm, offset_samples)

    def heard_ms(self) -> int:
        """Length on the tape of all audio that was heard so far."""
        return self._hearing.end() * 1_000 // self._hearing.asr_rate_hz

    def has_room(self) -> bool:
        """Whether input is welcome."""
        return self._hearing.has_room()

    async def wait_for_room(self) -> None:
        """Return when input is welcome, or the session is over."""
        await self._hearing.wait_for_room()

    def type_text(self, text: str) -> None:
        """Take a typed turn."""
        self._deeds.spend(DEAR)
        self._idle.mark()
        self._post(inputs.TextTyped(text))

    def press(self, digits: str) -> None:
        """Take telephone keys; each `END_KEY` among them costs a token more."""
        self._deeds.spend(PLAIN + digits.count(inputs.END_KEY))
        self._idle.mark()
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
        self._idle.mark()
        self._post(inputs.ReplyRequested(self._negotiator.reply_options(options)))

    def report_playback(self, reply: ReplyId, played_samples: int, *, is_final: bool) -> None:
        """Take a position of the client's player, together with what was sent by now; too many are ignored."""
        if is_final:
            self._deeds.spend(PLAIN)
        else:
            now = clock.now()
            reports = self._reports.take(1, now)
            if reports.debt_ns(now):
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
        self._idle.mark()
        self._post(inputs.ToolReturned(call, output, is_error))

    def finish(self) -> None:
        """The client half-closed."""
        self._post(inputs.InputEnded())

    def end(self) -> None:
        """The client wants to stop now."""
        self._post(inputs.EndRequested())

    async def run(self) -> Ended:
        """Hold the conversation to its end."""
        started = clock.now()
        self._shared.telemetry.session_started(self.agreement)
        try:
            with self._shared.roster.present(self):
                outcome = await self._converse()
        finally:
            self.release()
            self._shared.telemetry.session_ended(
                self.agreement, self._outcome, ms_between(started, clock.now()), self._turns.total
            )
        if isinstance(outcome, Ended):
            return outcome
        raise outcome

    def release(self) -> None:
        """Give back the place, and close the journal."""
        self._place.release(clock.now())
        if self._journal is not None:
            self._journal.close()

    def drain(self, deadline_ms: int) -> None:
        """The server is leaving."""
        self._post(inputs.DrainRequested(after_ms(clock.now(), deadline_ms)))

    # --- the loop ------------------------------------------------------------------------------------------------

    async def _converse(self) -> Ended | GatewayError:
        self._shared.voices.add(self._ear)
        self._idle.start()
        self._calls.prepare()
        try:
            while self._outcome is None:
                await self._wake.wait()
                self._wake.clear()
                self._step()
        except Exception as error:  # noqa: BLE001  a fault of our own ends this session alone, and is told and logged
            self._shared.telemetry.trouble(self.agreement, InternalError(f"{type(error).__name__}: {error}"))
            self._outcome = InternalError()
        finally:
            self._arm(None)
            self._idle.stop()
            self._shared.voices.remove(self._ear)
            self._hearing.release()
            self._playout.close()
            if self._journal is not None:
                self._journal.close()
            await self._calls.close()
        return self._outcome

    def _play(self, audio: ReplyAudio) -> None:
        self._idle.mark()
        self._own_voice.sent(audio.pcm, clock.now())
        self._sink.play(audio)

    def _post(self, fact: inputs.Input) -> None:
        if len(self._inbox) >= MAX_INBOX:
            self._outcome = self._outcome or InternalError("the session's inbox is full")
        else:
            self._inbox.append(fact)
        self._wake.set()

    def _step(self) -> None:
        while self._inbox and self._outcome is None:
            self._perform(self._tell(self._inbox.popleft()))
        deadline = self._conversation.deadline()
        if deadline is not None and deadline <= clock.now() and self._outcome is None:
            self._perform(self._tell(None))
            deadline = self._conversation.deadline()
        self._arm(deadline)

    def _tell(self, fact: inputs.Input | None) -> tuple[effects.Effect, ...]:
        """Tell a fact, or that the deadline has come; the journal has it even if the conversation raises an error."""
        now, batch = clock.now(), None
        try:
            batch = self._conversation.on_deadline(now) if fact is None else self._conversation.handle(fact, now)
        finally:
            if self._journal is not None:
                self._journal.record(fact, now, batch)
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

    def _perform(self, batch: tuple[effects.Effect, ...]) -> None:
        for effect in batch:
            self._PERFORM[type(effect)](self, effect)

    # --- effects -------------------------------------------------------------------------------------------------

    def _open_recognition(self, effect: effects.OpenRecognition) -> None:
        self._calls.recognise(effect.stream, self._hearing.open_feed(effect.from_samples, follows=effect.follows))

    def _start_reply(self, effect: effects.StartReply) -> None:
        self._playout.begin(effect.reply)
        self._calls.write(effect.reply, effect.messages, effect.tools)

    def _reconfigure(self, effect: effects.Reconfigure) -> None:
        self._calls.reconfigure(effect.change)
        self._calls.prepare()
        policy = self.agreement.policy
        self._playout.reconfigure(policy)
        self._ear.set_onset(policy.vad_onset_ms, policy.pause_ms, policy.input_stall_ms)

    def _cancel_reply(self, effect: effects.CancelReply) -> None:
        self._calls.cancel_writing(effect.reply)
        self._calls.cancel_speaking(effect.reply)

    def _pause_play(self, effect: effects.PausePlay) -> None:
        is_flushed = self.agreement.player is Player.FLUSHES
        self._playout.pause(effect.reply, self._sink.flush(effect.reply) if is_flushed else None)

    def _flush(self, effect: effects.Flush) -> None:
        self._playout.flush(effect.reply)
        self._sink.flush(effect.reply)

    def _record_turn(self, effect: effects.RecordTurn) -> None:
        self._calls.cancel_writing(effect.record.finished.reply)
        self._calls.cancel_speaking(effect.record.finished.reply)
        self._turns.replied(effect.record.finished.turn)
        self._shared.telemetry.turn_ended(self.agreement, effect.record)

    def _note(self, effect: effects.Remember | effects.Forget) -> None:
        """The conversation has changed: the journal records this like every effect, and nobody else needs it yet."""

    def _close(self, effect: effects.Close) -> None:
        self._outcome = effect.ended

    def _fail(self, effect: effects.Fail) -> None:
        if effect.backend is not None:
            self._outcome = BackendError(effect.backend, effect.reason, effect.message)
        else:
            self._outcome = Unavailable(effect.reason, effect.message)

    _PERFORM: ClassVar[dict[type[effects.Effect], Callable[["SessionRunner", Any], None]]] = {
        effects.OpenRecognition: _open_recognition,
        effects.FinishRecognition: lambda self, effect: self._hearing.finish_feed(effect.at_samples),
        effects.CancelRecognition: lambda self, effect: self._calls.cancel_recognition(effect.stream),
        effects.ForgetAudio: lambda self, effect: self._hearing.forget(effect.before_samples),
        effects.StartReply: _start_reply,
        effects.AskAgain: lambda self, effect: self._calls.write(effect.reply, effect.messages, effect.tools),
        effects.BeginReply: lambda self, effect: self._playout.begin(effect.reply),
        effects.RunTool: lambda self, effect: self._calls.run_tool(effect),
        effects.CancelTool: lambda self, effect: self._calls.cancel_tool(effect.call),
        effects.CancelReply: _cancel_reply,
        effects.Synthesize: lambda self, effect: self._calls.speak(effect),
        effects.CancelSynthesis: lambda self, effect: self._calls.cancel_speaking(effect.reply),
        effects.BlameSynthesis: lambda self, effect: self._calls.blame_synthesis(effect.reply),
        effects.Play: lambda self, effect: self._playout.play(effect.reply, effect.sentence),
        effects.EndPlay: lambda self, effect: self._playout.end(effect.reply),
        effects.PausePlay: _pause_play,
        effects.ResumePlay: lambda self, effect: self._playout.resume(effect.reply, effect.from_samples),
        effects.Flush: _flush,
        effects.Reconfigure: _reconfigure,
        effects.Emit: lambda self, effect: self._sink.emit(effect.event),
        effects.RecordTurn: _record_turn,
        effects.Remember: _note,
        effects.Forget: _note,
        effects.Close: _close,
        effects.Fail: _fail,
    }


class _TurnCount:
    """How many turns had a reply; a turn that calls tools has several replies.

    A turn whose reply is taken back goes on under another number, and counts again.
    """

    def __init__(self) -> None:
        self.total = 0
        self._last: TurnId | None = None

    def replied(self, turn: TurnId | None) -> None:
        """A reply to this turn is over; None: no turn asked for it."""
        if turn not in (None, self._last):
            self.total, self._last = self.total + 1, turn


def _paced(
    backlog: Backlog, hearing: Hearing, agreement: Agreement, pcm: bytes, offset_samples: int
) -> list[inputs.BacklogBegan | inputs.CaughtUp]:
    """What is to be posted if this audio, not yet on the tape, begins a backlog or is the first after one."""
    received = hearing.received_samples
    return backlog.heard(
        audio_ns=samples_to_ns(len(pcm) // PCM_SAMPLE_BYTES, agreement.asr_rate_hz),
        gap_ns=samples_to_ns(max(0, offset_samples - received), agreement.input_rate_hz),
        unread_ns=hearing.unread_ms * NS_PER_MS,
        received_samples=received,
        now=clock.now(),
    )
