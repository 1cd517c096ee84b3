"""Writes docs/reference/local-models-settings.md from that server's table. With --check: fails if it is stale."""

import sys

import generated
from local_models.settings import SETTINGS, Setting

HEADS = ("flag", "environment", "default", "meaning")
HEAD = f"""\
# Settings of local-models

{generated.note("services/local-models/src/local_models/settings.py")}

`local-models serve` takes each of these as a flag or as an environment variable; the flag wins.
It checks all of them first: each mistake is one line on standard error, and the exit code is 2.
An empty variable counts as unset.
"""


def _row(setting: Setting) -> tuple[str, ...]:
    default = "" if setting.default is None else f"`{setting.default}`"
    return f"`{setting.flag} {setting.metavar}`", f"`{setting.variable}`", default, setting.help


def page() -> str:
    """The whole page."""
    return f"{HEAD}\n{generated.table(HEADS, map(_row, SETTINGS))}"


if __name__ == "__main__":
    sys.exit(generated.publish("local-models-settings.md", page()))
