"""What the session says, as ConverseResponse messages."""

import re
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any, ClassVar, Final

from voicegateway.v1 import audio_pb2, error_pb2, policy_pb2, server_pb2
from voicegateway.v1 import voice_gateway_service_pb2 as service_pb2
from voicegateway.v1.voice_gateway_service_pb2 import ConverseResponse

from voice_gateway.domain import events
from voice_gateway.domain.agreement import Agreement
from voice_gateway.domain.audio import INPUT_RATES_HZ, OUTPUT_RATES_HZ, Encoding
from voice_gateway.domain.errors import Reason
from voice_gateway.domain.ids import CallId, ReplyId, TurnId
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.session.ports import Language
from voice_gateway.transports import client_input, g711

ENCODINGS: Final = {
    Encoding.LINEAR_PCM: audio_pb2.AUDIO_ENCODING_LINEAR_PCM,
    Encoding.MULAW: audio_pb2.AUDIO_ENCODING_MULAW,
    Encoding.ALAW: audio_pb2.AUDIO_ENCODING_ALAW,
}
FEATURES: Final = ("barge_in", "commit", "dtmf", "reply_request", "speculation", "text_replies", "tools", "update")
LIMITS: Final = server_pb2.Limits(
    max_message_bytes=client_input.MAX_AUDIO_BYTES,
    max_ahead_ms=5_000,  # as the session reads (session/hearing.py)
    max_text_chars=client_input.MAX_TEXT_CHARS,
    preferred_frame_ms=40,  # half the messages of 20 ms frames
)


MAX_OPEN_CALLS: Final = 256
"""Names of tool calls that are remembered: three turns of the most calls there may be, 5 rounds of 16
(turn/reply/tools.py). Whatever is answered later than that is unknown."""


def _values(enum: Any, prefix: str, names: Iterable[str]) -> dict[str, Any]:
    return {name: enum.Value(prefix + name) for name in names}


_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)
"""Of a reply."""
_REASONS: Final = _values(error_pb2.ErrorReason, "ERROR_REASON_", Reason)
_KINDS: Final = _values(server_pb2.ReplyKind, "REPLY_KIND_", events.ReplyKind)
_OUTCOMES: Final = _values(server_pb2.ReplyOutcome, "REPLY_OUTCOME_", events.ReplyOutcome)
_CAUSES: Final = _values(server_pb2.InterruptReason, "INTERRUPT_REASON_", events.InterruptCause)
_TRIGGERS: Final = _values(server_pb2.SpeculationTrigger, "SPECULATION_TRIGGER_", events.SpeculationTrigger)
_SPECULATIONS: Final = _values(server_pb2.SpeculationOutcome, "SPECULATION_OUTCOME_", events.SpeculationOutcome)
_ENDS: Final = _values(server_pb2.EndReason, "END_REASON_", events.EndCause)


