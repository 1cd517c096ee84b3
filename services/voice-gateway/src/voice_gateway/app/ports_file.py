"""Where whoever starts the gateway reads which ports it has."""

import json
from collections.abc import Mapping
from pathlib import Path


def write_ports(path: Path, ports: Mapping[str, int]) -> None:
    """Whole or not at all: whoever waits for the file reads it at once."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(json.dumps(ports), encoding="utf-8")
    partial.replace(path)
