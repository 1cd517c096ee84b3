"""What hostile clients do, by name. Each attack ends by itself: bounded in messages, in calls and in time."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from voicegateway.v1 import client_pb2
from voicegateway.v1 import voice_gateway_service_pb2 as service_pb2

from voicegateway_testkit.hostile.backends import FLOODED_LANGUAGE, LANGUAGE_OF_FINALS
from voicegateway_testkit.hostile.calls import OWN_CONNECTION, STILL_OPEN, HostileCall, start
from voicegateway_testkit.hostile.half_sent import HalfSentCalls
from voicegateway_testkit.load import RATE_HZ

Request = service_pb2.ConverseRequest

MAX_CALLS: Final = 5_000
"""Calls that one attack opens one after the other, when each is ended by the server."""
GAP_S: Final = 3
HALF_SENT_BYTES: Final = 1_300_000
"""Just below the largest message that a gateway takes."""
TOO_LARGE_BYTES: Final = 1_360_000
"""Above the largest message that a gateway takes, and below gRPC's own limit."""
NEWCOMERS: Final = 500
WATCHERS: Final = 2_000
LOUD_BYTES: Final = 1_000_000
"""Bytes of one audio message: 31 s."""


@dataclass(slots=True)
class Damage:
    """What came of an attack, as the attacker sees it."""

    calls: int = 0
    messages: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    """How the calls ended, by status and reason."""


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to attack, and for how long."""

    host: str
    port: int
    seconds: float

    @property
    def address(self) -> str:
        """As gRPC takes it."""
        return f"{self.host}:{self.port}"


Attack = Callable[[Target, Damage], Awaitable[None]]


def gaps() -> Iterator[Request]:
    """One sample, then the next one 3 s later on the client's clock: small on the wire, long on the tape."""
    offset_samples = 0
    while True:
        yield Request(audio=client_pb2.AudioInput(data=b"\0\0", offset_samples=offset_samples))
        offset_samples += GAP_S * RATE_HZ


def loud(sample_bytes: int = 2) -> Iterator[Request]:
    """Noise as fast as it is taken: half a minute a message, and of a telephone two minutes."""
    noise = random.Random(0).randbytes(LOUD_BYTES)  # noqa: S311 - any noise
    offset_samples = 0
    while True:
        yield Request(audio=client_pb2.AudioInput(data=noise, offset_samples=offset_samples))
        offset_samples += LOUD_BYTES // sample_bytes


def keys(digits: str) -> Iterator[Request]:
    """Telephone keys, each of which may be a turn."""
    while True:
        yield Request(dtmf=client_pb2.Dtmf(digits=digits))


def updates() -> Iterator[Request]:
    """Another language each time: a recognition stream is opened with its language."""
    while True:
        for code in ("en-US", FLOODED_LANGUAGE):
            yield Request(update=client_pb2.Update(language_code=code))


def policies() -> Iterator[Request]:
    """Another policy each time."""
    while True:
        for history_ms in (480, 520):
            update = client_pb2.Update()
            update.policy.stop_history_ms = history_ms
            yield Request(update=update)


def texts(text: str) -> Iterator[Request]:
    """Typed turns, none of which waits for an answer."""
    while True:
        yield Request(text=client_pb2.TextInput(text=text))


def commits() -> Iterator[Request]:
    """A little sound, and the end of the turn."""
    offset_samples = 0
    while True:
        yield Request(audio=client_pb2.AudioInput(data=bytes(640), offset_samples=offset_samples))
        offset_samples += 320
        yield Request(commit=client_pb2.Commit())


def interrupts() -> Iterator[Request]:
    """A typed turn, and away with its reply."""
    while True:
        yield Request(text=client_pb2.TextInput(text="hello"))
        yield Request(interrupt=client_pb2.Interrupt())


def reports() -> Iterator[Request]:
    """Playback of replies that never were."""
    while True:
        yield Request(playback=client_pb2.Playback(reply_id="x" * 1_000, played_samples=2**62))


def tool_results() -> Iterator[Request]:
    """Outcomes of tools that nobody called."""
    while True:
        yield Request(tool_result=client_pb2.ToolResult(call_id="y" * 1_000, output="z" * 60_000))


