"""Which address of a backend gets the next call, and which is asked for its health next. Pure: the instant is an
argument.

An address is *listed* while its name resolves to it. A new call goes to a listed address that is healthy, and of those
to the one with the fewest calls in progress. Rules:

1. `MAX_FAILURES` failures in a row eject an address, for a time that doubles with each ejection. A health check that
   succeeds after that time readmits it; a call that is answered does so at once, and makes the next ejection short
   again. Failed calls of one session are one failure, however many they are: what it says may be their cause.
2. A success of a health check forgives failed health checks and no failed calls: a server may be in good health and
   serve nobody.
3. From its first failure to its next success an address is *doubted*: its health is checked soon, and new calls go to
   others if there are any. The same holds for one that is full or has kept a caller waiting, which are no failures.
4. Where nobody else is left, doubted and ejected addresses are tried all the same: there is nothing to lose.
5. An address that is listed no more gets no calls, and is gone when its last one has ended.
6. A session whose reply had no sound, though no call failed, may have asked for what has none. From the second such
   session on, with no sound in between, each of them is a failed call.
7. Failed calls never eject the last healthy address, nor help to: `MAX_FAILURES` failed health checks in a row may. Who
   passes its health checks is there for newcomers, ejected or not, if nobody better is.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from voice_gateway.domain.backend_status import AddressState, AddressStatus
from voice_gateway.domain.ids import SessionId
from voice_gateway.domain.instant import Instant, after_ms, ms_between

MAX_FAILURES = 3
MIN_SOUNDLESS = 2
"""This many sessions with a reply without sound are no accident of what one of them asked for."""
EJECTED_MS = (1_000, 2_000, 4_000, 8_000, 10_000)
"""An ejection's time, one for each in a row. At the longest a pod that is back waits 10 s for its share."""
CHECK_MS = 5_000
"""Between health checks of an address in good health."""
DOUBT_CHECK_MS = 500
"""From a failure to the health check that tells whether it was one of the address: a dead one is known, and ejected,
within about a second and the time its health checks take."""
LONELY_CHECK_MS = 500
"""Between health checks while no address is healthy: a rollout, or everybody, waits for the first to answer."""


class Change(Enum):
    """What an operator may want to know of an address."""

    FAILS = "fails"
    EJECTED = "ejected"
    ANSWERS = "answers"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is. Two names with the same address are one server."""

    host: str
    """An IP address, or a name that is not ours to resolve."""
    port: int
    name: str = field(default="", compare=False)
    """Host and port as configured: what the server is called by, which TLS checks."""
    is_proxied: bool = field(default=False, compare=False)
    """A proxy of the environment's connects to it."""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(slots=True)
