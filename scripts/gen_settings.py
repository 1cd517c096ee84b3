"""Writes docs/reference/settings.md from the gateway's table of settings. With --check: fails if it is stale."""

import sys
import textwrap
from typing import Any

import generated
from voice_gateway.config import SECTIONS
from voice_gateway.config.llm import LLM_SYSTEM_PROMPT
from voice_gateway.config.reader import Section
from voice_gateway.setting_kinds import Setting

HEADS = ("name", "default", "unit", "allowed", "meaning")
HEAD = f"""\
# Settings of the gateway

{generated.note("services/voice-gateway/src/voice_gateway/config")}

The gateway reads these environment variables once, when it starts.
It checks all of them first: each mistake is one line on standard error, and the exit code is 2.
`voice-gateway check-config` does only that, and prints what would be in force.
An empty value counts as unset.
A secret is never printed.
"""


def _row(setting: Setting[Any]) -> tuple[str, ...]:
    default = setting.default_note or f"`{setting.default}`"
    meaning = setting.doc + (" (secret)" if setting.is_secret else "")
    return f"`{setting.name}`", default, setting.unit, setting.allowed, meaning


def _section(section: Section) -> str:
    return f"## {section.title}\n\n{generated.table(HEADS, map(_row, section.settings))}"


def page() -> str:
    """The whole page."""
    prompt = textwrap.fill(LLM_SYSTEM_PROMPT.default, 110, initial_indent="> ", subsequent_indent="> ")
    tail = f"## The default system prompt\n\n{prompt}\n"
    return "\n".join([HEAD, *(_section(section) for section in SECTIONS), tail])


if __name__ == "__main__":
    sys.exit(generated.publish("settings.md", page()))
