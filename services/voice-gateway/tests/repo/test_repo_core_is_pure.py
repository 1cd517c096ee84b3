"""The core is a function of its inputs: it imports what is on a list, and calls nothing that looks outside."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "voice_gateway"
ALLOWED = {
    "domain": {
        "voice_gateway.domain",
        "collections",
        "collections.abc",
        "contextlib.contextmanager",
        "dataclasses",
        "enum",
        "functools.cache",
        "ipaddress",
        "json",
        "math",
        "re",
        "sys.float_info",
        "types.NoneType",
        "types.UnionType",
        "typing",
    },
    "turn": {
        "voice_gateway.domain",
        "voice_gateway.turn",
        "collections",
        "collections.abc",
        "dataclasses",
        "difflib",
        "enum",
        "functools.cache",
        "functools.partial",
        "html",
        "itertools",
        "operator",
        "re",
        "typing",
        "unicodedata",
    },
}
"""What each room may import: whole packages of ours; of the standard library, modules or single names of a module.

A new one is added by whoever can say that it has no clock, no randomness, no thread and no input or output.
"""
IMPURE_BUILTINS = {"__builtins__", "__import__", "breakpoint", "eval", "exec", "hash", "id", "input", "open", "print"}
"""`id` and `hash` differ from process to process, and so would a replay."""
COROUTINES = ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith
SOURCES = {room: sorted(PACKAGE.glob(f"{room}/**/*.py")) for room in ALLOWED}
FILES = [(room, path) for room, paths in SOURCES.items() for path in paths]


def imported(node: ast.AST) -> Iterator[str]:
    """What a statement imports, as `module.name`, or `module.*` for a module; relative imports begin with a dot."""
    if isinstance(node, ast.Import):
        yield from (f"{alias.name}.*" for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        module = "." * node.level + (node.module or "")
        yield from (f"{module}.{alias.name}" for alias in node.names)


def permit(name: str, room: str) -> str | None:
    """The entry of the list that lets the room import this name, if there is one.

    An entry stands for its module and for the names in it. Only our own packages have further modules below them.
    """
    parents = [name, name.rpartition(".")[0]]
    if name.startswith("voice_gateway."):
        parents.append(".".join(name.split(".")[:2]))
    return next((each for each in parents if each in ALLOWED[room]), None)


def impurities(source: str, room: str) -> list[str]:
    """What in a module of this room could make two runs with the same inputs differ."""
    tree = ast.parse(source)
    found = []
    for node in ast.walk(tree):
        names = list(imported(node))
        found += [name for name in names if permit(name, room) is None]
        if names and node not in tree.body:
            found.append("import that is not at the top")
        if isinstance(node, COROUTINES):
            found.append(type(node).__name__)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in IMPURE_BUILTINS:
            found.append(node.id)
    return found


@pytest.mark.parametrize(("room", "path"), FILES, ids=lambda each: str(each).rpartition("voice_gateway/")[2])
def test_the_core_is_pure(room: str, path: Path) -> None:
    """A journal replays to the same effects only if nothing but the inputs decides them."""
    assert impurities(path.read_text(encoding="utf-8"), room) == []


@pytest.mark.parametrize("room", ALLOWED)
def test_the_list_has_nothing_that_is_not_needed(room: str) -> None:
    """An entry that nobody needs would let the next import pass unread."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in SOURCES[room]]
    names = [name for tree in trees for node in ast.walk(tree) for name in imported(node)]
    assert {permit(name, room) for name in names} == ALLOWED[room]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import time", ["time.*"]),
        ("import re, random as r", ["random.*"]),
        ("import os.path", ["os.path.*"]),
        ("from datetime import datetime", ["datetime.datetime"]),
        ("from asyncio.tasks import sleep", ["asyncio.tasks.sleep"]),
        ("import importlib\nimportlib.import_module('time')", ["importlib.*"]),
        ("__import__('time').time()", ["__import__"]),
        ("importer = __import__", ["__import__"]),
        ("import sys", ["sys.*"]),
        ("from sys import argv", ["sys.argv"]),
        ("import collections.other", ["collections.other.*"]),
        ("import numpy", ["numpy.*"]),
        ("from voice_gateway import session", ["voice_gateway.session"]),
        ("from voice_gateway.session import clock", ["voice_gateway.session.clock"]),
        ("from ..session import clock", ["..session.clock"]),
        ("from . import tools", ["..tools"]),
        ("def f():\n    import re", ["import that is not at the top"]),
        ("def f():\n    from time import time", ["time.time", "import that is not at the top"]),
        ("async def f():\n    await g()", ["AsyncFunctionDef", "Await"]),
        ("async def f():\n    async for _ in g():\n        pass", ["AsyncFunctionDef", "AsyncFor"]),
        ("async def f():\n    async with g():\n        pass", ["AsyncFunctionDef", "AsyncWith"]),
        *((f"{name}(x)", [name]) for name in sorted(IMPURE_BUILTINS)),
    ],
)
def test_impurity_is_seen(source: str, found: list[str]) -> None:
    """Each way to a clock, to randomness or to the world outside fails the test of the core's sources."""
    assert impurities(source, "turn") == found


def test_domain_knows_nothing_of_turn() -> None:
    """Each room has its own list."""
    source = "import voice_gateway.turn.core\nfrom voice_gateway.turn import core\nimport html"
    assert impurities(source, "domain") == ["voice_gateway.turn.core.*", "voice_gateway.turn.core", "html.*"]


@pytest.mark.parametrize(
    "source",
    [
        "import json\nfrom sys import float_info",
        "from collections import deque\nfrom collections.abc import Iterable",
        "import voice_gateway.domain.items\nfrom voice_gateway.domain import items",
        "class A:\n    id: int\n    def open(self):\n        return self.id, self.open()",
    ],
)
def test_what_is_pure_passes(source: str) -> None:
    """A field or a method may be named like a builtin; what is on the list may be imported in every form."""
    assert impurities(source, "domain") == []


def test_every_room_is_looked_at() -> None:
    """The measure has sources: a room that moves is not passed over."""
    assert all(len(paths) > 1 for paths in SOURCES.values())
