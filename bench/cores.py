"""The two cores of `make bench`: one for the server, one for the load."""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager


def take_cores() -> int:
    """Pin this process, before gRPC makes threads that would stay behind; give the server's core."""
    if not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2:  # noqa: PLR2004 - one each
        raise SystemExit("bench: needs Linux and two cores")
    server, load, *_ = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {load})
    return server


@contextmanager
def cores_awake() -> Iterator[str]:
    """Keep idle cores from sleeping, if that is allowed; gives what was done, to be printed.

    A core that sleeps takes up to 0.2 ms to wake, most of all that of a virtual machine, and with a lone caller each of
    some thirty steps of an answer finds one asleep. The kernel's Documentation/power/pm_qos_interface: while the file
    is open, no core enters a state that takes longer to leave than what was written into it (microseconds, binary).
    """
    try:
        file = os.open("/dev/cpu_dma_latency", os.O_WRONLY)
    except OSError as error:
        yield f"idle cores may sleep ({error.strerror}): a lone caller waits for each to wake"
        return
    try:
        os.write(file, struct.pack("i", 0))
        yield "idle cores are kept awake"
    finally:
        os.close(file)
