"""Which address gets the next call and which is asked for its health; without a network or a clock."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from voice_gateway.backends.addresses.book import (
    CHECK_MS,
    DOUBT_CHECK_MS,
    EJECTED_MS,
    LONELY_CHECK_MS,
    MAX_FAILURES,
    Address,
    AddressBook,
    Change,
)
from voice_gateway.domain.backend_status import AddressState, AddressStatus
from voice_gateway.domain.ids import SessionId
from voice_gateway.domain.instant import Instant, after_ms

T0 = Instant(0)
A, B, C = (Address(f"10.0.0.{number}", 50_051, "riva:50051") for number in (1, 2, 3))


def at(ms: int) -> Instant:
    """So long after the beginning."""
    return after_ms(T0, ms)


def healthy(*addresses: Address) -> AddressBook:
    """A book of addresses that have just been found in good health."""
    book = AddressBook()
    book.enlist(addresses, T0)
    for address in book.due(T0):
        book.checked(address, None, T0)
    return book


def status(book: AddressBook, address: Address, now: Instant = T0) -> AddressStatus:
    """What is known of one."""
    return next(each for each in book.status(now) if each.address == str(address))


SESSIONS = tuple(SessionId(f"s{number}") for number in range(MAX_FAILURES))


def fail(
    book: AddressBook, address: Address, session: SessionId, now: Instant = T0, cause: str = "UNAVAILABLE"
) -> Change | None:
    """Let a call of this session fail by the fault of the address."""
    change = book.doubt(address, cause, now)
    return book.blame(address, session, now) or change


def eject(book: AddressBook, address: Address, now: Instant = T0) -> None:
    """Let so many sessions' calls fail that it is ejected, if it is not the last."""
    for session in SESSIONS:
        fail(book, address, session, now)


def test_fewest_calls_come_first() -> None:
    """New calls go where the least is going on, and where that is equal in turns: short calls are spread too."""
    book = healthy(A, B, C)
    book.began(A)
    book.began(A)
    book.began(C)
    assert book.in_order(T0) == (B, C, A)
    for address in (A, A, C):
        book.ended(address)
    assert book.in_order(T0) == (B, A, C)


def test_three_failures_in_a_row_eject_until_a_health_check_succeeds() -> None:
    """An ejected address gets no call that another one can take; time alone does not bring it back."""
    book = healthy(A, B)
    changes = [fail(book, A, session) for session in SESSIONS]
    assert changes == [Change.FAILS, None, Change.EJECTED]
    book.began(B)
    assert book.in_order(at(3_600_000)) == (B, A)
    assert status(book, A).state is AddressState.EJECTED
    assert A not in book.due(at(EJECTED_MS[0] - 1))
    assert A in book.due(at(EJECTED_MS[0]))
    assert book.checked(A, None, at(EJECTED_MS[0])) is Change.ANSWERS
    assert book.in_order(at(EJECTED_MS[0])) == (A, B)


def test_an_answer_between_failures_starts_the_count_anew() -> None:
    """Two failures, an answer and two failures eject nobody: only failures in a row do."""
    book = healthy(A, B)
    for _ in range(3):
        fail(book, A, SESSIONS[0])
        fail(book, A, SESSIONS[1])
        book.answered(A)
    assert status(book, A).state is AddressState.HEALTHY


def test_a_health_check_forgives_no_failed_calls() -> None:
    """A server that is in good health and fails every call is ejected all the same."""
    book = healthy(A, B)
    for session, ms in zip(SESSIONS[:2], (0, 1_000), strict=True):
        fail(book, A, session, at(ms))
        book.all_due(at(ms))
        book.checked(A, None, at(ms))
    assert fail(book, A, SESSIONS[2], at(2_000)) is Change.EJECTED


def test_one_session_alone_ejects_nobody() -> None:
    """What one caller says may break every server it is sent to; the others must not lose them for it."""
    book = healthy(A, B)
    for _ in range(10):
        fail(book, A, SESSIONS[0])
    assert status(book, A).state is AddressState.HEALTHY
    fail(book, A, SESSIONS[1])
    assert fail(book, A, SESSIONS[2]) is Change.EJECTED


def test_failed_calls_never_eject_the_last_healthy_address() -> None:
    """While nothing better is there, and its health is good, newcomers are let in; a better one changes that."""
    book = healthy(A, B)
    eject(book, A)
    eject(book, B)
    assert (status(book, B).state, book.is_healthy) == (AddressState.HEALTHY, True)
    book.checked(A, None, at(1_000))
    assert fail(book, B, SESSIONS[0], at(1_000)) is Change.EJECTED


