"""gRPC's queue wakes the loop once for all that has ended."""

import subprocess
import sys

import pytest
from app.gateway_process import Gateway, start

WAKES = """
import array, asyncio, fcntl, gc, logging, socket, sys, termios, time
import grpc.aio, uvloop
from voice_gateway.app import grpc_queue

CALLS, BOUND_S = 8, 30
asked, taken = [], []

def recv(self, size, flags=0, real=grpc_queue.Wakes.recv):
    data = real(self, size, flags)
    asked.append(size)
    taken.append(len(data))
    return data

def waiting(wakes):
    room = array.array("i", [0])
    fcntl.ioctl(wakes, termios.FIONREAD, room)
    return room[0]

async def main():
    grpc_queue.wake_once()
    assert socket.socketpair.__module__ == "socket"
    (wakes,) = [found for found in gc.get_objects() if isinstance(found, grpc_queue.Wakes)]
    async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
        call = channel.unary_unary("/a.B/C")
        calls = [asyncio.ensure_future(call(b"").code()) for _ in range(CALLS)]
        await asyncio.sleep(0)
        until_s = time.monotonic() + BOUND_S
        while waiting(wakes) < CALLS:  # nobody takes any meanwhile, as this is the loop's own thread
            if time.monotonic() > until_s:
                sys.exit(f"of {CALLS} calls that ended {waiting(wakes)} are told")
            time.sleep(0.001)
        print(*{code.name for code in await asyncio.gather(*calls)})
    print(asked[0], taken[0] >= CALLS)
    grpc_queue.wake_once()

logging.basicConfig(stream=sys.stdout, format="%(wakes_once)s", level=logging.WARNING)
grpc_queue.Wakes.recv = recv
uvloop.run(main())
"""


def test_all_that_has_ended_wakes_the_loop_once() -> None:
    """A gRPC that wakes by other means, or itself reads more than a byte, is noticed when it is upgraded, and a queue
    that was there before is told.
    """
    done = subprocess.run([sys.executable, "-c", WAKES], capture_output=True, text=True, check=False, timeout=90)  # noqa: S603 - ours
    told = ["UNAVAILABLE", "1 True", "False"]
    assert done.stdout.splitlines() == told, done.stderr


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_every_process_that_serves_wakes_once(workers: str) -> None:
    """A gateway that makes something of gRPC's too early, or forgets the queue, costs more and says so nowhere else."""
    gateway = Gateway(await start("serve", WORKERS=workers, LOG_LEVEL="DEBUG"))
    try:
        told = [await gateway.told("grpc_queue") for _ in range(int(workers))]
    finally:
        gateway.process.terminate()
    assert await gateway.ended() == 0
    assert all(each["wakes_once"] for each in told)
