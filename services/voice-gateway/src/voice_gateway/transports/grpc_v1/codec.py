"""voicegateway.v1 as values: requests in, responses out. No socket, no clock."""

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, Final

from voicegateway.v1 import audio_pb2, client_pb2, policy_pb2
from voicegateway.v1.voice_gateway_service_pb2 import ConverseRequest

from voice_gateway.domain.agreement import Agreement
from voice_gateway.domain.audio import INPUT_RATES_HZ, OUTPUT_RATES_HZ, AudioFormat, Encoding
from voice_gateway.domain.errors import ClientError, Reason
from voice_gateway.domain.events import Event, Notice, ReplyAudio
from voice_gateway.domain.reply_options import Modality, ReplyOptions
from voice_gateway.domain.trace_context import NO_TRACE, TraceContext, trace_context
from voice_gateway.session.ports import SessionRequest, SessionUpdate
from voice_gateway.transports import client_input
from voice_gateway.transports.codec import Opening
from voice_gateway.transports.grpc_v1.encoding import ENCODINGS, Encoder, started
from voice_gateway.transports.grpc_v1.tools import decode_tools
from voice_gateway.transports.grpc_wire.parsing import parse

TRANSPORT: Final = "grpc_v1"
DEFAULT_INPUT_RATE_HZ: Final = 16_000
"""audio.proto, `AudioFormat.sample_rate_hz`."""
MAX_PROMPT_CHARS: Final = 16_000
"""client.proto, `Start.system_prompt`."""

_DECODINGS: Final = {audio_pb2.AUDIO_ENCODING_UNSPECIFIED: Encoding.LINEAR_PCM} | {
    wire: encoding for encoding, wire in ENCODINGS.items()
}

_MODALITIES: Final[dict[int, Modality | None]] = {
    client_pb2.REPLY_MODALITY_UNSPECIFIED: None,
    client_pb2.REPLY_MODALITY_AUDIO: Modality.AUDIO,
    client_pb2.REPLY_MODALITY_TEXT: Modality.TEXT,
}


def _start_again(_: "Codec", __: ConverseRequest) -> client_input.Input:
    raise ClientError(Reason.START_REPEATED, "start may be sent only once")


