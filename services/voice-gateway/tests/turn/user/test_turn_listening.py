"""Recognition streams: opened, half-closed, given up and replayed, order by order. Positions are plain samples."""

import pytest
from gateway_kit.phone_call import at
from voice_gateway.domain.errors import Backend, Reason
from voice_gateway.domain.events import Notice
from voice_gateway.domain.ids import StreamId
from voice_gateway.domain.instant import Instant
from voice_gateway.turn import effects
from voice_gateway.turn.effects import Emit, Fail, ForgetAudio, Orders
from voice_gateway.turn.tables import Listening
from voice_gateway.turn.user.listening import Recognition, Replay


def opens(stream: int, from_samples: int, *, follows: bool = False) -> effects.Effect:
    """A stream is opened."""
    return effects.OpenRecognition(StreamId(stream), from_samples, follows=follows)


def finishes(stream: int, at_samples: int | None) -> effects.Effect:
    """A stream is half-closed."""
    return effects.FinishRecognition(StreamId(stream), at_samples)


def cancels(stream: int) -> effects.Effect:
    """A stream is dropped."""
    return effects.CancelRecognition(StreamId(stream))


def interrupted(message: str) -> effects.Effect:
    """The client is told that recognition was interrupted."""
    text = f"speech recognition was interrupted: {message}"
    return Emit(Notice(Reason.RECOGNITION_INTERRUPTED, text, Backend.ASR))


class Ear:
    """The recognition of one session, with the orders that the last fact gave."""

    def __init__(self, *commits: int, patience_ms: int = 0) -> None:
        """The first stream is open, and these commits have come."""
        self.recognition = Recognition(Orders(), patience_ms)
        self.recognition.open(at(0))
        for position in commits:
            self.recognition.commit(position, at(0))
        self.recognition.orders.drain()

    def orders(self) -> list[effects.Effect]:
        """What was ordered since this was asked last."""
        return list(self.recognition.orders.drain())

    def covers(self, stream: int, samples: int) -> None:
        """A final of this stream covers the input to here."""
        self.recognition.confirmed(StreamId(stream), samples)

    def ends(self, stream: int, ms: int = 0) -> list[effects.Effect]:
        """A stream has delivered all it had."""
        self.recognition.ended(StreamId(stream), at(ms))
        return self.orders()

    def breaks(self, stream: int, ms: int = 0) -> list[effects.Effect]:
        """A stream breaks."""
        self.recognition.broke(StreamId(stream), "gone", at(ms))
        return self.orders()

    def waits_until(self, now: Instant) -> list[effects.Effect]:
        """Time passes, and what is due is done."""
        self.recognition.on_deadline(now)
        return self.orders()

    def streams(self) -> tuple[list[StreamId], StreamId | None, StreamId, tuple[StreamId, ...]]:
        """Those whose results are awaited, the one that is fed, the last that was half-closed, all that were."""
        listening = self.recognition
        return listening.live, listening.fed, listening.last_half_closed, listening.finalising

    def troubles(self) -> tuple[bool, bool, bool]:
        """Whether a stream has failed, whether that is an outage, and whether nobody can be heard."""
        return self.recognition.has_failed, self.recognition.is_away, self.recognition.is_deaf


def test_before_the_first_stream_nothing_is_owed() -> None:
    """A session that has not begun to listen waits for nothing, and nothing of it has failed."""
    new = Recognition(Orders())
    assert (new.state, new.live, new.fed, new.last_half_closed, new.finalising) == (Listening.CLOSED, [], None, 0, ())
    assert (new.is_away, new.has_failed, new.is_deaf, new.is_over, new.owes_a_final) == (False,) * 5
    assert (new.doubtful_until, new.deadline(), new.take_broken(), new.has_grace) == (None, None, None, False)
    assert (new.end_grace(at(9)), new.confirmed_samples, new.transcribed_samples(StreamId(1))) == (False, 0, 0)
    new.open(at(0))
    assert new.orders.drain() == (opens(1, 0),)


