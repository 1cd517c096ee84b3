"""A supervisor of fake workers, in one process."""

import asyncio
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from prometheus_client.openmetrics.exposition import generate_latest
from voice_gateway.app.workers import place
from voice_gateway.app.workers.channel import Answer, Channel
from voice_gateway.app.workers.supervisor import Supervisor

KILLED = -9


def page(sessions: int) -> dict[str, Any]:
    """What a worker says of its health."""
    return {
        "is_ready": True,
        "is_draining": False,
        "is_unready_because_full": False,
        "sessions": sessions,
        "capacity": 50,
        "fullness": sessions / 50,
        "waits_for": [],
        "backends": {},
    }


@dataclass
class FakeProcess:
    """A worker's process, as a worker would behave."""

    channel: Channel
    own: Channel
    pid: int
    ended: asyncio.Future[int] = field(default_factory=asyncio.Future)
    reading: list[asyncio.Task[None]] = field(default_factory=list)

    async def wait(self) -> int:
        """Its status."""
        return await asyncio.shield(self.ended)

    def kill(self) -> None:
        """End it at once."""
        self.end(KILLED)

    def end(self, status: int) -> None:
        """End it."""
        if not self.ended.done():
            self.ended.set_result(status)
            self.own.close()


class World:
    """A supervisor of fake processes."""

    def __init__(self, workers: int = 2) -> None:
        self.processes: list[list[FakeProcess]] = [[] for _ in range(workers)]
        """Those of each worker, the last one runs."""
        self.listens = True
        self.hangs = False
        self.ends_on_drain = True
        self.ends_on_stop = True
        self.early_status: int | None = None
        self.cannot_fork = False
        self.count = 1
        """Sessions that each has started."""
        self.orders: list[tuple[int, str]] = []
        self.supervisor = Supervisor([self._starter(index) for index in range(workers)], "1.2.3")

    def running(self, index: int) -> FakeProcess:
        """The process of a worker."""
        return self.processes[index][-1]

    def _starter(self, index: int) -> Any:
        async def start(answers: Mapping[str, Answer]) -> FakeProcess:
            if self.cannot_fork:
                raise OSError("no room")
            ends = []
            for end, told in zip(socket.socketpair(), (answers, self._answers(index)), strict=True):
                reader, writer = await asyncio.open_unix_connection(sock=end)
                ends.append(Channel(reader, writer, told))
            process = FakeProcess(ends[0], ends[1], pid=100 * index + len(self.processes[index]))
            process.reading.append(asyncio.create_task(process.own.run()))
            self.processes[index].append(process)
            if self.early_status is not None:
                process.end(self.early_status)
            elif self.listens:
                process.own.tell(place.LISTENING)
            return process

        return start

    def _answers(self, index: int) -> dict[str, Answer]:
        async def say(what: bytes) -> bytes:
            if self.hangs and index == 1:
                await asyncio.Event().wait()
            return what

        async def order(name: str) -> bytes:
            self.orders.append((index, name))
            if self.ends_on_stop if name == place.STOP else self.ends_on_drain:
                self.running(index).end(0)
            return b""

        lines = "# TYPE a counter\na_total {}\n# TYPE b gauge\nb {}\n# EOF\n"
        return {
            place.HEALTH: lambda _: say(json.dumps(page(10 + index)).encode()),
            place.METRICS: lambda _: say(lines.format(self.count, 1).encode()),
            place.OVERVIEW: lambda _: say(b"%d works" % index),
            place.DRAIN: lambda _: order(place.DRAIN),
            place.STOP: lambda _: order(place.STOP),
        }

    async def told(self) -> dict[str, float]:
        """The metrics, by series."""
        text = generate_latest(await self.supervisor.metrics()).decode()  # type: ignore[no-untyped-call]  # the library has none
        return {line.split()[0]: float(line.split()[1]) for line in text.splitlines() if line[0] != "#"}

    async def health(self) -> dict[str, Any]:
        """The health page."""
        told: dict[str, Any] = json.loads((await self.supervisor.health())[1])
        return told

    async def again(self, index: int, times: int) -> None:
        """Wait until a worker has been started so many times."""
        while len(self.processes[index]) < times:  # noqa: ASYNC110 - the supervisor tells nobody
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.01)
