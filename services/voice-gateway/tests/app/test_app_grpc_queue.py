"""gRPC's queue wakes the loop once for all that has ended."""

import subprocess
import sys

WAKES = """
import array, asyncio, fcntl, gc, socket, termios, time
import grpc.aio
from voice_gateway.app import grpc_queue

CALLS = 8
taken = []

def recv(self, size, flags=0, real=grpc_queue.Wakes.recv):
    data = real(self, size, flags)
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
        while waiting(wakes) < CALLS:  # nobody takes any meanwhile, as this is the loop's own thread
            time.sleep(0.001)
        print(*{code.name for code in await asyncio.gather(*calls)})
    print(taken[0] >= CALLS)

grpc_queue.Wakes.recv = recv
asyncio.run(main())
"""


def test_all_that_has_ended_wakes_the_loop_once() -> None:
    """A gRPC that wakes by other means than this socket is noticed when it is upgraded; each call has its end."""
    done = subprocess.run([sys.executable, "-c", WAKES], capture_output=True, text=True, check=False, timeout=60)  # noqa: S603 - ours
    assert done.stdout.split() == ["UNAVAILABLE", "True"], done.stderr
