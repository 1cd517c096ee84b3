"""What one caller may have, and how it is counted."""

import asyncio
from collections.abc import Callable

import pytest
from gateway_kit import virtual_time
from gateway_kit.session_world import FRAME, World
from voice_gateway.domain.caller import Caller, Proof
from voice_gateway.domain.errors import Limit, Reason, Refused
from voice_gateway.domain.instant import Instant, after_ms
from voice_gateway.session.admission import quotas as module
from voice_gateway.session.admission.gate import Admission, AdmissionSettings
from voice_gateway.session.admission.quotas import DAY_MS, MINUTE_MS, SESSION_RETRY_MS, Quotas, QuotaSettings
from voice_gateway.session.ports import SessionRequest

START = Instant(7_000_000_000)
ADA = Caller(name="ada", proof=Proof.JWT, address="192.0.2.1")
BOB = Caller(address="192.0.2.1")


def refusal(quotas: Quotas, caller: Caller, now: Instant = START) -> tuple[Limit, int | None] | None:
    """By which limit, and until when, a caller is refused; None: may come in."""
    try:
        quotas.check(caller, now)
    except Refused as error:
        return error.limit, error.retry_after_ms
    return None


def listening(ms: int) -> Callable[[], int]:
    """A session that has heard so much."""
    return lambda: ms


def test_without_quotas_nothing_is_kept() -> None:
    """Off is off: no account, no refusal."""
    quotas = Quotas(QuotaSettings())
    for _ in range(100):
        quotas.begin(ADA, START).end(START)
    assert (refusal(quotas, ADA), quotas.accounts) == (None, 0)


def test_sessions_of_a_caller_are_counted_while_they_run() -> None:
    """The third of two is refused, one caller's use is not another's, and an end is one however often it is said."""
    quotas = Quotas(QuotaSettings(sessions=2))
    first, _ = quotas.begin(ADA, START), quotas.begin(ADA, START)
    assert refusal(quotas, ADA) == (Limit.CALLER_SESSIONS, SESSION_RETRY_MS)
    assert refusal(quotas, BOB) is None
    first.end(START)
    first.end(START)
    assert refusal(quotas, ADA) is None
    quotas.begin(ADA, START)
    assert refusal(quotas, ADA) is not None


def test_new_sessions_are_counted_by_the_minute() -> None:
    """Ended ones count too; the refusal says exactly when the minute is over, and then there are as many again."""
    quotas = Quotas(QuotaSettings(new_per_minute=2))
    quotas.begin(ADA, START).end(START)
    now = after_ms(START, 20_000)
    assert refusal(quotas, ADA, now) is None
    quotas.begin(ADA, now).end(now)
    assert refusal(quotas, ADA, now) == (Limit.CALLER_NEW, 40_000)
    assert refusal(quotas, ADA, after_ms(START, MINUTE_MS - 1)) == (Limit.CALLER_NEW, 1)
    now = after_ms(START, MINUTE_MS)
    assert refusal(quotas, ADA, now) is None
    quotas.begin(ADA, now)
    quotas.begin(ADA, now)
    assert refusal(quotas, ADA, now) == (Limit.CALLER_NEW, MINUTE_MS)


def test_audio_is_counted_while_it_is_heard_and_after() -> None:
    """Of a running session what it has heard by now, of one that is over all of it, each once."""
    quotas = Quotas(QuotaSettings(audio_s_per_day=10))
    running, over = quotas.begin(ADA, START), quotas.begin(ADA, START)
    running.heard_ms = listening(3_000)
    over.heard_ms = listening(6_000)
    assert refusal(quotas, ADA) is None
    over.end(START)
    assert refusal(quotas, ADA) is None
    running.heard_ms = listening(3_999)
    assert refusal(quotas, ADA) is None
    running.heard_ms = listening(4_000)
    assert refusal(quotas, ADA) == (Limit.CALLER_AUDIO, DAY_MS)
    assert refusal(quotas, BOB) is None


