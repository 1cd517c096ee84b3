"""What each of several processes that serve one port may take on: a share of what all may. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from voice_gateway.session.admission.gate import AdmissionSettings
from voice_gateway.session.admission.quotas import QuotaSettings


@dataclass(frozen=True, slots=True)
class Share:
    """One of `count` shares, `index` from 0."""

    index: int
    count: int

    def of(self, total: int) -> int:
        """This share of a number; all shares add up to it, and differ by 1 at most."""
        return total // self.count + (self.index < total % self.count)


def divided(settings: AdmissionSettings, share: Share) -> AdmissionSettings:
    """A process's share. Limits of load stay: they are of one process and of its core."""
    quotas = settings.quotas
    return replace(
        settings,
        max_sessions=share.of(settings.max_sessions),
        quotas=QuotaSettings(
            sessions=share.of(quotas.sessions),
            new_per_minute=share.of(quotas.new_per_minute),
            audio_s_per_day=share.of(quotas.audio_s_per_day),
        ),
    )


def too_small(settings: AdmissionSettings, count: int) -> Iterator[tuple[str, int]]:
    """Numbers of which some of `count` processes would get nothing, each by the field's name; 0 is no limit."""
    quotas = settings.quotas
    rows = (
        ("max_sessions", settings.max_sessions),
        ("sessions", quotas.sessions),
        ("new_per_minute", quotas.new_per_minute),
        ("audio_s_per_day", quotas.audio_s_per_day),
    )
    return ((name, total) for name, total in rows if 0 < total < count)
