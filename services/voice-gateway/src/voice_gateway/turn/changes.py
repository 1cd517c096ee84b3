"""Changes of the session's settings: kept until the next turn may begin with them."""

from dataclasses import dataclass, replace

from voice_gateway.domain.instant import Instant, after_ms
from voice_gateway.domain.persona import Persona
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.domain.settings_change import SettingsChange

RENEW_MS = 1_000
"""Least time between changes that need another recognition stream: the backend serves others, too, and opens streams
for this client no faster, whatever it wants. What is changed meanwhile is taken together."""


@dataclass(frozen=True, slots=True)
class Applied:
    """A change, and what is in force after it."""

    change: SettingsChange
    policy: TurnPolicy
    persona: Persona
    needs_stream: bool
    """Whether the open stream of recognition has to be replaced: it keeps the settings that it was opened with."""


class Changes:
    """What the client wants changed, several changes as one."""

    def __init__(self) -> None:
        self._pending: SettingsChange | None = None
        self._whole: SettingsChange | None = None
        self._renewed_at: Instant | None = None
        """When recognition was to be opened anew last."""
        self.due: Instant | None = None
        """Until then what is pending waits, though nothing else is going on."""

    @property
    def is_pending(self) -> bool:
        """Whether something has not been applied yet."""
        return self._pending is not None

    @property
    def whole(self) -> SettingsChange | None:
        """Everything that was changed since the session began, applied or not."""
        return self._whole

    def add(self, change: SettingsChange) -> None:
        """Keep a change; of a setting that is changed twice the later value holds."""
        self._pending = change if self._pending is None else self._pending.merged(change)
        self._whole = change if self._whole is None else self._whole.merged(change)

    def apply(self, policy: TurnPolicy, persona: Persona, now: Instant, *, has_stream: bool) -> Applied | None:
        """Apply what is pending to what is in force; None when nothing is, or not yet.

        `has_stream`: whether a stream of recognition is open.
        """
        change = self._pending
        if change is None:
            return None
        after = change.policy or policy
        is_heard_otherwise = _endpointing(after) != _endpointing(policy) or change.language_code is not None
        needs_stream = has_stream and is_heard_otherwise
        if needs_stream:
            self.due = None if self._renewed_at is None else after_ms(self._renewed_at, RENEW_MS)
            if self.due is not None and now < self.due:
                return None
            self._renewed_at = now
        self._pending = self.due = None
        if change.system_prompt is not None:
            persona = replace(persona, system_prompt=change.system_prompt)
        return Applied(change, after, persona, needs_stream)


def _endpointing(policy: TurnPolicy) -> tuple[int, int]:
    return policy.stop_history_eou_ms, policy.stop_history_ms
