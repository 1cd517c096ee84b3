"""Plots as SVG text: how often each value came, points, and lines. Values in, one `<svg>` out; no clock, no file."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

WIDTH, HEIGHT = 620, 280
LEFT, RIGHT, TOP, BOTTOM = 62, 20, 16, 44
FONT: Final = 'font-family="system-ui, sans-serif" font-size="12"'
HALO: Final = 'paint-order="stroke" stroke="#fff" stroke-width="4" stroke-linejoin="round"'
"""Words are read on bars and lines, too."""
TICKS: Final = 5
BARS: Final = 40
COLOURS: Final = ("#2f6fab", "#c2571a", "#4b8b3b")
"""Told apart by those who see no red or no green, too."""
BAD_COLOUR: Final = "#b3261e"

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """A named curve through points."""

    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """A value that a line across the plot shows."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class _Axis:
    """From values to pixels."""

    ticks: tuple[float, ...]
    start_px: float
    end_px: float

    def px(self, value: float) -> float:
        low, high = self.ticks[0], self.ticks[-1]
        return self.start_px + (value - low) / (high - low) * (self.end_px - self.start_px)


def ticks(low: float, high: float) -> tuple[float, ...]:
    """Round numbers from at most `low` to at least `high`, about `TICKS` steps apart."""
    wide = max(high - low, abs(high) * 1e-3, 1e-3)
    magnitude = 10 ** math.floor(math.log10(wide / TICKS))
    step = next(magnitude * factor for factor in (1, 2, 5, 10) if magnitude * factor * TICKS >= wide)
    first, last = math.floor(low / step), math.ceil(high / step)
    return tuple(round(at * step, 10) for at in range(first, max(last, first + 1) + 1))


def histogram(values: Sequence[float], x_name: str, y_name: str, marks: Sequence[Mark] = ()) -> str:
    """How often each value came; marks stand upright."""
    x_ticks = ticks(min(values), max(values))
    low, high = x_ticks[0], x_ticks[-1]
    counts = [0] * BARS
    for value in values:
        counts[min(BARS - 1, int((value - low) / (high - low) * BARS))] += 1
    x, y = _x_axis(x_ticks), _y_axis(_whole_ticks(max(counts)))
    width = (x.end_px - x.start_px) / BARS
    bars = (
        f'<rect x="{x.start_px + at * width + 0.5:.1f}" y="{y.px(count):.1f}" width="{width - 1:.1f}" '
        f'height="{y.start_px - y.px(count):.1f}" fill="{COLOURS[0]}"/>'
        for at, count in enumerate(counts)
        if count
    )
    return _svg(x, y, x_name, y_name, [*bars, *_upright(marks, x)])


def scatter(points: Sequence[Point], x_name: str, y_name: str) -> str:
    """A dot for each point; the vertical axis begins at 0."""
    x, y = _x_axis(ticks(0, max(x for x, _ in points))), _y_axis(ticks(0, max(y for _, y in points)))
    dots = (
        f'<circle cx="{x.px(at):.1f}" cy="{y.px(value):.1f}" r="2.5" fill="{COLOURS[0]}" fill-opacity="0.55"/>'
        for at, value in points
    )
    return _svg(x, y, x_name, y_name, dots)


def curves(lines: Sequence[Line], x_name: str, y_name: str, limit: Mark | None = None) -> str:
    """Curves with a dot at each point, and a level that must not be exceeded; both axes begin at 0."""
    everything = [point for line in lines for point in line.points]
    highest = max([value for _, value in everything] + ([limit.value] if limit else []))
    x, y = _x_axis(ticks(0, max(at for at, _ in everything))), _y_axis(ticks(0, highest))
    drawn: list[str] = []
    for number, line in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{x.px(at):.1f},{y.px(value):.1f}" for at, value in line.points)
        drawn.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        drawn += [
            f'<circle cx="{x.px(at):.1f}" cy="{y.px(value):.1f}" r="3.5" fill="{colour}"/>' for at, value in line.points
        ]
        drawn.append(_text(x.start_px + 10, TOP + 14 + 16 * number, line.name, fill=colour, weight="bold"))
    if limit is not None:
        at_px = y.px(limit.value)
        drawn.append(
            f'<line x1="{x.start_px}" x2="{x.end_px}" y1="{at_px:.1f}" y2="{at_px:.1f}" stroke="{BAD_COLOUR}" '
            'stroke-dasharray="5 4"/>'
        )
        drawn.append(_text(x.end_px - 4, at_px - 5, limit.name, anchor="end", fill=BAD_COLOUR))
    return _svg(x, y, x_name, y_name, drawn)


def _upright(marks: Sequence[Mark], x: _Axis) -> Iterable[str]:
    for number, mark in enumerate(marks):
        at_px = x.px(mark.value)
        yield (
            f'<line x1="{at_px:.1f}" x2="{at_px:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="{COLOURS[1]}" '
            'stroke-width="1.5" stroke-dasharray="5 4"/>'
        )
        # one below the other, so that marks that are close together can be read; on the side where there is room
        is_right = at_px > (x.start_px + x.end_px) / 2
        yield _text(
            at_px - 5 if is_right else at_px + 5,
            TOP + 12 + 15 * number,
            mark.name,
            anchor="end" if is_right else "start",
            fill=COLOURS[1],
        )


def _x_axis(values: tuple[float, ...]) -> _Axis:
    return _Axis(values, LEFT, WIDTH - RIGHT)


def _y_axis(values: tuple[float, ...]) -> _Axis:
    return _Axis(values, HEIGHT - BOTTOM, TOP)


def _whole_ticks(highest: int) -> tuple[float, ...]:
    return tuple(tick for tick in ticks(0, max(highest, 1)) if tick == int(tick))


def _svg(x: _Axis, y: _Axis, x_name: str, y_name: str, drawn: Iterable[str]) -> str:
    name = f"{escape(y_name)} by {escape(x_name)}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{name}" {FONT}>'
    ]
    for tick in y.ticks:
        at_px = y.px(tick)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at_px:.1f}" y2="{at_px:.1f}" stroke="#e3e3e3"/>')
        parts.append(_text(LEFT - 8, at_px + 4, f"{tick:g}", anchor="end"))
    for tick in x.ticks:
        at_px = x.px(tick)
        parts.append(
            f'<line x1="{at_px:.1f}" x2="{at_px:.1f}" y1="{HEIGHT - BOTTOM}" y2="{HEIGHT - BOTTOM + 5}" stroke="#888"/>'
        )
        parts.append(_text(at_px, HEIGHT - BOTTOM + 19, f"{tick:g}", anchor="middle"))
    parts += drawn
    parts.append(
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{HEIGHT - BOTTOM}" y2="{HEIGHT - BOTTOM}" stroke="#888"/>'
    )
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 7, x_name, anchor="middle"))
    turned = f"rotate(-90 14 {(TOP + HEIGHT - BOTTOM) / 2:g})"
    parts.append(_text(14, (TOP + HEIGHT - BOTTOM) / 2, y_name, anchor="middle", transform=turned))
    return "".join([*parts, "</svg>"])


def _text(
    x_px: float,
    y_px: float,
    text: str,
    *,
    anchor: str = "start",
    fill: str = "#444",
    weight: str = "normal",
    transform: str = "",
) -> str:
    turned = f' transform="{transform}"' if transform else ""
    place = f'x="{x_px:.1f}" y="{y_px:.1f}" text-anchor="{anchor}"{turned}'
    return f'<text {place} fill="{fill}" font-weight="{weight}" {HALO}>{escape(text)}</text>'