def pouring(
    messages: Callable[[], Iterator[Request]],
    opening: Request | None = None,
    comes_again_s: float = 0.0,
    calls: int = MAX_CALLS,
) -> Attack:
    """Makes an attack that sends messages as fast as they are taken.

    When its call is ended it makes another one, after `comes_again_s` seconds.
    """

    async def attack(target: Target, damage: Damage) -> None:
        for _ in range(calls):
            damage.calls += 1
            async with HostileCall(target.address, opening) as call:
                try:
                    for request in messages():
                        if call.is_over or not await call.send(request):
                            break
                        damage.messages += 1
                finally:
                    damage.outcomes[await call.outcome()] += 1
            await asyncio.sleep(comes_again_s)

    return attack


def asking(text: str, calls: int = 5) -> Attack:
    """Makes an attack that asks for a reply which is the harm, again and again."""

    async def ask(target: Target, damage: Damage) -> None:
        damage.calls += 1
        async with HostileCall(target.address) as call:
            try:
                for number in range(1, MAX_CALLS + 1):
                    if not await call.send(Request(text=client_pb2.TextInput(text=text))):
                        break
                    damage.messages += 1
                    if await call.wait_for("reply_finished", number, target.seconds) is None:
                        break
            finally:
                damage.outcomes[await call.outcome()] += 1

    async def attack(target: Target, damage: Damage) -> None:
        await asyncio.gather(*(ask(target, damage) for _ in range(calls)))

    return attack


def speaking(language_code: str, calls: int = 3) -> Attack:
    """Makes an attack of sessions whose recogniser floods who speaks this language."""

    async def hold(target: Target, damage: Damage) -> None:
        damage.calls += 1
        async with HostileCall(target.address, start(language_code)) as call:
            try:
                await call.send(Request(audio=client_pb2.AudioInput(data=bytes(6_400))))
                await call.wait_for("ended", timeout_s=target.seconds)
            finally:
                damage.messages += call.received["transcript"]
                damage.outcomes[await call.outcome()] += 1

    async def attack(target: Target, damage: Damage) -> None:
        await asyncio.gather(*(hold(target, damage) for _ in range(calls)))

    return attack


def sending_half_a_start(calls: int = 60) -> Attack:
    """Makes an attack of calls that sent all but the last byte of a large first message."""

    async def attack(target: Target, damage: Damage) -> None:
        half_sent = HalfSentCalls(target.host, target.port, HALF_SENT_BYTES)
        damage.calls += calls
        try:
            await half_sent.hold(calls, target.seconds)
        finally:
            damage.messages += calls
            damage.outcomes.update(half_sent.statuses.values())
            damage.outcomes[STILL_OPEN] += calls - len(half_sent.statuses)

    return attack


async def come_all_at_once(target: Target, damage: Damage, proxy: grpc.aio.Channel | None = None) -> None:
    """500 callers who all want in, each on a connection of its own or all on that of a proxy."""

    async def call() -> None:
        damage.calls += 1
        async with HostileCall(target.address, channel=proxy) as each:
            await each.wait_for("started", timeout_s=target.seconds)
            damage.outcomes[await each.outcome(timeout_s=target.seconds / 2)] += 1

    await asyncio.gather(*(call() for _ in range(NEWCOMERS)))


async def come_through_a_proxy(target: Target, damage: Damage) -> None:
    """The same on one connection: more calls than it may carry streams."""
    async with grpc.aio.insecure_channel(target.address, options=OWN_CONNECTION) as proxy:
        await proxy.channel_ready()
        await come_all_at_once(target, damage, proxy)


async def watch_health(target: Target, damage: Damage) -> None:
    """2,000 watchers of the gateway's health on one connection, which never go."""
    async with grpc.aio.insecure_channel(target.address, options=OWN_CONNECTION) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)  # its published types say nothing of its methods
        watches = [health.Watch(health_pb2.HealthCheckRequest(service="readiness")) for _ in range(WATCHERS)]
        damage.calls = WATCHERS
        await asyncio.sleep(target.seconds * 0.8)
        for watch in watches:
            code = (await watch.code()).name if watch.done() else STILL_OPEN
            damage.outcomes[code] += 1
            watch.cancel()