class Encoder:
    """Names turns `<session>-t1`, replies `<session>-r1`, calls of tools `<session>-c1`, and knows them again."""

    def __init__(self, session_id: str, audio_out: Encoding) -> None:
        self._session_id = session_id
        self._audio_out = audio_out
        self._last_reply = ReplyId(-1)
        """The core counts replies upwards: what is above was never told of."""
        self._open_calls: dict[str, CallId] = {}
        """The latest tool calls that the client has not answered, by their names."""

    def reply_of(self, wire_id: str) -> ReplyId | None:
        """The reply of that name; None when the client was never told of it."""
        named = f"{self._session_id}-r"
        match = _NUMBER.fullmatch(wire_id, len(named)) if wire_id.startswith(named) else None
        if match is None or int(match[0]) > self._last_reply:
            return None
        return ReplyId(int(match[0]))

    def take_call(self, wire_id: str) -> CallId | None:
        """The tool call of that name, which is answered now; None when the client was not told of it, or did answer."""
        return self._open_calls.pop(wire_id, None)

    def encode_event(self, event: events.Event) -> bytes:
        """The message that tells of `event`."""
        return self._ENCODERS[type(event)](self, event).SerializeToString()

    def encode_audio(self, audio: events.ReplyAudio) -> bytes:
        """The message that carries `audio`."""
        message = server_pb2.ReplyAudio(
            reply_id=self._reply(audio.reply),
            sentence_id=audio.sentence,
            offset_samples=audio.offset_samples,
            data=g711.encode(audio.pcm, self._audio_out),
            is_last=audio.is_last,
        )
        return ConverseResponse(reply_audio=message).SerializeToString()

    def _turn(self, turn: TurnId | None) -> str:
        return "" if turn is None else f"{self._session_id}-t{turn}"

    def _reply(self, reply: ReplyId) -> str:
        self._last_reply = max(self._last_reply, reply)
        return f"{self._session_id}-r{reply}"

    def _speech_started(self, event: events.SpeechStarted) -> ConverseResponse:
        return ConverseResponse(speech_started=server_pb2.SpeechStarted(at_samples=event.at_samples))

    def _speech_ended(self, event: events.SpeechEnded) -> ConverseResponse:
        return ConverseResponse(speech_ended=server_pb2.SpeechEnded(at_samples=event.at_samples))

    def _transcript(self, event: events.Transcript) -> ConverseResponse:
        words = [
            audio_pb2.Word(
                text=word.text,
                start_samples=word.start_samples,
                end_samples=word.end_samples,
                confidence=word.confidence,
            )
            for word in event.words
        ]
        message = server_pb2.Transcript(
            turn_id=self._turn(event.turn),
            text=event.text,
            is_final=event.is_final,
            stability=event.stability,
            words=words,
        )
        return ConverseResponse(transcript=message)

    def _reply_text(self, event: events.ReplyText) -> ConverseResponse:
        message = server_pb2.ReplyText(
            reply_id=self._reply(event.reply),
            turn_id=self._turn(event.turn),
            kind=_KINDS[event.kind],
            sentence_id=event.sentence,
            text=event.text,
        )
        return ConverseResponse(reply_text=message)

    def _reply_paused(self, event: events.ReplyPaused) -> ConverseResponse:
        return ConverseResponse(reply_paused=server_pb2.ReplyPaused(reply_id=self._reply(event.reply)))

    def _reply_resumed(self, event: events.ReplyResumed) -> ConverseResponse:
        message = server_pb2.ReplyResumed(reply_id=self._reply(event.reply), offset_samples=event.offset_samples)
        return ConverseResponse(reply_resumed=message)

    def _reply_interrupted(self, event: events.ReplyInterrupted) -> ConverseResponse:
        message = server_pb2.ReplyInterrupted(reply_id=self._reply(event.reply), reason=_CAUSES[event.cause])
        return ConverseResponse(reply_interrupted=message)

    def _reply_heard(self, event: events.ReplyHeard) -> ConverseResponse:
        message = server_pb2.ReplyHeard(
            reply_id=self._reply(event.reply),
            heard_samples=event.heard_samples,
            heard_text=event.heard_text,
            is_estimate=event.is_estimate,
        )
        return ConverseResponse(reply_heard=message)

    def _reply_finished(self, event: events.ReplyFinished) -> ConverseResponse:
        message = server_pb2.ReplyFinished(
            reply_id=self._reply(event.reply),
            turn_id=self._turn(event.turn),
            kind=_KINDS[event.kind],
            outcome=_OUTCOMES[event.outcome],
            total_samples=event.total_samples,
            goes_on=event.goes_on,
        )
        return ConverseResponse(reply_finished=message)

    def _tool_called(self, event: events.ToolCalled) -> ConverseResponse:
        call_id = f"{self._session_id}-c{event.call}"
        self._open_calls[call_id] = event.call
        if len(self._open_calls) > MAX_OPEN_CALLS:
            del self._open_calls[next(iter(self._open_calls))]
        message = server_pb2.ToolCall(
            call_id=call_id, turn_id=self._turn(event.turn), name=event.name, arguments_json=event.arguments_json
        )
        return ConverseResponse(tool_call=message)

    def _turn_report(self, event: events.TurnReport) -> ConverseResponse:
        spans = [server_pb2.LatencySpan(**asdict(span)) for span in event.spans]
        speculations = [
            server_pb2.Speculation(
                trigger=_TRIGGERS[each.trigger],
                outcome=_SPECULATIONS[each.outcome],
                wasted_tokens=each.wasted_tokens,
            )
            for each in event.speculations
        ]
        won = sum(each.outcome is events.SpeculationOutcome.WON for each in event.speculations)
        message = server_pb2.TurnReport(
            turn_id=self._turn(event.turn),
            reply_id=self._reply(event.reply),
            total_ms=event.total_ms,
            spans=spans,
            is_speculative=bool(won),
            dropped_speculations=len(speculations) - won,
            speculations=speculations,
        )
        return ConverseResponse(turn_report=message)

    def _notice(self, event: events.Notice) -> ConverseResponse:
        message = server_pb2.Notice(
            reason=_REASONS[event.reason],
            message=event.message,
            backend=event.backend or "",
            turn_id=self._turn(event.turn),
        )
        return ConverseResponse(notice=message)

    def _going_away(self, event: events.GoingAway) -> ConverseResponse:
        message = server_pb2.GoingAway(deadline_ms=event.deadline_ms, reason=error_pb2.ERROR_REASON_DRAINING)
        return ConverseResponse(going_away=message)

    def _ended(self, event: events.Ended) -> ConverseResponse:
        return ConverseResponse(ended=server_pb2.Ended(reason=_ENDS[event.cause]))

    _ENCODERS: ClassVar[dict[type, Callable[["Encoder", Any], ConverseResponse]]] = {
        events.SpeechStarted: _speech_started,
        events.SpeechEnded: _speech_ended,
        events.Transcript: _transcript,
        events.ReplyText: _reply_text,
        events.ReplyPaused: _reply_paused,
        events.ReplyResumed: _reply_resumed,
        events.ReplyInterrupted: _reply_interrupted,
        events.ReplyHeard: _reply_heard,
        events.ReplyFinished: _reply_finished,
        events.ToolCalled: _tool_called,
        events.TurnReport: _turn_report,
        events.Notice: _notice,
        events.GoingAway: _going_away,
        events.Ended: _ended,
    }


