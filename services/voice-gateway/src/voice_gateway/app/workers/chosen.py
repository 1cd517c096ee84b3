"""What the command line of `serve` chooses, above the environment."""

from pathlib import Path

from voice_gateway import config
from voice_gateway.config.server import JOURNAL_DIR, WORKERS


def overrides(*, journal: Path | None, workers: str | None) -> dict[str, str]:
    """Its settings, by their names."""
    told = {JOURNAL_DIR.name: None if journal is None else str(journal), WORKERS.name: workers}
    return {name: value for name, value in told.items() if value is not None}


def has_workers(chosen: dict[str, str]) -> bool:
    """Whether several processes are to serve."""
    return config.workers(overrides=chosen) > 1
