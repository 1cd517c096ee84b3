"""Which sessions begin, and which are refused by name."""

import asyncio
import itertools

import pytest
from gateway_kit import virtual_time
from gateway_kit.port_fakes import (
    FakeHealth,
)
from gateway_kit.session_world import REQUEST, World
from voice_gateway.domain.caller import UNKNOWN
from voice_gateway.domain.errors import Backend, BackendError, ClientError, GatewayError, Reason, Refused, Unavailable
from voice_gateway.session.admission.gate import FULL_RETRY_MS, RETRY_SPREAD_MS, Admission, AdmissionSettings
from voice_gateway.session.ports import SessionRequest


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (SessionRequest("grpc_v1", 16_000, language_code="xx-XX"), Reason.LANGUAGE_UNSUPPORTED),
        (SessionRequest("grpc_v1", 16_000, language_code="de-DE"), Reason.LANGUAGE_UNSUPPORTED),
        (SessionRequest("grpc_v1", 16_000, voice="Nobody"), Reason.VOICE_UNSUPPORTED),
        (SessionRequest("grpc_v1", 9_999), Reason.AUDIO_FORMAT_UNSUPPORTED),
        (SessionRequest("grpc_v1", 16_000, output_rate_hz=7), Reason.AUDIO_FORMAT_UNSUPPORTED),
        (SessionRequest("grpc_v1", 16_000, policy={"lead_ms": 1}), Reason.POLICY_OUT_OF_RANGE),
    ],
)
def test_admission_refuses_what_is_not_there(request_: SessionRequest, reason: Reason) -> None:
    """A language that is not both heard and spoken, an unknown voice, a rate or a policy value is refused by name."""

    async def main() -> None:
        with pytest.raises(ClientError) as refused:
            await World().open(request_)
        assert refused.value.reason is reason

    virtual_time.run(main())


@pytest.mark.parametrize("backend", list(Backend))
def test_admission_names_the_backend_that_is_down(backend: Backend) -> None:
    """A start that cannot be served is refused for the backend that is missing."""

    async def main() -> None:
        world = World(health=[FakeHealth(each, is_healthy=each is not backend) for each in Backend])
        with pytest.raises(BackendError) as refused:
            await world.open()
        assert (refused.value.backend, refused.value.reason) == (backend, Reason.BACKEND_UNAVAILABLE)

    virtual_time.run(main())


@pytest.mark.parametrize(("code", "matched"), [("", "en-US"), ("EN-us", "en-US"), ("en", "en-US")])
def test_languages_match_in_any_case_and_by_primary_tag(code: str, matched: str) -> None:
    """`en` finds `en-US`; nothing at all finds the server's default."""

    async def main() -> None:
        session, run = await World().open(SessionRequest("grpc_v1", 16_000, language_code=code))
        assert session.info.language_code == matched
        session.end()
        await run

    virtual_time.run(main())


def small(places: int) -> World:
    """A world that carries so many sessions."""
    return World(admission=Admission(AdmissionSettings(max_sessions=places)))


async def refusal(world: World, request: SessionRequest = REQUEST) -> GatewayError:
    """What a newcomer is told."""
    with pytest.raises(GatewayError) as refused:
        await world.service().open(request, world.sink)
    return refused.value


def test_the_last_place_is_taken_once() -> None:
    """Of two that come at once one is told AT_CAPACITY and when to come again; neither has to run to count."""

    async def main() -> None:
        world = small(1)
        service = world.service()
        both = await asyncio.gather(*(service.open(REQUEST, world.sink) for _ in range(2)), return_exceptions=True)
        refused = [each for each in both if isinstance(each, GatewayError)]
        assert [(error.reason, error.retry_after_ms) for error in refused] == [(Reason.AT_CAPACITY, FULL_RETRY_MS)]

    virtual_time.run(main())


def test_a_place_is_free_when_its_session_is_over() -> None:
    """Whether it ended, or was cancelled because its client vanished."""

    async def main() -> None:
        world = small(1)
        session, run = await world.open()
        session.end()
        await run
        session, run = await world.open()
        await asyncio.sleep(1)
        run.cancel()
        await asyncio.wait({run})
        assert world.admission.sessions == 0

    virtual_time.run(main())


def test_a_place_is_free_when_its_session_never_ran() -> None:
    """A client that vanished while it was greeted takes no place with it, and only one however often it is said."""

    async def main() -> None:
        world = small(2)
        session = await world.service().open(REQUEST, world.sink)
        await world.service().open(REQUEST, world.sink)
        session.release()
        session.release()
        assert world.admission.sessions == 1

    virtual_time.run(main())


def test_a_refused_start_takes_no_place() -> None:
    """A thousand wrong languages fill no pod."""

    async def main() -> None:
        world = small(1)
        for _ in range(3):
            error = await refusal(world, SessionRequest("grpc_v1", 16_000, language_code="xx-XX"))
            assert error.reason is Reason.LANGUAGE_UNSUPPORTED
        assert world.admission.sessions == 0

    virtual_time.run(main())


def test_a_full_server_says_so_before_it_hears_what_is_wanted() -> None:
    """`admit` refuses as `open` would, takes nothing, and a server that leaves says that first."""

    async def main() -> None:
        world = small(1)
        service = world.service()
        service.admit(UNKNOWN)
        await service.open(REQUEST, world.sink)
        with pytest.raises(Unavailable) as full:
            service.admit(UNKNOWN)
        assert full.value.reason is Reason.AT_CAPACITY
        world.roster.drain(1_000)
        with pytest.raises(Unavailable) as leaving:
            service.admit(UNKNOWN)
        assert (leaving.value.reason, leaving.value.retry_after_ms) == (Reason.DRAINING, None)

    virtual_time.run(main())


def test_those_refused_together_come_again_apart() -> None:
    """The waits of any four that follow one another lie at least 200 ms apart, and within three seconds."""

    async def main() -> None:
        world = small(1)
        await world.service().open(REQUEST, world.sink)
        waits = [(await refusal(world)).retry_after_ms or 0 for _ in range(40)]
        assert all(FULL_RETRY_MS <= wait < FULL_RETRY_MS + RETRY_SPREAD_MS for wait in waits)
        for start in range(len(waits) - 3):
            apart = sorted(waits[start : start + 4])
            assert min(later - earlier for earlier, later in itertools.pairwise(apart)) >= 200

    virtual_time.run(main())


def test_refusals_are_told_to_whoever_watches() -> None:
    """Early or late, by whichever limit or for want of a backend: each once."""

    async def main() -> None:
        world = small(1)
        service = world.service()
        session = await service.open(REQUEST, world.sink)
        with pytest.raises(Refused):
            service.admit(UNKNOWN)
        await refusal(world)
        session.release()
        world.health[0].is_healthy = False
        await refusal(world)
        reasons = [error.reason for error in world.telemetry.refused]
        assert reasons == [Reason.AT_CAPACITY, Reason.AT_CAPACITY, Reason.BACKEND_UNAVAILABLE]

    virtual_time.run(main())
