"""A record as one HTML page that needs nothing beside it: tables, and plots as SVG."""

import math
from collections.abc import Iterator
from html import escape
from typing import Final

from voice_client.load.knee import Knee
from voice_client.load.report.charts import Line, Mark, curves, histogram, scatter
from voice_client.load.report.record import Record
from voice_client.load.report.tables import Table, tables
from voice_client.load.scores import Spread, Summary

STYLE: Final = """
body { font: 15px/1.45 system-ui, sans-serif; color: #222; background: #fff; max-width: 1320px; margin: 2rem auto;
  padding: 0 1.5rem; }
h1 { font-size: 1.5rem; margin-bottom: 0.2rem; }
h2 { font-size: 1.05rem; margin: 0 0 0.4rem; }
p { margin: 0.2rem 0 1.2rem; color: #555; }
p.bad { color: #b3261e; font-weight: bold; }
.sections { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 560px), 1fr)); gap: 1.6rem 2.4rem; }
section { min-width: 0; }
section.wide { grid-column: 1 / -1; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 0.22rem 0.8rem 0.22rem 0; text-align: right; border-bottom: 1px solid #eee; font-weight: normal; }
th { color: #777; }
th:first-child, td:first-child, th:last-child, td:last-child { text-align: left; }
td:last-child { color: #666; padding-left: 0.4rem; }
tr.bad td { color: #b3261e; font-weight: 600; }
svg { width: 100%; height: auto; display: block; }
"""
MANY_COLUMNS: Final = 6


def page(record: Record) -> str:
    """The whole page."""
    run = record.main
    invalid = f'<p class="bad">INVALID: {run.invalid_because}</p>' if run.invalid_because else ""
    sections = [*(_table(table) for table in tables(record)), *_plots(record)]
    return (
        '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8">'
        f"<title>Load on {escape(record.address)}</title><style>{STYLE}</style></head>\n<body>\n"
        f"<h1>Load on {escape(record.address)}</h1>\n<p>{escape(_facts(record))}</p>\n{invalid}"
        f'<div class="sections">\n{"".join(sections)}</div>\n</body>\n</html>\n'
    )


def _facts(record: Record) -> str:
    facts = [record.began_at, f"door: {record.door}", f"said: {record.said}"]
    if record.spoken_over_share:
        facts.append(f"{record.spoken_over_share:.0%} of the replies spoken over")
    if record.floor_ms is not None:
        facts.append(f"serial floor {record.floor_ms:g} ms")
    return " · ".join(facts)


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(heading)}</th>" for heading in table.headings)
    rows = "".join(_table_row(row, is_bad=number in table.bad_rows) for number, row in enumerate(table.rows))
    headings = f"<tr>{head}</tr>" if any(table.headings) else ""
    kind = ' class="wide"' if len(table.headings) >= MANY_COLUMNS else ""
    return f"<section{kind}><h2>{escape(table.title)}</h2><table>{headings}{rows}</table></section>\n"


def _table_row(row: tuple[str, ...], *, is_bad: bool) -> str:
    cells = "".join(f"<td>{escape(cell)}</td>" for cell in row)
    return f'<tr class="bad">{cells}</tr>' if is_bad else f"<tr>{cells}</tr>"


def _plots(record: Record) -> Iterator[str]:
    run = record.main
    if record.knee is not None and (knee_plot := _knee(record.runs, record.knee)):
        yield _figure("Voice to voice by number of calls", knee_plot)
    if run.voice_to_voice_points:
        values_ms = [value_ms for _, value_ms in run.voice_to_voice_points]
        drawn = histogram(values_ms, "voice to voice, ms", "turns", _marks(run.voice_to_voice))
        yield _figure("Voice to voice, how often", drawn)
        yield _figure("Voice to voice, when", scatter(run.voice_to_voice_points, "second of the run", "ms"))
    if run.silence_points:
        values_ms = [value_ms for _, value_ms in run.silence_points]
        drawn = histogram(values_ms, "time to silence, ms", "interruptions", _marks(run.silence))
        yield _figure("Time to silence, how often", drawn)


def _figure(title: str, svg: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{svg}</section>\n"


def _marks(of: Spread) -> list[Mark]:
    percentiles = (("p50", of.p50_ms), ("p95", of.p95_ms), ("p99", of.p99_ms))
    return [Mark(f"{name} {value:.0f} ms", value) for name, value in percentiles if math.isfinite(value)]


def _knee(runs: tuple[Summary, ...], knee: Knee) -> str:
    """What runs are judged by, where it is finite; empty if nothing is."""
    in_order = sorted(runs, key=lambda run: run.calls)
    lines = []
    for name in ("p95", "p50"):
        values = ((run.calls, getattr(run.after_frame, f"{name}_ms")) for run in in_order)
        points = tuple((calls, value_ms) for calls, value_ms in values if math.isfinite(value_ms))
        if points:
            lines.append(Line(name, points))
    limit = Mark(f"limit {knee.floor_ms + knee.limit_ms:.0f} ms", knee.floor_ms + knee.limit_ms)
    return curves(lines, "calls", "ms", limit) if lines else ""
