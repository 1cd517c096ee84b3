"""How a run is kept and shown."""

import json
import math
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from load_samples import summary
from voice_client.load.echo import Echo
from voice_client.load.gates import Gate
from voice_client.load.knee import Knee
from voice_client.load.report.charts import Line, Mark, curves, histogram, scatter, ticks
from voice_client.load.report.comparison import compare
from voice_client.load.report.page import page
from voice_client.load.report.record import Record, RecordError, from_json, to_json
from voice_client.load.report.tables import tables
from voice_client.load.scores import ServerCost, Spread

RECORD = Record(
    began_at="2026-11-30T12:00:00+00:00",
    address="gateway:50051",
    door="native",
    said="synthetic <speech>",
    spoken_over_share=0.2,
    floor_ms=None,
    loop_ms=1.0,
    cores=2,
    runs=(summary(10),),
)
KNEE = Knee(8, 30.0, 550.0, is_certain=True, faults={8: [], 16: ["3 gaps"]})


def cells(record: Record) -> dict[str, tuple[str, ...]]:
    """The rows of all tables by their first cell."""
    return {row[0]: row[1:] for table in tables(record) for row in table.rows}


def test_client_load_report_json_has_no_number_that_json_has_not() -> None:
    """An infinite latency is null, so that every reader of JSON takes the file; the rest comes back as it was."""
    record = replace(RECORD, runs=(summary(10, voice_to_voice=Spread(50, 550.0, math.inf, math.inf)),))
    found = from_json(to_json(record))
    json.loads(to_json(record), parse_constant=pytest.fail)
    assert found["runs"][0]["voice_to_voice"] == {"count": 50, "p50_ms": 550.0, "p95_ms": None, "p99_ms": None}
    assert (found["address"], found["main"]) == ("gateway:50051", 0)


@pytest.mark.parametrize("text", ["", "[]", '{"format": "other"}', '{"format": "voice-client load 1"}'])
def test_client_load_report_refuses_other_files(text: str) -> None:
    """A file of something else is told as such, not compared as nothing."""
    with pytest.raises(RecordError):
        from_json(text)


def test_client_load_report_tells_the_run_of_the_knee() -> None:
    """Of a search the run in full is that of the knee, not the overloaded one after it."""
    record = replace(RECORD, runs=(summary(8), summary(16, gaps=3)), knee=KNEE)
    assert record.main.calls == 8
    assert from_json(to_json(record))["main"] == 0
    assert cells(record)["16"][-1] == "3 gaps"


def test_client_load_report_says_what_is_not_known() -> None:
    """A server that does not tell has not cost nothing; a turn without an answer is answered `never`."""
    run = summary(
        server=ServerCost(resident_mib=1.0),
        voice_to_voice=Spread(2, 500.0, math.inf, math.inf),
        silence=Spread(0, *[math.nan] * 3),
        tool_cpu_s_per_call_minute=None,
    )
    found = cells(replace(RECORD, runs=(run,)))
    assert found["CPU per call"][0] == "not told"
    assert found["voice to voice"][:3] == ("500.0", "never", "never")
    assert found["this tool"][0] == "not told"
    assert "time to silence" not in found
    assert "memory" not in cells(replace(RECORD, runs=(summary(server=ServerCost()),)))


def test_client_load_report_says_why_the_server_told_nothing() -> None:
    """A server that broke down under the load is named in place of a table of unknowns."""
    record = replace(RECORD, runs=(summary(server=ServerCost(trouble="no metrics from a")),))
    assert cells(record)["not told"] == ("no metrics from a",)
    assert "memory" not in cells(record)


def test_client_load_report_tells_cpu_in_echoes() -> None:
    """0.5 CPU-seconds beside an echo of 0.2 are 2.5 echoes, which compare across machines."""
    record = replace(RECORD, echo=Echo(10, 0.2, Spread(500, 1.0, 2.0, 3.0)))
    assert cells(record)["CPU per call"][1] == "2.50 echoes"


def test_client_load_report_compares_two_files() -> None:
    """The second by the first, and CPU also in echoes of each sitting; what neither has is left out."""
    first = replace(RECORD, echo=Echo(10, 0.25, Spread(500, 1.0, 2.0, 3.0)))
    second = replace(first, runs=(summary(10, voice_to_voice=Spread(50, 275.0, 600.0, 610.0), server=ServerCost(1.0)),))
    table = compare(from_json(to_json(first)), from_json(to_json(second)), "a", "b")
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["voice to voice p50, ms"] == ("550.0", "275.0", "0.50")
    assert rows["CPU per call, in echoes"] == ("2.00", "4.00", "2.00")
    assert rows["turns unanswered"] == ("0", "0", "")
    assert "knee, calls" not in rows
    assert "added p50, ms" not in rows


def test_client_load_report_compares_what_never_came() -> None:
    """A p95 of turns without an answer is `never` in the file that has it, and has no ratio."""
    never = replace(RECORD, runs=(summary(10, voice_to_voice=Spread(50, 550.0, math.inf, math.inf)),))
    first, second = (from_json(to_json(record)) for record in (never, RECORD))
    rows = {row[0]: row[1:] for row in compare(first, second, "a", "b").rows}
    assert rows["voice to voice p95, ms"] == ("never", "600.0", "")
    rows = {row[0]: row[1:] for row in compare(first, first, "a", "b").rows}
    assert rows["voice to voice p95, ms"] == ("never", "never", "")


def test_client_load_report_page_stands_alone() -> None:
    """One file: nothing is fetched, what servers and files are called cannot become markup, every plot is there."""
    points = ((1.0, 500.0), (2.0, 600.0))
    run = summary(8, voice_to_voice_points=points, silence_points=points)
    record = replace(RECORD, runs=(run, summary(16)), knee=KNEE, gates=(Gate("gaps", 1, 0),))
    html = page(record)
    plots = re.findall(r"<svg.*?</svg>", html)
    assert len(plots) == 4
    for plot in plots:
        ET.fromstring(plot)  # noqa: S314 - our own text
    assert not re.search(r'(src|href)="', html)
    assert "synthetic &lt;speech&gt;" in html
    assert '<tr class="bad"><td>gaps</td>' in html


def test_client_load_report_says_that_a_run_is_invalid() -> None:
    """Nobody reads figures of a tool that was too slow as the server's."""
    assert "INVALID" in page(replace(RECORD, runs=(summary(frames=100, late_frames=2),)))
    assert "INVALID" not in page(RECORD)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 100, (0, 20, 40, 60, 80, 100)),
        (531, 556, (530, 535, 540, 545, 550, 555, 560)),
        (0, 3, (0, 1, 2, 3)),
        (5, 5, (5, 5.001)),
    ],
)
def test_client_load_report_axes_have_round_numbers(low: float, high: float, expected: tuple[float, ...]) -> None:
    """Ticks enclose the values, a single value too."""
    assert ticks(low, high) == expected


def test_client_load_report_plots_stand_where_the_values_are() -> None:
    """On axes from 0 to 100 the middle value lies in the middle of the plot, and a bar of two is twice as high."""
    dots = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', scatter([(50, 50), (100, 100)], "x", "y"))
    assert dots == [("331.0", "126.0"), ("600.0", "16.0")]
    heights = re.findall(r'height="([\d.]+)" fill', histogram([0, 0, 100], "x", "y"))
    assert [float(height) for height in heights] == [220.0, 110.0]
    drawn = curves([Line("p95", ((1, 50), (2, 60)))], "x", "y", Mark("limit", 100))
    assert "limit" in drawn
    assert "p95" in drawn
