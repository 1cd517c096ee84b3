"""Options that are taken without effect: said once each, so that nobody waits for what they ask."""

import logging
from collections.abc import Iterable
from typing import Final

logger = logging.getLogger(__name__)

MAX_NAMES: Final = 64
"""That are not known: a client may make up any number of them."""
MAX_NAME_CHARS: Final = 64


class WithoutEffect:
    """Of one service. What is said here is listed in docs/reference/local-models-options.md."""

    def __init__(self, service: str, known: frozenset[str] = frozenset()) -> None:
        """Those known are said however many names were made up before."""
        self._service = service
        self._known = known
        self._told: set[str] = set()
        self._made_up = 0

    def note(self, options: Iterable[str]) -> None:
        """A request asks for these; the first time each is a line in the log."""
        for option in options:
            name = option[:MAX_NAME_CHARS]
            if name in self._told or (name not in self._known and not self._has_room()):
                continue
            self._told.add(name)
            logger.info("%s: %s is taken without effect here", self._service, ascii(name)[1:-1])

    def _has_room(self) -> bool:
        """Count a name that is not known; the first that is too many is a line in the log, too."""
        self._made_up += 1
        if self._made_up == MAX_NAMES + 1:
            logger.warning("%s: more than %d unknown options: no further ones are named", self._service, MAX_NAMES)
        return self._made_up <= MAX_NAMES