def started(agreement: Agreement, audio_in: Encoding, audio_out: Encoding, server_version: str) -> bytes:
    """The greeting of a session; its one language is of both directions, which no wire tells apart yet."""
    message = server_pb2.Started(
        session_id=agreement.session_id,
        audio_in=audio_pb2.AudioFormat(encoding=ENCODINGS[audio_in], sample_rate_hz=agreement.input_rate_hz),
        audio_out=audio_pb2.AudioFormat(encoding=ENCODINGS[audio_out], sample_rate_hz=agreement.output_rate_hz),
        language_code=agreement.heard_language,
        voice=agreement.voice,
        limits=LIMITS,
        policy=_policy(agreement.policy),
        server_version=server_version,
    )
    return ConverseResponse(started=message).SerializeToString()


def _policy(policy: TurnPolicy) -> policy_pb2.TurnPolicy:
    return policy_pb2.TurnPolicy(**asdict(policy))


def capabilities(languages: Iterable[Language], server_version: str) -> bytes:
    """What the server can do now."""
    return service_pb2.GetCapabilitiesResponse(
        server_version=server_version,
        languages=[service_pb2.Language(language_code=each.code, voices=each.voices) for each in languages],
        encodings=ENCODINGS.values(),
        input_sample_rates_hz=INPUT_RATES_HZ,
        output_sample_rates_hz=OUTPUT_RATES_HZ,
        limits=LIMITS,
        features=FEATURES,
    ).SerializeToString()
