"""Pages that name functions of the core name those that there are."""

import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
PACKAGE = ROOT / "services" / "voice-gateway" / "src" / "voice_gateway"
PAGE = ROOT / "docs" / "explanation" / "how-turn-taking-works.md"
ROW = re.compile(r"\| (\d+) \| .+ \| (`.+`) \| (`.+`) \|")
STEPS = ROW.findall(PAGE.read_text(encoding="utf-8"))
MOST_MODULES = 2

QUESTIONS = re.compile(r"\| [^|]+\? \| (.+) \|")
GUIDE = QUESTIONS.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
QUOTED = re.compile(r"`([\w/.]+)`")


def test_the_page_has_twelve_steps() -> None:
    """The steps are found, in their order: a pattern that finds none would pass in silence."""
    assert [int(number) for number, *_ in STEPS] == list(range(1, 13))


@pytest.mark.parametrize(("_", "functions", "modules"), STEPS)
def test_a_step_lies_where_the_page_says(_: str, functions: str, modules: str) -> None:
    """Who follows a call through the code by the page finds each function, and needs two modules for a step at most."""
    named, paths = QUOTED.findall(functions), QUOTED.findall(modules)
    assert len(named) == len(paths) <= MOST_MODULES
    for name, path in zip(named, paths, strict=True):
        kind, function = name.split(".")
        module = importlib.import_module(f"voice_gateway.{path.removesuffix('.py').replace('/', '.')}")
        assert callable(vars(getattr(module, kind))[function])
        assert getattr(module, kind).__module__ == module.__name__


def test_the_guide_has_a_row_for_each_question() -> None:
    """The rows are found: a pattern that finds none would pass in silence."""
    assert len(GUIDE) >= 15


@pytest.mark.parametrize("answer", GUIDE)
def test_the_guide_names_what_there_is(answer: str) -> None:
    """Who changes a rule by CONTRIBUTING finds each module and function that a row names."""
    quoted = QUOTED.findall(answer)
    paths = [PACKAGE / ("" if name.startswith("session/") else "turn") / name for name in quoted if _is_path(name)]
    assert paths
    assert [path for path in paths if not path.exists()] == []
    files = [file for path in paths for file in ([path] if path.is_file() else path.glob("*.py"))]
    text = "".join(f"def {file.stem}\n{file.read_text(encoding='utf-8')}" for file in files)
    missing = [name for name in quoted if not _is_path(name) and not re.search(rf"\b(def|class) {name}\b", text)]
    assert missing == []


def _is_path(name: str) -> bool:
    return "/" in name or name.endswith(".py")