def test_the_day_begins_with_the_first_session() -> None:
    """Not when what it has heard is first counted, which may be hours later: the refusal ends when that day does."""
    quotas = Quotas(QuotaSettings(audio_s_per_day=10))
    running = quotas.begin(ADA, START)
    running.heard_ms = listening(10_000)
    assert refusal(quotas, ADA, after_ms(START, DAY_MS // 4)) == (Limit.CALLER_AUDIO, DAY_MS * 3 // 4)
    quotas.begin(ADA, after_ms(START, DAY_MS // 2))
    assert refusal(quotas, ADA, after_ms(START, DAY_MS - 1)) == (Limit.CALLER_AUDIO, 1)
    assert refusal(quotas, ADA, after_ms(START, DAY_MS)) is None


def test_a_new_day_begins_with_what_is_heard_in_it() -> None:
    """A session that runs over the end of a day does not carry the old day's audio into the new one."""
    quotas = Quotas(QuotaSettings(audio_s_per_day=10))
    running = quotas.begin(ADA, START)
    running.heard_ms = listening(10_000)
    assert refusal(quotas, ADA) == (Limit.CALLER_AUDIO, DAY_MS)
    tomorrow = after_ms(START, DAY_MS)
    assert refusal(quotas, ADA, tomorrow) is None
    running.heard_ms = listening(19_000)
    assert refusal(quotas, ADA, tomorrow) is None
    running.heard_ms = listening(20_000)
    assert refusal(quotas, ADA, after_ms(tomorrow, 5)) == (Limit.CALLER_AUDIO, DAY_MS - 5)


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        (Caller(address="192.0.2.1"), Caller(address="192.0.2.1"), True),
        (Caller(address="192.0.2.1"), Caller(address="192.0.2.2"), False),
        (Caller(address="2001:db8:0:7::1"), Caller(address="2001:db8:0:7:ffff::9"), True),
        (Caller(address="2001:db8:0:7::1"), Caller(address="2001:db8:0:8::1"), False),
        (Caller("ada", Proof.JWT, "192.0.2.1"), Caller("ada", Proof.JWT, "2001:db8::1"), True),
        (Caller("ada", Proof.JWT, "192.0.2.1"), Caller("ada", Proof.TOKEN, "192.0.2.1"), False),
        (Caller("ada", Proof.JWT, "2001:db8::1"), Caller("bob", Proof.JWT, "2001:db8::1"), False),
        (Caller(), Caller(), True),
    ],
)
def test_whose_account_it_is(one: Caller, other: Caller, is_same: bool) -> None:  # noqa: FBT001  a parameter
    """The identity counts, wherever it calls from; without one the address, of IPv6 the customer's whole network."""
    quotas = Quotas(QuotaSettings(sessions=1))
    quotas.begin(one, START)
    assert (refusal(quotas, other) is not None) is is_same


def test_accounts_are_bounded_and_those_in_use_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of addresses takes no memory, and makes nobody forgotten who has a session or called a moment ago."""
    monkeypatch.setattr(module, "MAX_ACCOUNTS", 3)
    quotas = Quotas(QuotaSettings(sessions=1, new_per_minute=1))
    quotas.begin(ADA, START)
    for host in range(200):
        quotas.begin(Caller(address=f"198.51.100.{host}"), START).end(START)
    assert quotas.accounts == 3
    assert refusal(quotas, ADA) is not None
    assert refusal(quotas, Caller(address="198.51.100.199")) is not None
    assert refusal(quotas, Caller(address="198.51.100.0")) is None


def test_who_only_asks_is_not_remembered() -> None:
    """Refusals of strangers cost no memory."""
    quotas = Quotas(QuotaSettings(sessions=1))
    assert refusal(quotas, ADA) is None
    assert quotas.accounts == 0


def test_a_session_counts_on_its_callers_account() -> None:
    """From admission to end, by whoever the request says it is; a running call is not ended by what it uses."""

    async def main() -> None:
        world = World(admission=Admission(AdmissionSettings(quotas=QuotaSettings(audio_s_per_day=1))))
        mine = SessionRequest("grpc_v1", 16_000, caller=ADA)
        session, run = await world.open(mine)
        for at in range(60):
            session.hear(FRAME, at * 320)
            await asyncio.sleep(0.02)
        with pytest.raises(Refused) as refused:
            await world.service().open(mine, world.sink)
        assert refused.value.reason is Reason.QUOTA_EXCEEDED
        assert (refused.value.limit, run.done()) == (Limit.CALLER_AUDIO, False)
        session.end()
        await run
        with pytest.raises(Refused):
            await world.service().open(mine, world.sink)
        await world.service().open(SessionRequest("grpc_v1", 16_000, caller=BOB), world.sink)

    virtual_time.run(main())


def test_a_full_server_says_that_first() -> None:
    """Who has used a quota of a server that is full is told the reason that another server would not repeat."""
    admission = Admission(AdmissionSettings(max_sessions=1, quotas=QuotaSettings(sessions=1)))
    place = admission.take(ADA, START)
    with pytest.raises(Refused) as full:
        admission.check(ADA, START)
    assert full.value.reason is Reason.AT_CAPACITY
    place.release(START)
    admission.check(ADA, START)