def test_failed_calls_do_not_help_to_eject_the_last_healthy_address() -> None:
    """One lost health check after the calls of three odd sessions refuses no newcomer; three in a row do."""
    book = healthy(A)
    eject(book, A)
    states = []
    for check in range(MAX_FAILURES):
        book.checked(A, "UNAVAILABLE", at(check))
        states.append((status(book, A).state, book.is_healthy))
    assert states == [(AddressState.HEALTHY, True), (AddressState.HEALTHY, True), (AddressState.EJECTED, False)]


def test_failed_calls_count_in_a_health_check_while_others_are_healthy() -> None:
    """Where another can take the calls, whoever fails them and its health check is left alone sooner."""
    book = healthy(A, B)
    for session in SESSIONS[:2]:
        fail(book, A, session)
    assert book.checked(A, "UNAVAILABLE", T0) is Change.EJECTED


def test_whoever_passes_its_health_checks_is_there_for_newcomers() -> None:
    """The last healthy address dies while another is ejected for its calls alone: that one answers, so it serves."""
    book = healthy(A, B)
    eject(book, A)
    changes = [book.checked(B, "UNAVAILABLE", at(ms)) for ms in (0, 500, 1_000)]
    assert changes == [Change.FAILS, None, Change.EJECTED]
    assert book.is_healthy
    assert A in book.due(at(LONELY_CHECK_MS))
    book.checked(A, "UNAVAILABLE", at(LONELY_CHECK_MS))
    assert not book.is_healthy


def test_replies_without_sound_are_blamed_from_the_second_session_on() -> None:
    """However often one session hears nothing, its texts may be the cause; a second one counts, and the first with it.

    Sound in between begins the count anew.
    """
    book = healthy(A, B)
    one, two, three = SESSIONS
    assert [book.soundless(A, one) for _ in range(3)] == [(), (), ()]
    assert set(book.soundless(A, two)) == {one, two}
    assert set(book.soundless(A, three)) == {one, two, three}
    assert set(book.soundless(A, SessionId("s4"))) == {one, two, three}
    book.answered(A)
    assert book.soundless(A, two) == ()
    assert book.soundless(B, one) == ()


def test_an_address_that_was_readmitted_is_not_blamed_for_what_was_before() -> None:
    """A server that has been restarted begins anew: one reply without sound blames it no more than any other."""
    book = healthy(A, B)
    book.soundless(A, SESSIONS[0])
    eject(book, A)
    book.checked(A, None, at(1_000))
    assert book.soundless(A, SESSIONS[1]) == ()


def test_blame_for_an_address_that_is_gone_is_nobodys() -> None:
    """A request may be served after the address that failed it has left."""
    book = healthy(A, B)
    book.doubt(A, "UNAVAILABLE", T0)
    book.enlist((B,), T0)
    book.sweep()
    assert book.blame(A, SESSIONS[0], T0) is None
    assert book.soundless(A, SESSIONS[0]) == ()


def test_ejections_double_up_to_a_limit_until_a_call_is_answered() -> None:
    """A flapping address is asked ever less often, never less than every 10 s, and has its credit back by serving."""
    book = healthy(A, B)
    now, waits = T0, []
    for _ in range(7):
        eject(book, A, now)
        left = status(book, A, now).check_in_ms
        assert left is not None
        waits.append(left)
        now = after_ms(now, left)
        assert A in book.due(now)
        book.checked(A, None, now)
    assert waits == [1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000]
    book.answered(A)
    eject(book, A, now)
    assert status(book, A, now).check_in_ms == EJECTED_MS[0]


def test_a_failed_health_check_prolongs_an_ejection() -> None:
    """An address that is still dead is asked less and less often, while others serve."""
    book = healthy(A, B)
    eject(book, A)
    now = at(EJECTED_MS[0])
    book.due(now)
    book.checked(A, "UNAVAILABLE", now)
    assert status(book, A, now).check_in_ms == EJECTED_MS[1]


def test_a_doubted_address_waits_behind_and_is_asked_soon() -> None:
    """One failure costs an address its turn, not its place: whether it was its fault is known within half a second."""
    book = healthy(A, B)
    for _ in range(3):
        book.began(B)
    book.doubt(A, "UNAVAILABLE", T0)
    assert book.in_order(T0) == (B, A)
    assert book.next_due() == at(DOUBT_CHECK_MS)
    assert book.due(at(DOUBT_CHECK_MS)) == (A,)
    book.checked(A, None, at(DOUBT_CHECK_MS))
    assert book.in_order(at(DOUBT_CHECK_MS)) == (A, B)


def test_a_new_address_is_asked_at_once_and_serves_when_it_has_answered() -> None:
    """An added replica gets its share within a round trip, and none while it has not yet said that it is there."""
    book = healthy(A)
    book.began(A)
    assert book.enlist((A, B), at(100)) == (B,)
    assert book.in_order(at(100)) == (A, B)
    assert book.due(at(100)) == (B,)
    book.checked(B, None, at(101))
    assert book.in_order(at(101)) == (B, A)


