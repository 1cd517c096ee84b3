"""Which address gets a call, and what settings are refused; without a network."""

import logging

import grpc
import pytest
from voice_gateway.backends.riva.failures import Blame, CallFailedError, failure_of_code
from voice_gateway.backends.riva.replicas import Replica, ReplicaSet
from voice_gateway.backends.riva.settings import RivaSettings

DEAD = CallFailedError(Blame.REPLICA, "UNAVAILABLE")


def make_set(count: int = 3) -> ReplicaSet:
    """So many addresses that were not asked yet."""
    return ReplicaSet(tuple(Replica(f"r{number}", stub=None) for number in range(count)))


def order(replicas: ReplicaSet, language_code: str = "en-US") -> list[str]:
    """The addresses in the order of trying."""
    return [replica.address for replica in replicas.in_order(language_code)]


def test_fewest_calls_come_first() -> None:
    """New calls go where the least is going on, in the configured order where that is equal."""
    replicas = make_set()
    replicas.replicas[0].calls = 2
    replicas.replicas[2].calls = 1
    assert order(replicas) == ["r1", "r2", "r0"]


def test_failing_addresses_come_last_until_they_answer() -> None:
    """A failing address is tried only when all others have been, however few calls it has; an answer redeems it."""
    replicas = make_set()
    replicas.replicas[1].calls = replicas.replicas[2].calls = 5
    replicas.replicas[0].note_failure(DEAD)
    assert order(replicas) == ["r1", "r2", "r0"]
    replicas.replicas[0].note_answer()
    assert order(replicas) == ["r0", "r1", "r2"]


def test_health_is_an_answer_that_no_failure_followed() -> None:
    """Nobody is healthy before an answer; one answering address is enough; the last one's failure ends it."""
    replicas = make_set(2)
    seen = [replicas.is_healthy]
    replicas.replicas[0].note_answer()
    replicas.replicas[1].note_failure(DEAD)
    seen.append(replicas.is_healthy)
    replicas.replicas[0].note_failure(DEAD)
    seen.append(replicas.is_healthy)
    assert seen == [False, True, False]


def test_an_address_tells_of_its_own_failures_only() -> None:
    """A request that is refused, or a full replica, is no failure of the address, and nobody is woken for it."""
    told: list[str] = []
    replica = Replica("r0", stub=None, on_failure=told.append)
    replica.note_failure(CallFailedError(Blame.REQUEST, "INVALID_ARGUMENT"))
    replica.note_failure(CallFailedError(Blame.LOAD, "RESOURCE_EXHAUSTED"))
    assert told == []
    replica.note_failure(DEAD)
    replica.note_failure(DEAD)
    assert told == ["r0", "r0"]


@pytest.mark.parametrize(
    ("code", "blame"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, Blame.REQUEST),
        (grpc.StatusCode.NOT_FOUND, Blame.REQUEST),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, Blame.LOAD),
        (grpc.StatusCode.UNAVAILABLE, Blame.REPLICA),
        (grpc.StatusCode.UNKNOWN, Blame.REPLICA),
        (grpc.StatusCode.INTERNAL, Blame.REPLICA),
        (grpc.StatusCode.UNAUTHENTICATED, Blame.REPLICA),
        (grpc.StatusCode.UNIMPLEMENTED, Blame.REPLICA),
    ],
)
def test_only_faults_of_the_address_make_it_fail(code: grpc.StatusCode, blame: Blame) -> None:
    """A bad request or a full server must not take an address away from all other sessions."""
    failure = failure_of_code(code)
    assert (failure.blame, failure.cause) == (blame, code.name)
    replicas = make_set(1)
    replicas.replicas[0].note_answer()
    replicas.replicas[0].note_failure(failure)
    assert replicas.is_healthy is (blame is not Blame.REPLICA)


def test_calls_go_where_the_language_is() -> None:
    """One model per container: an address that has said it lacks the language is left out, unless all lack it."""
    replicas = make_set()
    replicas.replicas[0].offers = {"de-DE": ()}
    replicas.replicas[1].offers = {"en-US": ()}
    assert order(replicas) == ["r1", "r2"]
    replicas.replicas[2].offers = {"de-DE": ("Hans",)}
    assert order(replicas, "fr-FR") == ["r0", "r1", "r2"]
    assert dict(replicas.offers) == {"de-DE": ("Hans",), "en-US": ()}


def test_operators_are_told_of_changes_alone(caplog: pytest.LogCaptureFixture) -> None:
    """A dead address is logged once, not with every call that meets it, and once more when it is back."""
    caplog.set_level(logging.INFO)
    (replica,) = make_set(1).replicas
    for _ in range(3):
        replica.note_failure(DEAD, detail="connection refused")
    for _ in range(3):
        replica.note_answer()
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert all(vars(record)["address"] == "r0" for record in caplog.records)
    assert vars(caplog.records[0])["detail"] == "connection refused"


@pytest.mark.parametrize("addresses", [(), ("",), ("a:1", "")])
def test_settings_need_addresses(addresses: tuple[str, ...]) -> None:
    """An empty list or a stray comma is a mistake to be told at start."""
    with pytest.raises(ValueError, match="address"):
        RivaSettings(addresses)


def test_settings_refuse_metadata_keys_that_grpc_refuses() -> None:
    """A bad key is told at start, without its value, instead of failing every call."""
    with pytest.raises(ValueError, match="Function-Id") as caught:
        RivaSettings(("a:1",), metadata=(("Function-Id", "secret"),))
    assert "secret" not in str(caught.value)
    assert "secret" not in repr(RivaSettings(("a:1",), metadata=(("function-id", "secret"),)))
