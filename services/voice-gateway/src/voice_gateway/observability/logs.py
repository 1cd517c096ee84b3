"""JSON lines on standard error: one object a line, fields from a closed vocabulary, never what a user said.

Lines are handed to a thread through a bounded queue: a reader of standard error that stalls costs lines, not calls.
"""

import json
import logging
import logging.handlers
import os
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TextIO

from opentelemetry.trace import format_span_id, format_trace_id, get_current_span

QUEUED_LINES = 10_000
"""About 5 MB of lines; at 150 sessions of ten turns a minute that is several minutes of a stalled reader."""
GATHERED_S = 0.02
"""The writer lets lines gather for this time once it has been woken: waking a thread costs the event loop ten times
what making a line does, most of all when both have one core."""
LAST_LINES_S = 1.0
"""Time for the lines that wait at the end: a reader who takes no line shall not keep the process from leaving."""

_PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def fields_of(record: logging.LogRecord) -> dict[str, object]:
    """What the caller gave as `extra`."""
    return {name: value for name, value in vars(record).items() if name not in _PLAIN}


class JsonFormatter(logging.Formatter):
    """Turns a record into one JSON object; what the caller gave as `extra` are more fields of it."""

    def __init__(self, always: Mapping[str, object] | None = None) -> None:
        """`always` are fields of every line."""
        super().__init__()
        self._always = always or {}

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, object] = {
            "time": f"{seconds}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **self._always,
            **fields_of(record),
            **_place(),
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = "".join(traceback.format_exception(record.exc_info[1]))
        return json.dumps(line, default=str, ensure_ascii=False, separators=(",", ":"))


def _place() -> dict[str, str]:
    """The span in which the line is written, by OpenTelemetry's names ("Trace Context in non-OTLP Log Formats")."""
    span = get_current_span().get_span_context()
    if not span.is_valid:
        return {}
    return {
        "trace_id": format_trace_id(span.trace_id),
        "span_id": format_span_id(span.span_id),
        "trace_flags": f"{span.trace_flags:02x}",
    }


class Lines:
    """Lines from any thread to one writer, as logging's handler and listener of queues use it.

    Whoever has a line never waits, and wakes the writer for the first of many only.
    """

    def __init__(self) -> None:
        self._waiting: deque[Any] = deque()
        self._has_some = threading.Event()

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def put_nowait(self, line: Any) -> None:
        """Append; there is always room."""
        self._waiting.append(line)
        if not self._has_some.is_set():
            self._has_some.set()

    def get(self, block: bool = True) -> Any:  # noqa: ARG002, FBT001, FBT002  as the listener calls it
        """Wait for a line and take it away."""
        while not self._waiting:
            self._has_some.wait()
            time.sleep(GATHERED_S)
            self._has_some.clear()  # before the look above: what comes in between has been seen, or wakes again
        return self._waiting.popleft()


class LineWriter(logging.StreamHandler[Any]):
    """Writes to a stream, or to standard error.

    It has no lock, as one thread writes, and to standard error no buffer: at its end Python waits for the locks of
    both, which a thread holds for ever that writes to a reader who takes nothing.
    """

    def __init__(self, stream: TextIO | None) -> None:
        super().__init__(stream or _Unbuffered(sys.stderr.fileno()))

    def createLock(self) -> None:  # noqa: N802  logging's name
        """None."""
        self.lock = None


class _Unbuffered:
    """A descriptor, as a stream."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, text: str) -> None:
        left = text.encode("utf-8", "backslashreplace")
        while left:
            left = left[os.write(self._descriptor, left) :]

    def flush(self) -> None:
        """Nothing is kept."""


class PatientListener(logging.handlers.QueueListener):
    """Waits at its end for the last lines to be written, though not for ever."""

    def stop(self) -> None:
        """Write what waits. What cannot be written within LAST_LINES_S is lost."""
        self.enqueue_sentinel()
        if self._thread is not None:
            self._thread.join(LAST_LINES_S)


class DroppingQueueHandler(logging.handlers.QueueHandler):
    """Drops lines when `capacity` of them wait, and says how many when there is room again."""

    def __init__(self, lines: Lines, capacity: int = QUEUED_LINES) -> None:
        super().__init__(lines)
        self._lines = lines
        self._capacity = capacity
        self._dropped = 0

    def enqueue(self, record: logging.LogRecord) -> None:
        """Queue a formatted record without ever waiting."""
        if len(self._lines) >= self._capacity:
            self._dropped += 1
            return
        if self._dropped:
            self._lines.put_nowait(self.prepare(self._told()))
            self._dropped = 0
        self._lines.put_nowait(record)

    def close(self) -> None:
        """Tell of the lines that were dropped last: no other line follows."""
        if self._dropped:
            self._lines.put_nowait(self.prepare(self._told()))
            self._dropped = 0
        super().close()

    def _told(self) -> logging.LogRecord:
        told = {"name": __name__, "levelno": logging.WARNING, "levelname": "WARNING", "msg": "log lines dropped"}
        return logging.makeLogRecord(told | {"dropped": self._dropped})


@contextmanager
def json_logging(
    level: str, stream: TextIO | None = None, always: Mapping[str, object] | None = None
) -> Iterator[None]:
    """Send every log record of `level` and above to `stream` (standard error) until the block ends; then flush.

    `always` are fields of every line.
    """
    lines = Lines()
    handler = DroppingQueueHandler(lines)
    handler.setFormatter(JsonFormatter(always))
    listener = PatientListener(lines, LineWriter(stream))
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
        handler.close()
        root.setLevel(before)
        for logger in chatty:
            logger.setLevel(logging.NOTSET)
        listener.stop()
