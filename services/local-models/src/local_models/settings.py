"""The settings of `local-models serve`: one table, read once from flags and environment, checked, frozen.

Flags win over the environment. `SETTINGS` is the only list of them; the help text and the docs are made from it.
"""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ENVIRONMENT_PREFIX = "LOCAL_MODELS_"
MAX_PORT = 65_535
MAX_WAIT_MS = 60_000
"""A slower model than this is a hang, not a pace."""


class Llm(enum.StrEnum):
    RESPONDER = "responder"
    GGUF = "gguf"


@dataclass(frozen=True, slots=True)
class Settings:
    host: str = "127.0.0.1"
    riva_port: int = 50061
    openai_port: int = 8061
    ports_file: Path | None = None
    llm: Llm = Llm.RESPONDER
    gguf_path: Path | None = None
    ttft_ms: int = 0
    token_ms: int = 0
    whisper_model: Path | None = None
    piper_voice: Path | None = None
    shutdown_grace_ms: int = 2000


class SettingsError(Exception):
    """One or more settings that cannot be used; `problems` has one line for each."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Setting:
    """One row: `parse` turns text into the value or raises ValueError with the rest of "NAME: ..."."""

    name: str
    parse: Callable[[str], Any]
    metavar: str
    help: str

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return ENVIRONMENT_PREFIX + self.name.upper()

    @property
    def default(self) -> Any:
        return getattr(Settings(), self.name)


def _text(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    return value.strip()


def _integer(low: int, high: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        try:
            number = int(value)
        except ValueError:
            raise ValueError(f"must be a whole number from {low} to {high}, not {value!r}") from None
        if not low <= number <= high:
            raise ValueError(f"must be from {low} to {high}, not {number}")
        return number

    return parse


def _llm(value: str) -> Llm:
    try:
        return Llm(value)
    except ValueError:
        raise ValueError(f"must be one of {', '.join(Llm)}, not {value!r}") from None


def _existing_file(value: str) -> Path:
    path = Path(value).expanduser()
    if not path.is_file():
        raise ValueError(f"no such file: {path}")
    return path


def _existing_folder(value: str) -> Path:
    path = Path(value).expanduser()
    if not path.is_dir():
        raise ValueError(f"no such folder: {path}")
    return path


def _new_file(value: str) -> Path:
    path = Path(value).expanduser()
    if not path.parent.is_dir():
        raise ValueError(f"no such folder: {path.parent}")
    return path


SETTINGS: tuple[Setting, ...] = (
    Setting("host", _text, "ADDRESS", "address both servers listen on; 0.0.0.0 for every one of IPv4, :: of IPv6 too"),
    Setting("riva_port", _integer(0, MAX_PORT), "PORT", "port of Riva gRPC; 0 takes a free one"),
    Setting("openai_port", _integer(0, MAX_PORT), "PORT", "port of OpenAI HTTP; 0 takes a free one"),
    Setting("ports_file", _new_file, "PATH", "write the ports in use there as JSON, once ready"),
    Setting("llm", _llm, "NAME", "what answers chats: responder, or gguf for a real model (needs the extra gguf)"),
    Setting("gguf_path", _existing_file, "PATH", "weights for --llm gguf; by default the fetched SmolLM2-135M"),
    Setting("ttft_ms", _integer(0, MAX_WAIT_MS), "MS", "wait before a reply's first token, in milliseconds"),
    Setting("token_ms", _integer(0, MAX_WAIT_MS), "MS", "wait before each later token, in milliseconds"),
    Setting("whisper_model", _existing_folder, "FOLDER", "recognise with this faster-whisper model, not Moonshine"),
    Setting("piper_voice", _existing_file, "PATH", "speak with this Piper voice (.onnx) in its language"),
    Setting("shutdown_grace_ms", _integer(0, MAX_WAIT_MS), "MS", "how long running calls may go on after SIGTERM"),
)


def read_settings(flags: Mapping[str, str | None], environment: Mapping[str, str]) -> Settings:
    """Make the settings from flags (by setting name, None when absent) and environment variables.

    Raises:
        SettingsError: naming every wrong setting, not only the first.
    """
    values: dict[str, Any] = {}
    problems = []
    for setting in SETTINGS:
        source, text = setting.flag, flags.get(setting.name)
        if text is None:
            # An empty variable is what a ConfigMap or a script leaves when it means "unset".
            source, text = setting.variable, environment.get(setting.variable) or None
        if text is None:
            continue
        try:
            values[setting.name] = setting.parse(text)
        except ValueError as error:
            problems.append(f"{source}: {error}")
    if not problems:
        problems = _contradictions(values)
    if problems:
        raise SettingsError(tuple(problems))
    return Settings(**values)


def _contradictions(values: Mapping[str, Any]) -> list[str]:
    settings = Settings(**values)
    problems = []
    if settings.gguf_path and settings.llm is not Llm.GGUF:
        problems.append("--gguf-path: only used with --llm gguf")
    if settings.riva_port == settings.openai_port != 0:
        problems.append(f"--riva-port and --openai-port: both are {settings.riva_port}")
    return problems
