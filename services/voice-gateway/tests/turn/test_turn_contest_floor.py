"""Whose words are heard over a reply, and what becomes of the reply meanwhile."""

from typing import cast

import pytest
from gateway_kit.phone_call import LANGUAGE, at
from voice_gateway.domain.events import InterruptCause
from voice_gateway.domain.instant import Instant
from voice_gateway.domain.player import Player
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.turn.contest import Contest, Said, Verdict
from voice_gateway.turn.reply.agent import Agent
from voice_gateway.turn.tables import FLOOR, Floor, Machine
from voice_gateway.turn.user.utterance import Sound

FRESH = Sound(is_noticed=True, is_fresh=True)
STALE = Sound(is_noticed=True)
ASKED = Sound(is_noticed=True, is_asked=True, has_voice=True)
UNNOTICED = Sound(is_noticed=False)
BEFORE, AFTER = at(900), at(1_100)
LATE = Instant(at(2_500) - 1)


class Voice:
    """An agent that has said "Please wait a moment" since one second, and its reply."""

    def __init__(self) -> None:
        self.current = self
        self.is_held = self.has_question = self.is_opening = False
        self.done: list[str] = []
        self.heard_since = at(1_000)

    def spoken(self, _: Instant, ended: Instant, __: Instant) -> str:
        """What it has said aloud by then."""
        return "Please wait a moment." if ended >= at(1_000) else ""

    def unheard(self, by: Instant) -> str | None:
        """The reply, if nothing of it was heard by then."""
        return "reply" if by < self.heard_since else None

    def has_asked(self, *_: Instant) -> bool:
        """Whether it asks something."""
        return self.has_question

    def is_protected(self, _: Instant) -> bool:
        """Whether nothing interrupts it yet."""
        return self.is_opening

    def hold(self, _: Instant) -> None:
        """Hold the reply."""
        self.is_held = True
        self.done.append("hold")

    def resume(self, _: Instant) -> None:
        """Go on with the reply."""
        self.is_held = False
        self.done.append("resume")

    def interrupt(self, cause: InterruptCause, _: Instant) -> None:
        """Stop the reply."""
        self.done.append(cause.name)


class Over:
    """A contest over the agent's voice."""

    def __init__(self, floor: Floor = Floor.AGENT, player: Player = Player.PAUSES) -> None:
        self.voice = Voice()
        self.floor = Machine(FLOOR, floor)
        self.contest = Contest(TurnPolicy(), LANGUAGE, self.floor, cast("Agent", self.voice), player=player)

    def part(self, text: str, sound: Sound, began: Instant = BEFORE, *, is_final: bool = True) -> str | None:
        """What of these words is the user's."""
        return self.contest.users_part(text, began, at(1_500), at(2_000), is_final=is_final, sound=sound)

    def verdict(self, text: str, *, is_final: bool = False, is_asked: bool = False, sounds_on: bool = False) -> Verdict:
        """The verdict on words by a voice, of 300 ms."""
        said = Said(text, 300, is_final=is_final, has_voice=True)
        return self.contest.verdict(said, at(2_000), is_asked=is_asked, sounds_on=sounds_on)


@pytest.mark.parametrize(
    ("sound", "began", "is_users"),
    [
        (FRESH, BEFORE, True),
        (FRESH, AFTER, False),
        (STALE, BEFORE, False),
        (UNNOTICED, BEFORE, False),
        (ASKED, AFTER, True),
        (Sound(is_noticed=True, is_asked=True), AFTER, False),
        (Sound(is_noticed=True, has_voice=True), AFTER, False),
    ],
)
def test_one_word_of_the_agents_may_be_the_users(sound: Sound, began: Instant, *, is_users: bool) -> None:
    """If its sound began before the reply left, or if a voice answers; it is the user's once it is final."""
    assert Over().part("wait", sound, began) == ("wait" if is_users else "")
    assert Over().part("wait", sound, began, is_final=False) == (None if is_users else "")
    assert Over().part("Paris", sound, began) == "Paris"


def test_a_text_before_the_agent_speaks_is_the_users() -> None:
    """What ended before the reply left is no echo of it."""
    over = Over()
    for sound in (STALE, UNNOTICED):
        assert over.contest.users_part("wait", BEFORE, at(999), at(2_000), is_final=True, sound=sound) == "wait"
        over.contest.hears_itself()


