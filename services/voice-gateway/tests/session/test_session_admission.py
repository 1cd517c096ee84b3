"""Which sessions begin, and which are refused by name."""

import asyncio
import itertools
from contextlib import ExitStack
from dataclasses import replace

import pytest
from gateway_kit import virtual_time
from gateway_kit.port_fakes import (
    FakeHealth,
)
from gateway_kit.session_world import REQUEST, World
from voice_gateway.domain.caller import UNKNOWN, Caller, Proof
from voice_gateway.domain.errors import (
    Backend,
    BackendError,
    ClientError,
    GatewayError,
    Limit,
    Reason,
    Refused,
    Unavailable,
)
from voice_gateway.domain.instant import Instant
from voice_gateway.domain.trace_context import TraceContext
from voice_gateway.session.admission.gate import FULL_RETRY_MS, RETRY_SPREAD_MS, Admission, AdmissionSettings
from voice_gateway.session.admission.quotas import QuotaSettings
from voice_gateway.session.negotiation import LABEL_CHARS
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
        assert session.agreement.heard_language == matched
        session.end()
        await run

    virtual_time.run(main())


def test_a_session_is_known_by_what_was_agreed() -> None:
    """Who watches is told all that was agreed; the client's own name is cut, as it may be of any length."""

    async def main() -> None:
        world, caller = World(), Caller("ada", Proof.JWT, "192.0.2.1")
        trace = TraceContext("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        session, run = await world.open(
            SessionRequest("grpc_v1", 8_000, system_prompt="", client_label="c" * 500, caller=caller, trace=trace)
        )
        session.end()
        await run
        (agreed,) = world.telemetry.started
        assert (agreed.session_id, agreed.transport, agreed.caller, agreed.trace) == ("s1", "grpc_v1", caller, trace)
        assert agreed.client_label == "c" * LABEL_CHARS
        assert (agreed.input_rate_hz, agreed.heard_language, agreed.spoken_language) == (8_000, "en-US", "en-US")
        assert agreed.persona == replace(world.persona, system_prompt="")

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


def test_a_refused_start_is_no_new_session() -> None:
    """Who asks for what there is not has taken nothing of the new sessions that a caller may have in a minute."""

    async def main() -> None:
        quotas = QuotaSettings(new_per_minute=1)
        world = World(admission=Admission(AdmissionSettings(quotas=quotas)))
        wrong = SessionRequest("grpc_v1", 16_000, language_code="xx-XX")
        for _ in range(3):
            assert (await refusal(world, wrong)).reason is Reason.LANGUAGE_UNSUPPORTED
        await world.service().open(REQUEST, world.sink)
        assert (await refusal(world)).reason is Reason.QUOTA_EXCEEDED

    virtual_time.run(main())


def waiting(admission: Admission, calls: int, address: str, stack: ExitStack) -> list[Refused | None]:
    """What so many are to be told if they do not say at once what they want."""
    return [stack.enter_context(admission.unstarted.expecting(Caller(address=address))) for _ in range(calls)]


def test_calls_that_have_not_started_are_bounded_by_process_and_account() -> None:
    """Many hold no more than the sessions that there may be and 60; of those one account leaves 15 to others."""
    admission = Admission(AdmissionSettings(max_sessions=10))
    with ExitStack() as stack:
        assert not any(waiting(admission, 55, "192.0.2.1", stack))
        (crowded,) = waiting(admission, 1, "192.0.2.1", stack)
        assert crowded is not None
        assert (crowded.reason, crowded.limit) == (Reason.AT_CAPACITY, Limit.UNSTARTED)
        assert crowded.retry_after_ms
        assert waiting(admission, 14, "192.0.2.2", stack) == [None] * 14
        assert any(waiting(admission, 1, "192.0.2.3", stack))
        assert admission.unstarted.calls == 71
    assert admission.unstarted.calls == 0


def test_running_sessions_leave_fewer_to_wait() -> None:
    """A proxy's sessions and waiting calls are on one connection, whose streams are for both."""
    admission = Admission(AdmissionSettings(max_sessions=10))
    for _ in range(10):
        admission.take(UNKNOWN, Instant(0))
    with ExitStack() as stack:
        assert not any(waiting(admission, 45, "192.0.2.1", stack))
        assert any(waiting(admission, 1, "192.0.2.1", stack))


def test_one_network_is_one_account_for_whatever_is_counted() -> None:
    """Addresses of one customer's IPv6 network wait together."""
    admission = Admission(AdmissionSettings(max_sessions=0))
    with ExitStack() as stack:
        waits = [waiting(admission, 1, f"2001:db8::{number:x}", stack) for number in range(46)]
    assert [wait is not None for (wait,) in waits] == [False] * 45 + [True]
