"""The addresses of one backend at work: resolves names, keeps a connection to each address, checks their health.

The rules are in `book.py`; this is the thin shell round it.
"""

import asyncio
import contextvars
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

from voice_gateway.backends.addresses.book import Address, AddressBook, Change
from voice_gateway.backends.addresses.names import Endpoint, Resolve, resolve
from voice_gateway.domain.backend_status import BackendStatus, NameStatus
from voice_gateway.domain.errors import Backend
from voice_gateway.domain.ids import SessionId
from voice_gateway.domain.instant import NS_PER_S, Instant
from voice_gateway.session.ports import BackendWatch

RESOLVE_S = 5.0
"""Time between resolutions of a name: a new replica is used at most this time, and its records' time to live, later."""

_NO_SOUND = "no sound in a whole reply"

_log = logging.getLogger(__name__)


class Connection(Protocol):
    """What leads to one address."""

    async def close(self) -> None:
        """Let go of it, once no call runs."""


C = TypeVar("C", bound=Connection)


class CheckFailedError(Exception):
    """A health check failed.

    Attributes:
        cause: a status code's name or a few words, safe to show.
        detail: more of it, for the log; nothing that anybody said.
    """

    def __init__(self, cause: str, detail: str = "") -> None:
        super().__init__(cause)
        self.cause = cause
        self.detail = detail


class Member(Generic[C]):
    """One address and the connection to it. Each call says when it begins, how it does and when it ends."""

    def __init__(self, pool: "AddressPool[C]", address: Address, connection: C) -> None:
        self._pool = pool
        self.address = address
        self.connection = connection
        self._uses: Counter[C] = Counter()
        self.asking: asyncio.Task[bool] | None = None
        """A question for its health that runs: whoever else asks meanwhile gets the same answer."""
        self.is_gone = False
        """Nobody will call it any more; who still asks for its health may end that."""

    def begin(self) -> C:
        """A call begins on this connection; `end` is to follow."""
        self._pool.book.began(self.address)
        return self.use()

    def end(self, connection: C) -> None:
        """The call has ended."""
        self._pool.book.ended(self.address)
        self.leave(connection)
        self._pool.let_go()

    def use(self) -> C:
        """Hold the connection; `leave` is to follow."""
        self._uses[self.connection] += 1
        return self.connection

    def leave(self, connection: C) -> None:
        """Hold it no longer. One that was replaced is closed when nobody holds it."""
        self._uses[connection] -= 1
        if not self._uses[connection]:
            del self._uses[connection]
            if self.is_gone or connection is not self.connection:
                self._pool.close_soon(connection)

    def go(self) -> None:
        """It is needed no more."""
        self.is_gone = True
        if self.connection not in self._uses:
            self._pool.close_soon(self.connection)

    def renew(self, connection: C) -> None:
        """Replace the connection. Calls on the old one go on, if they can."""
        old, self.connection = self.connection, connection
        if old not in self._uses:
            self._pool.close_soon(old)

    @property
    def connections(self) -> tuple[C, ...]:
        """All that are open."""
        return tuple({self.connection: None, **self._uses})

    def answered(self) -> None:
        """A call got what it asked for."""
        self._pool.note(self.address, self._pool.book.answered(self.address))

    def began(self, after_s: float) -> None:
        """A call had its first output this long after it was asked for."""
        self._pool.note_began(self.address, after_s)

    def doubt(self, cause: str) -> None:
        """A call failed, perhaps by the fault of the address: others are asked first until it has been checked."""
        self._pool.note_failure(self.address, self._pool.book.doubt(self.address, cause, now()), cause)

    def blame(self, cause: str, session: SessionId) -> None:
        """What it was doubted for is its fault."""
        self._pool.note_change(self.address, self._pool.book.blame(self.address, session, now()), cause)

    def soundless(self, session: SessionId) -> None:
        """Calls of this session ended well here and gave nothing of what they were for, in a whole reply."""
        sessions = self._pool.book.soundless(self.address, session)
        if sessions:
            self.doubt(_NO_SOUND)
        for each in sessions:
            self.blame(_NO_SOUND, each)

    def skipped(self, kind: str) -> None:
        """Something unknown in a reply was skipped; `kind` is of a closed set."""
        self._pool.note_skipped(kind)

    async def ask(self) -> bool:
        """Check its health now, in the midst of a call; whether it is good."""
        return await self._pool.ask(self)

    def rest(self, duration_ms: int) -> None:
        """It is full, or slow: new calls go to others for a while."""
        self._pool.book.rest(self.address, duration_ms, now())
        self._pool.wake()


