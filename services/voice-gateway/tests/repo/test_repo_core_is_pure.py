"""The core has no clock, no randomness, no threads and no coroutines; import-linter knows the rest."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "voice_gateway"
BANNED = {"asyncio", "logging", "os", "queue", "random", "secrets", "socket", "threading", "time", "uuid"}
SOURCES = sorted([*PACKAGE.glob("turn/**/*.py"), *PACKAGE.glob("domain/**/*.py")])


def impurities(source: str) -> list[str]:
    """Banned imports and coroutines of a module."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in BANNED]
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in BANNED:
            found.append(str(node.module))
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
            found.append(type(node).__name__)
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_core_is_pure(path: Path) -> None:
    """A journal replays to the same effects only if nothing but the inputs decides them."""
    assert impurities(path.read_text(encoding="utf-8")) == []


def test_impurity_is_seen() -> None:
    """The measure itself sees each kind of impurity."""
    source = "import time as t, json\nfrom asyncio.tasks import sleep\nasync def f():\n    await sleep(1)\n"
    assert sorted(impurities(source)) == ["AsyncFunctionDef", "Await", "asyncio.tasks", "time"]
    assert len(SOURCES) > len({path.parent for path in SOURCES})
