"""The issuer's keys over hours, in virtual time."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

import pytest
from gateway_kit.issuer import NAME, NOW_S, Issuer, new_key
from gateway_kit.virtual_time import run
from voice_gateway.domain.caller import Proof
from voice_gateway.domain.errors import ClientError, Reason, Unavailable
from voice_gateway.identity.entrance import RETRY_MS, Entrance
from voice_gateway.identity.key_ring import FETCH_INTERVAL_S, MAX_WAITING, RETRY_INTERVAL_S
from voice_gateway.identity.ports import IssuerAway
from voice_gateway.identity.settings import IdentitySettings, JwtSettings
from voice_gateway.identity.shown import Shown


class Page:
    """An issuer's page; takes a second for each fetch."""

    def __init__(self, issuer: Issuer) -> None:
        self.issuer = issuer
        self.fetches = 0
        self.is_away = False
        self.is_closed = False

    async def fetch(self) -> bytes:
        """See KeysPage."""
        self.fetches += 1
        await asyncio.sleep(1)
        if self.is_away:
            raise IssuerAway("nobody there")
        return self.issuer.jwks()

    async def close(self) -> None:
        """See KeysPage."""
        self.is_closed = True


class World:
    """An entrance for JWTs of one issuer."""

    def __init__(self) -> None:
        self.issuer = Issuer()
        self.page = Page(self.issuer)
        settings = IdentitySettings(jwt=JwtSettings("http://issuer.example/jwks", NAME, ("voice",)))
        self.entrance = Entrance(settings, open_page=lambda _: self.page, clock=lambda: NOW_S)

    async def comes_in(self, token: str) -> bool:
        """Whether that token opens."""
        try:
            caller = await self.entrance.caller(Shown(authorization=f"Bearer {token}"))
        except (ClientError, Unavailable):
            return False
        return caller.proof is Proof.JWT


def play(scene: Coroutine[Any, Any, None]) -> None:
    """In virtual time."""
    run(scene)


def test_a_known_key_waits_for_nobody() -> None:
    """With the keys there a call is let in without one step of the event loop, also while they are fetched again."""

    async def scene() -> None:
        world = World()
        await world.entrance.prepare()
        watching = asyncio.create_task(world.entrance.watch())
        await asyncio.sleep(FETCH_INTERVAL_S + 0.5)
        assert world.page.fetches == 2
        caller = world.entrance.caller(Shown(authorization=f"Bearer {world.issuer.token()}"))
        with pytest.raises(StopIteration) as ended:
            caller.send(None)
        assert ended.value.value.account == "jwt:ada"
        watching.cancel()

    play(scene())


def test_a_new_key_is_fetched_when_it_is_first_shown() -> None:
    """An issuer that signs with a new key at once has no caller refused, and the old key opens too."""

    async def scene() -> None:
        world = World()
        await world.entrance.prepare()
        old = world.issuer.token()
        await asyncio.sleep(RETRY_INTERVAL_S)
        world.issuer.rotate("second")
        new = world.issuer.token()
        assert await asyncio.gather(*(world.comes_in(new) for _ in range(50))) == [True] * 50
        assert world.page.fetches == 2
        assert await world.comes_in(old)

    play(scene())


def test_a_key_that_is_taken_back_opens_no_more() -> None:
    """A stolen key is good for one interval at most."""

    async def scene() -> None:
        world = World()
        await world.entrance.prepare()
        watching = asyncio.create_task(world.entrance.watch())
        stolen = world.issuer.token()
        world.issuer.rotate("second", keep=False)
        assert await world.comes_in(stolen)
        await asyncio.sleep(FETCH_INTERVAL_S + 2)
        assert not await world.comes_in(stolen)
        assert await world.comes_in(world.issuer.token())
        watching.cancel()

    play(scene())


def test_a_flood_of_unknown_keys_does_not_reach_the_issuer() -> None:
    """However many forged tokens come in an hour, the issuer is asked once in ten seconds at most."""

    async def scene() -> None:
        world = World()
        await world.entrance.prepare()
        forged = Issuer({"forged": new_key()}).token()
        loop = asyncio.get_running_loop()
        begun_at = loop.time()
        for _ in range(3_600):
            assert not await world.comes_in(forged)
            await asyncio.sleep(1)
        assert 2 <= world.page.fetches <= 1 + (loop.time() - begun_at) / RETRY_INTERVAL_S
        assert await world.comes_in(world.issuer.token())

    play(scene())