class Request(Generic[C]):
    """One request of one session, on as many addresses as it takes. Each is blamed for it once, and by an answer of
    another only: a request that fails everywhere is to blame itself, and what is really down fails its health checks.
    """

    def __init__(self, session: SessionId) -> None:
        self.session = session
        self._failed: dict[Member[C], str] = {}
        self._is_served = False

    @property
    def is_unserved(self) -> bool:
        """Whether it failed somewhere and nobody has answered it yet."""
        return bool(self._failed)

    def failed(self, member: Member[C], cause: str) -> None:
        """This address did not serve it, or not to its end."""
        member.doubt(cause)
        if self._is_served:
            member.blame(cause, self.session)
        else:
            self._failed[member] = cause

    def served(self, by: Member[C]) -> None:
        """This one did, or has begun to."""
        self._is_served = True
        for member, cause in self._failed.items():
            if member is not by:
                member.blame(cause, self.session)
        self._failed.clear()


class AddressPool(Generic[C]):
    """All addresses of one backend, and so its BackendHealth. Belongs to the event loop that runs the calls."""

    def __init__(
        self,
        backend: Backend,
        endpoints: Sequence[Endpoint],
        connect: Callable[[Address, C | None], C],
        check: Callable[[C], Awaitable[None]],
        resolve: Resolve = resolve,
    ) -> None:
        """Nothing is asked yet; addresses that need no resolution are listed.

        Args:
            backend: whose addresses these are.
            endpoints: where they are found.
            connect: makes a connection to an address, without waiting; gets the one that it replaces, if any.
            check: asks whether a server is in good health; raises CheckFailedError.
            resolve: finds the addresses of a name.
        """
        self.book = AddressBook()
        self.backend = backend
        self._connect = connect
        self._check = check
        self._resolve_host = resolve
        self._known: dict[Endpoint, tuple[Address, ...]] = {
            each: (each.at(each.host),) if each.is_final else () for each in endpoints
        }
        self._unresolved: dict[Endpoint, str] = {}
        self._members: dict[Address, Member[C]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._asking: set[asyncio.Task[bool]] = set()
        self._woken = asyncio.Event()
        self._watch: BackendWatch | None = None
        self._enlist(Instant(0))

    def watch(self, watch: BackendWatch) -> None:
        """Tell of every failure of an address, and of what is unknown in replies."""
        self._watch = watch

    @property
    def is_healthy(self) -> bool:
        """True while an address is healthy."""
        return self.book.is_healthy

    @property
    def connections(self) -> tuple[C, ...]:
        """To every address, those that are leaving included."""
        return tuple(member.connection for member in self._members.values())

    @property
    def _open(self) -> tuple[C, ...]:
        return tuple(each for member in self._members.values() for each in member.connections)

    def status(self) -> BackendStatus:
        """What is known now."""
        unresolved = tuple(NameStatus(each.name, cause) for each, cause in self._unresolved.items())
        return BackendStatus(self.book.status(now()), unresolved)

    def candidates(self, suits: Callable[[C], bool] = lambda _: True) -> Iterator[Member[C]]:
        """Addresses for a new call, to be tried one after the other; the best first.

        Those whose connection does not suit are left out, unless none does.
        """
        members = [self._members[address] for address in self.book.in_order(now())]
        for member in [each for each in members if suits(each.connection)] or members:
            if self.book.is_listed(member.address):  # it may have left while others were tried
                yield member

    async def probe(self) -> None:
        """Resolve every name and check every address, once."""
        known = self._ask_all(self.book.all_due(now()))  # not held up by a name that is slow to resolve
        await asyncio.gather(known, *(self._resolve(each) for each in self._known if not each.is_final))
        await self._ask_all(self.book.due(now()))

    async def _ask_all(self, addresses: Sequence[Address]) -> None:
        await asyncio.gather(*(self.ask(self._members[address]) for address in addresses))

    async def run(self) -> None:
        """Keep the addresses and what is known of them up to date, until cancelled."""
        await self.probe()
        async with asyncio.TaskGroup() as tasks:
            for each in self._known:
                if not each.is_final:
                    tasks.create_task(self._follow(each), name=f"resolve-{each.name}")
            while True:
                for address in self.book.due(now()):
                    tasks.create_task(self.ask(self._members[address]), name=f"check-{address}")
                await self._wait_until_due()

    async def close(self) -> None:
        """Close all connections, once no call runs: what still runs is cancelled, health checks too."""
        await asyncio.gather(*(each.close() for each in self._open), *self._closing)
        for task in self._asking:
            task.cancel()
        if self._asking:
            await asyncio.wait(self._asking)
        await asyncio.gather(*self._closing)

    async def ask(self, member: Member[C]) -> bool:
        """Check the health of an address; whether it is good. One that is gone is not.

        Whoever waits may be cancelled: the check is not, because what it learns is everybody's.
        """
        if member.is_gone:
            return False
        task = member.asking
        if task is None or task.done():
            # what is everybody's is done in nobody's context: it would keep the span of whoever asked first
            context, name = contextvars.Context(), f"ask-{member.address}"
            task = member.asking = asyncio.create_task(self._ask(member, member.use()), name=name, context=context)
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
        await asyncio.wait((task,))
        return task.result()

    async def _ask(self, member: Member[C], connection: C) -> bool:
        cause: str | None = None
        detail = ""
        address = member.address
        try:
            await self._check(connection)
        except CheckFailedError as error:
            cause, detail = error.cause, error.detail
        except Exception:  # noqa: BLE001 - a fault of ours in one check must not end them all; it is logged
            cause = "internal error"
            _log.exception("health check failed", extra=self._fields(address))
        finally:
            member.leave(connection)
        if member.is_gone:  # meanwhile; another member may have its address by now
            return cause is None
        change = self.book.checked(address, cause, now())
        if cause is None:
            self.note(address, change)
        else:
            self.note_failure(address, change, cause, detail)
        self.let_go()
        self.wake()
        return cause is None

    def close_soon(self, connection: C) -> None:
        """Close a connection that nobody holds."""
        task = asyncio.create_task(connection.close(), name="close", context=contextvars.Context())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def wake(self) -> None:
        """Health checks may have become due."""
        self._woken.set()

    def let_go(self) -> None:
        """Close connections to addresses that nobody needs any more."""
        for address in self.book.sweep():
            self._members.pop(address).go()

    def note(self, address: Address, change: Change | None) -> None:
        """An address did what was asked of it."""
        if change is Change.ANSWERS:
            _log.info("backend address answers", extra=self._fields(address))

    def note_began(self, address: Address, after_s: float) -> None:
        """An address gave its first output this long after it was asked."""
        if self._watch is not None:
            self._watch.backend_began(self.backend, str(address), after_s)

    def note_skipped(self, kind: str) -> None:
        """A reply had something unknown."""
        if self._watch is not None:
            self._watch.backend_skipped(self.backend, kind)

    def note_failure(self, address: Address, change: Change | None, cause: str, detail: str = "") -> None:
        """An address failed."""
        self.wake()
        if self._watch is not None:
            self._watch.backend_failed(self.backend, str(address))
        self.note_change(address, change, cause, detail)

    def note_change(self, address: Address, change: Change | None, cause: str, detail: str = "") -> None:
        """An address stands worse than before, if there is a change."""
        if change is Change.EJECTED:
            # Behind a virtual address a connection stays with the pod it was made to, and one to a node that has lost
            # its power lasts a quarter of an hour: another one may lead to a pod that lives.
            member = self._members[address]
            member.renew(self._connect(address, member.connection))
        if change is not None:
            told = self._fields(address) | {"cause": cause, "is_ejected": change is Change.EJECTED}
            _log.warning("backend address fails", extra=told | ({"detail": detail} if detail else {}))

    def _fields(self, address: Address) -> dict[str, object]:
        return {"backend": self.backend.value, "address": str(address), "name_asked": address.name}

    async def _wait_until_due(self) -> None:
        self._woken.clear()
        due = self.book.next_due()
        with suppress(TimeoutError):
            async with asyncio.timeout_at(None if due is None else due / NS_PER_S):
                await self._woken.wait()

    async def _follow(self, endpoint: Endpoint) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + RESOLVE_S, loop.time())
            await asyncio.sleep(due - loop.time())
            await self._resolve(endpoint)

    async def _resolve(self, endpoint: Endpoint) -> None:
        try:
            hosts = await self._resolve_host(endpoint.host, endpoint.port)
        except (OSError, UnicodeError) as error:
            cause = getattr(error, "strerror", None) or str(error)
            if self._unresolved.get(endpoint) != cause:
                _log.warning("backend name cannot be resolved", extra={"host": endpoint.name, "cause": cause})
            self._unresolved[endpoint] = cause
            return
        self._unresolved.pop(endpoint, None)
        self._known[endpoint] = tuple(endpoint.at(host) for host in hosts)
        self._enlist(now())
        self.let_go()
        self.wake()

    def _enlist(self, at: Instant) -> None:
        added = self.book.enlist((address for known in self._known.values() for address in known), at)
        for address in added:
            self._members[address] = Member(self, address, self._connect(address, None))
        if added:
            told = {"backend": self.backend.value, "addresses": [str(address) for address in added]}
            _log.info("backend addresses found", extra=told)


def now() -> Instant:
    """This instant on the event loop's clock, which tests may make virtual."""
    return Instant(round(asyncio.get_running_loop().time() * NS_PER_S))
