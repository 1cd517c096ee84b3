"""Says what model servers send that is not known here, and refuse: once for each kind, in the life of the process."""

import logging
from collections.abc import Iterable

from voice_gateway.backends.openai_chat.chunks import Oddity

_log = logging.getLogger(__name__)
_noted: set[Oddity | str] = set()


def note_oddities(oddities: Iterable[Oddity]) -> None:
    """Log those that have not been logged before; nothing that the server wrote is quoted."""
    for oddity in oddities:
        if oddity not in _noted:
            _noted.add(oddity)
            _log.warning("the language model's stream has something unknown, which is skipped", extra={"kind": oddity})


def note_refused(parameter: str) -> None:
    """Log that a server refuses a field of our requests; it is one of our own names, so there are few."""
    if parameter not in _noted:
        _noted.add(parameter)
        _log.error("the language model refuses a parameter", extra={"parameter": parameter})


def has_noted(oddity: Oddity) -> bool:
    """Whether this has been met in the life of the process."""
    return oddity in _noted