def test_a_resting_address_waits_behind_for_a_while() -> None:
    """One that is full or slow is no failure and ejects nobody; others take over until its rest is over."""
    book = healthy(A, B)
    for _ in range(5):
        book.rest(A, 1_000, T0)
    book.began(B)
    assert book.in_order(at(999)) == (B, A)
    assert book.in_order(at(1_000)) == (A, B)
    assert status(book, A).state is AddressState.HEALTHY
    book.rest(A, 1_000, at(1_000))
    book.answered(A)
    assert book.in_order(at(1_001)) == (A, B)


def test_a_vanished_address_ends_its_calls_and_is_gone() -> None:
    """No new call goes there, none is cut, and nothing is kept once its last call has ended."""
    book = healthy(A, B)
    book.began(A)
    book.enlist((B,), T0)
    assert book.in_order(T0) == (B,)
    assert not book.is_listed(A)
    assert book.sweep() == ()
    assert status(book, A).is_leaving
    book.ended(A)
    assert book.sweep() == (A,)
    assert len(book.status(T0)) == 1


def test_an_address_that_comes_back_while_it_leaves_has_its_calls_still() -> None:
    """A name that flaps neither loses count of calls nor forgets that an address is bad."""
    book = healthy(A, B)
    book.began(A)
    book.enlist((B,), T0)
    assert book.enlist((A, B), T0) == ()
    assert (status(book, A).calls, book.in_order(T0)) == (1, (B, A))


def test_an_address_that_is_being_asked_is_kept_until_it_has_answered() -> None:
    """A health check on its way always finds its address."""
    book = AddressBook()
    book.enlist((A,), T0)
    assert book.due(T0) == (A,)
    book.enlist((), T0)
    assert book.sweep() == ()
    book.checked(A, "UNAVAILABLE", T0)
    assert book.sweep() == (A,)


def test_nobody_healthy_is_asked_twice_a_second() -> None:
    """When everybody waits for the first answer, no backoff delays it: at start, and after an outage."""
    book = healthy(A)
    for _ in range(MAX_FAILURES):
        book.all_due(T0)
        book.checked(A, "UNAVAILABLE", T0)
    for ms in range(LONELY_CHECK_MS, 20_000, LONELY_CHECK_MS):
        assert book.due(at(ms)) == (A,)
        book.checked(A, "UNAVAILABLE", at(ms))
    assert not book.is_healthy


def test_one_name_more_for_an_address_is_no_second_server() -> None:
    """Two names that lead to one server share its count of calls."""
    book = AddressBook()
    assert book.enlist((A, Address(A.host, A.port, "other:50051")), T0) == (A,)


def test_causes_are_told_until_it_answers() -> None:
    """Whoever is on call sees why an address is out, for how long, and nothing stale once it answers."""
    book = healthy(A)
    book.doubt(A, "UNAVAILABLE", at(1_000))
    told = status(book, A, at(3_500))
    assert (told.cause, told.failed_ago_ms, told.name) == ("UNAVAILABLE", 2_500, "riva:50051")
    assert book.doubt(A, "DEADLINE_EXCEEDED", at(4_000)) is Change.FAILS
    assert book.answered(A) is Change.ANSWERS
    told = status(book, A, at(4_000))
    assert (told.cause, told.failed_ago_ms, told.check_in_ms) == ("", None, 0)
    assert book.answered(A) is None


@pytest.mark.parametrize(("host", "text"), [("10.0.0.1", "10.0.0.1:80"), ("fd00::1", "[fd00::1]:80")])
def test_addresses_are_written_as_clients_take_them(host: str, text: str) -> None:
    """IPv6 has brackets."""
    assert str(Address(host, 80)) == text


def is_up(each: AddressStatus) -> bool:
    """Whether newcomers are let in for its sake."""
    return each.state is AddressState.HEALTHY and not each.is_leaving


def is_good(each: AddressStatus) -> bool:
    """Whether nothing speaks against giving it a call."""
    return each.state is AddressState.HEALTHY and not each.cause and not each.is_leaving


ADDRESSES = st.sampled_from([Address(f"10.0.0.{number}", 1) for number in range(4)])


