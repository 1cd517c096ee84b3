"""Log lines about calls that got no session: every one, but of a full server one a second, or they would cost more
than the refusals.
"""

import logging
import time
from collections.abc import Callable
from typing import Final

from voice_gateway.domain.caller import Caller
from voice_gateway.domain.errors import ClientError, GatewayError, Limit, Refused
from voice_gateway.transports.status import safe_message

EVERY_S: Final = 1.0
"""Of each limit; the metric has them all."""

_LOG = logging.getLogger("voice_gateway.transports.call")


class RefusalLog:
    """Tells of refusals."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._told_s: dict[Limit, float] = {}
        self._untold: dict[Limit, int] = {}

    def tell(self, error: GatewayError, peer: str, caller: Caller) -> None:
        """Log a refusal, or count it for the next line about its limit."""
        untold = 0
        if isinstance(error, Refused):
            now_s = self._clock_s()
            if now_s - self._told_s.get(error.limit, -EVERY_S) < EVERY_S:
                self._untold[error.limit] = self._untold.get(error.limit, 0) + 1
                return
            self._told_s[error.limit] = now_s
            untold = self._untold.pop(error.limit, 0)
        level = logging.INFO if isinstance(error, ClientError) else logging.WARNING
        told: dict[str, object] = {
            "peer": peer,
            "account": caller.account,
            "reason": error.reason.value,
            "detail": safe_message(error),
        }
        if isinstance(error, Refused):
            told |= {"limit": error.limit.value, "others_since": untold}
        _LOG.log(level, "call_refused", extra=told)
