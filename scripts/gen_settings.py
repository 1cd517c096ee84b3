"""Writes docs/reference/settings.md from the gateway's table of settings. With --check: fails if it is stale."""

import sys
import textwrap
from pathlib import Path
from typing import Any

from voice_gateway.config import LLM_SYSTEM_PROMPT, SECTIONS, Section, Setting

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "settings.md"
HEAD = """\
# Settings of the gateway

<!-- Generated from services/voice-gateway/src/voice_gateway/config.py by `make docs`; edit that. -->

The gateway reads these environment variables once, when it starts.
It checks all of them first: each mistake is one line on standard error, and the exit code is 2.
`voice-gateway check-config` does only that, and prints what would be in force.
An empty value counts as unset.
A secret is never printed.
"""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _default(setting: Setting[Any]) -> str:
    return setting.default_note or f"`{setting.default}`"


def _row(setting: Setting[Any]) -> str:
    meaning = setting.doc + (" (secret)" if setting.is_secret else "")
    cells = (f"`{setting.name}`", _default(setting), setting.unit, setting.allowed, meaning)
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _section(section: Section) -> str:
    head = f"## {section.title}\n\n| name | default | unit | allowed | meaning |\n|---|---|---|---|---|"
    return "\n".join([head, *(_row(setting) for setting in section.settings)]) + "\n"


def page() -> str:
    """The whole page."""
    prompt = textwrap.fill(LLM_SYSTEM_PROMPT.default, 110, initial_indent="> ", subsequent_indent="> ")
    tail = f"## The default system prompt\n\n{prompt}\n"
    return "\n".join([HEAD, *(_section(section) for section in SECTIONS), tail])


def main() -> int:
    """Write the page, or compare it."""
    if "--check" not in sys.argv[1:]:
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page():
        return 0
    print(f"{PAGE.name} is stale: run make docs", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
