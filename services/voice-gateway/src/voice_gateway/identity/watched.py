"""Files that are read anew when they change.

Kubernetes renews a mounted Secret by moving a symlink, and tools rewrite files in place: neither is told by a file's
time of change alone, so the content itself is compared. All files of a value are read together; what does not fit
together, because it is half written or half moved, is left alone until it does.
"""

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")
WATCH_INTERVAL_S = 5.0
"""Between two looks. kubelet itself takes up to a minute and more to move a changed Secret into a pod
(kubernetes.io, "Mounted Secrets are updated automatically")."""
MAX_FILE_BYTES = 1_048_576
"""The largest Secret of Kubernetes is 1 MiB."""

_log = logging.getLogger(__name__)


class WatchedFiles(Generic[T]):
    """The value of some files, as they last made sense."""

    def __init__(self, name: str, paths: tuple[Path, ...], parse: Callable[[tuple[bytes, ...]], T]) -> None:
        """Read the files for the first time.

        Args:
            name: what they are, for the log.
            paths: read in this order.
            parse: makes the value of the files' contents. Raises ValueError, whose text holds no secret.

        Raises:
            OSError, ValueError: they cannot be read, or make no sense.
        """
        self._name = name
        self._paths = paths
        self._parse = parse
        contents = self._read()
        self.value = parse(contents)
        self._seen = _hashed(contents)
        self._trouble = ""

    def look(self) -> None:
        """Read the files anew if their contents are others than those last seen; a new mistake is logged once.

        Does not wait for anything but the disk, and may be called in any thread, though in one at a time.
        """
        try:
            contents = self._read()
            if (seen := _hashed(contents)) == self._seen:
                self._trouble = ""
                return
            value = self._parse(contents)
        except (OSError, ValueError) as error:
            self._tell(str(error))
            return
        self.value, self._seen, self._trouble = value, seen, ""
        _log.info("files read anew", extra={"files": self._name})

    def _read(self) -> tuple[bytes, ...]:
        return tuple(_bounded(path) for path in self._paths)

    def _tell(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            _log.error("changed files not taken, the old ones stay", extra={"files": self._name, "reason": trouble})


def _bounded(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise ValueError(f"must be at most {MAX_FILE_BYTES} bytes: {path}")
    return content


def _hashed(contents: tuple[bytes, ...]) -> bytes:
    """One hash, so that no second copy of a secret is kept."""
    return b"".join(hashlib.sha256(content).digest() for content in contents)
