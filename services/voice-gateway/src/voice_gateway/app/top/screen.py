"""The screen of `voice-gateway top`, from an overview. Pure: the terminal is `command.py`'s."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Group, JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

from voice_gateway.app.top.rows import (
    AddressRow,
    address_rows,
    cells,
    duration,
    floors,
    plain,
    typical,
    verdict,
)
from voice_gateway.domain.overview.values import MAX_CALLS, FloorSeen, Overview, TurnSeen

MAX_REFUSALS = 3


@dataclass(frozen=True, slots=True)
class Share:
    """Lines that each part may have; calls get what is left of the screen, but so many at least."""

    verdicts: int
    addresses: int
    turns: int
    least_calls: int


LARGE, SMALL = Share(3, 8, 8, 5), Share(2, 3, 3, 1)
LARGE_HEIGHT = 38
"""A screen that has room for the large share of every part."""
BESIDE_BAR = 30
"""Characters of a turn's line that are not its bar."""
LEAST_BAR = 20
_COLOURS = {
    "endpointing": "cyan",
    "asr_final": "blue",
    "hold": "yellow",
    "llm_first_token": "magenta",
    "llm_tool_call": "bright_magenta",
    "tools": "bright_yellow",
    "first_sentence": "bright_cyan",
    "tts_first_audio": "green",
    "playout": "white",
    "contested": "red",
}
_OTHER_COLOUR = "bright_black"
_FLOOR_STYLES = {FloorSeen.USER: "cyan", FloorSeen.AGENT: "green", FloorSeen.CONTESTED: "bold red"}
_MIB = 1 << 20


def screen(overview: Overview, width: int, height: int, trouble: str = "") -> RenderableType:
    """Everything, in about `height` lines of `width` characters; the first is `trouble`, if there is any."""
    rows = address_rows(overview)
    share = LARGE if height >= LARGE_HEIGHT else SMALL
    used = [
        *([_soft(trouble, "bold red")] if trouble else []),
        *_head(overview, rows, share.verdicts),
        *_addresses(rows, share.addresses),
        *_turns(overview.turns, share.turns, width),
        *_refusals(overview),
    ]
    if share is SMALL:
        _keep_to_a_line(used)
    lines_used = sum(_height(part, width) for part in used)
    room = max(share.least_calls, height - lines_used - 4)
    return Group(*used, *_calls(overview, room))


def _keep_to_a_line(parts: Iterable[Table | Text]) -> None:
    for part in parts:
        if isinstance(part, Text):
            part.no_wrap, part.overflow = True, "ellipsis"


