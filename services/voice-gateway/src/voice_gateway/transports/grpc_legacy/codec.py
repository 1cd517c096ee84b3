"""voice_workflow as values: its messages in and out, in the order its clients expect. No socket, no clock."""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from voice_workflow_pb2 import (
    END_OF_TURN,
    ERROR,
    LISTENING,
    PROCESSING,
    SPEAKING,
    ClientMessage,
    EventType,
    ServerEvent,
    ServerMessage,
)

from voice_gateway.domain import events
from voice_gateway.domain.agreement import Agreement
from voice_gateway.domain.audio import INPUT_RATES_HZ, AudioFormat, Encoding
from voice_gateway.domain.errors import ClientError, Reason
from voice_gateway.domain.ids import ReplyId, SentenceId, TurnId
from voice_gateway.domain.player import Player
from voice_gateway.domain.trace_context import NO_TRACE, TraceContext
from voice_gateway.session.ports import SessionRequest
from voice_gateway.transports import client_input
from voice_gateway.transports.codec import Opening
from voice_gateway.transports.grpc_wire.parsing import parse

TRANSPORT: Final = "grpc_legacy"
DEFAULT_RATE_HZ: Final = 16_000
"""voice_workflow.proto, `VoiceConfig.sample_rate`: both ways."""
INTERIM_MARK: Final = "..."
MAX_HELD_TURNS: Final = 256
"""Final transcripts that wait for the turn before: as many as turns may wait for their answer (turn/dialogue.py)."""
_POLICY: Final = {"min_words": 3, "no_input_ms": 0, "auto_reply": True, "detect_turns": True}
"""It has no message for a prompt that nobody asked for, and none that asks for a reply or ends a turn."""


