"""Options that are taken without effect: said once each, so that nobody waits for what they ask."""

import logging
from collections.abc import Iterable
from typing import Final

logger = logging.getLogger(__name__)

MAX_NAMES: Final = 64
"""Names that are remembered: they come from clients, and a client may make up any number of them."""
MAX_NAMES_AT_ONCE: Final = 8
"""Names that one request may add to the log; more than any client asks for in vain."""
MAX_NAME_CHARS: Final = 64


class WithoutEffect:
    """Options without effect, of one service. What is said here is listed in docs/reference/local-models-options.md."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._told: dict[str, None] = {}
        """Those asked for last at the end."""

    def note(self, options: Iterable[str]) -> None:
        """A request asks for these; the first time each is a line in the log.

        When too many have been asked for, those not asked for the longest are forgotten: nobody's names keep another's
        quiet.
        """
        new = 0
        for name in (option[:MAX_NAME_CHARS] for option in options):
            if name in self._told:
                del self._told[name]
            elif new == MAX_NAMES_AT_ONCE:
                continue
            else:
                new += 1
                logger.info("%s: %s is taken without effect here", self._service, ascii(name)[1:-1])
            self._told[name] = None
            if len(self._told) > MAX_NAMES:
                del self._told[next(iter(self._told))]
