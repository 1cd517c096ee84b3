"""How far a reply was heard: by the clock, and by what the client reports. There are two samples in a millisecond."""

import pytest
from gateway_kit.phone_call import at
from voice_gateway.domain.instant import Instant
from voice_gateway.domain.player import Player
from voice_gateway.turn.reply.playback import Heard, Playback, Reporting

JUST = Instant(1)
"""The shortest time."""


def playback(player: Player = Player.PAUSES, reporting: Reporting = Reporting.NOT_YET) -> Playback:
    """Playout to a client that is thought to keep 100 ms, which are 200 samples."""
    return Playback(2_000, 100, 5_000, reporting, player)


def started(player: Player = Player.PAUSES, reporting: Reporting = Reporting.NOT_YET) -> Playback:
    """Playout that has left from its beginning at 1000 ms on."""
    made = playback(player, reporting)
    made.started(0, at(1_000), is_held=False)
    return made


def resumed(player: Player) -> Playback:
    """Playout that began at 1000 ms, was held from 1500 to 2000 ms, and was heard to 800."""
    made = started(player)
    made.held(at(1_500))
    assert made.resumed(at(2_000)) == 800
    return made


def after(instant: Instant) -> Instant:
    """The next instant."""
    return Instant(instant + JUST)


def first_heard_ms(made: Playback) -> int:
    """When its first sample was heard: whoever is noticed to speak 150 ms later had heard it just not."""
    (time_ms,) = (ms for ms in range(3_000) if not made.is_heard_by(at(ms)) and made.is_heard_by(after(at(ms))))
    return time_ms - 150


def test_before_anything_has_left() -> None:
    """Of a reply of which nothing has left nothing was heard, and nothing is awaited of the client."""
    for reporting in Reporting:
        made = playback(reporting=reporting)
        assert made.heard(at(9_000)) == Heard(0, is_estimate=True)
        assert (made.paced(at(9_000)), made.heard_ms(at(9_000)), made.total_samples) == (0, 0, 0)
        assert made.left_at is None
        assert made.deadline() is None
        assert not made.is_completed
        assert not made.is_empty
        assert not made.is_settled
        assert not made.is_heard_by(at(9_000))
        assert not made.is_stalled(at(9_000))
        assert made.may_end_at(1)


def test_who_reports_is_known_from_the_first_report() -> None:
    """A client reports once it has told anything, unless it can tell nothing any more."""
    assert [playback(reporting=each).is_reporting for each in Reporting] == [False, True, False]
    first, gone = started(), started()
    gone.reports_ended()
    for made in (first, gone):
        made.reported(0, at(1_010), is_final=False, is_held=False)
    assert (first.is_reporting, gone.is_reporting) == (True, False)


@pytest.mark.parametrize(("now_ms", "heard"), [(1_000, 0), (1_100, 0), (1_101, 2), (1_500, 800)])
def test_by_the_clock_the_client_keeps_its_buffer(now_ms: int, heard: int) -> None:
    """Without reports a sample is heard 100 ms after real time has come to it."""
    made = started()
    assert made.heard(at(now_ms)) == Heard(heard, is_estimate=True)
    assert made.heard_ms(at(now_ms)) == heard // 2
    assert made.left_at == at(1_000)


def test_by_the_clock_the_end_is_when_the_last_sample_was_heard() -> None:
    """300 ms of audio from 1000 ms on are heard at 1400 ms, neither earlier nor later."""
    made = started()
    assert made.deadline() is None
    made.completed(600)
    assert made.is_completed
    assert not made.is_empty
    assert made.total_samples == 600
    assert made.paced(at(2_000)) == 600
    assert made.deadline() == at(1_400)
    assert not made.is_over(at(1_399))
    assert made.is_over(at(1_400))


def test_a_playout_of_nothing_is_empty() -> None:
    """A reply without any audio is complete and empty, and has no end to wait for."""
    made = playback()
    made.completed(0)
    assert (made.is_completed, made.is_empty, made.total_samples) == (True, True, 0)
    assert made.deadline() is None
    assert not made.is_over(at(9_000))


