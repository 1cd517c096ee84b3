"""Calls that have not said what they want. Until it does, each may hold as much of our memory as one message has.

A call that says at once what it wants is not refused for them. In a crowd the server waits less long, but refuses no
call unread: one in eight of gRPC's own Python clients that write while their call is refused see INTERNAL instead of
the status (measured 2026-11-28).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from voice_gateway.domain.caller import Caller
from voice_gateway.domain.errors import Limit, Reason, Refused
from voice_gateway.domain.limits import Tally

KEPT_FOR_OTHERS = 15
"""One account always leaves this many of the calls that may wait to others."""
_TOLD = "too many calls wait for their first message"


class Unstarted:
    """The calls of one process that have not said what they want."""

    def __init__(self, room: Callable[[], int], retry_after_ms: Callable[[], int]) -> None:
        """`room` says how many there may be now, `retry_after_ms` when one of a crowd is to come again."""
        self._room = room
        self._retry_after_ms = retry_after_ms
        self._tally = Tally()

    @property
    def calls(self) -> int:
        """How many there are."""
        return self._tally.total

    @contextmanager
    def expecting(self, caller: Caller) -> Iterator[Refused | None]:
        """Count a call while the block runs.

        Yields its refusal, AT_CAPACITY, unless its start comes at once; None: there is time.
        """
        room, account = self._room(), caller.account
        is_crowded = self.calls >= room or self._tally.of(account) >= room - KEPT_FOR_OTHERS
        crowded = Refused(Reason.AT_CAPACITY, Limit.UNSTARTED, _TOLD, self._retry_after_ms()) if is_crowded else None
        with self._tally.one_more(account):
            yield crowded
