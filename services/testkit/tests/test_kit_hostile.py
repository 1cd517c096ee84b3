"""The hostile clients and backends of the test kit, against a server that answers as it is told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
import pytest
from voicegateway.v1 import server_pb2
from voicegateway.v1 import voice_gateway_service_pb2 as service_pb2
from voicegateway_testkit.hostile import backends
from voicegateway_testkit.hostile.attacks import ATTACKS, Damage, Target, commits, gaps, keys, pouring, updates
from voicegateway_testkit.hostile.calls import STILL_OPEN, HostileCall
from voicegateway_testkit.hostile.half_sent import HalfSentCalls

SECONDS = 20.0
"""No attack here takes so long: each is ended by the server."""


@asynccontextmanager
async def server(messages: int, code: grpc.StatusCode | None = grpc.StatusCode.OK) -> AsyncIterator[tuple[str, int]]:
    """Gives host and port of a server whose calls start, take so many messages and end with `code`, None: never."""

    async def converse(_: object, context: Any) -> None:
        await context.write(service_pb2.ConverseResponse(started=server_pb2.Started()).SerializeToString())
        for _ in range(messages):
            if await context.read() is grpc.aio.EOF:
                return
        if code is None:
            await asyncio.Event().wait()
        elif code is not grpc.StatusCode.OK:
            await context.abort(code, "enough")

    serving = grpc.aio.server()
    handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {"Converse": grpc.stream_stream_rpc_method_handler(converse)}
    name = "voicegateway.v1.VoiceGatewayService"
    serving.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, handlers),))
    port = serving.add_insecure_port("127.0.0.1:0")
    await serving.start()
    try:
        yield "127.0.0.1", port
    finally:
        await serving.stop(None)


async def test_a_hostile_call_tells_how_it_ended() -> None:
    """What the suite prints of an attacker is the server's true status, and a running call has none."""
    async with server(2, grpc.StatusCode.RESOURCE_EXHAUSTED) as (host, port), HostileCall(f"{host}:{port}") as call:
        assert await call.wait_for("started") is not None
        assert await call.outcome() == STILL_OPEN
        await call.send(next(gaps()))
        assert await call.outcome(SECONDS) == "RESOURCE_EXHAUSTED"
        assert call.received == {"started": 1}


async def test_an_attack_goes_on_in_a_new_call_and_ends() -> None:
    """A server that ends every call does not end the attack, and the attack ends by itself: it is bounded in calls."""
    async with server(3) as (host, port):
        damage = Damage()
        await pouring(lambda: keys("#"), calls=200)(Target(host, port, SECONDS), damage)
    assert damage.calls == 200
    assert sum(damage.outcomes.values()) == damage.calls
    assert damage.outcomes["OK"] == damage.calls


async def test_a_half_sent_message_is_never_whole() -> None:
    """Each call sends all of its message but the last byte, so that a server without a limit of time waits."""
    async with server(1, None) as (host, port):
        half_sent = HalfSentCalls(host, port, message_bytes=100_000)
        holding = asyncio.create_task(half_sent.hold(3, SECONDS))
        whole = 3 * (100_000 - 1 + 5)
        async with asyncio.timeout(SECONDS):
            while half_sent.sent_bytes < whole:  # noqa: ASYNC110 - the socket tells nobody
                await asyncio.sleep(0.01)
        holding.cancel()
        await asyncio.wait({holding})
    assert half_sent.sent_bytes == whole
    assert half_sent.statuses == {}


def test_gaps_are_small_on_the_wire_and_long_on_the_clock() -> None:
    """A message of one sample moves the client's clock by three seconds."""
    messages = gaps()
    offsets = [next(messages).audio.offset_samples for _ in range(3)]
    assert offsets == [0, 48_000, 96_000]


def test_what_is_poured_changes_and_commits() -> None:
    """Each update names another language than the one before, and each commit has sound before it."""
    languages = [request.update.language_code for request, _ in zip(updates(), range(4), strict=False)]
    assert languages == ["en-US", "de-DE", "en-US", "de-DE"]
    kinds = [request.WhichOneof("payload") for request, _ in zip(commits(), range(4), strict=False)]
    assert kinds == ["audio", "commit", "audio", "commit"]


@pytest.mark.parametrize("name", sorted(backends.HARMS))
def test_the_model_does_harm_to_whom_asks_for_it(name: str) -> None:
    """The harm is in the reply to whoever names it, and everybody else gets a plain answer."""
    asked, reply = (
        backends.answer([{"role": "user", "content": name}]),
        backends.answer([{"role": "user", "content": "Hi"}]),
    )
    assert reply == backends.ANSWER
    assert not isinstance(asked, str)
    assert len(asked.text) > 2_000


def test_every_attack_has_a_name_for_the_command_line() -> None:
    """The acceptance names attacks in its table: parts 1 and 2 of the hardening are all there."""
    assert {"gaps", "keys", "updates", "half-starts", "newcomers", "newlines", "tokens", "interims"} <= set(ATTACKS)
