"""What is told of calls that got no session: the metric counts all of them, and the log has one line a second of each
kind, or the lines would cost more than the refusals.
"""

import logging
import time
from collections.abc import Callable
from typing import Final

from voice_gateway.domain.caller import Caller
from voice_gateway.domain.errors import ClientError, GatewayError, Limit, Reason, Refused
from voice_gateway.domain.trace_context import NO_TRACE, TraceContext
from voice_gateway.session.ports import AdmissionWatch
from voice_gateway.transports.failures import safe_message

EVERY_S: Final = 1.0
"""One line in this time for each reason and limit; the next one counts the refusals between."""

_LOG = logging.getLogger("voice_gateway.transports.call")
_Kind = tuple[Reason, Limit | None]


class RefusalLog:
    """Tells of refusals."""

    def __init__(self, watch: AdmissionWatch, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._watch = watch
        self._clock_s = clock_s
        self._told_s: dict[_Kind, float] = {}
        self._untold: dict[_Kind, int] = {}

    def tell(self, error: GatewayError, peer: str, caller: Caller, trace: TraceContext = NO_TRACE) -> None:
        """Count a refusal, and log it or leave it to the next line about its kind."""
        self._watch.session_refused(error)
        limit = error.limit if isinstance(error, Refused) else None
        kind, now_s = (error.reason, limit), self._clock_s()
        if now_s - self._told_s.get(kind, -EVERY_S) < EVERY_S:
            self._untold[kind] = self._untold.get(kind, 0) + 1
            return
        self._told_s[kind] = now_s
        told: dict[str, object] = {
            "peer": peer,
            "account": caller.account,
            "reason": error.reason.value,
            "detail": safe_message(error),
            "others_since": self._untold.pop(kind, 0),
        }
        if limit is not None:
            told["limit"] = limit.value
        told |= trace.logged
        _LOG.log(logging.INFO if isinstance(error, ClientError) else logging.WARNING, "call_refused", extra=told)
