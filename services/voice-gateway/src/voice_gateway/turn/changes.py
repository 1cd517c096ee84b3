"""Changes of the session's settings: kept until the next turn may begin with them."""

from typing import NamedTuple

from voice_gateway.domain.agreement import Agreement, Change
from voice_gateway.domain.instant import Instant, after_ms
from voice_gateway.domain.policy import TurnPolicy

RENEW_MS = 1_000
"""Least time between changes that need another recognition stream: the backend serves others, too, and opens streams
for this client no faster, whatever it wants. What is changed meanwhile is one change."""


class InForce(NamedTuple):
    """A change that comes into force."""

    change: Change
    renews_recognition: bool
    """Whether the stream of recognition that is open has to be replaced: it keeps what it was opened with."""


class Changes:
    """What the client wants changed, several changes as one."""

    def __init__(self) -> None:
        self._pending: Change | None = None
        self._renewed_at: Instant | None = None
        """When recognition was to be opened anew last."""
        self.due: Instant | None = None
        """Pending changes wait until this instant, even if nothing else is going on."""

    @property
    def is_pending(self) -> bool:
        """Whether something has not been applied yet."""
        return self._pending is not None

    def add(self, change: Change) -> None:
        """Keep a change; if a setting is changed twice, the later value holds."""
        self._pending = change if self._pending is None else self._pending.merged(change)

    def applied_to(self, agreement: Agreement) -> Agreement:
        """The agreement as it will be once everything is applied."""
        return agreement if self._pending is None else agreement.apply(self._pending)

    def put_in_force(self, agreement: Agreement, now: Instant, *, has_stream: bool) -> InForce | None:
        """Put in force what is pending; None when nothing is pending, or not yet.

        `agreement` is what is in force; `has_stream`: whether a stream of recognition is open.
        """
        change = self._pending
        if change is None:
            return None
        renews = has_stream and _is_heard_otherwise(agreement, change)
        if renews:
            self.due = None if self._renewed_at is None else after_ms(self._renewed_at, RENEW_MS)
            if self.due is not None and now < self.due:
                return None
            self._renewed_at = now
        self._pending = self.due = None
        return InForce(change, renews)


def _is_heard_otherwise(agreement: Agreement, change: Change) -> bool:
    is_paced_otherwise = change.policy is not None and _endpointing(change.policy) != _endpointing(agreement.policy)
    return is_paced_otherwise or change.heard_language is not None


def _endpointing(policy: TurnPolicy) -> tuple[int, int]:
    return policy.stop_history_eou_ms, policy.stop_history_ms
