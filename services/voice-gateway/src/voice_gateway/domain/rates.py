"""How often something may be done."""

from dataclasses import dataclass, field

from voice_gateway.domain.instant import NS_PER_S, Instant


@dataclass(frozen=True, slots=True)
class TokenBucket:
    """So many tokens at once, and so many more a second; a value, and time is an argument.

    It is full at the beginning of time. Taking more than there is leaves a debt, which says how long to wait.
    """

    capacity: int
    """Tokens of a full bucket."""
    per_s: int
    """Tokens that flow in each second."""
    full_at: Instant = field(default=Instant(0))
    """When it will be full again if nothing is taken."""

    def take(self, tokens: int, now: Instant) -> "TokenBucket":
        """The bucket without these tokens."""
        full_at = Instant(max(self.full_at, now) + tokens * NS_PER_S // self.per_s)
        return TokenBucket(self.capacity, self.per_s, full_at)  # `replace` takes three times as long, for each message

    def debt_ns(self, now: Instant) -> int:
        """Nanoseconds until what was taken has flowed in; 0 when there was enough."""
        return max(0, self.full_at - now - self.capacity * NS_PER_S // self.per_s)