class Book(RuleBasedStateMachine):
    """Anything that may happen to a book, beside a simple count of it."""

    def __init__(self) -> None:
        super().__init__()
        self.book = AddressBook()
        self.now = T0
        self.listed: set[Address] = set()
        self.calls: dict[Address, int] = {}
        self.checking: set[Address] = set()
        self.failures: dict[Address, int] = {}
        """Failed health checks since the last answered call."""
        self.failed: dict[Address, set[SessionId]] = {}
        """Sessions whose calls have failed since then."""
        self.rested: set[Address] = set()

    @rule(wait_ms=st.sampled_from([0, 1, 499, 500, 1_000, 5_000, 60_000]))
    def wait(self, wait_ms: int) -> None:
        """Time passes."""
        self.now = after_ms(self.now, wait_ms)

    @rule(addresses=st.sets(ADDRESSES))
    def resolve(self, addresses: set[Address]) -> None:
        """A name has other addresses."""
        added = self.book.enlist(sorted(addresses, key=str), self.now)
        assert set(added) <= addresses
        self.listed = addresses
        for address in added:
            self.calls[address] = self.failures[address] = 0
            self.failed[address] = set()

    @precondition(lambda self: self.listed)
    @rule()
    def begin(self) -> None:
        """A call takes the first address, which no other of its kind is better than."""
        first = self.book.in_order(self.now)[0]
        good = {each.address: each.calls for each in self.book.status(self.now) if is_good(each)}
        for address in self.rested:
            good.pop(str(address), None)  # it may or may not be rested by now
        if good and first not in self.rested:
            assert self.calls[first] == good[str(first)] == min(good.values())
        self.book.began(first)
        self.calls[first] += 1

    @rule(
        address=ADDRESSES,
        outcome=st.sampled_from(["answered", "failed", "doubted", "full"]),
        session=st.sampled_from([*SESSIONS, SessionId("s9")]),
    )
    def end(self, address: Address, outcome: str, session: SessionId) -> None:
        """A call comes to its end."""
        if not self.calls.get(address):
            return
        if outcome == "answered":
            self.book.answered(address)
            self.failures[address] = 0
            self.failed[address] = set()
            self.rested.discard(address)
        elif outcome == "failed":
            was_healthy = {each.address for each in self.book.status(self.now) if is_up(each)}
            fail(self.book, address, session, self.now, "x")
            self.failed[address].add(session)
            still = {each.address for each in self.book.status(self.now) if is_up(each)}
            assert still or not was_healthy
        elif outcome == "doubted":
            self.book.doubt(address, "x", self.now)
        else:
            self.book.rest(address, 1_000, self.now)
            self.rested.add(address)
        self.book.ended(address)
        self.calls[address] -= 1

    @rule()
    def check(self) -> None:
        """What is due is asked, nobody twice at a time."""
        due = self.book.due(self.now)
        assert not self.checking & set(due)
        assert set(due) <= self.listed
        self.checking |= set(due)

    @rule(address=ADDRESSES, is_good=st.booleans())
    def checked(self, address: Address, *, is_good: bool) -> None:
        """A health check comes back."""
        if address not in self.checking:
            return
        self.checking.discard(address)
        self.book.checked(address, None if is_good else "x", self.now)
        self.failures[address] += not is_good

    @rule()
    def sweep(self) -> None:
        """What nobody needs is let go, and nothing else."""
        gone = self.book.sweep()
        unneeded = {
            each for each in self.calls if not (each in self.listed or self.calls[each] or each in self.checking)
        }
        assert set(gone) == unneeded
        for address in gone:
            del self.calls[address], self.failures[address], self.failed[address]
            self.rested.discard(address)

    @invariant()
    def new_calls_have_every_listed_address_and_no_other(self) -> None:
        """Nobody is lost, and nobody who left is called."""
        order = self.book.in_order(self.now)
        assert len(order) == len(set(order))
        assert set(order) == self.listed

    @invariant()
    def calls_are_counted(self) -> None:
        """What is said of calls in progress is true."""
        told = {each.address: each.calls for each in self.book.status(self.now)}
        assert told == {str(address): calls for address, calls in self.calls.items()}

    @invariant()
    def nobody_is_ejected_for_less_than_three_failures(self) -> None:
        """One bad call, or two, take no address away from everybody."""
        for each in self.book.status(self.now):
            address = next(address for address in self.calls if str(address) == each.address)
            failures = self.failures[address] + len(self.failed[address])
            assert each.state is not AddressState.EJECTED or failures >= MAX_FAILURES

    @invariant()
    def everybody_is_asked_again_in_time(self) -> None:
        """Nobody listed is forgotten: the next health check is near, or on its way."""
        for each in self.book.status(self.now):
            if each.check_in_ms is not None:
                assert each.check_in_ms <= max(CHECK_MS, *EJECTED_MS)
        due = self.book.next_due()
        assert (due is None) is (self.listed <= self.checking)

    @invariant()
    def ejected_ones_come_last(self) -> None:
        """An ejected address is tried only when nobody else is left."""
        states = {each.address: each.state for each in self.book.status(self.now)}
        is_ejected = [states[str(address)] is AddressState.EJECTED for address in self.book.in_order(self.now)]
        assert is_ejected == sorted(is_ejected)


TestBook = Book.TestCase
