"""Pings for 40 s where nobody says anything, on every server that is made here: part of `make accept`.

Lines are `name | measured | limit | PASS or FAIL`. Exit status 1: a server cut somebody off.
"""

import asyncio
import socket
import sys
from typing import Final

import grpc.aio
from voicegateway.v1 import client_pb2, voice_gateway_service_pb2
from voicegateway_testkit import FakeTts
from voicegateway_testkit.clients.pings import ping

from accept.stack import Stack, running

EVERY_S: Final = 5.0
PINGS: Final = 9
KEEPALIVE_MS: Final = 10_000
"""What clients are commonly set to; gRPC's own clients ping no more often."""
METHOD: Final = "/voicegateway.v1.VoiceGatewayService/Converse"


async def silent_call(address: str) -> bool:
    """Whether a call in which nothing is said outlives its client's pings."""
    options = (
        ("grpc.keepalive_time_ms", KEEPALIVE_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
    )
    start = voice_gateway_service_pb2.ConverseRequest(start=client_pb2.Start())
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        call: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(METHOD)()
        await call.write(start.SerializeToString())
        await call.read()
        await asyncio.sleep(EVERY_S * (PINGS - 1))
        is_open = not call.done()
        call.cancel()
        return is_open


async def measure(stack: Stack, health: str) -> bool:
    """Ping everybody at once, print the lines, and say whether all were answered."""
    async with FakeTts() as fake:
        servers = {"gateway": stack.gateway, "health port": health, "local-models": stack.riva, "fakes": fake.address}
        pinged, is_open = await asyncio.gather(
            asyncio.gather(*(ping(address, PINGS, every_s=EVERY_S) for address in servers.values())),
            silent_call(stack.gateway),
        )
    for name, each in zip(servers, pinged, strict=True):
        verdict = "PASS" if each.answered == PINGS else "FAIL"
        print(f"pings answered by the {name}, one in {EVERY_S:g} s | {each.answered} | {PINGS} | {verdict}")
    print(
        f"a silent call whose client pings every 10 s, after 40 s | {is_open} | True | {'PASS' if is_open else 'FAIL'}"
    )
    return is_open and all(each.answered == PINGS for each in pinged)


def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def main() -> int:
    """Start what is to be pinged, and ping it."""
    port = free_port()
    with running(gateway_env={"HEALTH_PORT": str(port), "TURN_NO_INPUT_MS": "0"}) as stack:
        return 0 if asyncio.run(measure(stack, f"127.0.0.1:{port}")) else 1


if __name__ == "__main__":
    sys.exit(main())