class _Entry:
    address: Address
    check_at: Instant
    state: AddressState = AddressState.NEW
    is_listed: bool = True
    is_checking: bool = False
    is_doubted: bool = False
    rests_until: Instant | None = None
    calls: int = 0
    used: int = 0
    """The number of its latest call among all."""
    failed_sessions: set[SessionId] = field(default_factory=set)
    """Whose calls have failed since the last that was answered; `MAX_FAILURES` of them at most."""
    soundless_sessions: set[SessionId] = field(default_factory=set)
    """Who had a reply without sound since the last call that was answered; `MAX_FAILURES` of them at most."""
    failed_checks: int = 0
    """Failed health checks in a row."""
    is_answering: bool = False
    """Its last health check succeeded."""
    ejections: int = 0
    """Ejections in a row: no call was answered between them."""
    cause: str = ""
    failed_at: Instant | None = None

    def rank(self, now: Instant) -> tuple[int, int, int]:
        """The lower, the sooner it gets a call."""
        if self.state is AddressState.EJECTED:
            standing = 3
        elif self.is_doubted or (self.rests_until is not None and self.rests_until > now):
            standing = 2
        else:
            standing = 1 if self.state is AddressState.NEW else 0
        return standing, self.calls, self.used

    @property
    def is_admissible(self) -> bool:
        """Whether a newcomer may be let in for its sake."""
        is_up = self.state is AddressState.HEALTHY or (self.state is AddressState.EJECTED and self.is_answering)
        return self.is_listed and is_up

    @property
    def is_bad(self) -> bool:
        """Whether it has failed often enough to be ejected."""
        return len(self.failed_sessions) + self.failed_checks >= MAX_FAILURES

    @property
    def is_down(self) -> bool:
        """Whether its health checks alone have failed often enough."""
        return self.failed_checks >= MAX_FAILURES

    def eject(self, now: Instant) -> None:
        """No calls until a health check has succeeded, which waits the longer the more often this happens."""
        self.state = AddressState.EJECTED
        self.check_at = after_ms(now, EJECTED_MS[min(self.ejections, len(EJECTED_MS) - 1)])
        self.ejections += 1

    def forgive(self) -> None:
        """Calls that went wrong count no more."""
        self.failed_sessions.clear()
        self.soundless_sessions.clear()

    def redeem(self) -> Change | None:
        """It has answered."""
        change = Change.ANSWERS if self.is_doubted or self.state is not AddressState.HEALTHY else None
        self.state, self.is_doubted, self.failed_checks = AddressState.HEALTHY, False, 0
        return change

    def status(self, now: Instant, check_at: Instant) -> AddressStatus:
        """What is known of it."""
        is_checked = self.is_listed and not self.is_checking
        return AddressStatus(
            address=str(self.address),
            name=self.address.name,
            state=self.state,
            calls=self.calls,
            is_leaving=not self.is_listed,
            check_in_ms=max(0, ms_between(now, check_at)) if is_checked else None,
            cause=self.cause if self.is_doubted else "",
            failed_ago_ms=None if self.failed_at is None or not self.is_doubted else ms_between(self.failed_at, now),
        )