def test_a_commit_half_closes_a_stream_and_another_listens_on() -> None:
    """What was said to here is finalised, and what follows is heard from there, without a gap or an overlap."""
    ear = Ear()
    assert ear.streams() == ([1], 1, 0, ())
    ear.recognition.commit(500, at(100))
    assert ear.orders() == [finishes(1, 500), opens(2, 500, follows=True)]
    assert ear.streams() == ([1, 2], 2, 1, (1,))
    assert (ear.recognition.owes_a_final, ear.recognition.deadline()) == (True, at(10_100))
    assert [ear.recognition.is_stale(StreamId(each)) for each in (0, 1, 2, 3)] == [True, False, False, True]
    assert ear.recognition.finalising == (1,)
    assert [ear.recognition.is_oldest(StreamId(each)) for each in (1, 2)] == [True, False]
    pairs = ((1, 499), (1, 500), (2, 900))
    assert [ear.recognition.is_finalised_by(StreamId(each), covered) for each, covered in pairs] == [False, True, False]


@pytest.mark.parametrize(("position", "count"), [(499, 0), (500, 0), (501, 2)])
def test_a_commit_without_new_input_does_nothing(position: int, count: int) -> None:
    """A second commit at the same place has nothing to finalise; one sample more has."""
    ear = Ear(500)
    ear.recognition.commit(position, at(100))
    assert len(ear.orders()) == count


def test_at_most_four_streams_are_finalised_at_a_time() -> None:
    """A client that commits without pause opens no stream for each commit: the fifth changes nothing, also later."""
    ear = Ear(100, 200, 300)
    ear.recognition.commit(400, at(0))
    assert ear.orders() == [finishes(4, 400), opens(5, 400, follows=True)]
    ear.recognition.commit(500, at(0))
    assert (ear.orders(), len(ear.recognition.live)) == ([], 5)
    for stream in range(1, 5):
        ear.ends(stream)
    assert (len(ear.recognition.live), ear.recognition.owes_a_final) == (1, False)


def test_streams_that_end_are_forgotten_in_the_order_of_the_input() -> None:
    """Audio is kept until every stream before it has told its words: the ends may come in any order."""
    ear = Ear(500, 900)
    assert ear.ends(1, 50) == [ForgetAudio(500)]
    assert (ear.recognition.deadline(), ear.recognition.state) == (at(10_050), Listening.FINALISING)
    assert ear.ends(2) == [ForgetAudio(900)]
    assert (ear.recognition.deadline(), ear.recognition.state, ear.recognition.owes_a_final) == (
        None,
        Listening.OPEN,
        False,
    )
    other = Ear(500, 900)
    assert other.ends(2) == []
    assert other.ends(1) == [ForgetAudio(900)]


def test_a_final_of_the_oldest_stream_is_transcribed_for_good() -> None:
    """Its audio is forgotten once; a final that reaches no further changes nothing."""
    ear = Ear()
    for samples, ordered in ((300, [ForgetAudio(300)]), (300, []), (200, []), (301, [ForgetAudio(301)])):
        ear.covers(1, samples)
        assert ear.orders() == ordered
    assert ear.recognition.confirmed_samples == 301


def test_a_final_of_a_newer_stream_waits_for_the_older() -> None:
    """Its words are known, but the audio is kept until the older stream has told what was said before."""
    ear = Ear(500)
    ear.covers(2, 900)
    assert (ear.orders(), ear.recognition.confirmed_samples) == ([], 0)
    assert [ear.recognition.transcribed_samples(StreamId(each)) for each in (1, 2)] == [0, 900]
    assert ear.ends(1) == [ForgetAudio(900)]
    assert ear.recognition.transcribed_samples(StreamId(3)) == 900


def test_a_half_closed_stream_that_answers_gets_more_time() -> None:
    """A slow recogniser that still tells words is not given up; what the next stream tells proves nothing of it."""
    ear = Ear(500)
    ear.recognition.answered(StreamId(2), at(4_000))
    assert ear.recognition.deadline() == at(10_000)
    ear.recognition.answered(StreamId(1), at(4_000))
    assert ear.recognition.deadline() == at(14_000)


