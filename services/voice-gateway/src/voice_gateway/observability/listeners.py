"""Several that are told the same, none of which can hurt a call or one another."""

import logging
from collections.abc import Callable
from typing import Generic, TypeVar

_log = logging.getLogger("voice_gateway.observability")
T = TypeVar("T")


class Listeners(Generic[T]):
    """Those who are told. One that fails is told of in the log, once for each kind of failure, and told the next."""

    def __init__(self, *listeners: T) -> None:
        self._listeners = listeners
        self._failed: set[tuple[str, str]] = set()
        """Names of listeners and of their exceptions: as many as the code has."""

    def tell(self, what: Callable[[T], None]) -> None:
        """Tell each of them."""
        for listener in self._listeners:
            try:
                what(listener)
            except Exception as error:  # noqa: BLE001  whoever watches a call must not end it
                self._log_once(listener, error)

    def _log_once(self, listener: T, error: Exception) -> None:
        kind = (type(listener).__name__, type(error).__name__)
        if kind not in self._failed:
            self._failed.add(kind)
            _log.error("listener_failed", extra={"listener": kind[0]}, exc_info=error)
