"""What the process asks of the C library and of Python, seen in a process of its own."""

import platform
import subprocess
import sys

import pytest
from voice_gateway.__main__ import GRPC_EXPERIMENTS
from voice_gateway.app.process import YOUNG_OBJECTS

HEAPS = """
import ctypes, sys, threading
from voice_gateway.app import commands, process

process.share_one_heap()
library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
library.fdopen.restype = ctypes.c_void_p
library.malloc_info.argtypes = (ctypes.c_int, ctypes.c_void_p)
library.fflush.argtypes = (ctypes.c_void_p,)
threads = [threading.Thread(target=library.malloc, args=(1_000,)) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
out = library.fdopen(1, b"w")
library.malloc_info(0, out)
library.fflush(out)
"""
FREED = """
import asyncio, ctypes, resource
from pathlib import Path
from voice_gateway.app import commands, process

def resident_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6

async def give_back():
    process.GIVE_BACK_EVERY_S = 0
    working = asyncio.create_task(process.give_back_memory())
    for _ in range(5):
        await asyncio.sleep(0)
    working.cancel()

library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
library.free.argtypes = (ctypes.c_void_p,)
blocks = [library.malloc(1_000) for _ in range(40_000)]
for block in blocks:
    ctypes.memset(block, 1, 1_000)
for block in blocks[:-1]:
    library.free(block)
freed = resident_mb()
asyncio.run(give_back())
print(freed - resident_mb())
"""
STAYS = """
import gc
from voice_gateway.app import commands, process

process.leave_alone_what_stays()
process.collect_less_often()
print(gc.get_freeze_count(), len(gc.get_objects()), gc.get_threshold()[0])
"""


def told_by(program: str) -> str:
    """What a program of its own prints."""
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout  # noqa: S603


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="asks glibc")
def test_threads_have_no_heaps_of_their_own() -> None:
    """Memory that passed through a thread's own heap stays in it, and a pod is killed for what it no longer uses."""
    told = told_by(HEAPS)
    assert told.count("<heap nr=") == 1
    assert told_by(HEAPS.replace("process.share_one_heap()", "")).count("<heap nr=") > 1


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="asks glibc")
def test_freed_memory_leaves_the_process() -> None:
    """40 MB of small blocks are free, and one behind them is not: no client can make a pod keep what it sent."""
    assert float(told_by(FREED)) > 30


def test_the_collector_does_not_look_at_what_stays() -> None:
    """A full collection over every module stops all sessions for 100 ms."""
    frozen, watched, threshold = map(int, told_by(STAYS).split())
    assert frozen > 10_000
    assert watched < 1_000
    assert threshold == YOUNG_OBJECTS


def _said_by_grpc(experiments: str) -> str:
    """What gRPC writes in a process that makes its first channel."""
    code = "import grpc; grpc.insecure_channel('127.0.0.1:1').close()"
    environment = {"GRPC_VERBOSITY": "ERROR", "GRPC_EXPERIMENTS": experiments}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)  # noqa: S603 - ours
    return done.stderr


def test_grpc_knows_what_it_is_to_leave_out() -> None:
    """A gRPC that has no event engine to switch off any more, or only that one, is noticed when it is upgraded."""
    assert _said_by_grpc(GRPC_EXPERIMENTS) == ""
    assert "Unknown experiment: nonsense" in _said_by_grpc("-nonsense")


@pytest.mark.parametrize(
    ("name", "own", "used"),
    [
        ("GRPC_EXPERIMENTS", {}, GRPC_EXPERIMENTS),
        ("GRPC_EXPERIMENTS", {"GRPC_EXPERIMENTS": "-other"}, "-other"),
        ("GRPC_ENABLE_FORK_SUPPORT", {}, "0"),
        ("GRPC_ENABLE_FORK_SUPPORT", {"GRPC_ENABLE_FORK_SUPPORT": "1"}, "1"),
    ],
)
def test_every_verb_leaves_out_what_costs_and_is_not_used(name: str, own: dict[str, str], used: str) -> None:
    """The event engine and the readiness for forks; whoever has set something else is not overruled."""
    code = f"import os, sys; from voice_gateway.__main__ import main; main(); print(os.environ['{name}'])"
    command = [sys.executable, "-c", code, "check-config"]
    done = subprocess.run(command, env=own, capture_output=True, text=True, check=True)  # noqa: S603 - ours
    assert done.stdout.splitlines()[-1] == used