def test_a_half_closed_stream_that_is_silent_for_10_s_is_broken() -> None:
    """Its audio is heard again by another stream, to the same end, and the client is told why."""
    ear = Ear(500)
    assert ear.waits_until(Instant(at(10_000) - 1)) == []
    assert ear.waits_until(at(10_000)) == [
        cancels(1),
        cancels(2),
        interrupted("no final transcript came"),
        opens(3, 0),
        finishes(3, 500),
        opens(4, 500, follows=True),
    ]
    assert (ear.recognition.take_broken(), ear.recognition.take_broken()) == (Replay(StreamId(1), StreamId(3), 0), None)


def test_a_stream_that_ends_unasked_has_failed() -> None:
    """A recogniser that closes the stream in which somebody speaks hears everything since the last final again."""
    ear = Ear()
    ear.covers(1, 300)
    ear.orders()
    assert ear.ends(1) == [interrupted("the recogniser ended the stream"), opens(2, 300)]
    assert ear.troubles() == (True, False, False)
    for samples, doubtful_until in ((300, at(30_000)), (301, None)):
        ear.covers(2, samples)
        assert ear.troubles() == (doubtful_until is not None, False, False)
        assert ear.recognition.doubtful_until == doubtful_until


def test_attempts_come_ever_more_slowly_and_three_are_an_outage() -> None:
    """Attempts follow after 0, 500, 1000, 2000 and then 4000 ms, without another notice, until one proves steady."""
    ear, now_ms = Ear(), 0
    assert ear.breaks(1) == [interrupted("gone"), opens(2, 0)]
    for number, wait_ms in enumerate((500, 1_000, 2_000, 4_000, 4_000), start=2):
        assert ear.breaks(number, now_ms) == []
        assert ear.troubles() == (True, number > 2, number > 2)
        assert ear.recognition.deadline() == at(now_ms + wait_ms)
        assert ear.waits_until(Instant(at(now_ms + wait_ms) - 1)) == []
        now_ms += wait_ms
        assert ear.waits_until(at(now_ms)) == [opens(number + 1, 0)]
        assert ear.troubles() == (True, number > 2, False)
    steady = at(now_ms + 30_000)
    assert ear.recognition.deadline() == steady
    assert ear.waits_until(Instant(steady - 1)) == []
    assert ear.troubles() == (True, True, False)
    assert ear.waits_until(steady) == []
    assert (ear.troubles(), ear.recognition.deadline()) == ((False, False, False), None)


@pytest.mark.parametrize(("opened_for", "told"), [(at(30_000), [interrupted("gone"), opens(3, 0)]), (at(29_999), [])])
def test_a_stream_that_was_steady_begins_a_new_row_of_failures(opened_for: Instant, told: list[effects.Effect]) -> None:
    """A stream that breaks after 30 s is opened again at once, and the client is told again."""
    ear = Ear()
    ear.breaks(1)
    ear.recognition.broke(StreamId(2), "gone", opened_for)
    assert ear.orders() == told


def test_patience_counts_from_the_first_failure() -> None:
    """A session whose recogniser was away for all of its patience ends at the next failure, not one before."""
    for last_ms, fails in ((1_999, False), (2_000, True)):
        ear = Ear(patience_ms=1_000)
        ear.breaks(1, 1_000)
        batch = ear.breaks(2, last_ms)
        failure = Fail(Reason.BACKEND_UNAVAILABLE, "speech recognition: gone", Backend.ASR)
        assert batch == ([failure] if fails else [])


def test_after_the_half_close_a_sixth_failure_ends_the_session() -> None:
    """Nobody else would end it: five attempts are made to transcribe the last words, each half-closed at once."""
    ear, now_ms = Ear(), 0
    ear.recognition.input_ended(at(0), is_all_known=False)
    assert ear.orders() == [finishes(1, None)]
    for number, wait_ms in enumerate((0, 500, 1_000, 2_000, 4_000), start=1):
        ear.breaks(number, now_ms)
        now_ms += wait_ms
        ear.waits_until(at(now_ms))
        assert ear.streams() == ([number + 1], None, number + 1, (number + 1,))
    failure = Fail(Reason.BACKEND_UNAVAILABLE, "speech recognition: gone", Backend.ASR)
    assert ear.breaks(6, now_ms) == [failure]


