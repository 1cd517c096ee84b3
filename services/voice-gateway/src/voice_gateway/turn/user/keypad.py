"""Telephone keys: several presses are one turn."""

from voice_gateway.domain.instant import Instant, after_ms
from voice_gateway.turn.inputs import END_KEY

DIGIT_GAP_MS = 1_500
"""This long without a key ends the turn. Callers type a number at two to four keys a second and look for the next group
for about a second; voice menus call this the inter-digit timeout and wait 1 to 3 s. Shorter cuts numbers in two."""
LONGEST_DIGITS = 4_000
"""As long as a typed turn may be (client.proto, `TextInput.text`): keys that never pause end a turn, too."""


class Keypad:
    """Keys that have been pressed and are no turn yet."""

    def __init__(self) -> None:
        self._digits = ""
        self._complete_at: Instant | None = None

    @property
    def digits(self) -> str:
        """What has been pressed of the running turn; empty when no key is waiting for the next."""
        return self._digits

    def pressed(self, keys: str, now: Instant) -> list[str]:
        """Take keys; the turns that they complete, in order. `END_KEY` alone is a turn, too."""
        *ended, rest = keys.split(END_KEY)
        turns = [self.complete() + part or END_KEY for part in ended]
        self._digits += rest
        while len(self._digits) >= LONGEST_DIGITS:
            turns.append(self._digits[:LONGEST_DIGITS])
            self._digits = self._digits[LONGEST_DIGITS:]
        self._complete_at = after_ms(now, DIGIT_GAP_MS) if self._digits else None
        return turns

    def complete(self) -> str:
        """The keys pressed so far, which are a turn; empty when no key was pressed."""
        digits, self._digits, self._complete_at = self._digits, "", None
        return digits

    def deadline(self) -> Instant | None:
        """When the keys so far become a turn."""
        return self._complete_at

    def is_complete(self, now: Instant) -> bool:
        """Whether no key has come for `DIGIT_GAP_MS`."""
        return self._complete_at is not None and now >= self._complete_at