def test_audio_that_has_left_before_its_place_is_no_end_in_the_past() -> None:
    """Where playout stands behind the total, as when that is told late, the end is the buffer's time from then on."""
    made = started()
    made.starved(700, at(1_350), is_held=False)
    made.completed(600)
    assert made.deadline() == at(1_450)


@pytest.mark.parametrize(
    ("player", "heard"),
    [
        (Player.PAUSES, {1_300: 400, 1_350: 400, 1_500: 400}),
        (Player.NEVER_HELD, {1_300: 400, 1_350: 400, 1_500: 400}),
        (Player.PLAYS_OUT, {1_300: 400, 1_350: 500, 1_400: 600, 1_500: 600}),
        (Player.FLUSHES, {1_300: 400, 1_350: 500, 1_400: 600, 1_500: 600}),
    ],
)
def test_some_players_play_the_rest_when_playout_waits(player: Player, heard: dict[int, int]) -> None:
    """While playout waits at 600, a player that keeps its buffer stands, and another one plays what it has."""
    made = started(player)
    made.starved(600, at(1_300), is_held=False)
    assert {ms: made.heard(at(ms)).samples for ms in heard} == heard
    assert made.paced(at(1_500)) == 600


@pytest.mark.parametrize(
    ("player", "heard"),
    [
        (Player.PAUSES, {1_600: 400, 1_650: 500, 1_750: 700}),
        (Player.PLAYS_OUT, {1_600: 600, 1_650: 600, 1_750: 700}),
        (Player.FLUSHES, {1_600: 600, 1_650: 600, 1_750: 700}),
    ],
)
def test_what_was_heard_before_a_gap_stays_heard(player: Player, heard: dict[int, int]) -> None:
    """When audio leaves again the buffer fills anew, and nothing that was heard is taken back."""
    made = started(player)
    made.starved(600, at(1_300), is_held=False)
    made.started(600, at(1_600), is_held=False)
    assert {ms: made.heard(at(ms)).samples for ms in heard} == heard
    assert made.left_at == at(1_000)
    assert first_heard_ms(made) == 1_100


def test_audio_that_leaves_again_from_further_back_was_not_heard() -> None:
    """A slow wire had not written the last 100 samples to a player that is flushed: they are still to be heard."""
    made = started(Player.FLUSHES)
    made.starved(600, at(1_300), is_held=False)
    made.started(500, at(1_600), is_held=False)
    assert made.heard(at(1_600)) == Heard(500, is_estimate=True)


def test_between_reports_the_clock_goes_on() -> None:
    """From its last position a client plays on in real time, but not further than audio has left."""
    made = started()
    made.reported(300, at(1_300), is_final=False, is_held=False)
    assert made.heard(at(1_300)) == Heard(300, is_estimate=True)
    assert made.heard(at(1_350)) == Heard(400, is_estimate=True)
    made.starved(650, at(1_325), is_held=False)
    assert made.heard(at(1_450)) == Heard(600, is_estimate=True)
    assert made.heard(at(1_900)) == Heard(650, is_estimate=True)


def test_a_report_that_goes_back_takes_nothing_back() -> None:
    """The farthest position counts, from the instant of the last report; it does not count as playing on."""
    made = started()
    made.reported(300, at(1_300), is_final=False, is_held=False)
    made.reported(300, at(1_350), is_final=False, is_held=False)
    made.reported(200, at(1_400), is_final=False, is_held=False)
    assert made.heard(at(1_450)) == Heard(400, is_estimate=True)
    assert made.deadline() == at(6_300)
    assert not made.is_settled


def test_the_last_report_is_no_estimate() -> None:
    """After its last word a client plays nothing more, and a late report of an earlier position changes nothing."""
    made = started()
    made.reported(300, at(1_300), is_final=False, is_held=False)
    made.reported(320, at(1_310), is_final=True, is_held=False)
    made.reported(310, at(1_320), is_final=False, is_held=False)
    assert made.is_settled
    assert made.is_over(at(1_320))
    assert made.heard(at(9_000)) == Heard(320, is_estimate=False)


def test_a_last_report_may_repeat_the_position() -> None:
    """A client that stops where it stood tells the same position as its last."""
    made = started()
    made.reported(300, at(1_300), is_final=False, is_held=False)
    made.reported(300, at(1_310), is_final=True, is_held=False)
    assert made.heard(at(9_000)) == Heard(300, is_estimate=False)


