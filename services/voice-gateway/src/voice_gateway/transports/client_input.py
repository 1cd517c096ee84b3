"""What a client says, whatever its wire, and the rules that every wire keeps."""

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

from voice_gateway.domain.audio import Encoding
from voice_gateway.domain.errors import ClientError, Reason
from voice_gateway.domain.events import Notice
from voice_gateway.domain.ids import CallId, ReplyId
from voice_gateway.domain.reply_options import ReplyOptions
from voice_gateway.session.ports import SessionUpdate

MAX_AUDIO_BYTES: Final = 1_048_576
"""Largest audio message: client.proto, `AudioInput.data`."""
MAX_TEXT_CHARS: Final = 4_000
"""Longest typed turn: client.proto, `TextInput.text`."""
MAX_KEY_TURNS: Final = 16
"""Turns of one message of keys: client.proto, `Dtmf.digits`."""
MAX_TOOL_OUTPUT_CHARS: Final = 65_536
"""Longest outcome of a tool: client.proto, `ToolResult.output`."""
MAX_REQUEST_BYTES: Final = MAX_AUDIO_BYTES + 262_144
"""Largest message of any kind. The largest lawful ones are a start with a checkpoint of 1 MiB and a prompt of 16000
characters, and the output of a tool, 65536 characters; a character has up to 4 bytes (client.proto)."""

MAX_POSITION_SAMPLES: Final = 2**62
"""End of the input clock, client.proto, `AudioInput.offset_samples`: what follows from a position still fits int64."""

_KEYS: Final = re.compile(r"[0-9*#A-D]+")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Unicode category Cc but for tab and newline."""


class Audio(NamedTuple):
    """Microphone audio in the client's format; a tuple, because one is made for each frame of every call."""

    data: bytes
    offset_samples: int


@dataclass(frozen=True, slots=True)
class TextTyped:
    """A typed turn."""

    text: str


@dataclass(frozen=True, slots=True)
class DigitsPressed:
    """Telephone keys."""

    digits: str


@dataclass(frozen=True, slots=True)
class Updated:
    """The session is to change from the next turn on."""

    update: SessionUpdate


@dataclass(frozen=True, slots=True)
class ReplyRequested:
    """A reply is to be given."""

    options: ReplyOptions


@dataclass(frozen=True, slots=True)
class PlaybackReported:
    """A position of the client's player."""

    reply: ReplyId
    played_samples: int
    is_final: bool


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The running reply is to stop."""


@dataclass(frozen=True, slots=True)
class Committed:
    """The user's turn ends now."""


@dataclass(frozen=True, slots=True)
class ToolReturned:
    """A tool that the client executed has done its work, or failed."""

    call: CallId
    output: str
    is_error: bool


@dataclass(frozen=True, slots=True)
class EndRequested:
    """The client wants to stop now."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Something that is not taken, while the call goes on."""

    notice: Notice


@dataclass(frozen=True, slots=True)
class Answer:
    """A message for the client with which the codec itself answers; the session is not told."""

    raw: bytes


Input = (
    Audio
    | TextTyped
    | DigitsPressed
    | Updated
    | ReplyRequested
    | PlaybackReported
    | Interrupted
    | Committed
    | ToolReturned
    | EndRequested
    | Refused
    | Answer
)


class InputClock(NamedTuple):
    """How far the client's own sample clock has come; a tuple as `Audio` is."""

    end_samples: int = 0

    def after(self, offset_samples: int, count_samples: int) -> "InputClock":
        """The clock after audio at `offset_samples`.

        Raises:
            ClientError: AUDIO_OVERLAP, when it begins before the end of the audio already sent, or ends beyond
                MAX_POSITION_SAMPLES.
        """
        if offset_samples < self.end_samples:
            raise ClientError(
                Reason.AUDIO_OVERLAP,
                f"offset_samples is {offset_samples}; the audio already sent ends at {self.end_samples}",
            )
        end_samples = offset_samples + count_samples
        if end_samples > MAX_POSITION_SAMPLES:
            raise ClientError(
                Reason.AUDIO_OVERLAP,
                f"offset_samples is {offset_samples}; the clock ends at {MAX_POSITION_SAMPLES}",
            )
        return InputClock(end_samples)


def count_samples(data: bytes, encoding: Encoding) -> int:
    """Samples of an audio message.

    Raises:
        ClientError: MESSAGE_TOO_LARGE; AUDIO_MISALIGNED when it is cut inside a sample.
    """
    if len(data) > MAX_AUDIO_BYTES:
        raise ClientError(Reason.MESSAGE_TOO_LARGE, f"audio data has {len(data)} bytes; at most {MAX_AUDIO_BYTES}")
    if len(data) % encoding.sample_bytes:
        raise ClientError(Reason.AUDIO_MISALIGNED, f"audio data has {len(data)} bytes, not whole samples")
    return len(data) // encoding.sample_bytes


def check_prose(text: str, name: str, max_chars: int) -> str:
    """`text` itself.

    Raises:
        ClientError: TEXT_INVALID, when it is longer than `max_chars` or holds control characters.
    """
    if len(text) > max_chars:
        raise ClientError(Reason.TEXT_INVALID, f"{name} has {len(text)} characters; at most {max_chars}")
    if found := _CONTROL.search(text):
        raise ClientError(Reason.TEXT_INVALID, f"{name} has the control character U+{ord(found[0]):04X}")
    return text


def check_typed(text: str) -> str:
    """`text` itself, as a typed turn.

    Raises:
        ClientError: TEXT_INVALID, when it is empty or white space, too long, or holds control characters.
    """
    if not text or text.isspace():
        raise ClientError(Reason.TEXT_INVALID, "text is empty")
    return check_prose(text, "text", MAX_TEXT_CHARS)


def check_digits(digits: str) -> str:
    """`digits` itself, as telephone keys.

    Raises:
        ClientError: TEXT_INVALID, when there is no key, one that no telephone has, or too many keys or turns.
    """
    if not digits:
        raise ClientError(Reason.TEXT_INVALID, "digits is empty")
    if len(digits) > MAX_TEXT_CHARS:
        raise ClientError(Reason.TEXT_INVALID, f"digits has {len(digits)} characters; at most {MAX_TEXT_CHARS}")
    if _KEYS.fullmatch(digits) is None:
        raise ClientError(Reason.TEXT_INVALID, "digits has a character other than 0-9, *, #, A-D")
    if (turns := digits.count("#")) > MAX_KEY_TURNS:
        raise ClientError(Reason.TEXT_INVALID, f"digits has {turns} turns, each ended by #; at most {MAX_KEY_TURNS}")
    return digits
