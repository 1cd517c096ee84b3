"""What one caller may have of a process: sessions, new sessions and audio. Pure: the instant is an argument.

Each process counts in its memory, and loses the counts when it ends: they bound what one caller takes from the others,
and are no bill. They never end a session that runs.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from voice_gateway.domain.caller import Caller
from voice_gateway.domain.errors import Limit, Reason, Refused
from voice_gateway.domain.instant import Instant, ms_between

MINUTE_MS = 60_000
DAY_MS = 86_400_000
MAX_ACCOUNTS = 10_000
"""Callers that are remembered: about 1 kB each. The one that has not come for longest is forgotten first, so no quota
holds a caller that has more addresses than this; let callers show who they are."""
SESSION_RETRY_MS = 5_000
"""When one of a caller's own sessions is over, the caller knows better than we."""


@dataclass(frozen=True, slots=True)
class QuotaSettings:
    """What a caller may have; 0: no limit."""

    sessions: int = 0
    """Sessions at the same time."""
    new_per_minute: int = 0
    audio_s_per_day: int = 0
    """Audio that was heard, in seconds."""

    @property
    def is_on(self) -> bool:
        """Whether anything is counted."""
        return bool(self.sessions or self.new_per_minute or self.audio_s_per_day)


@dataclass(frozen=True, slots=True)
class Window:
    """Use within a stretch of time. It begins with the first use, and again with the first use after its end."""

    length_ms: int
    began: Instant | None = None
    used: int = 0

    def at(self, now: Instant) -> "Window":
        """The window as it is now: empty if its time has passed."""
        is_over = self.began is not None and ms_between(self.began, now) >= self.length_ms
        return Window(self.length_ms) if is_over else self

    def adding(self, amount: int, now: Instant) -> "Window":
        """The window with `amount` more use."""
        current = self.at(now)
        return replace(current, began=now if current.began is None else current.began, used=current.used + amount)

    def left_ms(self, now: Instant) -> int:
        """Time until it is over; 0 when nothing was used."""
        return 0 if self.began is None else self.length_ms - ms_between(self.began, now)


class Usage:
    """One session on its caller's account."""

    def __init__(self, account: "_Account | None") -> None:
        self._account = account
        self._counted_ms = 0
        self.heard_ms: Callable[[], int] = int
        """Audio that the session has heard by now, in ms."""

    def new_audio_ms(self) -> int:
        """Audio since the last call."""
        before, self._counted_ms = self._counted_ms, self.heard_ms()
        return self._counted_ms - before

    def end(self, now: Instant) -> None:
        """The session is over; harmless if repeated."""
        account, self._account = self._account, None
        if account is not None:
            account.settle(now)
            account.running.discard(self)
        self.heard_ms = int


@dataclass(slots=True)
class _Account:
    """What one caller has used."""

    running: set[Usage] = field(default_factory=set)
    begun: Window = Window(MINUTE_MS)
    audio_ms: Window = Window(DAY_MS)

    def settle(self, now: Instant) -> None:
        """Count what running sessions have heard since the last count."""
        if new_ms := sum(usage.new_audio_ms() for usage in self.running):
            self.audio_ms = self.audio_ms.adding(new_ms, now)
        self.audio_ms, self.begun = self.audio_ms.at(now), self.begun.at(now)


class Quotas:
    """The accounts of one process."""

    def __init__(self, settings: QuotaSettings) -> None:
        self._settings = settings
        self._accounts: dict[str, _Account] = {}
        """By name of the account; the caller that came last is last."""

    @property
    def accounts(self) -> int:
        """Callers that are remembered."""
        return len(self._accounts)

    def check(self, caller: Caller, now: Instant) -> None:
        """Refuse a caller who has used up a quota.

        Raises:
            Refused: QUOTA_EXCEEDED.
        """
        account = self._accounts.get(caller.account) if self._settings.is_on else None
        if account is None:
            return
        account.settle(now)
        limits = self._settings
        if limits.sessions and len(account.running) >= limits.sessions:
            raise _refused(Limit.CALLER_SESSIONS, f"{limits.sessions} sessions at the same time", SESSION_RETRY_MS)
        if limits.new_per_minute and account.begun.used >= limits.new_per_minute:
            left_ms = account.begun.left_ms(now)
            raise _refused(Limit.CALLER_NEW, f"{limits.new_per_minute} new sessions a minute", left_ms)
        if limits.audio_s_per_day and account.audio_ms.used >= limits.audio_s_per_day * 1_000:
            left_ms = account.audio_ms.left_ms(now)
            raise _refused(Limit.CALLER_AUDIO, f"{limits.audio_s_per_day} s of audio a day", left_ms)

    def begin(self, caller: Caller, now: Instant) -> Usage:
        """Count a new session of a caller who was not refused."""
        if not self._settings.is_on:
            return Usage(None)
        name = caller.account
        account = self._accounts.pop(name, None) or self._new()
        self._accounts[name] = account
        usage = Usage(account)
        account.running.add(usage)
        account.begun = account.begun.adding(1, now)
        account.audio_ms = account.audio_ms.adding(0, now)  # the day begins with the session, not with its first count
        return usage

    def _new(self) -> _Account:
        if len(self._accounts) >= MAX_ACCOUNTS:
            # Those with running sessions are fewer than there may be accounts: config/admission.py.
            del self._accounts[next(name for name, account in self._accounts.items() if not account.running)]
        return _Account()


def _refused(limit: Limit, quota: str, retry_after_ms: int) -> Refused:
    return Refused(Reason.QUOTA_EXCEEDED, limit, f"each caller may have {quota}", retry_after_ms)
