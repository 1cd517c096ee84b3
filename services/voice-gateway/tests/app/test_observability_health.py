"""When a pod says it is ready."""

import pytest
from voice_gateway.domain.errors import Backend
from voice_gateway.domain.instant import Instant, after_ms
from voice_gateway.observability.health import BLIP_MS, Readiness

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
