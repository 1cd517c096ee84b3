"""Draws what the panels of a dashboard show, from Prometheus's own answers."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from monitoring.panels import COLUMNS, Chart, Query, Unit

Answers = list[tuple[Query, list[dict[str, Any]]]]
SHOWN = {
    Unit.SECONDS: (1_000, "ms"),
    Unit.SHARE: (100, "%"),
    Unit.PER_SECOND: (1, "a second"),
    Unit.NUMBER: (1, ""),
    Unit.BYTES: (1 / 1_048_576, "MiB"),
}
"""Factor and unit of each."""
MOST_LINES = 8
"""In a legend; the others are drawn."""


def draw(path: Path, title: str, charts: Sequence[tuple[Chart, Answers]]) -> None:
    """Write the picture of one dashboard."""
    mpl.use("Agg")
    rows = -(-len(charts) // COLUMNS)
    figure = Figure(figsize=(13, 2.9 * rows + 0.5), layout="constrained")
    figure.suptitle(title)
    for place, (chart, answers) in enumerate(charts):
        axes = figure.add_subplot(rows, COLUMNS, place + 1)
        axes.set_title(chart.title, fontsize=10, loc="left")
        (_bars if chart.is_now else _lines)(axes, chart, answers)
        axes.tick_params(labelsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=72)


def _lines(axes: Axes, chart: Chart, answers: Answers) -> None:
    factor, unit = SHOWN[chart.unit]
    begin_s = min((series["values"][0][0] for _, found in answers for series in found), default=0)
    for query, found in answers:
        for series in found:
            times, values = zip(*((at - begin_s, float(value) * factor) for at, value in series["values"]), strict=True)
            axes.plot(times, values, label=_name(query, series), linewidth=1.5)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("seconds of the run", fontsize=8)
    axes.set_ylabel(unit, fontsize=8)
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[:MOST_LINES], labels[:MOST_LINES], fontsize=7, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    axes.grid(alpha=0.3)


def _bars(axes: Axes, chart: Chart, answers: Answers) -> None:
    factor, unit = SHOWN[chart.unit]
    rows = [(_name(query, series), float(series["value"][1]) * factor) for query, found in answers for series in found]
    axes.barh([name for name, _ in rows], [value for _, value in rows])
    axes.invert_yaxis()
    axes.set_xlabel(unit, fontsize=8)
    axes.grid(axis="x", alpha=0.3)


def _name(query: Query, series: dict[str, Any]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda match: series["metric"].get(match[1], ""), query.legend)
