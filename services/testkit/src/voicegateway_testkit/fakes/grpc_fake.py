"""What the fakes of Riva's services share: a server on a port that the system chooses, health, an outcome per call."""

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Any, Self

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from voicegateway_testkit.watch import Watchable

Context = grpc.aio.ServicerContext[Any, Any]


SERVER_OPTIONS = (
    # Clients may ping every 5 s in a silent call, as on the servers that are faked; a moment early is no offence.
    ("grpc.http2.min_ping_interval_without_data_ms", 2_500),
    ("grpc.keepalive_permit_without_calls", 1),
)


class Outcome(Enum):
    """How a call on a fake stands."""

    OPEN = "open"
    FINISHED = "finished"
    """It ran to its proper end."""
    CANCELLED = "cancelled"
    """The peer gave it up."""
    BROKEN = "broken"
    """The fake ended it with a status: a fault, or a request that real Riva would refuse."""


@dataclass(slots=True, kw_only=True)
class CallRecord:
    """What is known of one call."""

    outcome: Outcome = Outcome.OPEN


@dataclass(frozen=True, slots=True)
class ConfigRow:
    """One model of a configuration listing."""

    model_name: str
    parameters: Mapping[str, str]


def config_listing(rows: Iterable[ConfigRow], request: Any, response_type: Any) -> Any:
    """Gives Riva's answer to a request for its configuration: the model that is asked for, all when none is."""
    listed = (row for row in rows if request.model_name in ("", row.model_name))
    configs = [response_type.Config(model_name=row.model_name, parameters=dict(row.parameters)) for row in listed]
    return response_type(model_config=configs)


class CallError(Exception):
    """Ends the running call with this status."""

    def __init__(self, code: grpc.StatusCode, details: str, trailing: tuple[tuple[str, str | bytes], ...] = ()) -> None:
        super().__init__(details)
        self.code = code
        self.details = details
        self.trailing = trailing


class GrpcFake(Watchable):
    """A gRPC server in this process; an async context manager. It can be stopped and started again on its port."""

    def __init__(self) -> None:
        super().__init__()
        self._host = "127.0.0.1"
        self._port = 0
        self._server: grpc.aio.Server | None = None
        self._health: health.aio.HealthServicer | None = None
        self._killed: dict[asyncio.Task[Any], CallError | None] = {}

    @property
    def address(self) -> str:
        """Host and port, once started."""
        return f"{self._host}:{self._port}"

    def at(self, host: str, port: int = 0) -> Self:
        """Listens there, once started: replicas of a name have one port, and an address each."""
        self._host, self._port = host, port
        return self

    async def start(self) -> None:
        """Listens; on the port of last time if there was one."""
        server = grpc.aio.server(options=SERVER_OPTIONS)
        server.add_generic_rpc_handlers(tuple(self._handlers()))
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        self._port = server.add_insecure_port(self.address)
        await self.set_serving(serving=True)
        await server.start()
        self._server = server

    async def stop(self) -> None:
        """Closes the port and breaks what is open, as a pod that is killed does."""
        server, self._server = self._server, None
        if server is not None:
            await server.stop(grace=None)

    async def set_serving(self, *, serving: bool) -> None:
        """Sets what `grpc.health.v1` answers for the server as a whole."""
        if self._health is None:
            raise RuntimeError("start the fake first")
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        await self._health.set("", status)

    def kill_calls(self, code: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE) -> None:
        """Ends every open call with `code`, now."""
        for task in self._killed:
            self._killed[task] = CallError(code, "killed by the test")
            task.cancel()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @abstractmethod
    def _handlers(self) -> list[grpc.GenericRpcHandler]:
        """Gives the services' handlers."""

    async def _run_call(self, context: Context, record: CallRecord, body: Awaitable[None]) -> None:
        """Runs a handler's body and writes its outcome into `record`."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a handler runs in a task")
        self._killed[task] = None
        try:
            await body
            record.outcome = Outcome.FINISHED
        except asyncio.CancelledError:
            killed = self._killed[task]
            record.outcome = Outcome.BROKEN if killed or self._server is None else Outcome.CANCELLED
            if killed is None:
                raise
            await context.abort(killed.code, killed.details)
        except CallError as error:
            record.outcome = Outcome.BROKEN
            await context.abort(error.code, error.details, error.trailing)
        finally:
            del self._killed[task]
            self._changed()
