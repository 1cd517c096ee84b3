"""Everything a call has brought, with arrival instants, and waiting for what is to come."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import grpc
from google.protobuf.message import Message

from voicegateway_testkit.watch import Watchable

ResponseT = TypeVar("ResponseT", bound=Message)


@dataclass(frozen=True, slots=True)
class Entry(Generic[ResponseT]):
    """One message from the server."""

    at_ns: int
    """When it arrived, on `time.monotonic_ns`."""
    kind: str
    """Name of the field that is set in its oneof."""
    response: ResponseT


@dataclass(frozen=True, slots=True)
class CallStatus:
    """How a call ended."""

    code: grpc.StatusCode
    details: str
    reason: str = ""
    """The reason in google.rpc.ErrorInfo: an ErrorReason without its prefix. Empty without an ErrorInfo."""
    metadata: dict[str, str] = field(default_factory=dict)
    """The metadata in google.rpc.ErrorInfo."""


class CallEndedError(Exception):
    """The call ended and what was waited for had not come."""

    def __init__(self, kind: str, status: CallStatus) -> None:
        super().__init__(f"the call ended {status.code.name} {status.reason or status.details!r} without {kind!r}")
        self.status = status


class CallLog(Watchable, Generic[ResponseT]):
    """What one call has brought, in order."""

    def __init__(self, oneof: str) -> None:
        """Makes an empty log; `oneof` is the name of the responses' oneof."""
        super().__init__()
        self._oneof = oneof
        self._taken: dict[str, int] = {}
        self.entries: list[Entry[ResponseT]] = []
        self.status: CallStatus | None = None
        """Set when the call has ended."""

    def add(self, response: ResponseT) -> Entry[ResponseT]:
        """Takes a message that arrived now."""
        entry = Entry(time.monotonic_ns(), response.WhichOneof(self._oneof) or "", response)
        self.entries.append(entry)
        self._changed()
        return entry

    def end(self, status: CallStatus) -> None:
        """The call has ended."""
        self.status = status
        self._changed()

    def all(self, kind: str) -> list[Entry[ResponseT]]:
        """Gives what has come of one kind."""
        return [entry for entry in self.entries if entry.kind == kind]

    @property
    def kinds(self) -> list[str]:
        """The kinds of all messages, in order."""
        return [entry.kind for entry in self.entries]

    async def wait_for(
        self, kind: str, where: Callable[[ResponseT], bool] = lambda _response: True, timeout_s: float = 5.0
    ) -> Entry[ResponseT]:
        """Gives the next message of `kind` that satisfies `where`, each one once; what it passes over is passed over.

        Raises CallEndedError when the call has ended without one, and TimeoutError.
        """

        def find() -> int | None:
            start = self._taken.get(kind, 0)
            for index in range(start, len(self.entries)):
                entry = self.entries[index]
                if entry.kind == kind and where(entry.response):
                    return index
            return None

        try:
            await self.wait_until(lambda: find() is not None or self.status is not None, timeout_s)
        except TimeoutError as error:
            message = f"no {kind!r}: {error}"
            raise TimeoutError(message) from None
        index = find()
        if index is None:
            if self.status is None:
                raise AssertionError("woken for nothing")
            raise CallEndedError(kind, self.status)
        self._taken[kind] = index + 1
        return self.entries[index]

    async def wait_end(self, timeout_s: float = 5.0) -> CallStatus:
        """Gives the status, once the call has ended; raises TimeoutError."""
        await self.wait_until(lambda: self.status is not None, timeout_s)
        if self.status is None:
            raise AssertionError("woken for nothing")
        return self.status

    def describe(self) -> str:
        """Says what has come, repetitions as counts."""
        runs: list[list[str]] = []
        for kind in self.kinds:
            if runs and runs[-1][0] == kind:
                runs[-1].append(kind)
            else:
                runs.append([kind])
        told = ", ".join(run[0] if len(run) == 1 else f"{run[0]} x {len(run)}" for run in runs)
        return f"[{told}], {'open' if self.status is None else self.status}"
