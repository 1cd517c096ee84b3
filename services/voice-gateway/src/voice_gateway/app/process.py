"""What the process asks of the kernel, of the C library and of Python, so that no session waits for the others."""

import ctypes
import gc
import os

M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
"""Names of glibc's malloc.h."""
LARGE_BYTES = 65_536
"""A block of that size is memory of its own, which goes back to the kernel when it is freed. By itself glibc moves this
limit up to that of the largest block that was freed, and a message of a client has up to 1.3 MB. Work that is
done again and again has blocks of its own above it (backends/silero/model.py)."""
HEAPS = 1
"""One thread does nearly all the work; heaps of gRPC's other threads keep what passed through them."""


def prefer_batch_scheduling() -> str:
    """Ask for SCHED_BATCH before there are threads, which inherit it: 15 % less CPU (measured on two cores).

    Gives why that is refused; empty: it is not, or this is not Linux.
    """
    if hasattr(os, "sched_setscheduler"):
        try:
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        except OSError as error:
            return str(error)
    return ""


def give_back_memory() -> None:
    """Have freed memory leave the process; to be asked before threads have made anything: each takes a heap of its own.

    After hostile clients of every kind at once 17 to 27 MB stay of 70, where 20 to 77 stayed before (measured in six
    runs of scripts/accept_hostile.py each). Where the C library is not glibc, nothing is changed.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(M_ARENA_MAX, HEAPS)
        library.mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)


def leave_alone_what_stays() -> None:
    """Take what was made by now out of the collector's sight: modules and settings stay for good.

    A full collection stops every session while it looks at each object: for 75 to 105 ms with these among them, for 4
    to 8 ms without (measured on two cores).
    """
    gc.collect()
    gc.freeze()
