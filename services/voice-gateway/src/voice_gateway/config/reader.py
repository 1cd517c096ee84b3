"""Reads the environment and collects what is wrong with it: the only reader there is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from voice_gateway.setting_kinds import Setting

T = TypeVar("T")


class ConfigError(Exception):
    """The environment is wrong.

    Attributes:
        mistakes: one clear line each, none of them holding a secret.
    """

    def __init__(self, mistakes: tuple[str, ...]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


@dataclass(frozen=True, slots=True)
class Section:
    """Settings that an operator thinks of together."""

    title: str
    settings: tuple[Setting[Any], ...]


class Reader:
    """Reads settings and collects what is wrong with them."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.mistakes: list[str] = []

    def raw(self, setting: Setting[Any]) -> str:
        """The value as written, or the default."""
        return self.environment.get(setting.name, "").strip() or setting.default

    def read(self, setting: Setting[T]) -> T:
        """The value; the default, and a mistake noted, when it cannot be read."""
        raw = self.raw(setting)
        try:
            return setting.parse(raw)
        except ValueError as error:
            # what stands before an @ in an address may be a password
            said = "" if setting.is_secret or "@" in raw else f" (it is {raw!r})"
            self.mistakes.append(f"{setting.name} {error}{said}")
            return setting.parse(setting.default)
