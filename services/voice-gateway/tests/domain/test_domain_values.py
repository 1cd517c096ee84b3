"""Words and units."""

from dataclasses import asdict, fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.domain.audio import Encoding, pcm_bytes
from voice_gateway.domain.backend_status import AddressState, AddressStatus, BackendStatus, NameStatus
from voice_gateway.domain.chat import Tool, Toolbox, ToolPlace, made_up_id
from voice_gateway.domain.errors import (
    Backend,
    BackendError,
    ClientError,
    InternalError,
    QuestionTooLong,
    Reason,
    RecognitionStalled,
)
from voice_gateway.domain.instant import Instant, after_ms, earliest, ms_between, samples_between, samples_to_ns
from voice_gateway.domain.player import Player
from voice_gateway.domain.policy import TurnPolicy


def test_instants() -> None:
    """Milliseconds forth and back, and never a negative number of samples."""
    start = Instant(5)
    assert ms_between(start, after_ms(start, 250)) == 250
    assert ms_between(after_ms(start, 250), start) == -250
    assert samples_between(start, after_ms(start, 250), 16_000) == 4_000
    assert samples_between(after_ms(start, 250), start, 16_000) == 0


def test_the_earliest_of_what_may_become_due() -> None:
    """What is not due at all does not count, and the beginning of the clock is an instant like any other."""
    assert earliest() is None
    assert earliest(None, None) is None
    assert earliest(None, Instant(2), Instant(1), None, Instant(3)) == 1
    assert earliest(Instant(2), Instant(0)) == 0
    assert earliest(Instant(0), Instant(2)) == 0


def test_times_are_rounded_so_that_no_one_waits_too_little() -> None:
    """A part of a millisecond or of a sample that has passed does not count, and one that is to be waited for does."""
    assert ms_between(Instant(0), Instant(1_999_999)) == 1
    assert ms_between(Instant(0), Instant(2_000_000)) == 2
    assert ms_between(Instant(1), Instant(0)) == -1
    assert samples_between(Instant(0), Instant(124_999), 8_000) == 0
    assert samples_between(Instant(0), Instant(125_000), 8_000) == 1
    assert samples_between(Instant(7), Instant(7), 1_000_000_000) == 0
    assert samples_to_ns(1, 8_000) == 125_000
    assert samples_to_ns(1, 22_050) == 45_352  # 45,351.5
    assert samples_to_ns(0, 22_050) == 0


@given(st.integers(0, 10**9), st.sampled_from([8_000, 22_050, 44_100, 48_000]))
def test_waiting_for_samples_is_always_enough(samples: int, rate_hz: int) -> None:
    """After the time that samples last, that many samples have passed, at any rate."""
    assert samples_between(Instant(0), Instant(samples_to_ns(samples, rate_hz)), rate_hz) >= samples


def test_sizes() -> None:
    """Bytes of a frame, and of a sample in each encoding."""
    assert pcm_bytes(20, 16_000) == 640
    assert pcm_bytes(20, 11_025) == 440  # 220.5 samples
    assert [encoding.sample_bytes for encoding in Encoding] == [2, 1, 1]


def test_errors_carry_their_reason() -> None:
    """An error says its reason, a message for people, and which backend."""
    error = BackendError(Backend.TTS, Reason.TTS_FAILED, "gone")
    assert (error.reason, error.message, error.backend) == (Reason.TTS_FAILED, "gone", Backend.TTS)
    assert str(error) == "TTS_FAILED: gone"
    assert InternalError().reason is Reason.INTERNAL
    stalled = RecognitionStalled("no answer")
    assert (stalled.reason, stalled.backend) == (Reason.BACKEND_UNAVAILABLE, Backend.ASR)
    assert stalled.message == "no answer"
    assert (QuestionTooLong().reason, QuestionTooLong().backend) == (Reason.LLM_FAILED, Backend.LLM)


def test_errors_without_words_of_their_own_say_what_happened() -> None:
    """Who reads a log or a client's error reads these words, so they are the same in every release."""
    assert QuestionTooLong().message == "the language model takes no question of this length"
    assert InternalError().message == "internal error"
    assert InternalError("a task died").message == "a task died"
    assert str(InternalError()) == "INTERNAL: internal error"


def test_what_is_known_of_a_backend_is_a_plain_value() -> None:
    """The health page is made of it by name, and states are the labels of a metric."""
    address = AddressStatus("10.0.0.1:1", "asr:1", AddressState.EJECTED, 2, False, 500, "UNAVAILABLE", 20)
    known = asdict(BackendStatus((address,), (NameStatus("llm:1", "not known"),)))
    assert known["addresses"][0]["state"] == "ejected"
    assert known["unresolved"] == ({"name": "llm:1", "cause": "not known"},)


def test_policy_changes() -> None:
    """A change keeps the rest; the default policy is valid."""
    assert TurnPolicy().changed({"lead_ms": 300}) == TurnPolicy(lead_ms=300)


