"""Code stays small where it hurts: the tail."""

import ast
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
FUNCTION_LINES, CLASS_LINES, MODULE_LINES = 60, 300, 500
"""Hard stops; what we aim at is half of them."""
FOLDER_MODULES = 20
"""What a reader takes in at a glance, `__init__.py` counted. Tests are looked for by their names instead."""
SOURCES = sorted(
    path
    for where in ("services/*/src/**", "accept", "bench", "monitoring/**", "scripts")
    for path in ROOT.glob(f"{where}/*.py")
)


def body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> int:
    """Lines from the first statement after the docstring to the end."""
    body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
    return (node.end_lineno or node.lineno) - body[0].lineno + 1


def too_long(source: str) -> list[str]:
    """What in a module is over its budget."""
    found = [f"module has {count} lines"] if (count := len(source.splitlines())) > MODULE_LINES else []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and body_lines(node) > FUNCTION_LINES:
            found.append(f"{node.name} has {body_lines(node)} lines")
        if isinstance(node, ast.ClassDef) and body_lines(node) > CLASS_LINES:
            found.append(f"class {node.name} has {body_lines(node)} lines")
    return found


def too_full(modules: Iterable[Path]) -> dict[Path, int]:
    """How many modules there are in each folder that is over its budget."""
    held = Counter(path.parent for path in modules)
    return {folder: count for folder, count in held.items() if count > FOLDER_MODULES}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_outgrows_its_budget(path: Path) -> None:
    """A function, class or module that outgrows its budget is cut before it becomes the orchestrator."""
    assert too_long(path.read_text(encoding="utf-8")) == []


def test_no_folder_outgrows_its_budget() -> None:
    """A folder of sources with too many modules gets a room for some of them before nobody finds anything in it."""
    assert too_full(SOURCES) == {}


def test_the_budget_is_measured() -> None:
    """The measure itself finds a function, a class and a module that are too long."""
    function = "def f():\n" + "    x = 1\n" * (FUNCTION_LINES + 1)
    klass = "class C:\n" + "    x = 1\n" * (CLASS_LINES + 1)
    assert too_long(function + klass + "y = 2\n" * MODULE_LINES) == [
        f"module has {FUNCTION_LINES + CLASS_LINES + MODULE_LINES + 4} lines",
        f"f has {FUNCTION_LINES + 1} lines",
        f"class C has {CLASS_LINES + 1} lines",
    ]
    assert SOURCES


def test_the_modules_of_a_folder_are_counted() -> None:
    """The measure itself finds a folder that is too full; what is in a room of it is not counted with it."""
    full = [Path(f"full/{number}.py") for number in range(FOLDER_MODULES + 1)]
    good = [Path(f"good/{number}.py") for number in range(FOLDER_MODULES)]
    assert too_full([*full, *good, Path("good/room/1.py")]) == {Path("full"): FOLDER_MODULES + 1}
