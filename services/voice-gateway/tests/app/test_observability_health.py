"""When a pod says it is ready."""

import pytest
from voice_gateway.domain.errors import Backend
from voice_gateway.domain.instant import Instant, after_ms
from voice_gateway.observability.health import BLIP_MS, ROOM_MS, Readiness

ALL = (Backend.ASR, Backend.LLM, Backend.TTS)
START = Instant(7_000_000_000)


@pytest.fixture
def ready() -> Readiness:
    """A pod whose backends have all answered at START."""
    readiness = Readiness(ALL)
    for backend in ALL:
        readiness.observe(backend, is_healthy=True, now=START)
    return readiness


def test_a_pod_is_ready_once_every_backend_has_answered() -> None:
    """A pod that has never reached one of its backends gets no calls."""
    readiness = Readiness(ALL)
    assert readiness.missing(START) == ALL
    readiness.observe(Backend.LLM, is_healthy=True, now=START)
    readiness.observe(Backend.ASR, is_healthy=True, now=START)
    readiness.observe(Backend.TTS, is_healthy=False, now=START)
    assert readiness.missing(START) == (Backend.TTS,)
    assert not readiness.is_ready(START)
    readiness.observe(Backend.TTS, is_healthy=True, now=START)
    assert readiness.is_ready(START)


def test_each_backend_needs_to_have_answered_once_only(ready: Readiness) -> None:
    """Backends that answer in turns, never all at the same probe, make a ready pod."""
    readiness = Readiness((Backend.ASR, Backend.TTS))
    readiness.observe(Backend.ASR, is_healthy=True, now=START)
    readiness.observe(Backend.ASR, is_healthy=False, now=after_ms(START, 1))
    readiness.observe(Backend.TTS, is_healthy=True, now=after_ms(START, 2))
    assert readiness.is_ready(after_ms(START, 2))
    assert ready.is_ready(START)


def test_a_blip_leaves_the_pod_ready(ready: Readiness) -> None:
    """All pods share their backends: a blip must not empty the Service, a lasting outage must."""
    ready.observe(Backend.ASR, is_healthy=False, now=after_ms(START, 5_000))
    ready.observe(Backend.ASR, is_healthy=False, now=after_ms(START, 30_000))
    assert ready.is_ready(after_ms(START, 5_000 + BLIP_MS - 1))
    assert not ready.is_ready(after_ms(START, 5_000 + BLIP_MS))
    assert ready.missing(after_ms(START, 5_000 + BLIP_MS)) == (Backend.ASR,)


def test_recovery_makes_ready_at_once_and_starts_the_count_anew(ready: Readiness) -> None:
    """One good answer ends an outage, and the next one is counted from its own beginning."""
    ready.observe(Backend.LLM, is_healthy=False, now=START)
    ready.observe(Backend.LLM, is_healthy=True, now=after_ms(START, 40_000))
    assert ready.is_ready(after_ms(START, 40_000))
    ready.observe(Backend.LLM, is_healthy=False, now=after_ms(START, 41_000))
    assert ready.is_ready(after_ms(START, 41_000 + BLIP_MS - 1))


def test_draining_is_for_good(ready: Readiness) -> None:
    """Once draining, no healthy backend makes a pod ready again."""
    ready.drain()
    ready.observe(Backend.ASR, is_healthy=True, now=after_ms(START, 1))
    assert ready.is_draining
    assert not ready.is_ready(after_ms(START, 1))
    assert ready.missing(after_ms(START, 1)) == ()


def test_a_full_pod_stays_ready() -> None:
    """When all pods are full an empty Service would refuse connections instead of saying why."""
    readiness = Readiness(())
    readiness.observe_fullness(1, START)
    assert readiness.is_ready(START)
    assert not readiness.is_kept_away


def test_a_full_pod_may_turn_unready_until_it_has_had_room_for_a_while() -> None:
    """A Service that knows only connections sends newcomers elsewhere, and pods do not come and go with each call."""
    readiness = Readiness((), unready_when_full=True)
    readiness.observe_fullness(0.99, START)
    assert readiness.is_ready(START)
    readiness.observe_fullness(1, START)
    assert not readiness.is_ready(START)
    now = after_ms(START, 1_000)
    readiness.observe_fullness(0.89, now)
    readiness.observe_fullness(0.9, after_ms(now, ROOM_MS - 1))
    readiness.observe_fullness(0.5, after_ms(now, ROOM_MS))
    readiness.observe_fullness(0.5, after_ms(now, 2 * ROOM_MS - 1))
    assert not readiness.is_ready(after_ms(now, 2 * ROOM_MS - 1))
    readiness.observe_fullness(0.5, after_ms(now, 2 * ROOM_MS))
    assert readiness.is_ready(after_ms(now, 2 * ROOM_MS))


def test_a_full_pod_that_drains_stays_unready() -> None:
    """Room makes no leaving pod ready."""
    readiness = Readiness((), unready_when_full=True)
    readiness.observe_fullness(1, START)
    readiness.drain()
    readiness.observe_fullness(0, START)
    readiness.observe_fullness(0, after_ms(START, ROOM_MS))
    assert not readiness.is_kept_away
    assert not readiness.is_ready(after_ms(START, ROOM_MS))
