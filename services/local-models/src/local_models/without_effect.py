"""Options that are taken without effect: said once each, so that nobody waits for what they ask."""

import logging
from collections.abc import Iterable
from typing import Final

logger = logging.getLogger(__name__)

MAX_NAMES: Final = 64
"""Names come from clients, and a client may make up any number of them."""
MAX_NAME_CHARS: Final = 64


class WithoutEffect:
    """Of one service. What is said here is listed in docs/reference/local-models-options.md."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._told: set[str] = set()

    def note(self, options: Iterable[str]) -> None:
        """A request asks for these; the first time each is a line in the log."""
        for option in options:
            name = option[:MAX_NAME_CHARS]
            if name not in self._told and len(self._told) < MAX_NAMES:
                self._told.add(name)
                logger.info("%s: %s is taken without effect here", self._service, ascii(name)[1:-1])
