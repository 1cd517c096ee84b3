"""What a translator must offer, and the values it deals in."""

from dataclasses import dataclass
from typing import Protocol

from local_models.engines.recognition import EngineDescription


@dataclass(frozen=True, slots=True)
class LanguagePair:
    """One direction: BCP-47 codes, and the model's name as clients may ask for it."""

    source: str
    target: str
    model: str


class TranslationEngine(Protocol):
    """A translator that is there. Looking for it happens in the constructor."""

    @property
    def pairs(self) -> tuple[LanguagePair, ...]:
        """All directions; the first of a pair of languages is preferred."""
        ...

    async def translate(self, text: str, pair: LanguagePair) -> str:
        """One text. Cancelling stops the work at once. Raises TranslationError."""
        ...

    def describe(self) -> tuple[EngineDescription, ...]:
        """Rows for the start-up table."""
        ...


class TranslationError(RuntimeError):
    """The engine gave up on a text that it should have been able to read."""