@pytest.mark.parametrize("is_away", [False, True])
def test_a_new_key_that_cannot_be_fetched_yet_is_not_refused_for_good(is_away: bool) -> None:  # noqa: FBT001 - a case
    """A caller whose key is seconds old, just after a forged one or while the issuer is away, is told to try again."""

    async def scene() -> None:
        world = World()
        await world.entrance.prepare()
        await asyncio.sleep(RETRY_INTERVAL_S)
        if is_away:
            world.page.is_away = True
        else:
            forged = Shown(authorization=f"Bearer {Issuer({'forged': new_key()}).token()}")
            with pytest.raises(ClientError) as refused:
                await world.entrance.caller(forged)
            assert refused.value.reason is Reason.TOKEN_INVALID  # the issuer has just been asked
        world.issuer.rotate("second")
        shown = Shown(authorization=f"Bearer {world.issuer.token()}")
        with pytest.raises(Unavailable) as caught:
            await world.entrance.caller(shown)
        assert (caught.value.reason, caught.value.retry_after_ms) == (Reason.BACKEND_UNAVAILABLE, RETRY_MS)
        world.page.is_away = False
        await asyncio.sleep(RETRY_MS / 1_000)
        assert (await world.entrance.caller(shown)).proof is Proof.JWT

    play(scene())


def test_only_so_many_wait_for_one_fetch() -> None:
    """Callers with forged keys cannot fill the process while the issuer takes its time: most are refused at once."""

    async def scene() -> None:
        world = World()
        await world.entrance.prepare()
        await asyncio.sleep(RETRY_INTERVAL_S)
        forged = Issuer({"forged": new_key()}).token()
        calls = [asyncio.create_task(world.comes_in(forged)) for _ in range(MAX_WAITING + 50)]
        await asyncio.sleep(0.5)
        assert sum(call.done() for call in calls) == 50
        assert not any(await asyncio.gather(*calls))
        await asyncio.sleep(RETRY_INTERVAL_S)
        world.issuer.rotate("second")
        assert await world.comes_in(world.issuer.token())

    play(scene())


def test_old_keys_stay_while_the_issuer_is_away(caplog: pytest.LogCaptureFixture) -> None:
    """An outage of the issuer is no outage of calls; it is one line, is tried again soon, and its end is told."""
    caplog.set_level(logging.INFO)

    async def scene() -> None:
        world = World()
        await world.entrance.prepare()
        watching = asyncio.create_task(world.entrance.watch())
        world.page.is_away = True
        await asyncio.sleep(3_600)
        assert await world.comes_in(world.issuer.token())
        world.issuer.rotate("second", keep=False)
        world.page.is_away = False
        await asyncio.sleep(RETRY_INTERVAL_S + 2)
        assert await world.comes_in(world.issuer.token())
        watching.cancel()

    play(scene())
    told = [line.getMessage() for line in caplog.records if line.name.endswith("key_ring")]
    assert told == ["issuer keys read", "issuer keys not read, the old ones stay", "issuer keys read"]


def test_rubbish_in_place_of_keys_is_an_outage(caplog: pytest.LogCaptureFixture) -> None:
    """A proxy's error page with status 200 takes no key away."""

    async def scene() -> None:
        world = World()
        await world.entrance.prepare()
        token = world.issuer.token()
        world.issuer.keys.clear()
        await asyncio.sleep(RETRY_INTERVAL_S)
        await world.entrance.prepare()
        assert world.page.fetches == 2
        assert await world.comes_in(token)

    play(scene())
    assert "must be a JSON Web Key Set" in str([vars(line) for line in caplog.records])


def test_before_the_first_keys_a_caller_may_try_again() -> None:
    """A gateway that has not reached its issuer does not say that a good token is bad."""

    async def scene() -> None:
        world = World()
        world.page.is_away = True
        await world.entrance.prepare()
        with pytest.raises(Unavailable) as caught:
            await world.entrance.caller(Shown(authorization=f"Bearer {world.issuer.token()}"))
        assert caught.value.reason is Reason.BACKEND_UNAVAILABLE
        world.page.is_away = False
        watching = asyncio.create_task(world.entrance.watch())
        await asyncio.sleep(2 * RETRY_INTERVAL_S)
        assert await world.comes_in(world.issuer.token())
        watching.cancel()
        await world.entrance.close()
        assert world.page.is_closed

    play(scene())


def test_a_caller_who_hangs_up_ends_no_fetch() -> None:
    """Those who wait for the same fetch get its keys."""

    async def scene() -> None:
        world = World()
        await world.entrance.prepare()
        await asyncio.sleep(RETRY_INTERVAL_S)
        world.issuer.rotate("second")
        token = world.issuer.token()
        first, second = (asyncio.create_task(world.comes_in(token)) for _ in range(2))
        await asyncio.sleep(0.5)
        first.cancel()
        assert await second
        assert world.page.fetches == 2

    play(scene())


def test_a_fetch_that_runs_ends_with_the_gateway() -> None:
    """Nothing is left behind at the end."""

    async def scene() -> None:
        world = World()
        waiting = asyncio.create_task(world.entrance.prepare())
        await asyncio.sleep(0.5)
        await world.entrance.close()
        await asyncio.wait({waiting})
        assert (waiting.cancelled(), world.page.is_closed) == (True, True)

    play(scene())