@pytest.mark.parametrize(
    ("name", "default", "told"),
    [
        (
            "lead_ms",
            200,
            {"low": 40, "high": 5_000, "unit": "ms", "doc": "reply audio is sent at most this far ahead of real time"},
        ),
        (
            "max_speculations",
            3,
            {
                "low": 0,
                "high": 10,
                "unit": "count",
                "doc": "at most this many replies are prepared early in one turn",
            },
        ),
        (
            "speculation",
            True,
            {"low": 0, "high": 1, "unit": "", "doc": "prepare the reply before the turn is certain"},
        ),
    ],
)
def test_a_setting_knows_what_is_told_of_it(name: str, default: int, told: dict[str, Any]) -> None:
    """Pages, proto and refusals of a setting are made of its default, its range, its unit and its one line of text."""
    (spec,) = (each for each in fields(TurnPolicy) if each.name == name)
    assert (spec.default, dict(spec.metadata)) == (default, told)


@pytest.mark.parametrize("name", ["lead_ms", "vad_onset_ms", "min_words", "no_input_ms", "max_speculations"])
def test_a_policy_may_go_to_the_end_of_a_range(name: str) -> None:
    """The least and the greatest value of a setting are granted."""
    (spec,) = (each for each in fields(TurnPolicy) if each.name == name)
    for value in (spec.metadata["low"], spec.metadata["high"]):
        assert getattr(TurnPolicy().changed({name: value}), name) == value


@pytest.mark.parametrize(
    ("overrides", "prepares"),
    [
        ({}, True),
        ({"speculation": False}, False),
        ({"auto_reply": False}, False),
        ({"detect_turns": False}, False),
    ],
)
def test_a_reply_is_prepared_early_if_the_server_answers(overrides: dict[str, bool], *, prepares: bool) -> None:
    """Where the client ends the turns or asks for the replies, nothing is asked of the model in advance."""
    assert TurnPolicy().changed(overrides).prepares is prepares


def test_a_silent_user_is_prompted_where_the_agent_speaks_by_itself() -> None:
    """A client that asks for each reply is not talked to by an agent that nobody asked."""
    assert TurnPolicy(no_input_ms=7_000).prompt_after_ms == 7_000
    assert TurnPolicy(no_input_ms=7_000, auto_reply=False).prompt_after_ms == 0
    assert TurnPolicy().prompt_after_ms == 0


@pytest.mark.parametrize(
    ("overrides", "why"),
    [
        ({"lead_ms": 39}, "lead_ms is 39; it must be 40 to 5000"),
        ({"lead_ms": 5_001}, "lead_ms is 5001; it must be 40 to 5000"),
        ({"min_words": 21}, "min_words is 21; it must be 0 to 20"),
        ({"stop_history_eou_ms": 480}, "stop_history_eou_ms 480 must be below stop_history_ms 480"),
        ({"stop_history_ms": 200}, "stop_history_eou_ms 240 must be below stop_history_ms 200"),
    ],
)
def test_a_refused_policy_is_told_by_its_setting(overrides: dict[str, int], why: str) -> None:
    """A client reads which of its settings is wrong, what it asked for, and what it may ask for."""
    with pytest.raises(ClientError) as refused:
        TurnPolicy().changed(overrides)
    assert (refused.value.reason, refused.value.message) == (Reason.POLICY_OUT_OF_RANGE, why)
    assert TurnPolicy().changed({"stop_history_eou_ms": 479}).stop_history_eou_ms == 479


def test_players_differ_in_what_a_hold_does() -> None:
    """Only one kind cannot be held at an onset, and only one is still heard when it is held."""
    assert [player for player in Player if not player.can_be_held] == [Player.NEVER_HELD]
    assert [player for player in Player if not player.falls_silent] == [Player.PLAYS_OUT]


@pytest.mark.parametrize(
    ("number", "taken", "made_up"),
    [
        (0, (), "call00000"),
        (7, ("call00000",), "call00007"),
        (7, ("call00007",), "call00008"),
        (7, ("call00007", "call00008", "call00010"), "call00009"),
        (12_345, (), "call12345"),
    ],
)
def test_an_id_is_made_up_of_nine_characters(number: int, taken: tuple[str, ...], made_up: str) -> None:
    """The first number from the given one on that nobody has, as Mistral's API takes it."""
    assert made_up_id(number, taken) == made_up


def test_tools_of_the_server_stay_before_those_of_the_client() -> None:
    """A client that changes its tools takes none from the server, and changes no limit of time."""
    server, old, new = (
        Tool(name, "", "", place)
        for name, place in (("clock", ToolPlace.SERVER), ("door", ToolPlace.CLIENT), ("lamp", ToolPlace.CLIENT))
    )
    assert Toolbox((old, server), timeout_ms=5).with_client_tools((new,)) == Toolbox((server, new), timeout_ms=5)
