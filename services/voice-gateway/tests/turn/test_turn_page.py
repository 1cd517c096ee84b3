"""The page on turn-taking names functions of the code."""

import importlib
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[4] / "docs" / "explanation" / "how-turn-taking-works.md"
STEP = re.compile(r"\| (\d+) \| .+ \| `(\w+)\.(\w+)` \| `([\w/]+)\.py` \|")
STEPS = STEP.findall(PAGE.read_text(encoding="utf-8"))


def test_the_page_has_twelve_steps() -> None:
    """The steps are found, in their order: a pattern that finds none would pass in silence."""
    assert [int(number) for number, *_ in STEPS] == list(range(1, 13))


@pytest.mark.parametrize(("_", "kind", "function", "path"), STEPS)
def test_a_step_lies_where_the_page_says(_: str, kind: str, function: str, path: str) -> None:
    """Who follows a call through the code by the page finds each function."""
    module = importlib.import_module(f"voice_gateway.{path.replace('/', '.')}")
    named = vars(getattr(module, kind))[function]
    assert callable(named)
    assert getattr(module, kind).__module__ == module.__name__
