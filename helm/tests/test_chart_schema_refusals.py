"""Every limit in the schemas is broken once, in both Helms, and each says what is wrong and where."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from chart_kit import ALL, GATEWAY, HELMS, merged, nested, refusal
from test_chart_values import CASES
from voice_gateway.config import SECTIONS

Schema = dict[str, Any]
NO_LIMITS = {"$schema", "description", "default", "properties", "items", "type", "additionalProperties"}
"""Keywords that are walked through or are broken apart from the others; every other one has a row below."""
STRANGE = "noSuchValue"


@dataclass(frozen=True)
class Breach:
    """A value that breaks one limit.

    Attributes:
        path: of the value in values.yaml, with dots.
        inner: where the limit is inside of that value: nothing, or `.0`, or `.key`.
        value: what breaks it.
        said: how Helm 3 and Helm 4 begin what they say of it; Helm 3 repeats the name where nothing is given.
    """

    path: str
    inner: str
    value: Any
    said: tuple[str, str]

    def sentence(self, helm: str) -> str:
        """The line that the Helm prints."""
        where = f"{self.path}{self.inner}"
        if helm == "helm3":
            return f"- {where or '(root)'}: {self.said[0] or f'{where} must be one of the following: '}"
        return f"at '{'/' if where else ''}{where.replace('.', '/')}': {self.said[1]}"


def _broken(keyword: str, limit: Any) -> tuple[Any, str, str]:
    """A value that breaks the limit, and how the words for it begin in both Helms."""
    rows: dict[str, Callable[[], tuple[Any, str, str]]] = {
        "minimum": lambda: (limit - 1, "Must be greater than or equal to ", "minimum: got "),
        "maximum": lambda: (limit + 1, "Must be less than or equal to ", "maximum: got "),
        "enum": lambda: (99 if isinstance(limit[0], int | float) else STRANGE, "", "value must be one of "),
        "pattern": lambda: ("a b", "Does not match pattern ", "'a b' does not match pattern "),
        "minLength": lambda: ("", "String length must be greater than or equal to ", "minLength: got 0, want "),
        "not": lambda: (limit["const"], "Must not validate the schema (not)", "'not' failed"),
        "required": lambda: ({}, f"{limit[0]} is required", f"missing property '{limit[0]}'"),
    }
    return rows[keyword]()


def _wrong_type(schema: Schema) -> tuple[Any, str, str]:
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return [] if "string" in types else "text", "Invalid type. Expected: ", "got "


def breaches(schema: Schema, path: str = "") -> Iterator[tuple[str, Breach]]:
    """One breach for each limit of a schema and of what is below it, with the limit's keyword."""
    if "properties" not in schema:
        yield from _of_value(schema, path, "")
        return
    said = f"Additional property {STRANGE} is not allowed", f"additional properties '{STRANGE}' not allowed"
    yield "additionalProperties", Breach(path, "", {STRANGE: 1}, said)
    for key in schema["properties"].keys() - {"global"}:
        yield from breaches(schema["properties"][key], f"{path}.{key}".lstrip("."))


def _of_value(schema: Schema, path: str, inner: str) -> Iterator[tuple[str, Breach]]:
    value, *said = _wrong_type(schema)
    yield "type", Breach(path, inner, value, (said[0], said[1]))
    for keyword in sorted(schema.keys() - NO_LIMITS):
        value, *said = _broken(keyword, schema[keyword])
        yield keyword, Breach(path, inner, value, (said[0], said[1]))
    if "items" in schema:
        for keyword, below in _of_value(schema["items"], path, ".0"):
            yield f"{keyword} in a list", replace(below, value=[below.value])
    if isinstance(schema.get("additionalProperties"), dict):
        for keyword, below in _of_value(schema["additionalProperties"], path, f".{STRANGE}"):
            yield f"{keyword} in a map", replace(below, value={STRANGE: below.value})


def _of(chart: Path) -> list[tuple[str, Breach]]:
    return list(breaches(json.loads((chart / "values.schema.json").read_text(encoding="utf-8"))))


SCHEMA: Schema = json.loads((GATEWAY / "values.schema.json").read_text(encoding="utf-8"))
SETTINGS = {setting.name: setting for section in SECTIONS for setting in section.settings}
ROWS = sorted({(chart.name, keyword) for chart in ALL for keyword, _ in _of(chart)})


@pytest.mark.parametrize("helm", HELMS)
@pytest.mark.parametrize(("name", "keyword"), ROWS)
def test_every_limit_is_kept(name: str, keyword: str, helm: str) -> None:
    """Whoever goes beyond a limit, in whichever value, is told which value and which limit."""
    (chart,) = (chart for chart in ALL if chart.name == name)
    broken = [breach for found, breach in _of(chart) if found == keyword]
    values: dict[str, Any] = {}
    for breach in broken:
        values = merged(values, nested(breach.path, breach.value) if breach.path else breach.value)
    said = refusal(chart, values, name=helm)
    assert [breach.sentence(helm) for breach in broken if breach.sentence(helm) not in said] == []


def test_there_are_limits() -> None:
    """The walk finds what is there: every value has at least its type."""
    kinds = [keyword for chart in ALL for keyword, _ in _of(chart)]
    assert kinds.count("type") > 100
    assert {"minimum", "maximum", "enum", "pattern", "minLength", "not", "required in a list", "type in a map"} <= {
        *kinds
    }


REACHED = [(case.path, case.where.split(":")[1]) for case in CASES if case.where.split(":")[0] in ("env", "config")]


@pytest.mark.parametrize(("path", "name"), [row for row in REACHED if row[1] in SETTINGS], ids=str)
def test_what_the_chart_takes_the_gateway_takes(path: str, name: str) -> None:
    """A value that passes the schema must not end in a pod that refuses to start: no range is wider than its own."""
    limits = SCHEMA
    for key in path.split("."):
        limits = limits["properties"][key]
    setting = SETTINGS[name]
    for value in (limits.get("minimum"), limits.get("maximum"), *limits.get("enum", ())):
        if value is not None:
            setting.parse(str(value))
    if limits["type"] in ("integer", "number"):
        for keyword, beyond in (("minimum", "-1"), ("maximum", str(10**12))):
            if keyword not in limits and "enum" not in limits:
                setting.parse(beyond)