def test_what_newer_streams_transcribed_after_the_half_close_is_heard_again() -> None:
    """The last stream finalises all of the rest at once: nothing between is left out of it."""
    ear = Ear(500)
    ear.covers(2, 900)
    ear.recognition.input_ended(at(0), is_all_known=False)
    assert ear.orders() == [finishes(2, None)]
    assert ear.breaks(1)[-2:] == [opens(3, 0), finishes(3, None)]
    assert ear.recognition.take_broken() == Replay(StreamId(1), StreamId(3), 0)


def test_the_input_is_over_when_the_last_final_came() -> None:
    """After the half-close a final is owed until the stream ends, without a limit."""
    ear = Ear()
    ear.recognition.force(500, 300, at(0))
    assert ear.recognition.has_grace
    ear.recognition.input_ended(at(0), is_all_known=True)
    over = [(ear.recognition.is_over, ear.recognition.owes_a_final, ear.recognition.has_grace)]
    for stream in (1, 2):
        ear.ends(stream)
        over.append((ear.recognition.is_over, ear.recognition.owes_a_final, ear.recognition.has_grace))
    assert over == [(False, True, False), (False, True, False), (True, False, False)]


@pytest.mark.parametrize(("is_all_known", "deadline"), [(True, None), (False, at(500))])
def test_a_half_close_while_recognition_is_down(*, is_all_known: bool, deadline: Instant | None) -> None:
    """If all words are known no stream is opened any more; else the next attempt hears the rest."""
    ear = Ear()
    ear.breaks(1)
    ear.breaks(2)
    ear.recognition.input_ended(at(0), is_all_known=is_all_known)
    assert (ear.orders(), ear.recognition.is_over) == ([], is_all_known)
    assert (ear.recognition.owes_a_final, ear.recognition.deadline()) == (not is_all_known, deadline)
    assert ear.waits_until(at(500)) == ([] if is_all_known else [opens(3, 0), finishes(3, None)])


def test_a_forced_final_is_late_after_its_grace() -> None:
    """Exactly then, and once; a final that comes before ends the wait, and nothing owed is not waited for."""
    ear = Ear()
    ear.recognition.force(0, 300, at(100))
    has_grace = [ear.recognition.has_grace]
    ear.recognition.force(500, 300, at(100))
    assert ear.recognition.deadline() == at(400)
    asked = [ear.recognition.end_grace(now) for now in (Instant(at(400) - 1), at(400), at(400))]
    assert (asked, ear.recognition.deadline()) == ([False, True, False], at(10_100))
    ear.recognition.force(700, 300, at(500))
    for stream in (1, 2):
        has_grace.append(ear.recognition.has_grace)
        ear.ends(stream)
    assert has_grace == [False, True, True]
    assert (ear.recognition.deadline(), ear.recognition.end_grace(at(900))) == (None, False)


def test_what_is_forgone_is_not_heard_again() -> None:
    """Streams whose finals are late are dropped and their audio is forgotten; the stream that is fed listens on."""
    ear = Ear(500, 900)
    ear.recognition.forgo()
    assert ear.orders() == [cancels(1), cancels(2), ForgetAudio(900)]
    assert (ear.streams(), ear.recognition.state, ear.recognition.deadline()) == (
        ([3], 3, 2, ()),
        Listening.OPEN,
        None,
    )
    ear.recognition.forgo()
    assert (ear.orders(), ear.recognition.state) == ([], Listening.OPEN)


def test_what_is_forgone_while_recognition_is_down_is_not_opened_again() -> None:
    """The next attempt begins behind the turn that was committed without its final."""
    ear = Ear(500)
    ear.breaks(1)
    ear.breaks(3)
    assert ear.recognition.owes_a_final
    ear.recognition.forgo()
    assert (ear.orders(), ear.recognition.owes_a_final) == ([ForgetAudio(500)], False)
    assert ear.waits_until(at(500)) == [opens(5, 500)]


