"""Log lines as whoever reads standard error gets them."""

import io
import json
import logging
import queue
import subprocess
import sys
import threading
import warnings
from typing import Any

import pytest
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span
from voice_gateway.observability import logs
from voice_gateway.observability.logs import DroppingQueueHandler, JsonFormatter, Lines, json_logging


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    """The objects written, one a line."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_object_with_its_fields() -> None:
    """A collector splits lines and indexes fields: time, level and event are always there."""
    stream = io.StringIO()
    with json_logging("INFO", stream):
        logging.getLogger("a.b").info("turn", extra={"turn": 3, "label": 'x"\n\u00e9'})
    (line,) = lines(stream)
    assert line.pop("time").endswith("Z")
    assert line == {"level": "info", "logger": "a.b", "event": "turn", "turn": 3, "label": 'x"\n\u00e9'}


def test_what_is_said_of_a_process_is_in_each_of_its_lines() -> None:
    """Of several workers that write to one place it is known whose line it is; a line's own fields stand above that."""
    stream = io.StringIO()
    with json_logging("INFO", stream, {"worker": 3}):
        logging.getLogger("a").info("turn")
        logging.getLogger("a").info("other", extra={"worker": 1})
    assert [line["worker"] for line in lines(stream)] == [3, 1]


def test_an_exception_stays_in_its_line() -> None:
    """A traceback spread over lines cannot be joined again by a collector."""
    stream = io.StringIO()
    with json_logging("INFO", stream):
        try:
            {"here": 1}["gone"]
        except KeyError:
            logging.getLogger("a").exception("failed")
    (line,) = lines(stream)
    assert line["level"] == "error"
    assert line["exception"].startswith("Traceback")
    assert "KeyError: 'gone'" in line["exception"]


def test_a_line_names_the_span_that_it_was_written_in() -> None:
    """From a line of the log to its trace, and back; by the names of OpenTelemetry, and only where there is a span."""
    context = SpanContext(
        0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7, is_remote=False, trace_flags=TraceFlags(1)
    )
    stream = io.StringIO()
    with json_logging("INFO", stream):
        with use_span(NonRecordingSpan(context)):
            logging.getLogger("a").info("within")
        logging.getLogger("a").info("without")
    within, without = lines(stream)
    told = {name: within[name] for name in ("trace_id", "span_id", "trace_flags")}
    assert told == {
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "span_id": "00f067aa0ba902b7",
        "trace_flags": "01",
    }
    assert not told.keys() & without.keys()


def test_the_level_is_kept_and_libraries_are_quiet() -> None:
    """LOG_LEVEL decides what is written; a line per request of a library would drown ours."""
    stream = io.StringIO()
    with json_logging("INFO", stream):
        logging.getLogger("a").debug("no")
        logging.getLogger("httpx2").info("no")
        logging.getLogger("httpx2").warning("yes")
    assert [line["event"] for line in lines(stream)] == ["yes"]


def test_warnings_become_lines() -> None:
    """What a library warns of is seen by whoever reads the log."""
    stream = io.StringIO()
    with json_logging("INFO", stream), warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert "DeprecationWarning: old" in lines(stream)[0]["event"]


def test_a_full_queue_drops_lines_and_says_how_many() -> None:
    """A stalled reader of standard error costs lines, never a blocked call."""
    waiting = Lines()
    handler = DroppingQueueHandler(waiting, capacity=2)
    handler.setFormatter(JsonFormatter())
    record = logging.LogRecord("a", logging.INFO, __file__, 1, "line", None, None)
    for _ in range(5):
        handler.handle(record)
    assert [json.loads(waiting.get().getMessage())["event"] for _ in range(2)] == ["line", "line"]
    handler.handle(record)
    dropped = json.loads(waiting.get().getMessage())
    assert (dropped["event"], dropped["dropped"], dropped["level"]) == ("log lines dropped", 3, "warning")
    assert json.loads(waiting.get().getMessage())["event"] == "line"
    for _ in range(3):
        handler.handle(record)
    handler.close()
    assert [json.loads(waiting.get().getMessage()).get("dropped") for _ in range(3)] == [None, None, 1]


class Told(io.StringIO):
    """A stream that says when a line has come."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: queue.Queue[dict[str, Any]] = queue.Queue()

    def write(self, text: str) -> int:
        """Take a line."""
        self.lines.put(json.loads(text))
        return len(text)


def test_the_writer_wakes_for_every_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer sleeps, and is woken for the first of many lines: none may wait for a later one."""
    monkeypatch.setattr(logs, "GATHERED_S", 0)
    stream = Told()
    with json_logging("INFO", stream):
        for number in range(300):
            for name in ("a", "b")[: 1 + number % 2]:
                logging.getLogger(name).info("line", extra={"number": number})
            for _ in range(1 + number % 2):
                assert stream.lines.get(timeout=60)["number"] == number


def test_the_order_of_each_thread_is_kept() -> None:
    """Lines of several threads come whole, all of them, and those of one in their order."""
    stream = io.StringIO()

    def write(name: str) -> None:
        for number in range(1_000):
            logging.getLogger(name).info("line", extra={"number": number})

    threads = [threading.Thread(target=write, args=(name,)) for name in ("a", "b", "c")]
    with json_logging("INFO", stream):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for name in ("a", "b", "c"):
        assert [line["number"] for line in lines(stream) if line["logger"] == name] == list(range(1_000))


STALLED = """
import logging
from voice_gateway.observability import logs

logs.LAST_LINES_S = 0
with logs.json_logging("INFO"):
    for number in range(12_000):
        logging.getLogger("a").info("x" * 100)
print("left", flush=True)
"""


def test_a_reader_who_takes_nothing_keeps_no_process() -> None:
    """A pod whose log nobody reads leaves when it is told to, instead of being killed."""
    program = subprocess.Popen([sys.executable, "-c", STALLED], stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # noqa: S603
    with program:
        assert program.wait(timeout=120) == 0
        assert program.stdout is not None
        assert program.stdout.read() == b"left\n"


@pytest.mark.parametrize("level", ["WARNING", "ERROR"])
def test_logging_is_left_as_it_was(level: str) -> None:
    """The block leaves no handler and no level behind."""
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    with json_logging(level, io.StringIO()):
        pass
    assert (list(root.handlers), root.level) == before
