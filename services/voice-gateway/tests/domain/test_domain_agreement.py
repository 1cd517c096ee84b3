"""What is agreed, and what a change makes of it."""

from dataclasses import replace

import pytest
from gateway_kit.phone_call import AGREEMENT, TOOLBOX
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.domain.agreement import Agreement, Change
from voice_gateway.domain.chat import Tool, ToolPlace
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.domain.reply_options import Modality

CLOSE = Tool("close_door", "Closes a door.", "", ToolPlace.CLIENT)
CHANGES = st.builds(
    Change,
    heard_language=st.none() | st.sampled_from(["de-DE", "fr-FR"]),
    spoken_language=st.none() | st.sampled_from(["de-DE", "fr-FR"]),
    voice=st.none() | st.sampled_from(["", "Karl"]),
    system_prompt=st.none() | st.sampled_from(["", "Be long."]),
    policy=st.none() | st.builds(TurnPolicy, lead_ms=st.integers(40, 5_000)),
    tools=st.none() | st.sampled_from([(), (CLOSE,)]),
    reply_modality=st.none() | st.sampled_from(Modality),
)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (Change(), AGREEMENT),
        (Change(heard_language="de-DE"), replace(AGREEMENT, heard_language="de-DE")),
        (Change(spoken_language="de-DE", voice="Karl"), replace(AGREEMENT, spoken_language="de-DE", voice="Karl")),
        (Change(voice=""), replace(AGREEMENT, voice="")),
        (Change(system_prompt=""), replace(AGREEMENT, persona=replace(AGREEMENT.persona, system_prompt=""))),
        (Change(policy=TurnPolicy(lead_ms=300)), replace(AGREEMENT, policy=TurnPolicy(lead_ms=300))),
        (Change(tools=(CLOSE,)), replace(AGREEMENT, toolbox=replace(TOOLBOX, tools=(TOOLBOX.tools[0], CLOSE)))),
        (Change(reply_modality=Modality.TEXT), replace(AGREEMENT, reply_modality=Modality.TEXT)),
        (Change(tools=()), replace(AGREEMENT, toolbox=replace(TOOLBOX, tools=TOOLBOX.tools[:1]))),
    ],
)
def test_a_change_changes_what_it_names(change: Change, expected: Agreement) -> None:
    """Each direction has its own language, an empty text is a value, and tools of the server are not the client's."""
    assert AGREEMENT.apply(change) == expected


@given(CHANGES, CHANGES)
def test_changes_taken_together_are_changes_one_after_the_other(first: Change, then: Change) -> None:
    """What waits as one change comes to what the client was granted step by step."""
    assert AGREEMENT.apply(first.merged(then)) == AGREEMENT.apply(first).apply(then)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"input_rate_hz": 8_001}, "input_rate_hz is 8001; it must be one of 8000, 11025"),
        ({"output_rate_hz": 0}, "output_rate_hz is 0; it must be one of 8000, 11025"),
        ({"asr_rate_hz": 0}, "asr_rate_hz is 0; it must be at least 1"),
        ({"prompt_tokens": -1}, "prompt_tokens is -1; it must be at least 0"),
        ({"backend_patience_ms": -1}, "backend_patience_ms is -1; it must be at least 0"),
        ({"idle_timeout_ms": -1}, "idle_timeout_ms is -1; it must be at least 0"),
    ],
)
def test_no_agreement_is_out_of_range(wrong: dict[str, int], why: str) -> None:
    """Whoever makes one, also of what another process has kept, is told at once, not by the first audio."""
    with pytest.raises(ValueError, match=why):
        replace(AGREEMENT, **wrong)  # type: ignore[arg-type]  # all of them are numbers


@pytest.mark.parametrize(
    "least",
    [{"asr_rate_hz": 1}, {"prompt_tokens": 0}, {"backend_patience_ms": 0}, {"idle_timeout_ms": 0}],
)
def test_the_least_value_is_agreed(least: dict[str, int]) -> None:
    """A server may give the model no room beyond the least, and set no limit of time, and its sessions begin."""
    agreement = replace(AGREEMENT, **least)  # type: ignore[arg-type]  # all of them are numbers
    assert {name: getattr(agreement, name) for name in least} == least


def test_a_wrong_rate_is_told_with_all_that_are_right() -> None:
    """Whoever has asked for a rate that there is not reads every rate that there is."""
    rates = "8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000"
    for name in ("input_rate_hz", "output_rate_hz"):
        with pytest.raises(ValueError, match=f"^{name} is 1; it must be one of {rates}$"):
            replace(AGREEMENT, **{name: 1})  # type: ignore[arg-type]  # both are numbers
    with pytest.raises(ValueError, match=r"^asr_rate_hz is 0; it must be at least 1$"):
        replace(AGREEMENT, asr_rate_hz=0)


def test_departures_from_the_contract() -> None:
    """The log tells a policy by what is unusual in it."""
    assert TurnPolicy().departures() == {}
    assert TurnPolicy(lead_ms=300, speculation=False).departures() == {"lead_ms": 300, "speculation": False}
