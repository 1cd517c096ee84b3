"""The pure decision when an utterance starts and ends."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from local_models.riva.endpointing import (
    Ended,
    Endpointer,
    EndpointingError,
    EndpointingPolicy,
    EndSuspected,
    Event,
    PauseBegan,
    Phase,
    SpeechResumed,
    SpeechStarted,
)


def hear(script: str, policy: EndpointingPolicy | None = None) -> list[tuple[int, Event]]:
    """Events with the index of the frame that caused them; the script has `w` for a speech frame, `-` for silence."""
    endpointer = Endpointer(policy or EndpointingPolicy())
    frames = script.replace(" ", "")
    return [
        (index, event)
        for index, letter in enumerate(frames)
        for event in endpointer.frame(0.9 if letter == "w" else 0.1)
    ]


def frames(kind: type, events: list[tuple[int, Event]]) -> list[int]:
    return [index for index, event in events if isinstance(event, kind)]


def test_an_utterance_goes_through_both_passes_in_order() -> None:
    """Start, pause, first pass and end come in this order, at the default windows of 7 and 15 silent frames."""
    events = hear("----" + "w" * 10 + "-" * 20)
    assert events == [
        (5, SpeechStarted(4)),
        (15, PauseBegan()),
        (20, EndSuspected()),
        (28, Ended()),
    ]


def test_speech_between_the_passes_voids_the_first_and_a_new_one_follows() -> None:
    """A suspected end is taken back when speech resumes, and suspected again in the next pause."""
    events = hear("w" * 10 + "-" * 10 + "w" * 5 + "-" * 15)
    assert frames(EndSuspected, events) == [16, 31]
    assert frames(SpeechResumed, events) == [20]
    assert frames(Ended, events) == [39]
    assert (20, SpeechResumed(10)) in events


def test_a_single_loud_frame_is_not_speech() -> None:
    """A click of one frame starts nothing."""
    assert hear("---w---w---" + "-" * 30) == []


def test_one_silent_frame_is_not_a_pause() -> None:
    """The closure of a stop consonant neither begins a decode nor voids one."""
    assert hear("wwww-www-www") == [(1, SpeechStarted(0))]


@pytest.mark.parametrize(
    ("policy", "script", "kind", "expected"),
    [
        (EndpointingPolicy(start_history_ms=320, start_threshold=1.0), "w" * 9 + "-" + "w" * 12, SpeechStarted, [19]),
        (EndpointingPolicy(start_history_ms=320, start_threshold=0.3), "-" * 10 + "w-w-w-w", SpeechStarted, [14]),
        (EndpointingPolicy(start_history_ms=32), "---w", SpeechStarted, [3]),
        (EndpointingPolicy(stop_history_ms=800), "w" * 5 + "-" * 40, Ended, [29]),
        (EndpointingPolicy(stop_history_ms=320, stop_threshold=0.5), "w" * 20 + "-" * 20, Ended, [24]),
        (EndpointingPolicy(stop_history_ms=320, stop_threshold=1.0), "w" * 20 + "-----w" + "-" * 10, Ended, [35]),
        (EndpointingPolicy(stop_history_ms=320, stop_threshold=0.9), "w" * 20 + "-----w" + "-" * 10, Ended, [29]),
        (EndpointingPolicy(stop_history_eou_ms=96), "w" * 5 + "-" * 40, EndSuspected, [7]),
        (EndpointingPolicy(stop_history_eou_ms=320, stop_threshold_eou=0.5), "w" * 20 + "-" * 9, EndSuspected, [24]),
        (EndpointingPolicy(stop_history_eou_ms=32), "w" * 5 + "-" * 4, EndSuspected, [5]),
    ],
)
def test_every_field_moves_its_event(policy: EndpointingPolicy, script: str, kind: type, expected: list[int]) -> None:
    """Each of the six numbers decides the frame of the event it governs."""
    assert frames(kind, hear(script, policy)) == expected


def test_silence_before_the_first_word_does_not_end_the_utterance() -> None:
    """With a threshold of one half, the stop window counts only frames since the onset."""
    policy = EndpointingPolicy(stop_history_ms=480, stop_threshold=0.5, stop_history_eou_ms=240, stop_threshold_eou=0.5)
    events = hear("-" * 30 + "w" * 20 + "-" * 10, policy)
    assert frames(SpeechStarted, events) == [31]
    assert frames(EndSuspected, events) == [53]
    assert frames(Ended, events) == [57]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"stop_history_ms": 0}, "stop_history must be from 1 to 10000 ms, got 0"),
        ({"start_history_ms": -5}, "start_history must be from 1 to 10000 ms, got -5"),
        ({"stop_history_eou_ms": 10_001}, "stop_history_eou must be from 1 to 10000 ms, got 10001"),
        ({"start_threshold": 0.0}, "start_threshold must be above 0 and at most 1, got 0"),
        ({"stop_threshold": 1.5}, "stop_threshold must be above 0 and at most 1, got 1.5"),
        ({"stop_threshold_eou": float("nan")}, "stop_threshold_eou must be above 0 and at most 1, got nan"),
        ({"stop_history_eou_ms": 480}, "stop_history_eou (480 ms) must be less than stop_history (480 ms)"),
    ],
)
def test_contradicting_settings_are_refused_with_the_numbers(fields: dict[str, float], sentence: str) -> None:
    """A policy that could never work is refused when it is made, in words a client can act on."""
    with pytest.raises(EndpointingError) as caught:
        EndpointingPolicy(**fields)  # type: ignore[arg-type] # a table of mixed numbers
    assert str(caught.value) == sentence


policies = st.builds(
    lambda stop, eou, start, threshold, threshold_eou, start_threshold: EndpointingPolicy(
        start_history_ms=start,
        start_threshold=start_threshold,
        stop_history_ms=stop,
        stop_threshold=threshold,
        stop_history_eou_ms=max(1, min(eou, stop - 1)),
        stop_threshold_eou=threshold_eou,
    ),
    st.integers(64, 1000),
    st.integers(32, 900),
    st.integers(1, 500),
    st.floats(0.1, 1.0),
    st.floats(0.1, 1.0),
    st.floats(0.1, 1.0),
)


@settings(deadline=None)  # a busy machine is no failure
@given(policies, st.lists(st.floats(0.0, 1.0), max_size=300))
def test_events_always_make_a_well_formed_story(policy: EndpointingPolicy, probabilities: list[float]) -> None:
    """Whatever is heard: starts and ends alternate, and between two first passes speech has resumed."""
    endpointer = Endpointer(policy)
    speaking = suspected = False
    for index, probability in enumerate(probabilities):
        for event in endpointer.frame(probability):
            match event:
                case SpeechStarted(onset_frame):
                    assert not speaking
                    assert 0 <= onset_frame <= index
                    speaking, suspected = True, False
                case EndSuspected():
                    assert speaking
                    assert not suspected
                    suspected = True
                case SpeechResumed():
                    assert speaking
                    suspected = False
                case Ended():
                    assert speaking
                    speaking = False
                case PauseBegan():
                    assert speaking
        assert speaking == (endpointer.phase is not Phase.IDLE)


@settings(deadline=None)  # a busy machine is no failure
@given(policies, st.integers(40, 60))
def test_enough_silence_always_ends_an_utterance(policy: EndpointingPolicy, speech_frames: int) -> None:
    """No settings leave an utterance open for ever once it is quiet: it ends within its window."""
    stop_frames = max(1, policy.stop_history_ms // 32)
    script = "w" * speech_frames + "-" * stop_frames
    ends = frames(Ended, hear(script, policy))
    assert len(ends) == 1
    assert speech_frames <= ends[0] < speech_frames + stop_frames