class Codec:
    """One call; implements `transports.codec.Codec`."""

    def __init__(self, trace: TraceContext = NO_TRACE) -> None:
        """`trace` is what the call's headers tell; no message tells of one."""
        self._trace = trace
        self._audio_in = AudioFormat(Encoding.LINEAR_PCM, DEFAULT_RATE_HZ)
        self._clock = client_input.InputClock()
        self._order = TurnOrder()
        self._sentence: tuple[ReplyId, SentenceId] | None = None

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
            ClientError: START_REQUIRED, MESSAGE_EMPTY, AUDIO_FORMAT_UNSUPPORTED, TEXT_INVALID, MESSAGE_TOO_LARGE.
        """
        message = ClientMessage() if raw is None else parse(raw, ClientMessage)
        content = message.WhichOneof("content")
        if content is None and raw is not None:
            raise ClientError(Reason.MESSAGE_EMPTY, "the first message has no content that this server knows")
        if content != "config":
            raise ClientError(Reason.START_REQUIRED, "the first message must be config")
        rate_hz = message.config.sample_rate or DEFAULT_RATE_HZ
        if rate_hz not in INPUT_RATES_HZ:
            offer = ", ".join(map(str, INPUT_RATES_HZ))
            raise ClientError(Reason.AUDIO_FORMAT_UNSUPPORTED, f"sample_rate is {rate_hz}; it must be one of {offer}")
        self._audio_in = AudioFormat(Encoding.LINEAR_PCM, rate_hz)
        return Opening(
            SessionRequest(
                transport=TRANSPORT,
                input_rate_hz=rate_hz,
                output_rate_hz=rate_hz,
                language_code=message.config.language_code,
                policy=_POLICY,
                player=Player.NEVER_HELD,
                client_label=message.config.session_id,
                trace=self._trace,
            )
        )

    def opened(self, _: Agreement) -> Iterable[bytes]:
        """Messages that greet the client."""
        return [_event(LISTENING, "Ready").SerializeToString()]

    def receive(self, raw: bytes) -> tuple[client_input.Input]:
        """Read any later message; each says one thing.

        Raises:
            ClientError: START_REPEATED, MESSAGE_EMPTY, MESSAGE_TOO_LARGE, AUDIO_MISALIGNED, TEXT_INVALID.
        """
        message = parse(raw, ClientMessage)
        content = message.WhichOneof("content")
        if content == "audio_chunk":
            data, offset_samples = message.audio_chunk, self._clock.end_samples
            self._clock = self._clock.after(offset_samples, client_input.count_samples(data, Encoding.LINEAR_PCM))
            return (client_input.Audio(data, offset_samples),)
        if content == "text_input":
            return (client_input.TextTyped(client_input.check_typed(message.text_input)),)
        if content == "config":
            raise ClientError(Reason.START_REPEATED, "config may be sent only once")
        raise ClientError(Reason.MESSAGE_EMPTY, "the message has no content that this server knows")

    def refused(self, _: ClientError) -> None:
        """Nothing is told: what is refused ends the call."""

    def encode_event(self, event: events.Event) -> Sequence[bytes]:
        """Messages that tell of `event`, and of what was held back until it."""
        return [message.SerializeToString() for message in self._order.take(event)]

    def encode_audio(self, audio: events.ReplyAudio) -> Sequence[bytes]:
        """Messages that carry `audio`: SPEAKING comes before each sentence."""
        if not audio.pcm:
            return []
        chunk = ServerMessage(audio_chunk=audio.pcm).SerializeToString()
        sentence = (audio.reply, audio.sentence)
        if sentence == self._sentence:
            return [chunk]
        self._sentence = sentence
        return [_event(SPEAKING).SerializeToString(), chunk]


class TurnOrder:
    """Puts events in the order of the older contract: one turn at a time, from its final transcript to LISTENING.

    A session may commit the next turn while a reply is still under way. The next turn's final transcript is held back
    until the turn before is closed: by the end or the interruption of its reply, or, for a turn that nobody answers, by
    the first word of a later turn's reply or by the end of the session. Of more than `MAX_HELD_TURNS` the oldest, which
    nobody will answer, is told at once and opens no turn.
    """

    def __init__(self) -> None:
        self._open: TurnId | None = None
        self._held: deque[events.Transcript] = deque()
        self._later = ""
        """The newest interim of a turn behind those that are held back."""

    def take(self, event: events.Event) -> list[ServerMessage]:
        """What the client is told now."""
        match event:
            case events.Transcript(is_final=False):
                # behind a final that is held back, an interim of a later turn would seem to be of that one; and this
                # contract takes nothing back
                self._later = event.text
                return self._tell_later()
            case events.Transcript():
                return self._hold(event)
            case events.ReplyText(turn=turn, text=text):
                return [*self._advance_to(turn), ServerMessage(llm_response_chunk=text)]
            case events.ReplyInterrupted():
                return self._close()
            case events.ReplyFinished(turn=turn, goes_on=goes_on):
                return [*self._advance_to(turn), *(self._close() if turn == self._open and not goes_on else [])]
            case events.Notice(reason=reason):
                return [_event(ERROR, reason), _event(LISTENING)]
            case events.Ended():
                return [*self._close_all(), _event(END_OF_TURN)]
            case _:
                return []

    def _tell_later(self) -> list[ServerMessage]:
        if self._held or not self._later:
            return []
        text, self._later = self._later, ""
        return [ServerMessage(transcript_chunk=text + INTERIM_MARK)]

    def _hold(self, transcript: events.Transcript) -> list[ServerMessage]:
        self._later = ""
        self._held.append(transcript)
        if self._open is None:
            return self._open_next()
        if len(self._held) <= MAX_HELD_TURNS:
            return []
        return [ServerMessage(transcript_chunk=_final(self._held.popleft().text))]

    def _open_next(self) -> list[ServerMessage]:
        transcript = self._held.popleft()
        self._open = transcript.turn
        return [ServerMessage(transcript_chunk=_final(transcript.text)), _event(PROCESSING), *self._tell_later()]

    def _close(self) -> list[ServerMessage]:
        if self._open is None:
            return []
        self._open = None
        return [_event(LISTENING), *(self._open_next() if self._held else [])]

    def _advance_to(self, turn: TurnId | None) -> list[ServerMessage]:
        told: list[ServerMessage] = []
        while any(transcript.turn == turn for transcript in self._held):
            told += self._close()
        return told

    def _close_all(self) -> list[ServerMessage]:
        told: list[ServerMessage] = []
        while self._open is not None:
            told += self._close()
        return told


def _final(text: str) -> str:
    """`text` so that it cannot be taken for an interim: an ellipsis at its end becomes a full stop."""
    bare = text.rstrip()
    return bare.rstrip(".") + "." if bare.endswith(INTERIM_MARK) else text


def _event(kind: EventType.ValueType, message: str = "") -> ServerMessage:
    return ServerMessage(event=ServerEvent(type=kind, message=message))
