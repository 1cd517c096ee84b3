"""Which sessions begin, and which are refused by name."""

import pytest
from gateway_kit import virtual_time
from gateway_kit.port_fakes import (
    FakeHealth,
)
from gateway_kit.session_world import World
from voice_gateway.domain.errors import Backend, BackendError, ClientError, Reason
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