def test_where_the_agents_voice_comes_back_words_without_a_sound_are_its_own() -> None:
    """Nor is a word the user's because its sound began early: only one that may answer is."""
    over = Over()
    over.contest.hears_itself()
    assert [over.part("Paris", sound) for sound in (UNNOTICED, STALE)] == ["", "Paris"]
    assert [over.part("wait", sound, AFTER) for sound in (FRESH, ASKED)] == ["", "wait"]
    assert over.part("wait", FRESH) == ""


@pytest.mark.parametrize("is_final", [True, False])
def test_several_words_of_the_agents_show_an_echo(*, is_final: bool) -> None:
    """From then on no single word that the agent has said is the user's, however its sound began."""
    over = Over()
    assert over.part("wait a moment", FRESH, is_final=is_final) == ""
    assert [over.part("wait", sound, is_final=is_final) for sound in (FRESH, ASKED)] == ["", ""]


def test_the_third_lone_word_in_a_row_is_an_echo() -> None:
    """Two may be the user's, and from the third on none is, not even after other words."""
    over = Over()
    assert [over.part("wait", FRESH) for _ in range(3)] == ["wait", "wait", ""]
    assert (over.part("Paris", FRESH), over.part("wait", FRESH)) == ("Paris", "")


def test_two_lone_words_that_are_not_the_users_show_an_echo() -> None:
    """One alone does not: the next may be the user's."""
    once, twice = Over(), Over()
    assert (once.part("wait", STALE), once.part("wait", FRESH)) == ("", "wait")
    assert [twice.part("wait", sound) for sound in (STALE, STALE, FRESH)] == ["", "", ""]
    assert (twice.part("Paris", FRESH), twice.part("wait", FRESH)) == ("Paris", "")


@pytest.mark.parametrize(("is_final", "third"), [(True, "wait"), (False, "")])
def test_words_of_the_users_own_end_the_row(third: str, *, is_final: bool) -> None:
    """Once they are final: an interim may still turn out to be the agent's."""
    over = Over()
    assert [over.part("wait", FRESH) for _ in range(2)] == ["wait", "wait"]
    assert over.part("Paris", FRESH, is_final=is_final) == "Paris"
    assert over.part("wait", FRESH) == third


def test_an_onset_holds_the_reply_until_there_is_a_verdict() -> None:
    """It goes on 1500 ms after it was held, exactly then, and once."""
    over = Over()
    over.contest.onset(AFTER, at(1_000))
    assert (over.voice.done, over.floor.state, over.contest.deadline()) == (["hold"], Floor.CONTESTED, at(2_500))
    for now, done in ((LATE, ["hold"]), (at(2_500), ["hold", "resume"]), (at(2_600), ["hold", "resume"])):
        over.contest.on_deadline(now)
        assert over.voice.done == done
    assert (over.floor.state is Floor.AGENT, over.contest.deadline()) == (True, None)


def test_a_second_onset_gives_no_more_time() -> None:
    """A reply that is held is not held again."""
    over = Over()
    over.contest.onset(AFTER, at(1_000))
    over.contest.onset(AFTER, at(1_400))
    over.voice.heard_since = at(1_900)
    over.contest.hold_for_sound(at(1_800))
    assert (over.voice.done, over.contest.deadline()) == (["hold"], at(2_500))


@pytest.mark.parametrize(
    ("floor", "is_opening", "player", "is_held"),
    [
        (Floor.AGENT, False, Player.PAUSES, True),
        (Floor.AGENT, True, Player.PAUSES, False),
        (Floor.AGENT, False, Player.NEVER_HELD, False),
        (Floor.NOBODY, False, Player.PAUSES, False),
        (Floor.USER, False, Player.PAUSES, False),
    ],
)
def test_what_an_onset_holds(floor: Floor, player: Player, *, is_opening: bool, is_held: bool) -> None:
    """A reply that is heard, is past its protected opening, and can be held."""
    over = Over(floor, player)
    over.voice.is_opening = is_opening
    over.contest.onset(AFTER, at(1_200))
    assert over.voice.is_held is is_held


def test_where_the_agents_voice_comes_back_sound_alone_holds_nothing() -> None:
    """Words that are too few for a verdict do."""
    over = Over()
    over.part("wait a moment", FRESH)
    over.contest.onset(AFTER, at(1_200))
    held = [over.voice.is_held, over.verdict("no") is Verdict.WAIT, over.voice.is_held]
    assert held == [False, True, True]
    quiet = Over()
    assert (quiet.verdict("no"), quiet.voice.done) == (Verdict.WAIT, [])


