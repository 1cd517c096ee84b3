"""What the generators share: tables, and to write a page or compare it."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"


def note(source: str) -> str:
    """The comment that says where a page comes from; `source` is a path from the root."""
    return f"<!-- Generated from {source} by `make docs`; edit that. -->"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; `|` in a cell is escaped."""
    return "\n".join([_row(heads), "|" + "---|" * len(heads), *(_row(row) for row in rows)]) + "\n"


def publish(name: str, page: str) -> int:
    """Write a page of docs/reference/, or, with --check on the command line, compare it; returns the exit status."""
    return publish_at(REFERENCE / name, page)


def publish_at(path: Path, page: str) -> int:
    """The same for any file below the root."""
    if "--check" not in sys.argv[1:]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8")
        return 0
    if path.is_file() and path.read_text(encoding="utf-8") == page:
        return 0
    print(f"{path.relative_to(ROOT)} is stale: run make docs", file=sys.stderr)
    return 1


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