def test_the_first_sample_is_dated_by_the_first_position() -> None:
    """By the clock it is heard 100 ms after it left; the first position that is not 0 tells when it was in truth."""
    made = started()
    assert first_heard_ms(made) == 1_100
    made.reported(0, at(1_080), is_final=False, is_held=False)
    assert first_heard_ms(made) == 1_080
    made.reported(100, at(1_180), is_final=False, is_held=False)
    assert first_heard_ms(made) == 1_130
    made.reported(300, at(1_190), is_final=False, is_held=False)
    assert first_heard_ms(made) == 1_130


@pytest.mark.parametrize(("played", "is_over"), [(559, False), (560, True), (600, True)])
def test_a_player_that_is_20_ms_from_the_end_has_played_it(*, played: int, is_over: bool) -> None:
    """Of 600 samples a client that reports may leave out the last 40, and no more, however late it is."""
    made = started(reporting=Reporting.YES)
    made.completed(600)
    made.reported(played, at(1_300), is_final=False, is_held=False)
    assert made.is_over(at(9_000)) is is_over
    assert made.is_stalled(at(9_000)) is not is_over
    assert made.deadline() == (None if is_over else at(6_300))


def test_a_stall_is_counted_from_the_last_time_the_client_played_on() -> None:
    """A client that reports has five seconds to play on, from each time it does."""
    made = started(reporting=Reporting.YES)
    assert made.deadline() == at(6_000)
    assert not made.is_stalled(at(5_999))
    assert made.is_stalled(at(6_000))
    made.reported(100, at(1_200), is_final=False, is_held=False)
    assert made.deadline() == at(6_200)
    assert not made.is_stalled(at(6_199))
    made.started(800, at(1_400), is_held=False)
    assert made.deadline() == at(6_400)


def test_a_client_that_does_not_report_is_never_stalled() -> None:
    """Where nobody tells positions there is nothing that could stand still."""
    assert not started().is_stalled(at(99_000))
    assert not started(reporting=Reporting.OVER).is_stalled(at(99_000))


@pytest.mark.parametrize(
    ("player", "played", "is_due"),
    [
        (Player.PAUSES, 559, True),
        (Player.PAUSES, 560, False),
        (Player.PLAYS_OUT, 100, False),
        (Player.FLUSHES, 100, False),
    ],
)
def test_who_has_played_all_that_came_is_not_stalled(player: Player, played: int, *, is_due: bool) -> None:
    """While playout waits at 600 for synthesis, a client that has played that far waits without any fault; of a player
    that runs dry nothing is asked until more comes.
    """
    made = started(player)
    made.reported(played, at(1_290), is_final=False, is_held=False)
    made.starved(600, at(1_300), is_held=False)
    assert made.is_stalled(at(9_000)) is is_due
    assert made.deadline() == (at(6_290) if is_due else None)


def test_what_is_complete_is_due_although_playout_had_to_wait() -> None:
    """When nothing more is to come, a client that reports has to play the rest of what it has."""
    made = started(Player.PLAYS_OUT)
    made.reported(100, at(1_290), is_final=False, is_held=False)
    made.starved(600, at(1_300), is_held=False)
    made.completed(600)
    assert made.deadline() == at(6_290)


def test_a_settled_client_is_not_stalled() -> None:
    """Who has told their last position is waited for no more."""
    made = started()
    made.reported(100, at(1_200), is_final=True, is_held=False)
    assert made.deadline() is None
    assert not made.is_stalled(at(9_000))


def test_a_player_that_pauses_stands_while_it_is_held() -> None:
    """Nothing is heard during a hold; after it the reply goes on from where it was heard to, 800 samples."""
    made = started()
    made.held(at(1_500))
    assert made.heard(at(1_990)) == Heard(800, is_estimate=True)
    assert made.paced(at(1_990)) == 1_000
    assert made.resumed(at(2_000)) == 800
    assert {ms: made.paced(at(ms)) for ms in (2_000, 2_050, 2_150)} == {2_000: 800, 2_050: 900, 2_150: 1_100}
    assert {ms: made.heard(at(ms)).samples for ms in (2_000, 2_100, 2_150)} == {2_000: 800, 2_100: 800, 2_150: 900}