@pytest.mark.parametrize(
    ("began", "is_over", "is_held"), [(BEFORE, False, True), (at(1_000), False, False), (BEFORE, True, False)]
)
def test_who_spoke_before_the_reply_was_heard_holds_it(began: Instant, *, is_over: bool, is_held: bool) -> None:
    """It is no echo; once the sound has ended, or its turn is committed, it holds nothing."""
    over = Over(Floor.USER)
    over.contest.onset(began, at(1_000))
    if is_over:
        over.contest.sound_ended()
    over.contest.hold_for_sound(at(1_200))
    over.contest.hold_for_sound(at(1_300))
    assert over.voice.done == (["hold"] if is_held else [])


@pytest.mark.parametrize(
    ("now", "sounds_on", "goes_on"), [(LATE, True, False), (at(2_500), True, True), (LATE, False, True)]
)
def test_a_backchannel_lets_the_reply_go_on_unless_somebody_speaks(
    now: Instant, *, sounds_on: bool, goes_on: bool
) -> None:
    """Who still speaks, and did not say it, is judged until 1500 ms after the onset was told."""
    over = Over()
    over.contest.onset(AFTER, at(1_000))
    over.contest.disregarded(now, sounds_on=sounds_on)
    assert (over.voice.done[1:], over.floor.state) == ((["resume"], Floor.AGENT) if goes_on else ([], Floor.CONTESTED))
    assert over.contest.deadline() == (None if goes_on else at(2_500))


@pytest.mark.parametrize(
    ("text", "is_final", "is_asked", "verdict", "done"),
    [
        ("Stop.", False, False, Verdict.YIELD, ["USER_SPEECH"]),
        ("Paris.", True, False, Verdict.YIELD, ["USER_SPEECH"]),
        ("Okay.", True, False, Verdict.GO_ON, ["resume"]),
        ("Okay.", True, True, Verdict.YIELD, ["USER_SPEECH"]),
        ("Okay.", False, False, Verdict.WAIT, []),
    ],
)
def test_what_a_verdict_does(text: str, verdict: Verdict, done: list[str], *, is_final: bool, is_asked: bool) -> None:
    """An interruption stops the reply, a backchannel lets it go on, and what is undecided does neither."""
    over = Over()
    assert (over.verdict(text, is_final=is_final, is_asked=is_asked), over.voice.done) == (verdict, done)


def test_a_backchannel_of_one_who_does_not_speak_leaves_the_reply_held() -> None:
    """Somebody else speaks on, by the sound, and is still to be judged."""
    over = Over()
    over.contest.onset(AFTER, at(1_000))
    assert over.verdict("Okay.", is_final=True, sounds_on=True) is Verdict.GO_ON
    assert (over.voice.done, over.contest.deadline()) == (["hold"], at(2_500))


def test_without_a_sound_nothing_is_held() -> None:
    """A reply that nobody has heard yet is not held unless somebody began to speak."""
    over = Over(Floor.USER)
    over.contest.hold_for_sound(at(100))
    assert over.voice.done == []


def test_who_began_again_is_judged_from_the_later_onset() -> None:
    """A backchannel behind a second onset leaves 1500 ms from when that was told."""
    over = Over()
    for told in (at(1_000), at(1_400)):
        over.contest.onset(AFTER, told)
    over.contest.disregarded(at(2_000), sounds_on=True)
    assert over.contest.deadline() == at(2_900)


def test_a_question_that_is_heard_makes_yes_an_answer() -> None:
    """Whether or not the sound of the word is known to have begun behind it."""
    over = Over()
    over.voice.has_question = True
    assert over.verdict("Okay.", is_final=True) is Verdict.YIELD


@pytest.mark.parametrize("floor", [Floor.NOBODY, Floor.USER])
def test_without_the_agents_voice_there_is_no_verdict(floor: Floor) -> None:
    """There is nobody to take the floor from."""
    over = Over(floor)
    assert (over.verdict("Stop.", is_final=True), over.voice.done) == (Verdict.WAIT, [])


def test_a_protected_opening_is_not_interrupted() -> None:
    """Words over it wait, but a backchannel is one all the same."""
    over = Over()
    over.voice.is_opening = True
    assert (over.verdict("Stop."), over.voice.done) == (Verdict.WAIT, [])
    assert (over.verdict("Okay.", is_final=True), over.voice.done) == (Verdict.GO_ON, ["resume"])


def test_another_policy_and_language_judge_from_then_on() -> None:
    """What acknowledges in the old language is content in the new one, and a new timeout holds for the next hold."""
    over = Over()
    over.contest.reconfigure(TurnPolicy(contested_timeout_ms=300), "de-DE")
    over.contest.onset(AFTER, at(1_000))
    assert over.contest.deadline() == at(1_300)
    assert over.verdict("Right.", is_final=True) is Verdict.YIELD
