"""Words and units."""

from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.domain.audio import Encoding, pcm_bytes
from voice_gateway.domain.backend_status import AddressState, AddressStatus, BackendStatus, NameStatus
from voice_gateway.domain.errors import (
    Backend,
    BackendError,
    ClientError,
    InternalError,
    QuestionTooLong,
    Reason,
    RecognitionStalled,
)
from voice_gateway.domain.instant import Instant, after_ms, ms_between, samples_between, samples_to_ns
from voice_gateway.domain.policy import TurnPolicy


def test_instants() -> None:
    """Milliseconds forth and back, and never a negative number of samples."""
    start = Instant(5)
    assert ms_between(start, after_ms(start, 250)) == 250
    assert ms_between(after_ms(start, 250), start) == -250
    assert samples_between(start, after_ms(start, 250), 16_000) == 4_000
    assert samples_between(after_ms(start, 250), start, 16_000) == 0


@given(st.integers(0, 10**9), st.sampled_from([8_000, 22_050, 44_100, 48_000]))
def test_waiting_for_samples_is_always_enough(samples: int, rate_hz: int) -> None:
    """After the time that samples last, that many samples have passed, at any rate."""
    assert samples_between(Instant(0), Instant(samples_to_ns(samples, rate_hz)), rate_hz) >= samples


def test_sizes() -> None:
    """Bytes of a frame, and of a sample in each encoding."""
    assert pcm_bytes(20, 16_000) == 640
    assert [encoding.sample_bytes for encoding in Encoding] == [2, 1, 1]


def test_errors_carry_their_reason() -> None:
    """An error says its reason, a message for people, and which backend."""
    error = BackendError(Backend.TTS, Reason.TTS_FAILED, "gone")
    assert (error.reason, error.message, error.backend) == (Reason.TTS_FAILED, "gone", Backend.TTS)
    assert str(error) == "TTS_FAILED: gone"
    assert InternalError().reason is Reason.INTERNAL
    stalled = RecognitionStalled("no answer")
    assert (stalled.reason, stalled.backend) == (Reason.BACKEND_UNAVAILABLE, Backend.ASR)
    assert (QuestionTooLong().reason, QuestionTooLong().backend) == (Reason.LLM_FAILED, Backend.LLM)


def test_what_is_known_of_a_backend_is_a_plain_value() -> None:
    """The health page is made of it by name, and states are the labels of a metric."""
    address = AddressStatus("10.0.0.1:1", "asr:1", AddressState.EJECTED, 2, False, 500, "UNAVAILABLE", 20)
    known = asdict(BackendStatus((address,), (NameStatus("llm:1", "not known"),)))
    assert known["addresses"][0]["state"] == "ejected"
    assert known["unresolved"] == ({"name": "llm:1", "cause": "not known"},)


def test_policy_changes() -> None:
    """A change keeps the rest; the default policy is valid."""
    assert TurnPolicy().changed({"lead_ms": 300}) == TurnPolicy(lead_ms=300)


@pytest.mark.parametrize("overrides", [{"lead_ms": 39}, {"lead_ms": 5_001}, {"stop_history_eou_ms": 480}])
def test_policy_refuses(overrides: dict[str, int]) -> None:
    """A value out of range, or a first pass that is not before the second, is refused with the reason."""
    with pytest.raises(ClientError) as refused:
        TurnPolicy().changed(overrides)
    assert refused.value.reason is Reason.POLICY_OUT_OF_RANGE
