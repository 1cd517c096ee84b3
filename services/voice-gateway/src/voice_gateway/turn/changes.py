"""Changes of the session's settings: kept until the next turn may begin with them."""

from dataclasses import dataclass, replace

from voice_gateway.domain.persona import Persona
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.domain.settings_change import SettingsChange


@dataclass(frozen=True, slots=True)
class Applied:
    """A change, and what is in force after it."""

    change: SettingsChange
    policy: TurnPolicy
    persona: Persona
    needs_stream: bool
    """Whether recognition has to be opened anew: a stream keeps the settings that it was opened with."""


class Changes:
    """What the client wants changed, several changes as one."""

    def __init__(self) -> None:
        self._pending: SettingsChange | None = None
        self._whole: SettingsChange | None = None

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

    def apply(self, policy: TurnPolicy, persona: Persona) -> Applied | None:
        """Apply what is pending to what is in force; None when nothing is."""
        change, self._pending = self._pending, None
        if change is None:
            return None
        after = change.policy or policy
        has_other_window = _endpointing(after) != _endpointing(policy)
        if change.system_prompt is not None:
            persona = replace(persona, system_prompt=change.system_prompt)
        return Applied(change, after, persona, needs_stream=has_other_window or change.language_code is not None)


def _endpointing(policy: TurnPolicy) -> tuple[int, int]:
    return policy.stop_history_eou_ms, policy.stop_history_ms