def test_a_player_that_plays_out_plays_on_while_it_is_held() -> None:
    """A hold changes nothing at the client: it goes on as it was."""
    made = started(Player.PLAYS_OUT)
    made.held(at(1_500))
    assert made.heard(at(1_700)) == Heard(1_200, is_estimate=True)
    assert made.resumed(at(2_000)) == 1_800
    assert made.heard(at(2_050)) == Heard(1_900, is_estimate=True)


def test_a_player_that_was_flushed_waits_for_audio_after_the_hold() -> None:
    """What it had was dropped: it stands at 800 until audio leaves from there again."""
    made = resumed(Player.FLUSHES)
    assert made.paced(at(2_500)) == made.heard(at(2_500)).samples == 800
    made.started(800, at(2_500), is_held=False)
    assert {ms: made.heard(at(ms)).samples for ms in (2_500, 2_600, 2_650)} == {2_500: 800, 2_600: 800, 2_650: 900}


def test_what_has_left_is_no_longer_complete_when_it_is_sent_again() -> None:
    """A player that was flushed gets the rest a second time, so that its playout ends a second time."""
    flushed, paused = started(Player.FLUSHES), started()
    for made in (flushed, paused):
        made.completed(1_200)
        made.held(at(1_500))
        made.resumed(at(2_000))
    assert (flushed.is_completed, paused.is_completed) == (False, True)


@pytest.mark.parametrize(("held_ms", "first_ms"), [(1_050, 2_110), (1_500, 1_100)])
@pytest.mark.parametrize("player", [Player.PAUSES, Player.FLUSHES])
def test_a_reply_that_was_held_before_it_was_heard_is_heard_after_the_hold(
    player: Player, held_ms: int, first_ms: int
) -> None:
    """The first sample is heard when it sounds: a hold puts it off, unless it had sounded."""
    made = started(player)
    made.held(at(held_ms))
    if held_ms < 1_100:
        assert not made.is_heard_by(at(9_000))
    made.resumed(at(2_010))
    if player is Player.FLUSHES:
        made.started(0 if held_ms < 1_100 else 800, at(2_010), is_held=False)
    assert first_heard_ms(made) == first_ms


@pytest.mark.parametrize("player", [Player.PAUSES, Player.FLUSHES])
def test_audio_that_leaves_first_in_a_hold_is_not_heard(player: Player) -> None:
    """A player that is silent while it is held keeps its first audio until it may play."""
    made = playback(player)
    made.started(0, at(1_000), is_held=True)
    assert made.left_at == at(1_000)
    assert made.heard(at(1_900)) == Heard(0, is_estimate=True)
    assert not made.is_heard_by(at(1_900))


def test_audio_that_leaves_first_in_a_hold_is_heard_where_the_player_plays_out() -> None:
    """A player that cannot be stopped plays what leaves, held or not."""
    made = playback(Player.PLAYS_OUT)
    made.started(0, at(1_000), is_held=True)
    assert made.heard(at(1_200)) == Heard(200, is_estimate=True)
    assert first_heard_ms(made) == 1_100


def test_facts_of_playout_that_cross_with_a_flush_are_dropped() -> None:
    """What left, or ran dry, while the hold was on its way was flushed: only a player that is flushed forgets it."""
    flushed, plays = started(Player.FLUSHES), started(Player.PLAYS_OUT)
    for made in (flushed, plays):
        made.held(at(1_500))
        made.starved(1_020, at(1_510), is_held=True)
        made.started(1_020, at(1_550), is_held=True)
    assert (flushed.paced(at(1_600)), plays.paced(at(1_600))) == (800, 1_120)
    assert flushed.heard(at(1_600)) == Heard(800, is_estimate=True)


def test_playout_can_end_only_where_it_has_come_to() -> None:
    """Of what is to be sent again the end is not taken for told before it has begun to leave."""
    made = resumed(Player.FLUSHES)
    assert made.may_end_at(800)
    assert not made.may_end_at(801)
    made.started(800, at(2_010), is_held=False)
    assert made.may_end_at(801)
    assert resumed(Player.PAUSES).may_end_at(801)
    assert playback(Player.FLUSHES).may_end_at(1)


