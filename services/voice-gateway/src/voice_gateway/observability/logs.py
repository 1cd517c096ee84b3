"""JSON lines on standard error: one object a line, fields from a closed vocabulary, never what a user said.

Lines are handed to a thread through a bounded queue: a reader of standard error that stalls costs lines, not calls.
"""

import json
import logging
import logging.handlers
import queue
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

QUEUED_LINES = 10_000
"""About 5 MB of lines; at 150 sessions of ten turns a minute that is several minutes of a stalled reader."""


_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def fields_of(record: logging.LogRecord) -> dict[str, object]:
    """What the caller gave as `extra`."""
    return {name: value for name, value in vars(record).items() if name not in _PLAIN}


class JsonFormatter(logging.Formatter):
    """Turns a record into one JSON object; what the caller gave as `extra` are more fields of it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, object] = {
            "time": f"{seconds}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **fields_of(record),
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = "".join(traceback.format_exception(record.exc_info[1]))
        return json.dumps(line, default=str, ensure_ascii=False, separators=(",", ":"))


class DroppingQueueHandler(logging.handlers.QueueHandler):
    """Drops lines when the queue is full, and says how many when there is room again."""

    def __init__(self, lines: "queue.Queue[logging.LogRecord]") -> None:
        super().__init__(lines)
        self._lines = lines
        self._dropped = 0

    def enqueue(self, record: logging.LogRecord) -> None:
        """Queue a formatted record without ever waiting."""
        try:
            if self._dropped:
                self._lines.put_nowait(self.prepare(self._told()))
                self._dropped = 0
            self._lines.put_nowait(record)
        except queue.Full:
            self._dropped += 1

    def _told(self) -> logging.LogRecord:
        told = {"name": __name__, "levelno": logging.WARNING, "levelname": "WARNING", "msg": "log lines dropped"}
        return logging.makeLogRecord(told | {"dropped": self._dropped})


@contextmanager
def json_logging(level: str, stream: TextIO | None = None) -> Iterator[None]:
    """Send every log record of `level` and above to `stream` (standard error) until the block ends; then flush."""
    writer = logging.StreamHandler(stream or sys.stderr)
    lines: queue.Queue[logging.LogRecord] = queue.Queue(QUEUED_LINES)
    handler = DroppingQueueHandler(lines)
    handler.setFormatter(JsonFormatter())
    listener = logging.handlers.QueueListener(lines, writer)
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(level)
    logging.captureWarnings(capture=True)
    # A line a request from these says less than ours, and may show the address with its password.
    chatty = [logging.getLogger(name) for name in ("httpx2", "httpcore2", "openai")]
    for logger in chatty:
        logger.setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level]))
    listener.start()
    try:
        yield
    finally:
        logging.captureWarnings(capture=False)
        root.removeHandler(handler)
        root.setLevel(before)
        for logger in chatty:
            logger.setLevel(logging.NOTSET)
        listener.stop()
