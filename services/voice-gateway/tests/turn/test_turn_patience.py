"""How long the core waits for recognition where the server's patience has an end, and what it says meanwhile."""

from dataclasses import replace

import pytest
from gateway_kit.phone_call import PERSONA, at, new_core, parse
from voice_gateway.domain.errors import Backend, Reason
from voice_gateway.domain.ids import StreamId
from voice_gateway.domain.instant import Instant, after_ms
from voice_gateway.turn import effects, inputs
from voice_gateway.turn.reply.wording import spoken_sentences


def failure_after_ms(patience_ms: int, attempts: int = 40) -> tuple[int, effects.Fail] | None:
    """When a session ends all of whose streams break at once, and how; None if it does not."""
    core = new_core(backend_patience_ms=patience_ms)
    now = Instant(0)
    core.handle(inputs.SessionStarted(), now)
    for number in range(1, attempts):
        batch = core.handle(inputs.RecognitionFailed(StreamId(number), "connection lost"), now)
        while not any(isinstance(effect, effects.OpenRecognition | effects.Fail) for effect in batch):
            due = core.deadline()
            assert due is not None
            now = due
            batch = core.on_deadline(now)
        if isinstance(batch[-1], effects.Fail):
            return (now - Instant(0)) // (after_ms(Instant(0), 1) - Instant(0)), batch[-1]
    return None


@pytest.mark.parametrize(("patience_ms", "ends_ms"), [(1, 500), (5_000, 7_500), (20_000, 23_500)])
def test_recognition_that_stays_away_ends_the_session_after_its_patience(patience_ms: int, ends_ms: int) -> None:
    """The first attempt that fails after that time is the last; it says for whom the session ends."""
    outcome = failure_after_ms(patience_ms)
    assert outcome is not None
    assert outcome[0] == ends_ms
    assert (outcome[1].reason, outcome[1].backend) == (Reason.BACKEND_UNAVAILABLE, Backend.ASR)


def test_patience_without_end_ends_nothing() -> None:
    """By default a session waits for as long as it takes."""
    assert failure_after_ms(0) is None


def said_in_an_outage(unheard: str, *before: str) -> tuple[str, ...]:
    """What synthesis is given, if these facts come before three streams break."""
    core = new_core(persona=replace(PERSONA, unheard=unheard))
    steps = ["session starts", "speech starts at 100 ms", "speech ends at 300 ms", *before]
    steps += [f"recognition {number} breaks" for number in (1, 2)]
    batch = [effect for fact in steps for effect in core.handle(parse(fact, 2_000), at(2_000))]
    due = core.deadline()
    while due is not None and due <= at(2_500):
        batch += core.on_deadline(due)
        due = core.deadline()
    batch += core.handle(parse("recognition 3 breaks", 2_600), at(2_600))
    return tuple(effect.text for effect in batch if isinstance(effect, effects.Synthesize))


@pytest.mark.parametrize("before", ["half-closes", "server leaves in 60000 ms", 'types "Hello."'])
def test_who_leaves_or_types_is_told_nothing(before: str) -> None:
    """Nothing is said to who will hear no more, or needs no recogniser; else the same call is told."""
    assert said_in_an_outage("I am deaf.") == ("I am deaf.",)
    assert said_in_an_outage("I am deaf.", before) == ()


@pytest.mark.parametrize(
    ("unheard", "spoken"),
    [
        ("", ()),
        ("...", ()),
        ("I cannot hear you! **Please** wait.", ("I cannot hear you!", "Please wait.")),
    ],
)
def test_what_is_ordered_is_what_can_be_made_ready(unheard: str, spoken: tuple[str, ...]) -> None:
    """Audio that is kept is found by the words that synthesis is given, sentence by sentence; an empty one is none."""
    assert said_in_an_outage(unheard) == spoken
    assert spoken_sentences(unheard) == spoken
