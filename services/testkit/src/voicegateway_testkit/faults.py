"""What can go wrong with a backend, as plain values, and the plan of when it does."""

from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

from grpc import StatusCode


@dataclass(frozen=True, slots=True)
class Refuse:
    """The call ends at once with `code` (recognition, synthesis)."""

    code: StatusCode = StatusCode.UNAVAILABLE
    details: str = "refused by the fake"
    trailing: tuple[tuple[str, str | bytes], ...] = ()
    """Metadata after the status."""


@dataclass(frozen=True, slots=True)
class Hang:
    """The request is taken and nothing is ever answered."""


@dataclass(frozen=True, slots=True)
class EndAtOnce:
    """The recognition stream ends, OK, when its first message has come."""


@dataclass(frozen=True, slots=True)
class DieAfterAudio:
    """The recognition stream ends with `code` once it has been sent `audio_ms` of audio."""

    audio_ms: int
    code: StatusCode = StatusCode.UNAVAILABLE


@dataclass(frozen=True, slots=True)
class DieAfterWords:
    """The recognition stream ends with `code` once an interim result has shown `words` words."""

    words: int
    code: StatusCode = StatusCode.UNAVAILABLE


@dataclass(frozen=True, slots=True)
class NeverFinalise:
    """Interim results come, a final one never does; a half-close ends the stream without it."""


@dataclass(frozen=True, slots=True)
class LateFinal:
    """Every final result of the stream comes `delay_ms` after its time."""

    delay_ms: int


@dataclass(frozen=True, slots=True)
class Flood:
    """Interim results come without end, whatever is said, and a final one never does; or nothing but finals."""

    results_per_s: int
    chars: int
    """Length of each."""
    is_final: bool = False


@dataclass(frozen=True, slots=True)
class NoSound:
    """The synthesis call ends well with one empty response: there is nothing to be heard in the text."""


@dataclass(frozen=True, slots=True)
class DieAfterSamples:
    """The synthesis call ends with `code` after `samples` samples of the sentence."""

    samples: int
    code: StatusCode = StatusCode.UNAVAILABLE


@dataclass(frozen=True, slots=True)
class StallAfterSamples:
    """The synthesis call sends nothing more after `samples` samples of the sentence, and stays open."""

    samples: int


@dataclass(frozen=True, slots=True)
class HttpFailure:
    """The language model answers with this HTTP status, 401, 429 or 503 say, and an error body."""

    status: int


@dataclass(frozen=True, slots=True)
class CloseBeforeAnswer:
    """The language model's server closes the connection instead of answering."""


@dataclass(frozen=True, slots=True)
class DieAfterTokens:
    """The connection breaks after `tokens` tokens; 0 is after the headers."""

    tokens: int


@dataclass(frozen=True, slots=True)
class StallAfterTokens:
    """Nothing more comes after `tokens` tokens, and the connection stays open; 0 is after the headers."""

    tokens: int


@dataclass(frozen=True, slots=True)
class MalformedAfterTokens:
    """An event that is no JSON comes after `tokens` tokens; then the stream ends."""

    tokens: int


AsrFault = Refuse | Hang | EndAtOnce | DieAfterAudio | DieAfterWords | NeverFinalise | LateFinal | Flood
TtsFault = Refuse | Hang | NoSound | DieAfterSamples | StallAfterSamples
LlmFault = HttpFailure | CloseBeforeAnswer | Hang | DieAfterTokens | StallAfterTokens | MalformedAfterTokens

FaultT = TypeVar("FaultT")


class FaultPlan(Generic[FaultT]):
    """Which request meets which fault. A request is a recognition stream, a sentence to speak, or a chat completion."""

    def __init__(self) -> None:
        self._next: deque[FaultT | None] = deque()
        self._standing: FaultT | None = None

    def next(self, *faults: FaultT | None) -> None:
        """Gives the coming requests these faults in order, one each; None is a healthy one."""
        self._next.extend(faults)

    def always(self, fault: FaultT) -> None:
        """Gives every request without a fault of its own this one, until `heal`."""
        self._standing = fault

    def heal(self) -> None:
        """Forgets all faults."""
        self._next.clear()
        self._standing = None

    def take(self) -> FaultT | None:
        """Called by the fake, once for each request: the fault that it meets."""
        planned = self._next.popleft() if self._next else None
        return planned or self._standing