def test_a_hold_is_not_the_last_word_of_the_client() -> None:
    """What a client tells as its last when it is held is where it goes on from afterwards."""
    made = started()
    made.held(at(1_500))
    made.reported(700, at(1_550), is_final=True, is_held=True)
    assert made.heard(at(1_900)) == Heard(700, is_estimate=False)
    assert made.resumed(at(2_000)) == 700
    assert not made.is_settled
    assert made.heard(at(2_000)).is_estimate


@pytest.mark.parametrize(
    ("played", "first_ms"),
    [(500, 1_250), (900, 1_100)],
    ids=["later than thought", "not earlier than thought"],
)
def test_a_position_told_at_a_hold_dates_the_first_sample(played: int, first_ms: int) -> None:
    """The client stood when it was held, at 1500 ms: from there the time of its first sample is reckoned."""
    made = started()
    made.held(at(1_500))
    made.reported(played, at(1_550), is_final=False, is_held=True)
    assert first_heard_ms(made) == first_ms


def test_a_position_told_while_the_player_plays_on_is_one_of_now() -> None:
    """A hold does not stop a player that plays out: its position is of the instant at which it tells it."""
    made = started(Player.PLAYS_OUT)
    made.held(at(1_500))
    made.reported(500, at(1_550), is_final=False, is_held=True)
    assert first_heard_ms(made) == 1_300


def test_a_player_that_was_flushed_before_it_played_has_heard_nothing() -> None:
    """By the clock it had played 800; it tells that it had not, so that the reply can be taken back."""
    made = started(Player.FLUSHES)
    made.held(at(1_500))
    made.reported(0, at(1_550), is_final=False, is_held=True)
    assert not made.is_heard_by(at(9_000))
    paused = started()
    paused.held(at(1_500))
    paused.reported(0, at(1_550), is_final=False, is_held=True)
    assert first_heard_ms(paused) == 1_500


@pytest.mark.parametrize(
    ("played", "heard"),
    [(800, 800), (801, 801), (860, 860), (861, 861)],
)
def test_a_report_of_before_the_flush_is_told_apart(played: int, heard: int) -> None:
    """Only a position in what has left again, after 800 and up to real time, says that the player plays it: then its
    last word counts.
    """
    made = resumed(Player.FLUSHES)
    made.started(800, at(2_010), is_held=False)
    made.reported(played, at(2_040), is_final=True, is_held=False)
    assert made.is_settled is (800 < played <= 860)
    assert made.heard(at(2_040)).samples == heard


def test_a_last_report_before_audio_leaves_again_is_of_before() -> None:
    """A position that was told before anything left again is none of the reply as it goes on."""
    made = resumed(Player.FLUSHES)
    made.reported(900, at(2_005), is_final=True, is_held=False)
    assert not made.is_settled


@pytest.mark.parametrize(("total", "is_over"), [(840, True), (841, False)])
def test_what_was_heard_before_a_flush_need_not_be_reported_again(*, total: int, is_over: bool) -> None:
    """A client of which 800 samples were heard is done with a reply of 840: it is sent, and reports, only the rest."""
    made = resumed(Player.FLUSHES)
    made.started(800, at(2_010), is_held=False)
    made.reported(0, at(2_011), is_final=False, is_held=False)
    made.completed(total)
    assert made.is_over(at(2_020)) is is_over
    paused = resumed(Player.PAUSES)
    paused.reported(0, at(2_011), is_final=False, is_held=False)
    paused.completed(total)
    assert not paused.is_over(at(2_020))


def test_a_player_that_was_flushed_gets_the_audio_again_from_where_it_says() -> None:
    """By the clock it had played 800; it tells 700 as its last position, and playout stands there until it goes on."""
    made = started(Player.FLUSHES)
    made.held(at(1_500))
    made.reported(700, at(1_550), is_final=True, is_held=True)
    assert made.resumed(at(2_000)) == 700
    assert made.paced(at(2_500)) == 700
    assert made.may_end_at(700)
    assert not made.may_end_at(701)
    assert made.deadline() is None