class Codec:
    """One call; implements `transports.codec.Codec`.

    The order of the wire is kept here: what comes before `start`, twice, or after `end` is refused.
    """

    def __init__(self, server_version: str, trace: TraceContext = NO_TRACE) -> None:
        """`trace` is what the call's headers tell; what `start` tells stands above it."""
        self._server_version = server_version
        self._trace = trace
        self._audio_in = AudioFormat(Encoding.LINEAR_PCM, DEFAULT_INPUT_RATE_HZ)
        self._audio_out = Encoding.LINEAR_PCM
        self._encoder = Encoder(session_id="", audio_out=self._audio_out)
        self._clock = client_input.InputClock()
        self._is_ended = False

    @property
    def audio_in(self) -> AudioFormat:
        """Format of the client's audio; known after `start`."""
        return self._audio_in

    def greeting(self) -> Sequence[bytes]:
        """Nothing: the client speaks first."""
        return ()

    def start(self, raw: bytes | None) -> Opening:
        """Read the first message; None: the client half-closed without one.

        Raises:
            ClientError: START_REQUIRED, MESSAGE_EMPTY, AUDIO_FORMAT_UNSUPPORTED, TEXT_INVALID,
                RESUME_UNAVAILABLE, MESSAGE_TOO_LARGE.
        """
        request = ConverseRequest() if raw is None else parse(raw, ConverseRequest)
        payload = request.WhichOneof("payload")
        if payload is None and raw is not None:
            raise ClientError(Reason.MESSAGE_EMPTY, "the first message has no payload that this server knows")
        if payload != "start":
            raise ClientError(Reason.START_REQUIRED, "the first message must be start")
        start = request.start
        if start.resume_token:
            raise ClientError(Reason.RESUME_UNAVAILABLE, "this server cannot resume a session; start afresh")
        self._audio_in = AudioFormat(
            _encoding(start.audio_in), _rate(start.audio_in, INPUT_RATES_HZ) or DEFAULT_INPUT_RATE_HZ
        )
        self._audio_out = _encoding(start.audio_out)
        trace = trace_context(start.traceparent, start.tracestate)
        return Opening(
            SessionRequest(
                transport=TRANSPORT,
                input_rate_hz=self._audio_in.rate_hz,
                output_rate_hz=_rate(start.audio_out, OUTPUT_RATES_HZ),
                language_code=start.language_code,
                voice=start.voice,
                system_prompt=_system_prompt(start),
                policy=_policy(start.policy),
                reply_modality=_modality(start.reply_modality) or Modality.AUDIO,
                tools=decode_tools(start.tools),
                trace=trace if trace.parent else self._trace,
            )
        )

    def opened(self, agreement: Agreement) -> Iterable[bytes]:
        """Messages that greet the client; ids of the session are known from here on."""
        self._encoder = Encoder(agreement.session_id, self._audio_out)
        return [started(agreement, self._audio_in.encoding, self._audio_out, self._server_version)]

    def refused(self, _: ClientError) -> None:
        """Nothing is told: what is refused ends the call."""

    def encode_event(self, event: Event) -> Sequence[bytes]:
        """Messages that tell of `event`."""
        return [self._encoder.encode_event(event)]

    def encode_audio(self, audio: ReplyAudio) -> Sequence[bytes]:
        """Messages that carry `audio`."""
        return [self._encoder.encode_audio(audio)]

    def receive(self, raw: bytes) -> tuple[client_input.Input]:
        """Read any later message; each says one thing.

        Raises:
            ClientError: INPUT_AFTER_END, START_REPEATED, MESSAGE_EMPTY, MESSAGE_TOO_LARGE, AUDIO_MISALIGNED,
                AUDIO_OVERLAP, TEXT_INVALID.
        """
        if self._is_ended and not _reports_playback(raw):
            raise ClientError(Reason.INPUT_AFTER_END, "nothing may follow end")
        request = parse(raw, ConverseRequest)
        payload = request.WhichOneof("payload")
        if payload is None:
            raise ClientError(Reason.MESSAGE_EMPTY, "the message has no payload that this server knows")
        return (self._RECEIVERS[payload](self, request),)

    def _audio(self, request: ConverseRequest) -> client_input.Input:
        audio = request.audio
        data, offset_samples = audio.data, audio.offset_samples
        count = client_input.count_samples(data, self._audio_in.encoding)
        if count == 0:
            raise ClientError(Reason.AUDIO_MISALIGNED, "audio data is empty")
        self._clock = self._clock.after(offset_samples, count)
        return client_input.Audio(data, offset_samples)

    def _playback(self, request: ConverseRequest) -> client_input.Input:
        report = request.playback
        reply = self._encoder.reply_of(report.reply_id)
        if reply is None:
            return client_input.Refused(Notice(Reason.PLAYBACK_IMPLAUSIBLE, "a playback report names an unknown reply"))
        return client_input.PlaybackReported(reply, report.played_samples, report.is_final)

    def _tool_result(self, request: ConverseRequest) -> client_input.Input:
        result = request.tool_result
        if len(result.output) > client_input.MAX_TOOL_OUTPUT_CHARS:
            said = f"a tool's output has {len(result.output)} characters; at most {client_input.MAX_TOOL_OUTPUT_CHARS}"
            raise ClientError(Reason.TEXT_INVALID, said)
        call = self._encoder.take_call(result.call_id)
        if call is None:
            return client_input.Refused(Notice(Reason.FEATURE_UNAVAILABLE, "a tool result names no open call"))
        return client_input.ToolReturned(call, result.output, result.is_error)

    def _update(self, request: ConverseRequest) -> client_input.Input:
        update = request.update
        tools = decode_tools(update.tools)
        return client_input.Updated(
            SessionUpdate(
                language_code=update.language_code if update.HasField("language_code") else None,
                voice=update.voice if update.HasField("voice") else None,
                system_prompt=_system_prompt(update),
                policy=_policy(update.policy),
                tools=tools if update.replace_tools else None,
                reply_modality=_modality(update.reply_modality),
            )
        )

    def _reply_request(self, request: ConverseRequest) -> client_input.Input:
        wish = request.reply_request
        instructions = wish.instructions if wish.HasField("instructions") else None
        if instructions is not None:
            client_input.check_prose(instructions, "instructions", MAX_PROMPT_CHARS)
        tools = decode_tools(wish.tools)
        own_tools = tools if wish.replace_tools else None
        return client_input.ReplyRequested(ReplyOptions(instructions, own_tools, _modality(wish.modality)))

    def _end(self, _: ConverseRequest) -> client_input.Input:
        self._is_ended = True
        return client_input.EndRequested()

    _RECEIVERS: ClassVar[dict[str, Callable[["Codec", ConverseRequest], client_input.Input]]] = {
        "start": _start_again,
        "audio": _audio,
        "text": lambda _, request: client_input.TextTyped(client_input.check_typed(request.text.text)),
        "playback": _playback,
        "interrupt": lambda _, __: client_input.Interrupted(),
        "commit": lambda _, __: client_input.Committed(),
        "dtmf": lambda _, request: client_input.DigitsPressed(client_input.check_digits(request.dtmf.digits)),
        "tool_result": _tool_result,
        "update": _update,
        "reply_request": _reply_request,
        "end": _end,
    }


def _encoding(wish: audio_pb2.AudioFormat) -> Encoding:
    encoding = _DECODINGS.get(wish.encoding)
    if encoding is None:
        raise ClientError(Reason.AUDIO_FORMAT_UNSUPPORTED, f"encoding {wish.encoding} is not in GetCapabilities")
    return encoding


def _rate(wish: audio_pb2.AudioFormat, offered_hz: Sequence[int]) -> int | None:
    """The rate asked for; None when no rate is asked for."""
    rate_hz = wish.sample_rate_hz
    if rate_hz and rate_hz not in offered_hz:
        offer = ", ".join(map(str, offered_hz))
        raise ClientError(Reason.AUDIO_FORMAT_UNSUPPORTED, f"sample_rate_hz is {rate_hz}; it must be one of {offer}")
    return rate_hz or None


def _system_prompt(message: client_pb2.Start | client_pb2.Update) -> str | None:
    if not message.HasField("system_prompt"):
        return None
    return client_input.check_prose(message.system_prompt, "system_prompt", MAX_PROMPT_CHARS)


def _modality(wish: int) -> Modality | None:
    """None: as is agreed."""
    if wish not in _MODALITIES:
        raise ClientError(Reason.AUDIO_FORMAT_UNSUPPORTED, f"there is no reply modality {wish}")
    return _MODALITIES[wish]


def _policy(policy: policy_pb2.TurnPolicy) -> dict[str, int]:
    """The fields that are set."""
    return {spec.name: value for spec, value in policy.ListFields()}


def _reports_playback(raw: bytes) -> bool:
    """Whether the message is a playback report: the flush that `end` brings about may still be told."""
    try:
        return parse(raw, ConverseRequest).WhichOneof("payload") == "playback"
    except ClientError:
        return False
