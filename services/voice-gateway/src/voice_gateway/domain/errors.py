"""What can go wrong, as one closed vocabulary.

    GatewayError
    |-- ClientError       the client broke the contract, or asks for what this server does not have
    |-- BackendError      a backend failed or is not there
    |   |-- RecognitionStalled
    |   `-- QuestionTooLong
    |-- Unavailable       this server cannot take or keep the session now
    |   `-- Refused       admission, by one of its limits
    `-- InternalError     a fault of the gateway itself

Each carries a `reason` that clients may act on and a message that is safe to show.
`transports/grpc_wire/status.py` maps each reason to exactly one gRPC code.
"""

from enum import StrEnum


class Reason(StrEnum):
    """Stable reasons; the same names as voicegateway.v1.ErrorReason without its prefix."""

    START_REQUIRED = "START_REQUIRED"
    START_REPEATED = "START_REPEATED"
    MESSAGE_EMPTY = "MESSAGE_EMPTY"
    MESSAGE_TOO_LARGE = "MESSAGE_TOO_LARGE"
    LANGUAGE_UNSUPPORTED = "LANGUAGE_UNSUPPORTED"
    VOICE_UNSUPPORTED = "VOICE_UNSUPPORTED"
    AUDIO_FORMAT_UNSUPPORTED = "AUDIO_FORMAT_UNSUPPORTED"
    AUDIO_MISALIGNED = "AUDIO_MISALIGNED"
    AUDIO_OVERLAP = "AUDIO_OVERLAP"
    TEXT_INVALID = "TEXT_INVALID"
    POLICY_OUT_OF_RANGE = "POLICY_OUT_OF_RANGE"
    INPUT_AFTER_END = "INPUT_AFTER_END"
    PLAYBACK_IMPLAUSIBLE = "PLAYBACK_IMPLAUSIBLE"
    FEATURE_UNAVAILABLE = "FEATURE_UNAVAILABLE"
    RESUME_UNAVAILABLE = "RESUME_UNAVAILABLE"
    TOKEN_INVALID = "TOKEN_INVALID"  # noqa: S105  a reason, not a token
    CALLER_NOT_ALLOWED = "CALLER_NOT_ALLOWED"
    BACKEND_UNAVAILABLE = "BACKEND_UNAVAILABLE"
    RECOGNITION_INTERRUPTED = "RECOGNITION_INTERRUPTED"
    LLM_FAILED = "LLM_FAILED"
    LLM_TIMEOUT = "LLM_TIMEOUT"
    TTS_FAILED = "TTS_FAILED"
    TTS_TIMEOUT = "TTS_TIMEOUT"
    SENTENCE_SKIPPED = "SENTENCE_SKIPPED"
    CLIENT_STALLED = "CLIENT_STALLED"
    DRAINING = "DRAINING"
    DRAIN_DEADLINE = "DRAIN_DEADLINE"
    AT_CAPACITY = "AT_CAPACITY"
    INTERNAL = "INTERNAL"
    START_TIMEOUT = "START_TIMEOUT"
    QUOTA_EXCEEDED = "QUOTA_EXCEEDED"
    RATE_EXCEEDED = "RATE_EXCEEDED"


class Backend(StrEnum):
    """What stands behind the gateway."""

    ASR = "asr"
    LLM = "llm"
    TTS = "tts"


class GatewayError(Exception):
    """Base of every error that may reach a client.

    Attributes:
        reason: stable; a client may act on it.
        message: for people, safe to show.
        retry_after_ms: after this time it is worth trying again; None: nobody knows.
    """

    retry_after_ms: int | None = None

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message


class ClientError(GatewayError):
    """The client broke the contract, or asks for what this server does not have."""


class BackendError(GatewayError):
    """A backend failed, timed out or has no healthy address."""

    def __init__(self, backend: Backend, reason: Reason, message: str) -> None:
        super().__init__(reason, message)
        self.backend = backend


class RecognitionStalled(BackendError):  # noqa: N818  said as the fact it is
    """A recogniser gave no result for too long although somebody spoke."""

    def __init__(self, message: str) -> None:
        super().__init__(Backend.ASR, Reason.BACKEND_UNAVAILABLE, message)


class QuestionTooLong(BackendError):  # noqa: N818  said as the fact it is
    """The question is too long for a language model; a shorter one may be answered, and no address is to blame."""

    def __init__(self) -> None:
        super().__init__(Backend.LLM, Reason.LLM_FAILED, "the language model takes no question of this length")


class Unavailable(GatewayError):  # noqa: N818  named after the gRPC code that every client knows
    """This server cannot take or keep the session now: it is draining or full, a quota is used up, or the client does
    not read or does too much.
    """

    def __init__(self, reason: Reason, message: str, *, retry_after_ms: int | None = None) -> None:
        super().__init__(reason, message)
        self.retry_after_ms = retry_after_ms


class Limit(StrEnum):
    """Which limit of admission refused somebody."""

    SESSIONS = "sessions"
    CPU = "cpu"
    ADDED_LATENCY = "added_latency"
    UNSTARTED = "unstarted"
    CALLER_SESSIONS = "caller_sessions"
    CALLER_NEW = "caller_new"
    CALLER_AUDIO = "caller_audio"


class Refused(Unavailable):
    """Somebody may not begin a session now: AT_CAPACITY or QUOTA_EXCEEDED."""

    def __init__(self, reason: Reason, limit: Limit, message: str, retry_after_ms: int) -> None:
        super().__init__(reason, message, retry_after_ms=retry_after_ms)
        self.limit = limit


class ToolError(Exception):
    """A tool failed. The language model is told, the client is not: the model reads "Error: " and the message."""


class InternalError(GatewayError):
    """A fault of the gateway itself."""

    def __init__(self, message: str = "internal error") -> None:
        super().__init__(Reason.INTERNAL, message)