class AddressBook:
    """The addresses of one backend."""

    def __init__(self) -> None:
        self._entries: dict[Address, _Entry] = {}
        self._begun = 0

    @property
    def is_healthy(self) -> bool:
        """True while a listed address is healthy, or passes its health checks at least."""
        return any(entry.is_admissible for entry in self._entries.values())

    def enlist(self, addresses: Iterable[Address], now: Instant) -> tuple[Address, ...]:
        """These are all there are; returns those that were not known. New ones are due for a health check at once."""
        wanted = dict.fromkeys(addresses)
        for address, entry in self._entries.items():
            entry.is_listed = address in wanted
        added = tuple(address for address in wanted if address not in self._entries)
        self._entries |= {address: _Entry(address, check_at=now) for address in added}
        return added

    def sweep(self) -> tuple[Address, ...]:
        """Forget addresses that are listed no more and have nothing in progress; returns them."""
        entries = self._entries.values()
        gone = tuple(each.address for each in entries if not (each.is_listed or each.calls or each.is_checking))
        for address in gone:
            del self._entries[address]
        return gone

    def in_order(self, now: Instant) -> tuple[Address, ...]:
        """Every listed address, in the order in which a new call tries them."""
        listed = [entry for entry in self._entries.values() if entry.is_listed]
        return tuple(entry.address for entry in sorted(listed, key=lambda entry: entry.rank(now)))

    def is_listed(self, address: Address) -> bool:
        """Whether it may get a call."""
        return address in self._entries and self._entries[address].is_listed

    def began(self, address: Address) -> None:
        """A call on it began."""
        entry = self._entries[address]
        self._begun += 1
        entry.calls, entry.used = entry.calls + 1, self._begun

    def ended(self, address: Address) -> None:
        """A call on it ended, however."""
        self._entries[address].calls -= 1

    def answered(self, address: Address) -> Change | None:
        """A call on it got what it asked for."""
        entry = self._entries[address]
        entry.forgive()
        entry.ejections, entry.rests_until = 0, None
        return entry.redeem()

    def doubt(self, address: Address, cause: str, now: Instant) -> Change | None:
        """A call on it failed; whose fault it is shall a health check tell, or `blame`. It may be gone by now."""
        entry = self._entries.get(address)
        return None if entry is None else self._doubt(entry, cause, now)

    def blame(self, address: Address, session: SessionId, now: Instant) -> Change | None:
        """A call of this session failed by the address' fault; it has been doubted, and may be gone by now."""
        entry = self._entries.get(address)
        if entry is None or entry.state is AddressState.EJECTED:
            return None
        if len(entry.failed_sessions) < MAX_FAILURES:
            entry.failed_sessions.add(session)
        if not entry.is_bad or not self._has_healthy(but=entry):
            return None
        entry.eject(now)
        return Change.EJECTED

    def soundless(self, address: Address, session: SessionId) -> tuple[SessionId, ...]:
        """A reply of this session had no sound there; it may be gone by now. Returns whom it is to be blamed for."""
        entry = self._entries.get(address)
        if entry is None:
            return ()
        if len(entry.soundless_sessions) < MAX_FAILURES:
            entry.soundless_sessions.add(session)
        return tuple(entry.soundless_sessions) if len(entry.soundless_sessions) >= MIN_SOUNDLESS else ()

    def rest(self, address: Address, duration_ms: int, now: Instant) -> None:
        """It is in good health and yet of little use for the moment: new calls go to others if there are any.

        It may be gone by now.
        """
        entry = self._entries.get(address)
        if entry is None:
            return
        entry.rests_until = max(entry.rests_until or now, after_ms(now, duration_ms))
        entry.check_at = min(entry.check_at, after_ms(now, DOUBT_CHECK_MS))

    def due(self, now: Instant) -> tuple[Address, ...]:
        """Addresses whose health is to be checked now; `checked` tells of the outcome of each."""
        return self._check(self._waiting(now), now)

    def all_due(self, now: Instant) -> tuple[Address, ...]:
        """The same, whether it is time or not."""
        return self._check([each for each in self._entries.values() if each.is_listed and not each.is_checking], now)

    def next_due(self) -> Instant | None:
        """When the next health check is due; None while nobody waits for one."""
        checks = [self._check_at(each) for each in self._entries.values() if each.is_listed and not each.is_checking]
        return min(checks, default=None)

    def checked(self, address: Address, cause: str | None, now: Instant) -> Change | None:
        """A health check of it succeeded, or failed for this cause."""
        entry = self._entries[address]
        entry.is_checking, entry.is_answering = False, cause is None
        if cause is not None:
            entry.failed_checks += 1
            was_ejected = entry.state is AddressState.EJECTED
            change = self._doubt(entry, cause, now)
            if was_ejected or entry.is_down or (entry.is_bad and self._has_healthy(but=entry)):
                entry.eject(now)
                return change if was_ejected else Change.EJECTED
            return change
        if entry.state is AddressState.EJECTED:
            entry.forgive()
        return entry.redeem()

    def status(self, now: Instant) -> tuple[AddressStatus, ...]:
        """What is known of each address, in the order in which they came."""
        return tuple(entry.status(now, self._check_at(entry)) for entry in self._entries.values())

    def _has_healthy(self, but: _Entry | None = None) -> bool:
        entries = self._entries.values()
        return any(each.is_listed and each.state is AddressState.HEALTHY for each in entries if each is not but)

    def _doubt(self, entry: _Entry, cause: str, now: Instant) -> Change | None:
        is_news = not entry.is_doubted or cause != entry.cause
        entry.is_doubted, entry.cause, entry.failed_at = True, cause, now
        if entry.state is not AddressState.EJECTED:
            entry.check_at = min(entry.check_at, after_ms(now, DOUBT_CHECK_MS))
        return Change.FAILS if is_news else None

    def _waiting(self, now: Instant) -> list[_Entry]:
        entries = self._entries.values()
        return [each for each in entries if each.is_listed and not each.is_checking and self._check_at(each) <= now]

    def _check(self, entries: list[_Entry], now: Instant) -> tuple[Address, ...]:
        for entry in entries:
            entry.is_checking, entry.check_at = True, after_ms(now, CHECK_MS)
        return tuple(entry.address for entry in entries)

    def _check_at(self, entry: _Entry) -> Instant:
        if self._has_healthy() or entry.failed_at is None:
            return entry.check_at
        return min(entry.check_at, after_ms(entry.failed_at, LONELY_CHECK_MS))
