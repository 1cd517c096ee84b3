"""Starts a worker as a fresh process: nothing of gRPC survives a fork."""

import asyncio
import socket
import sys
from collections.abc import Mapping
from typing import Final

from voice_gateway.app.workers.channel import Answer, Channel
from voice_gateway.app.workers.held_signals import held_for_children
from voice_gateway.app.workers.place import FLAG, Place

COMMAND: Final = (sys.executable, "-P", "-m", "voice_gateway", "serve")
"""Without -P, -m would look for modules in the current directory first, whoever may write there."""


class Process:
    """A worker's process and the channel to it."""

    def __init__(self, process: asyncio.subprocess.Process, channel: Channel) -> None:
        self._process = process
        self.channel = channel

    @property
    def pid(self) -> int:
        """Its id."""
        return self._process.pid

    async def wait(self) -> int:
        """Its exit status once it has ended; the negative number of a signal that ended it."""
        return await self._process.wait()

    def kill(self) -> None:
        """End it at once."""
        if self._process.returncode is None:
            self._process.kill()


async def launch(index: int, count: int, settings: Mapping[str, str], answers: Mapping[str, Answer]) -> Process:
    """Start worker `index` of `count`.

    Args:
        index: from 0.
        count: workers in all.
        settings: what stands above the environment.
        answers: who answers its questions.

    Raises:
        OSError: the system has no room for a process.
    """
    ours, theirs = socket.socketpair()
    try:
        place = Place(index, count, theirs.fileno(), settings)
        with held_for_children():
            process = await asyncio.create_subprocess_exec(
                *COMMAND, FLAG, place.written(), stdin=asyncio.subprocess.DEVNULL, pass_fds=(theirs.fileno(),)
            )
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    return Process(process, Channel(reader, writer, answers))
