"""Performs what a conversation orders: each effect is one call, and none of them waits."""

import contextvars
from collections.abc import Callable
from typing import Any, ClassVar

from voice_gateway.domain.errors import BackendError, GatewayError, Unavailable
from voice_gateway.domain.events import Ended, InterruptCause, ReplyInterrupted, ReplyPaused, SpeechStarted
from voice_gateway.domain.ids import TurnId
from voice_gateway.domain.player import Player
from voice_gateway.session.calls import BackendCalls
from voice_gateway.session.hearing import Hearing
from voice_gateway.session.playout import Playout
from voice_gateway.session.ports import ClientSink, Telemetry
from voice_gateway.session.tracing.session_trace import SessionTrace
from voice_gateway.session.voice import Ear
from voice_gateway.turn import effects


class Performer:
    """The hands of one session."""

    def __init__(
        self,
        sink: ClientSink,
        telemetry: Telemetry,
        *,
        calls: BackendCalls,
        hearing: Hearing,
        ear: Ear,
        playout: Playout,
        trace: SessionTrace,
    ) -> None:
        self._sink = sink
        self._telemetry = telemetry
        self._calls = calls
        self._hearing = hearing
        self._ear = ear
        self._playout = playout
        self._trace = trace
        self._turns = _TurnCount()
        self._spoke_samples: int | None = None
        """Where in the input the user began to speak last, until the agent falls silent for it."""
        self._is_silenced = False
        """Whether the batch has the agent fall silent for the user."""
        self.outcome: Ended | GatewayError | None = None
        """How the conversation ended; None: it goes on."""

    @property
    def turns(self) -> int:
        """How many turns had a reply."""
        return self._turns.total

    def perform(self, batch: tuple[effects.Effect, ...]) -> None:
        """Perform the effects in their order; if one raises an error, turns are counted all the same."""
        still = iter(batch)
        try:
            for effect in still:
                self._PERFORM[type(effect)](self, effect)
        finally:
            for effect in still:
                if isinstance(effect, effects.CountTurn):
                    self.count_turn(effect)
        self._tell_silence()

    def _open_recognition(self, effect: effects.OpenRecognition) -> None:
        self._calls.recognise(effect.stream, self._hearing.open_feed(effect.from_samples, follows=effect.follows))

    def _start_reply(self, effect: effects.StartReply) -> None:
        self._playout.begin(effect.reply)
        self._calls.write(effect.reply, effect.messages, effect.tools)

    def _reconfigure(self, effect: effects.Reconfigure) -> None:
        self._calls.reconfigure(effect.change)
        self._calls.prepare()
        policy = self._calls.agreement.policy
        self._playout.reconfigure(policy)
        self._ear.set_onset(policy.vad_onset_ms, policy.pause_ms, policy.input_stall_ms)

    def _cancel_reply(self, effect: effects.CancelReply) -> None:
        self._calls.cancel_writing(effect.reply)
        self._calls.cancel_speaking(effect.reply)

    def _pause_play(self, effect: effects.PausePlay) -> None:
        is_flushed = self._calls.agreement.player is Player.FLUSHES
        self._playout.pause(effect.reply, self._sink.flush(effect.reply) if is_flushed else None)

    def _flush(self, effect: effects.Flush) -> None:
        self._playout.flush(effect.reply)
        self._sink.flush(effect.reply)

    def _drop_speech(self, effect: effects.DropSpeech) -> None:
        self._calls.cancel_speaking(effect.reply)
        self._playout.forget(effect.reply, effect.sentence)

    def _record_turn(self, effect: effects.RecordTurn) -> None:
        finished = effect.record.finished
        self._calls.cancel_writing(finished.reply)
        self._calls.cancel_speaking(finished.reply)
        self._turns.replied(finished.turn)
        within = self._trace.in_reply(finished.reply) or contextvars.copy_context()
        within.run(self._telemetry.turn_ended, self._calls.agreement, effect.record)

    def count_turn(self, effect: effects.CountTurn) -> None:
        """Tell telemetry what became of a turn."""
        self._telemetry.turn_counted(self._calls.agreement, effect.turn, effect.outcome)

    def _emit(self, effect: effects.Emit) -> None:
        event = effect.event
        self._sink.emit(event)
        self._telemetry.told(self._calls.agreement, event)
        if isinstance(event, SpeechStarted):
            self._spoke_samples = event.at_samples
        elif isinstance(event, ReplyPaused | ReplyInterrupted):
            self._is_silenced = isinstance(event, ReplyPaused) or event.cause is InterruptCause.USER_SPEECH

    def _tell_silence(self) -> None:
        """Tell how long after the user's first sound the agent fell silent, once; by the audio that has come since."""
        if self._is_silenced and self._spoke_samples is not None:
            agreed = self._calls.agreement
            since_samples = self._hearing.received_samples - self._spoke_samples
            self._telemetry.silenced(agreed, since_samples * 1_000 // agreed.input_rate_hz)
            self._spoke_samples = None
        self._is_silenced = False

    def _note(self, effect: effects.Remember | effects.Forget) -> None:
        """The conversation has changed: the journal records this like every effect, and nobody else needs it yet."""

    def _close(self, effect: effects.Close) -> None:
        self.outcome = effect.ended

    def _fail(self, effect: effects.Fail) -> None:
        if effect.backend is not None:
            self.outcome = BackendError(effect.backend, effect.reason, effect.message)
        else:
            self.outcome = Unavailable(effect.reason, effect.message)

    _PERFORM: ClassVar[dict[type[effects.Effect], Callable[["Performer", Any], None]]] = {
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
        effects.DropSpeech: _drop_speech,
        effects.CancelSynthesis: lambda self, effect: self._calls.cancel_speaking(effect.reply),
        effects.BlameSynthesis: lambda self, effect: self._calls.blame_synthesis(effect.reply),
        effects.Play: lambda self, effect: self._playout.play(effect.reply, effect.sentence),
        effects.EndPlay: lambda self, effect: self._playout.end(effect.reply),
        effects.PausePlay: _pause_play,
        effects.ResumePlay: lambda self, effect: self._playout.resume(effect.reply, effect.from_samples),
        effects.Flush: _flush,
        effects.Reconfigure: _reconfigure,
        effects.Emit: _emit,
        effects.RecordTurn: _record_turn,
        effects.CountTurn: count_turn,
        effects.Remember: _note,
        effects.Forget: _note,
        effects.Disregard: lambda self, effect: self._telemetry.disregarded(
            self._calls.agreement, effect.cause, effect.words
        ),
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
