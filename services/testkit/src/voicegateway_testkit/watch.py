"""Waiting for something to become true without sleeping."""

import asyncio
from collections.abc import Callable


class Watchable:
    """Something whose state changes by events; tests wait for a condition on it."""

    def __init__(self) -> None:
        self._waiters: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []

    async def wait_until(self, condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
        """Returns as soon as `condition()` is true, looked at after every change; raises TimeoutError."""
        if condition():
            return
        waiter = (condition, asyncio.get_running_loop().create_future())
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout(timeout_s):
                await waiter[1]
        except TimeoutError:
            message = f"not true within {timeout_s} s; now: {self.describe()}"
            raise TimeoutError(message) from None
        finally:
            self._waiters.remove(waiter)

    def describe(self) -> str:
        """Says in one line what state this is in, for the message of a timeout."""
        return repr(self)

    def _changed(self) -> None:
        for condition, future in self._waiters:
            if future.done():
                continue
            try:
                if condition():
                    future.set_result(None)
            except Exception as error:  # noqa: BLE001 - a failing condition belongs to the test that waits on it
                future.set_exception(error)
