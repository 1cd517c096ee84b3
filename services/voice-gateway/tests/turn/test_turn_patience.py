"""How long the core waits for recognition where the server's patience has an end."""

import pytest
from gateway_kit.phone_call import PERSONA, RATE_HZ
from voice_gateway.domain.errors import Backend, Reason
from voice_gateway.domain.ids import StreamId
from voice_gateway.domain.instant import Instant, after_ms
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.turn import effects, inputs
from voice_gateway.turn.core import Core


def failure_after_ms(patience_ms: int, attempts: int = 40) -> tuple[int, effects.Fail] | None:
    """When a session ends all of whose streams break at once, and how; None if it does not."""
    core = Core(
        TurnPolicy(),
        PERSONA,
        input_rate_hz=RATE_HZ,
        output_rate_hz=RATE_HZ,
        backend_patience_ms=patience_ms,
    )
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