def test_a_commit_while_recognition_is_down_is_made_up_for() -> None:
    """The next stream finalises the turn to where the client ended it, and its final is owed meanwhile."""
    ear = Ear()
    ear.breaks(1)
    ear.breaks(2)
    ear.recognition.force(700, 300, at(0))
    assert (ear.orders(), ear.recognition.owes_a_final, ear.recognition.has_grace) == ([], True, True)
    assert ear.waits_until(at(500)) == [opens(3, 0), finishes(3, 700), opens(4, 700, follows=True)]
    assert ear.recognition.has_grace


@pytest.mark.parametrize(
    ("commits", "covered", "transcribed", "end", "following"),
    [
        ((500,), {2: 900}, 900, 500, 900),
        ((500, 1_000), {2: 900, 3: 1_200}, 900, 500, 900),
        ((500, 1_000), {2: 1_000, 3: 1_200}, 1_200, 500, 1_200),
        ((500, 1_000), {2: 1_000}, 1_000, 500, 1_000),
        ((500, 1_000), {3: 1_200}, 1_200, 1_000, 1_200),
        ((500, 1_000), {}, 0, 1_000, 1_000),
    ],
)
def test_what_is_transcribed_behind_a_broken_stream_is_not_heard_again(
    commits: tuple[int, ...], covered: dict[int, int], transcribed: int, end: int, following: int
) -> None:
    """The older words are finalised to where they end, and listening goes on behind what newer streams have told."""
    ear, again = Ear(*commits), len(commits) + 2
    for stream, samples in covered.items():
        ear.covers(stream, samples)
    batch = ear.breaks(1)
    assert ear.recognition.take_broken() == Replay(StreamId(1), StreamId(again), transcribed)
    assert batch[-3:] == [opens(again, 0), finishes(again, end), opens(again + 1, following, follows=True)]
    ear.breaks(again)
    assert ear.recognition.take_broken() == Replay(StreamId(again), StreamId(again + 2), transcribed)


def test_renewed_settings_are_heard_from_the_next_stream_on() -> None:
    """The old stream finalises all that it has heard, and the new one begins behind what is transcribed for good."""
    ear = Ear()
    ear.covers(1, 300)
    ear.orders()
    ear.recognition.renew(at(0))
    assert ear.orders() == [finishes(1, None), opens(2, 300, follows=True)]
    assert ear.breaks(1)[-1:] == [opens(3, 300)]
    assert not ear.recognition.owes_a_final


def test_closing_drops_every_stream() -> None:
    """Nothing is left running at a recogniser when the session is over."""
    ear = Ear(500)
    ear.recognition.close()
    assert ear.orders() == [cancels(1), cancels(2)]


def test_after_the_half_close_nothing_is_committed_any_more() -> None:
    """The last stream finalises all there is: a commit orders nothing, and its final is awaited without a limit."""
    ear = Ear()
    ear.recognition.input_ended(at(0), is_all_known=False)
    ear.orders()
    ear.recognition.commit(600, at(100))
    ear.recognition.force(700, 300, at(100))
    assert (ear.orders(), ear.recognition.has_grace, ear.recognition.live) == ([], False, [1])


def test_a_single_failure_is_no_outage_to_be_over() -> None:
    """Nobody is woken to see that a stream has proved steady, if no outage is to end."""
    ear = Ear()
    ear.breaks(1)
    assert ear.recognition.deadline() is None
    assert ear.waits_until(at(30_000)) == []
    assert ear.troubles() == (True, False, False)


def test_a_commit_behind_one_that_needed_no_stream_is_made_up_for() -> None:
    """A stream that had heard only what is transcribed is dropped; the next commit while recognition is down counts."""
    ear = Ear()
    ear.covers(1, 300)
    ear.recognition.renew(at(0))
    ear.breaks(1)
    ear.breaks(3)
    ear.recognition.commit(700, at(0))
    assert ear.waits_until(at(500)) == [opens(4, 300), finishes(4, 700), opens(5, 700, follows=True)]
