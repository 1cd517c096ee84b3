"""What the process asks of the C library and of Python, seen in a process of its own."""

import platform
import subprocess
import sys

import pytest

HEAPS = """
import ctypes, sys, threading
from voice_gateway.app import commands, process

process.give_back_memory()
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
STAYS = """
import gc
from voice_gateway.app import commands, process

process.leave_alone_what_stays()
print(gc.get_freeze_count(), len(gc.get_objects()))
"""


def told_by(program: str) -> str:
    """What a program of its own prints."""
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout  # noqa: S603


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="asks glibc")
def test_threads_have_no_heaps_of_their_own() -> None:
    """Memory that passed through a thread's own heap stays in it, and a pod is killed for what it no longer uses."""
    told = told_by(HEAPS)
    assert told.count("<heap nr=") == 1
    assert told_by(HEAPS.replace("process.give_back_memory()", "")).count("<heap nr=") > 1


def test_the_collector_does_not_look_at_what_stays() -> None:
    """A full collection over every module stops all sessions for 100 ms."""
    frozen, watched = map(int, told_by(STAYS).split())
    assert frozen > 10_000
    assert watched < 1_000
