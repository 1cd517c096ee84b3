"""A streamed call of grpc.aio whose reads and writes are never broken off: the call is cancelled, and they end.

A task that is cancelled inside `read()` leaves the operation to gRPC's core, and the message that comes all the same is
never freed: 7 kB for each reply that was cut off in the midst of its audio, and nothing since (measured
2026-11-28 with grpcio 1.85 by `make bench SECTION=leak`). Deadlines cancel, too. So every operation is a task of its
own, and whoever waits for it may be cancelled alone.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

CLOSE_S = 0.1
"""Operations of a cancelled call end at once, but for those on a connection that is stuck in a write: behind a cut
cable gRPC's core holds them back until TCP gives up, a quarter of an hour later, and who waited for them would be deaf.
"""

_left: set[asyncio.Task[Any]] = set()
"""Operations that nobody waits for any more; the loop itself holds no task."""


class WholeCall:
    """One call. Reads are made one after the other, and so are writes."""

    def __init__(self, call: Any) -> None:
        self._call = call
        """Of one of Riva's stubs, which have no types."""
        self._running: set[asyncio.Task[Any]] = set()

    async def read(self) -> Any:
        """The next message, or grpc.aio.EOF; raises what the call's own raises."""
        return await self._wait_for(self._call.read())

    async def write(self, message: Any) -> None:
        """Send a message; raises what the call's own raises.

        Until the headers are sent nothing is in gRPC's core, and a server that takes none never lets `write` go, not
        even when the call is cancelled: whoever waits for that waits here, and may be cancelled.
        """
        await self._call.wait_for_connection()
        try:
            await self._wait_for(self._call.write(message))
        except asyncio.InvalidStateError:
            await self._call.wait_for_connection()  # the call has ended meanwhile: this raises how
            raise

    async def done_writing(self) -> None:
        """Half-close; raises what the call's own raises."""
        await self._wait_for(self._call.done_writing())

    def cancel(self) -> None:
        """Cancel the call if it still runs: what is being read or written ends at once."""
        self._call.cancel()

    async def close(self) -> None:
        """Cancel the call. Nothing of it runs afterwards, unless its connection is stuck: then until that breaks."""
        self.cancel()
        if self._running:
            _left.update(self._running)
            await asyncio.wait(self._running, timeout=CLOSE_S)

    async def _wait_for(self, operation: Coroutine[Any, Any, Any]) -> Any:
        loop = asyncio.get_running_loop()
        task, over = loop.create_task(operation, name="riva-call"), loop.create_future()
        self._running.add(task)

        def end(task: asyncio.Task[Any]) -> None:
            self._running.discard(task)
            _left.discard(task)
            if not task.cancelled():
                task.exception()  # seen, also if whoever waited is cancelled just now
            if not over.done():
                over.set_result(None)

        task.add_done_callback(end)
        await over
        return task.result()
