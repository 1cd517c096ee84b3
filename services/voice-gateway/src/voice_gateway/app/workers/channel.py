"""Questions and answers between a worker and the process that has started it, both ways, on one stream of bytes.

A frame is the number of a question, the sizes of what follows, and then its name, empty in an answer, and its body.
The end of the stream is the end of the other process, however it ended.
"""

import asyncio
import logging
import struct
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from itertools import count
from typing import Final

HEAD: Final = struct.Struct("!QIH")
"""Number, bytes of the body, bytes of the name."""
MAX_BODY_BYTES: Final = 100_000_000
"""Of 63 other workers with 200 calls each, whose words are told, overviews have 45 MB."""

Answer = Callable[[bytes], Awaitable[bytes]]
"""Answers one kind of question."""
_log = logging.getLogger(__name__)


class Silent(Exception):  # noqa: N818  said as the fact it is
    """No answer: not in time, or there is nobody any more."""


class Gone(Silent):
    """The other end has hung up."""


class Channel:
    """One end."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: Mapping[str, Answer]
    ) -> None:
        """`answers` has who answers questions of each name; others stay without answer."""
        self._reader = reader
        self._writer = writer
        self._answers = answers
        self._numbers = count(1)
        self._asked: dict[int, asyncio.Future[bytes]] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self._is_over = False

    async def run(self) -> None:
        """Read until the other end is gone."""
        try:
            while True:
                number, size, name_size = HEAD.unpack(await self._reader.readexactly(HEAD.size))
                if size > MAX_BODY_BYTES:
                    _log.error("frame is too large", extra={"bytes": size})
                    return
                name = (await self._reader.readexactly(name_size)).decode("ascii", "replace")
                self._take(number, name, await self._reader.readexactly(size))
        except (asyncio.IncompleteReadError, OSError):
            return  # whoever was there is gone
        finally:
            self.close()

    def tell(self, name: str, body: bytes = b"") -> None:
        """Send what needs no answer; to nobody where the other end is gone."""
        self._send(0, name, body)

    async def ask(self, name: str, timeout_s: float, body: bytes = b"") -> bytes:
        """Ask and wait for the answer.

        Raises:
            Gone: the other end has hung up.
            Silent: none came in time.
        """
        if self._is_over:
            raise Gone
        number = next(self._numbers)
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        self._send(number, name, body)
        try:
            async with asyncio.timeout(timeout_s):  # not wait_for, which in Python 3.11 may swallow a cancellation
                return await answer
        except TimeoutError:
            raise Silent from None
        finally:
            del self._asked[number]

    def close(self) -> None:
        """Hang up; whoever waits for an answer is told that there is none."""
        self._is_over = True
        self._writer.close()
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(Gone())
        for task in self._answering:
            task.cancel()

    def _take(self, number: int, name: str, body: bytes) -> None:
        if name:
            task = asyncio.get_running_loop().create_task(self._answer(number, name, body), name=f"answer {name}")
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
        elif (answer := self._asked.get(number)) is not None and not answer.done():
            answer.set_result(body)

    async def _answer(self, number: int, name: str, body: bytes) -> None:
        answer = self._answers.get(name)
        if answer is None:
            return
        try:
            told = await answer(body)
        except Exception:  # noqa: BLE001  a question that cannot be answered must not end what else is asked
            _log.exception("no answer", extra={"question": name})
            return
        if number:
            self._send(number, "", told)

    def _send(self, number: int, name: str, body: bytes) -> None:
        if not self._is_over:
            with suppress(OSError):
                self._writer.write(HEAD.pack(number, len(body), len(name)) + name.encode("ascii") + body)