def _height(part: Table | Text, width: int) -> int:
    """Lines: a table has a head, a text is wrapped, or cut."""
    if isinstance(part, Table):
        return part.row_count + 1
    return 1 if part.no_wrap else -(-part.cell_len // max(1, width))


def _head(overview: Overview, rows: Sequence[AddressRow], most: int) -> list[Text]:
    state = "draining" if overview.is_draining else "ready" if overview.is_ready else "not ready"
    head = Text(f"voice-gateway {plain(overview.version)}  ")
    head.append(state, "bold green" if state == "ready" else "bold red")
    head.append(f"  up {duration(overview.uptime_ms)}")
    head.append(f"  calls {overview.sessions} of {overview.capacity}, {overview.fullness_ratio * 100:.0f} % full")
    lag = overview.loop_lag
    told = "-" if lag is None else f"p50 {lag.p50_us / 1_000:.1f} ms, p99 {lag.p99_us / 1_000:.1f} ms"
    load = Text(f"CPU {overview.cpu_percent:.0f} %  memory {overview.resident_bytes / _MIB:.0f} MiB  loop lag {told}")
    verdicts = [Text(plain(line), "bold red") for line in verdict(rows, overview.turns)]
    return [head, load, *_workers(overview), *_first(verdicts, most, "addresses that are slow or ejected")]


def _workers(overview: Overview) -> list[Text]:
    """A line, if there are several."""
    told = (
        f"{each.index}: {each.sessions} of {each.capacity}, CPU {each.cpu_percent:.0f} %"
        if each.has_answered
        else f"{each.index}: silent"
        for each in overview.workers
    )
    style = "" if all(each.has_answered for each in overview.workers) else "bold red"
    return [Text(f"workers  {'  '.join(told)}", style)] if overview.workers else []


def _first(lines: Sequence[Text], most: int, what: str) -> list[Text]:
    more = [Text(f"and {len(lines) - most} more {what}", "dim")] if len(lines) > most else []
    return [*lines[:most], *more]


def _titled(title: str, table: Table) -> list[Table | Text]:
    return [Text(title, "bold"), table] if table.row_count else [Text(f"{title}: none", "bold")]


def _table(*columns: tuple[str, str]) -> Table:
    """Columns to the `left` or `right`; those that are `soft` give way where the screen is too narrow for all."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for name, kind in columns:
        justify: JustifyMethod = "right" if kind == "right" else "left"
        table.add_column(_soft(name), justify=justify, no_wrap=kind != "soft", header_style="dim")
    return table


def _soft(text: str, style: str = "") -> Text:
    """One line, whatever is in it."""
    return Text(plain(text), style, no_wrap=True, overflow="ellipsis")


def _more(left_out: int, what: str) -> list[Text]:
    return [Text(f"and {left_out} more {what}", "dim")] if left_out > 0 else []


def _addresses(rows: Sequence[AddressRow], most: int) -> Iterable[Table | Text]:
    table = _table(
        ("", "left"),
        ("backend", "left"),
        ("address", "left"),
        ("state", "left"),
        ("calls", "right"),
        ("p50 ms", "right"),
        ("p95 ms", "right"),
        ("of", "right"),
        ("failures", "right"),
        ("last failure", "soft"),
    )
    for row in rows[:most]:
        table.add_row(*_address(row), style="bold red" if row.is_slow or row.is_ejected else "")
    return [*_titled("Backends, the slowest first", table), *_more(len(rows) - most, "addresses")]


def _address(row: AddressRow) -> Iterable[str | Text]:
    status, measured = row.seen.status, row.measured
    return (
        "SLOW" if row.is_slow else " " * 4,
        row.backend.value,
        Text(plain(status.address)),
        "leaving" if status.is_leaving else status.state.value,
        str(status.calls),
        _number(None if measured is None else measured.p50_ms),
        _number(None if measured is None else measured.p95_ms),
        str(0 if measured is None else measured.count),
        str(row.seen.failures),
        _soft(status.cause),
    )


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)


def _turns(turns: Sequence[TurnSeen], most: int, width: int) -> Iterable[Table | Text]:
    table = _table(("session", "left"), ("turn", "right"))
    table.add_column("ms", justify="right", no_wrap=True, header_style="dim")
    table.add_column("where they went", no_wrap=True, header_style="dim")
    shown = turns[:most]
    mean = typical(turns)
    bar_width = max(LEAST_BAR, width - BESIDE_BAR)
    longest_ms = max((turn.total_ms for turn in (*shown, *([mean] if mean else []))), default=0) or 1
    if mean is not None:
        table.add_row(f"mean of {len(turns)}", "", str(mean.total_ms), _bar(mean, longest_ms, bar_width))
    for turn in shown:
        bar = _bar(turn, longest_ms, bar_width)
        table.add_row(Text(plain(turn.session_id)), str(turn.turn), str(turn.total_ms), bar)
    return _titled("Last turns: ms from the last word to the first sound", table)


def _bar(turn: TurnSeen, longest_ms: int, width: int) -> Text:
    """Each span with its name and milliseconds as far as they fit; a stroke begins it, for eyes without colours."""
    bar = Text(no_wrap=True)
    for span, length in cells(turn, longest_ms, width):
        label = f"|{plain(span.name)} {span.duration_ms}"[:length]
        bar.append(label.ljust(length), f"black on {_COLOURS.get(span.name, _OTHER_COLOUR)}")
    return bar


def _refusals(overview: Overview) -> Iterable[Table | Text]:
    title = f"Refused in the last {duration(overview.refusals_window_ms)}"
    if not overview.refusals:
        return [Text(f"{title}: none")]
    shown = overview.refusals[:MAX_REFUSALS]
    parts = (f"{each.calls} {plain(each.reason)} {plain(each.limit)}".rstrip() for each in shown)
    left_out = sum(each.calls for each in overview.refusals[MAX_REFUSALS:])
    return [
        Text(", ".join((f"{title}: {next(parts)}", *parts, *([f"{left_out} others"] if left_out else []))), "yellow")
    ]


def _floor(overview: Overview) -> Text:
    calls = overview.calls
    of = f" of the {len(calls)} oldest calls" if len(calls) == MAX_CALLS else ""
    return Text(f"Floor{of}: {floors(calls)}")


def _calls(overview: Overview, room: int) -> Iterable[Table | Text]:
    calls = overview.calls
    has_text = any(call.user_text or call.agent_text for call in calls)
    table = _table(
        ("session", "left"),
        ("floor", "left"),
        ("age", "right"),
        ("turns", "right"),
        ("last ms", "right"),
        ("door", "left"),
        ("account", "soft"),
        ("label", "soft"),
        *((("user said", "soft"), ("agent said", "soft")) if has_text else ()),
    )
    for call in calls[:room]:
        texts = (_soft(call.user_text), _soft(call.agent_text)) if has_text else ()
        table.add_row(
            Text(plain(call.session_id)),
            Text(call.floor.value, _FLOOR_STYLES.get(call.floor, "")),
            duration(call.age_ms),
            str(call.turns),
            _number(None if call.last_turn is None else call.last_turn.total_ms),
            Text(plain(call.transport)),
            _soft(call.account),
            _soft(call.client_label),
            *texts,
        )
    known = max(overview.sessions, len(calls)) if len(calls) == MAX_CALLS else len(calls)
    return [_floor(overview), *_titled("Calls, the oldest first", table), *_more(known - room, "calls")]
