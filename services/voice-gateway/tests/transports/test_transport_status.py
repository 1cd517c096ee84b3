"""Each reason reads as one code, the one that error.proto writes beside it."""

import re
from base64 import b64encode
from pathlib import Path
from urllib.parse import quote

from google.rpc import error_details_pb2
from voice_gateway.domain.errors import (
    Backend,
    BackendError,
    ClientError,
    GatewayError,
    InternalError,
    Reason,
    Unavailable,
)
from voice_gateway.transports.failures import MAX_MESSAGE_CHARS
from voice_gateway.transports.grpc_wire.status import CODES, to_status

ERROR_PROTO = Path(__file__).resolve().parents[4] / "proto" / "voicegateway" / "v1" / "error.proto"
ENTRY = re.compile(r"// ([A-Z_]+)(?: for `start`, a notice elsewhere)?: .*\n(?:  //.*\n)*  ERROR_REASON_([A-Z_]+) =")
NOTICES_ONLY = {
    "PLAYBACK_IMPLAUSIBLE",
    "RECOGNITION_INTERRUPTED",
    "LLM_FAILED",
    "LLM_TIMEOUT",
    "TTS_FAILED",
    "TTS_TIMEOUT",
    "SENTENCE_SKIPPED",
}


def info_of(error: GatewayError) -> error_details_pb2.ErrorInfo:
    """The ErrorInfo that a client finds in the status."""
    info = error_details_pb2.ErrorInfo()
    assert to_status(error).details[0].Unpack(info)
    return info


def test_codes_are_those_of_the_contract() -> None:
    """A client that acts on the code alone gets what error.proto promises for the reason."""
    documented = {reason: code for code, reason in ENTRY.findall(ERROR_PROTO.read_text(encoding="utf-8"))}
    assert {str(reason): code.name for reason, code in CODES.items() if reason not in NOTICES_ONLY} == documented


def test_every_reason_has_a_code() -> None:
    """No reason can end a call without a code, not even one that is meant for notices."""
    assert set(CODES) == set(Reason)


def test_status_carries_reason_and_message() -> None:
    """A person reads the message, a program the reason."""
    status = to_status(ClientError(Reason.TEXT_INVALID, "text is empty"))
    assert (status.code, status.message) == (3, "text is empty")
    info = info_of(ClientError(Reason.TEXT_INVALID, "text is empty"))
    assert (info.domain, info.reason, dict(info.metadata)) == ("voicegateway.v1", "TEXT_INVALID", {})


def test_status_names_the_backend() -> None:
    """The person on call sees which backend is missing."""
    info = info_of(BackendError(Backend.ASR, Reason.BACKEND_UNAVAILABLE, "asr has no healthy address"))
    assert (info.reason, dict(info.metadata)) == ("BACKEND_UNAVAILABLE", {"backend": "asr"})


def test_status_says_when_to_come_again() -> None:
    """A client that reads RetryInfo waits as long as it is told, and finds the reason before it; others have none."""
    status = to_status(Unavailable(Reason.AT_CAPACITY, "full", retry_after_ms=1_250))
    retry = error_details_pb2.RetryInfo()
    assert [detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR) for detail in status.details] == [True, False]
    assert status.details[1].Unpack(retry)
    assert retry.retry_delay.ToMilliseconds() == 1_250
    assert len(to_status(Unavailable(Reason.DRAINING, "leaving")).details) == 1


def test_fault_of_our_own_is_internal() -> None:
    """Our own mistakes never look like the client's."""
    assert to_status(InternalError()).code == 13
    assert info_of(InternalError()).reason == "INTERNAL"


def test_long_message_is_cut() -> None:
    """A status above 8 KiB of trailers loses its reason on the way, even one of 4-byte characters."""
    error = ClientError(Reason.LANGUAGE_UNSUPPORTED, "\U0001f600" * 100_000)
    status = to_status(error)
    assert len(status.message) == MAX_MESSAGE_CHARS
    assert len(quote(status.message)) + len(b64encode(status.SerializeToString())) < 8_192
    assert info_of(error).reason == "LANGUAGE_UNSUPPORTED"
