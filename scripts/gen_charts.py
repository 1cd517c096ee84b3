"""Writes README.md, values.schema.json and added.yaml of each chart from its values.yaml.

With --check: fails if one is stale.
Before that, the turn policy's part of the gateway's values.yaml is written from the gateway's own TurnPolicy.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import generated
import yaml
from voice_gateway.domain.policy import TurnPolicy

CHARTS = generated.ROOT / "helm"
PREVIOUS = CHARTS / "tests" / "previous"
"""The values of each chart as they were released before."""
KEY = re.compile(r"(?P<indent> *)(?P<key>[A-Za-z]+):")
TURN = re.compile(r"(?<=\n  turn:\n)(?:    .*\n)*")
HEADS = ("value", "default", "meaning")
TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}


@dataclass(frozen=True, slots=True)
class Doc:
    """What stands above a key."""

    text: str
    schema: Mapping[str, Any]


def docs(source: str) -> dict[str, Doc]:
    """The documented keys of a values.yaml, by their path."""
    found: dict[str, Doc] = {}
    path: list[str] = []
    words: list[str] = []
    schema: dict[str, Any] = {}
    for line in source.splitlines():
        comment = line.strip().removeprefix("#").strip() if line.strip().startswith("#") else None
        if comment is not None and comment.startswith("--"):
            words, schema = [comment.removeprefix("--").strip()], {}
        elif comment is not None and comment.startswith("@schema"):
            schema = json.loads(comment.removeprefix("@schema"))
        elif comment is not None and words:
            words.append(comment)
        elif match := KEY.match(line):
            path = [*path[: len(match["indent"]) // 2], match["key"]]
            if words:
                found[".".join(path)] = Doc(" ".join(words), schema)
            words, schema = [], {}
    return found


def leaves(values: Mapping[str, Any], known: Mapping[str, Doc], path: str = "") -> Iterator[tuple[str, Any]]:
    """Paths and defaults of what can be set: a documented map is one value, whatever is in it.

    Raises:
        SystemExit: something is not documented.
    """
    for key, value in values.items():
        here = f"{path}.{key}" if path else key
        if here in known:
            yield here, value
        elif isinstance(value, dict) and value:
            yield from leaves(value, known, here)
        else:
            raise SystemExit(f"gen_charts: {here} has no comment that begins with --")


def schema_of(
    values: Mapping[str, Any], known: Mapping[str, Doc], before: Mapping[str, Any], path: str = ""
) -> dict[str, Any]:
    """The schema of a map of values: its keys and no others, and of those that were there before what cannot be null.

    Helm takes away what is null, so that a number would become 0 without a word.
    """
    properties: dict[str, Any] = {}
    for key, value in values.items():
        here = f"{path}.{key}" if path else key
        if here in known:
            said = {"description": known[here].text, "type": TYPES.get(type(value), "null"), "default": value}
            properties[key] = said | dict(known[here].schema)
        else:
            properties[key] = schema_of(value, known, before.get(key) or {}, here)
    needed = [key for key, below in properties.items() if key in before and _is_needed(below)]
    required = {"required": needed} if needed else {}
    return {"type": "object", "additionalProperties": False, "properties": properties, **required}


def _is_needed(schema: Mapping[str, Any]) -> bool:
    """Whether null cannot stand for it: numbers that are never 0, and maps with anything in them that is not null."""
    if "properties" in schema:
        return not all("null" in below["type"] for below in schema["properties"].values()) and any(
            "properties" not in below or _is_needed(below) for below in schema["properties"].values()
        )
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    is_number = not {"integer", "number"}.isdisjoint(types) and "null" not in types
    return is_number and ("enum" in schema or schema.get("minimum", 0) > 0)


def turn_block() -> str:
    """The part of values.yaml below config.turn."""
    lines = []
    for spec in fields(TurnPolicy):
        low, high, unit = (spec.metadata[name] for name in ("low", "high", "unit"))
        name = re.sub(r"_([a-z])", lambda match: match[1].upper(), spec.name)
        default = str(spec.default).lower()
        said = spec.metadata["doc"][0].upper() + spec.metadata["doc"][1:]
        lines.append(f"    # -- {said}{', in ms' if unit == 'ms' else ''} (`TURN_{spec.name.upper()}`).")
        if not isinstance(spec.default, bool):
            lines.append(f'    # @schema {{"minimum": {low}, "maximum": {high}}}')
        lines.append(f"    {name}: {default}")
    return "\n".join(lines) + "\n"


def readme(chart: Mapping[str, Any], values: Mapping[str, Any], known: Mapping[str, Doc], about: str) -> str:
    """The whole page."""
    rows = [(f"`{path}`", f"`{json.dumps(default)}`", known[path].text) for path, default in leaves(values, known)]
    name = chart["name"]
    note = generated.note(f"helm/{name}/values.yaml and ABOUT.md")
    return f"# {name}\n\n{note}\n\n{chart['description']}.\n\n{about}\n## Values\n\n{generated.table(HEADS, rows)}"


def schema(values: Mapping[str, Any], known: Mapping[str, Doc], before: Mapping[str, Any]) -> str:
    """The whole schema. A chart inside another is given `global`, whether it wants it or not."""
    made = {"$schema": "http://json-schema.org/draft-07/schema#", **schema_of(values, known, before)}
    made["properties"]["global"] = {"type": "object"}
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


def added(values: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """What of the values was not there before, at any depth."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if key not in before:
            found[key] = value
        elif isinstance(value, dict) and isinstance(before[key], dict) and (below := added(value, before[key])):
            found[key] = below
    return found


def additions(name: str, values: Mapping[str, Any], before: Mapping[str, Any]) -> str:
    """The whole file of what a release of the chart before this one does not have."""
    new = added(values, before)
    head = f"# Values that the release before does not have. Generated from helm/{name}/values.yaml by `make docs`.\n"
    return head + yaml.safe_dump(new, sort_keys=False, width=120, allow_unicode=True)


def publish(folder: Path) -> int:
    """Write or compare the files of one chart; returns the exit status."""
    path = folder / "values.yaml"
    source = TURN.sub(lambda _: turn_block(), path.read_text(encoding="utf-8"))
    known, values = docs(source), yaml.safe_load(source)
    chart = yaml.safe_load((folder / "Chart.yaml").read_text(encoding="utf-8"))
    before = yaml.safe_load((PREVIOUS / f"{chart['name']}.yaml").read_text(encoding="utf-8"))
    about = (folder / "ABOUT.md").read_text(encoding="utf-8")
    return max(
        generated.publish_at(path, source),
        generated.publish_at(folder / "README.md", readme(chart, values, known, about)),
        generated.publish_at(folder / "values.schema.json", schema(values, known, before)),
        generated.publish_at(folder / "added.yaml", additions(chart["name"], values, before)),
    )


if __name__ == "__main__":
    sys.exit(max(publish(chart.parent) for chart in sorted(CHARTS.glob("*/Chart.yaml"))))
