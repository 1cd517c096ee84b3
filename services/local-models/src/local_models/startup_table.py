"""The table printed at start: which engine serves what, with which model, from where."""

from collections.abc import Sequence

from local_models.engines.recognition import EngineDescription

HEADINGS = ("SERVICE", "LANGUAGE", "ENGINE", "MODEL", "SOURCE")
MAX_LANGUAGES_NAMED = 4
"""espeak-ng alone speaks over a hundred; a row names the first and counts the rest."""


def render(rows: Sequence[EngineDescription]) -> str:
    """Give the table as aligned lines; rows that differ only in language become one."""
    lines = [HEADINGS, *_merged(rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS) - 1)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[-1]]) for line in lines
    )


def _merged(rows: Sequence[EngineDescription]) -> list[tuple[str, str, str, str, str]]:
    languages: dict[tuple[str, str, str, str], list[str]] = {}
    for row in rows:
        languages.setdefault((row.service, row.engine, row.model, row.source), []).append(row.language)
    return [
        (service, _named(said), engine, model, source) for (service, engine, model, source), said in languages.items()
    ]


def _named(languages: Sequence[str]) -> str:
    named = ", ".join(languages[:MAX_LANGUAGES_NAMED])
    rest = len(languages) - MAX_LANGUAGES_NAMED
    return f"{named} and {rest} more" if rest > 0 else named
