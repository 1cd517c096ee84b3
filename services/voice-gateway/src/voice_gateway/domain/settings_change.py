"""What a client may change in the midst of its session."""

from dataclasses import dataclass, fields

from voice_gateway.domain.chat import Tool
from voice_gateway.domain.policy import TurnPolicy


@dataclass(frozen=True, slots=True)
class SettingsChange:
    """Departures from what is in force; None: it stays as it is."""

    language_code: str | None = None
    """BCP-47, of both directions; one that the backends have."""
    voice: str | None = None
    """Empty: the synthesis backend chooses."""
    system_prompt: str | None = None
    policy: TurnPolicy | None = None
    """The whole policy, fields that do not change included."""
    tools: tuple[Tool, ...] | None = None
    """All tools that the client executes from then on."""

    def merged(self, later: "SettingsChange") -> "SettingsChange":
        """This change and then `later`, as one."""
        values = {spec.name: getattr(self, spec.name) for spec in fields(self)}
        newer = {spec.name: getattr(later, spec.name) for spec in fields(later)}
        return SettingsChange(**values | {name: value for name, value in newer.items() if value is not None})
