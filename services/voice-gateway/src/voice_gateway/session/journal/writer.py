"""A session's journal: what its conversation was told, when, and what it made of it, so that it can be replayed.

A journal holds what was said in words, never as sound. Journaling is off unless a folder is set.
"""

import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from voice_gateway.domain.agreement import Agreement
from voice_gateway.domain.instant import Instant
from voice_gateway.session.journal.codec import VERSION, CoreCall, Header, call_line, fingerprint, header_line
from voice_gateway.turn import effects, inputs

BUFFER_BYTES = 65_536
"""Written at once; more than a turn has, so that the file is touched only where a turn ends."""
LONGEST_BYTES = 64 * 1_024 * 1_024
"""Hours of talk. A journal that has grown to that stops; the call goes on."""
SUFFIX = ".jsonl"

_log = logging.getLogger("voice_gateway.journal")


class Journal:
    """The journal of one session. Never raises: trouble with the file is logged once and ends the journal alone."""

    def __init__(self, path: Path, agreement: Agreement, server_version: str) -> None:
        self._path = path
        self._agreement = agreement
        self._server_version = server_version
        self._file: BinaryIO | None = None
        self._start: Instant | None = None
        self._written_bytes = 0

    def record(self, fact: inputs.Input | None, now: Instant, batch: tuple[effects.Effect, ...] | None) -> None:
        """Write down a call of the conversation.

        `fact` None: a deadline had come; `batch` None: the conversation raised an error.
        """
        try:
            if self._start is None:
                self._start = now
                self._open(now)
            if self._file is None:
                return
            self._write(self._file, fact, now, batch)
        except (OSError, TypeError) as error:  # a full disk; a fact that nobody taught the codec
            self._give_up(str(error))

    def close(self) -> None:
        """Write what is left and close the file."""
        file, self._file = self._file, None
        try:
            if file is not None:
                file.close()
        except OSError as error:
            self._tell(str(error))

    def _open(self, now: Instant) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)  # it holds what was said
        self._file = os.fdopen(descriptor, "wb", buffering=BUFFER_BYTES)
        header = Header(VERSION, self._server_version, self._agreement, _wall(), now)
        self._put(self._file, header_line(header))
        self._file.flush()

    def _write(
        self, file: BinaryIO, fact: inputs.Input | None, now: Instant, batch: tuple[effects.Effect, ...] | None
    ) -> None:
        recorded = None if batch is None else fingerprint(batch)
        self._put(file, call_line(CoreCall(now, _wall(), fact, recorded), self._start or now))
        if any(isinstance(effect, effects.RecordTurn) for effect in batch or ()):
            file.flush()
        if self._written_bytes > LONGEST_BYTES:
            self._give_up(f"it has {LONGEST_BYTES} bytes, the most a journal may have")

    def _put(self, file: BinaryIO, line: str) -> None:
        coded = line.encode("utf-8", "surrogatepass")
        self._written_bytes += len(coded)
        file.write(coded)

    def _give_up(self, why: str) -> None:
        self._tell(why)
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError:
                _log.debug("the journal's last lines are lost", extra=self._who())

    def _tell(self, why: str) -> None:
        _log.error("the journal has stopped", extra=self._who() | {"path": str(self._path), "reason": why})

    def _who(self) -> dict[str, str]:
        return {"session": self._agreement.session_id} | self._agreement.trace.logged


class JournalFolder:
    """Where journals are kept: one file for each session, named after it."""

    def __init__(self, folder: Path, server_version: str) -> None:
        self._folder = folder
        self._server_version = server_version

    def journal(self, agreement: Agreement) -> Journal:
        """The journal of a session; its file is made with the first record."""
        path = self._folder / f"{agreement.session_id}{SUFFIX}"
        return Journal(path, agreement, self._server_version)


def _wall() -> str:
    """The wall clock, for whoever compares the journal with other logs."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