def never_reading(calls: int = 10) -> Attack:
    """Makes an attack of callers who ask for long answers and read nothing of them."""

    async def ask(target: Target, damage: Damage) -> None:
        damage.calls += 1
        async with HostileCall(target.address, reads=False) as call:
            try:
                for _ in range(MAX_CALLS):
                    if not await call.send(Request(text=client_pb2.TextInput(text="long"))):
                        break
                    damage.messages += 1
                    await asyncio.sleep(0.5)
            finally:
                damage.outcomes[await call.outcome()] += 1

    async def attack(target: Target, damage: Damage) -> None:
        await asyncio.gather(*(ask(target, damage) for _ in range(calls)))

    return attack


def sending_bytes(sizes: Sequence[int], comes_again_s: float = 0.0) -> Attack:
    """Makes an attack of bytes that are no message, a call each time."""

    async def attack(target: Target, damage: Damage) -> None:
        rng = random.Random(1)  # noqa: S311 - any garbage
        for _ in range(MAX_CALLS):
            damage.calls += 1
            async with HostileCall(target.address) as call:
                await call.send_raw([rng.randbytes(rng.choice(sizes))])
                damage.messages += 1
                damage.outcomes[await call.outcome(timeout_s=2)] += 1
            await asyncio.sleep(comes_again_s)

    return attack


FLOODS: Final[dict[str, Callable[[], Iterator[Request]]]] = {
    "gaps": gaps,
    "loud": loud,
    "keys": lambda: keys("#" * 4_000),
    "few-keys": lambda: keys("#" * 16),
    "updates": updates,
    "policies": policies,
    "texts": lambda: texts("hello"),
    "commits": commits,
    "interrupts": interrupts,
    "reports": reports,
    "tool-results": tool_results,
}
"""What is sent as fast as it is taken."""
GARBAGE_BYTES: Final = (1, 100, 100_000, 1_300_000)
HARMFUL_REPLIES: Final = ("newlines", "brackets", "dots", "marks", "one sentence", "many sentences", "tokens")
COMES_AGAIN_S: Final = 1.0
ONE_OF_EACH: Final = (
    *(pouring(messages, comes_again_s=COMES_AGAIN_S) for messages in FLOODS.values()),
    pouring(lambda: loud(sample_bytes=1), start(is_telephone=True), COMES_AGAIN_S),
    *(asking(harm, calls=1) for harm in HARMFUL_REPLIES),
    sending_bytes(GARBAGE_BYTES, COMES_AGAIN_S),
    sending_bytes((TOO_LARGE_BYTES,), COMES_AGAIN_S),
    speaking(FLOODED_LANGUAGE, calls=1),
    speaking(LANGUAGE_OF_FINALS, calls=1),
    sending_half_a_start(calls=1),
    never_reading(calls=1),
)
"""Each of them has one call at a time."""


async def attack_in_every_way(target: Target, damage: Damage) -> None:
    """One hostile session of each kind, all together."""
    await asyncio.gather(*(attack(target, damage) for attack in ONE_OF_EACH))


ATTACKS: Final[dict[str, Attack]] = {
    **{name: pouring(messages) for name, messages in FLOODS.items()},
    "loud-telephone": pouring(lambda: loud(sample_bytes=1), start(is_telephone=True)),
    **{harm.replace(" ", "-"): asking(harm) for harm in HARMFUL_REPLIES},
    "garbage": sending_bytes(GARBAGE_BYTES),
    "too-large": sending_bytes((TOO_LARGE_BYTES,)),
    "interims": speaking(FLOODED_LANGUAGE),
    "finals": speaking(LANGUAGE_OF_FINALS),
    "half-starts": sending_half_a_start(),
    "never-read": never_reading(),
    "newcomers": come_all_at_once,
    "proxy": come_through_a_proxy,
    "watchers": watch_health,
    "everything": attack_in_every_way,
}


async def run(name: str, target: Target) -> Damage:
    """Attacks for the target's time at most, and tells what came of it."""
    damage = Damage()
    try:
        async with asyncio.timeout(target.seconds):
            await ATTACKS[name](target, damage)
    except TimeoutError:
        pass
    return damage
