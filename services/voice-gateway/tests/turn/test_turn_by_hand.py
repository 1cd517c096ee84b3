"""Keys, prompts to a silent user and changes of settings, where a script would be long or has another persona."""

import json
from collections import deque
from dataclasses import replace
from typing import Any

import pytest
from gateway_kit.phone_call import AGREEMENT, PER_MS, PERSONA, at, new_core, played, question, rendered
from voice_gateway.domain import events
from voice_gateway.domain.agreement import Change
from voice_gateway.domain.errors import Reason
from voice_gateway.domain.ids import ReplyId, SentenceId, StreamId
from voice_gateway.domain.instant import NS_PER_MS
from voice_gateway.domain.persona import Persona
from voice_gateway.domain.plain import to_plain
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.turn import effects, inputs, snapshot
from voice_gateway.turn.core import Core
from voice_gateway.turn.reply.wording import MAX_SENTENCES
from voice_gateway.turn.user.keypad import LONGEST_DIGITS
from voice_gateway.turn.user.turn_so_far import MAX_TURN_CHARS
from voice_gateway.turn.user.waiting import MAX_WAITING_TURNS, SUPERSEDED_CHARS

CHANGE = Change(
    heard_language="de-DE",
    spoken_language="de-DE",
    voice="Karl",
    system_prompt="Be long.",
    policy=TurnPolicy(lead_ms=300),
)


def said_to_silence(persona: Persona) -> list[str]:
    """What is told, and when, if nobody ever says anything and no sentence can be spoken."""
    core, told = new_core(TurnPolicy(no_input_ms=1_000), persona), []
    core.handle(inputs.SessionStarted(), at(0))
    while (deadline := core.deadline()) is not None:
        batch = deque(core.on_deadline(deadline))
        while batch:
            effect = batch.popleft()
            if isinstance(effect, effects.Synthesize):
                failed = inputs.SpeechFailed(effect.reply, effect.sentence, 0, Reason.TTS_FAILED, "gone")
                batch.extend(core.handle(failed, deadline))
            elif isinstance(effect, effects.Emit) and isinstance(effect.event, events.ReplyText | events.Ended):
                told.append(f"{deadline // NS_PER_MS}: {getattr(effect.event, 'text', 'ended')}")
    return told


@pytest.mark.parametrize(
    ("reprompt", "goodbye", "told"),
    [
        ("Hello?", "Bye.", ["1000: Hello?", "2000: Bye.", "2000: ended"]),
        ("", "Bye.", ["1000: Bye.", "1000: ended"]),
        ("Hello?", "", ["1000: Hello?", "2000: ended"]),
        ("", "", ["1000: ended"]),
        ("...", "```", ["1000: ...", "2000: ```", "2000: ended"]),
    ],
)
def test_an_empty_prompt_is_left_out(reprompt: str, goodbye: str, told: list[str]) -> None:
    """Whichever sentences there are, and whether or not they can be spoken, a session that nobody uses ends."""
    assert said_to_silence(replace(PERSONA, reprompt=reprompt, goodbye=goodbye)) == told


def test_an_empty_apology_is_left_out() -> None:
    """Without an apology a model that fails is told as a notice, and the reply that says nothing ends."""
    core = new_core(persona=replace(PERSONA, apology=""))
    core.handle(inputs.SessionStarted(), at(0))
    core.handle(inputs.TextTyped("Hello."), at(0))
    batch = core.handle(inputs.ReplyFailed(ReplyId(1), Reason.LLM_FAILED, "gone"), at(1))
    told = [effect.event for effect in batch if isinstance(effect, effects.Emit)]
    assert [type(event) for event in told] == [events.Notice, events.ReplyFinished]


def test_a_prompt_belongs_to_no_turn_and_has_no_report() -> None:
    """Nobody waited for it: a latency of a prompt would spoil the figures of the turns."""
    core = new_core(TurnPolicy(no_input_ms=1_000))
    core.handle(inputs.SessionStarted(), at(0))
    begin, synthesize = core.on_deadline(at(1_000))
    assert isinstance(begin, effects.BeginReply)
    assert isinstance(synthesize, effects.Synthesize)
    (told, _) = core.handle(inputs.SpeechReady(begin.reply, synthesize.sentence), at(1_100))
    assert isinstance(told, effects.Emit)
    assert isinstance(told.event, events.ReplyText)
    assert (told.event.turn, told.event.kind) == (None, events.ReplyKind.REPROMPT)
    assert core.handle(inputs.PlayoutStarted(begin.reply, 0), at(1_100)) == ()


def test_keys_that_never_pause_are_a_turn_at_last() -> None:
    """A key that is stuck cannot grow memory without limit."""
    core = new_core()
    core.handle(inputs.SessionStarted(), at(0))
    transcripts = [
        effect.event
        for effect in core.handle(inputs.DigitsPressed("1" * (LONGEST_DIGITS + 2)), at(1))
        if isinstance(effect, effects.Emit) and isinstance(effect.event, events.Transcript)
    ]
    assert [(len(told.text), told.is_final) for told in transcripts] == [(LONGEST_DIGITS, True), (2, False)]


def test_the_server_leaves_when_the_keys_are_answered() -> None:
    """Keys that wait for the next are a turn that is under way: the drain waits for it."""
    core = new_core()
    core.handle(inputs.SessionStarted(), at(0))
    core.handle(inputs.DigitsPressed("1"), at(1))
    core.handle(inputs.DrainRequested(at(20_000)), at(2))
    assert any(isinstance(effect, effects.StartReply) for effect in core.on_deadline(at(1_501)))


def test_keys_outlive_the_core_as_said() -> None:
    """Keys that wait for the next are in a snapshot as what the user said, like a turn that waits."""
    core = new_core()
    core.handle(inputs.SessionStarted(), at(0))
    core.handle(inputs.DigitsPressed("42"), at(1))
    assert core.snapshot(at(2))["history"] == [["user", 1, 1, "42"]]


def test_a_change_under_way_outlives_the_core() -> None:
    """What the client changed, in force or not, is agreed in a snapshot; the next core begins with it."""
    core = new_core()
    core.handle(inputs.SessionStarted(), at(0))
    core.handle(inputs.SettingsChanged(replace(CHANGE, voice="Eva")), at(1))
    core.handle(inputs.TextTyped("Hello."), at(2))
    core.handle(inputs.SettingsChanged(Change(voice="Karl")), at(3))
    value = json.loads(json.dumps(core.snapshot(at(4))))
    assert value["agreement"] == to_plain(AGREEMENT.apply(CHANGE))
    restored = Core.restore(snapshot.parse(value))
    assert restored.snapshot(at(5)) == value
    (opened,) = restored.handle(inputs.SessionStarted(), at(6))
    assert isinstance(opened, effects.OpenRecognition)
    assert question(restored.handle(inputs.TextTyped("Hello."), at(7))).messages[0].text == "Be long."


def test_changes_merge_field_by_field() -> None:
    """What the later change leaves open stays as the earlier one says."""
    later = Change(voice="", policy=TurnPolicy(lead_ms=400))
    assert CHANGE.merged(later) == replace(CHANGE, voice="", policy=TurnPolicy(lead_ms=400))
    assert Change().merged(CHANGE) == CHANGE


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (Change(heard_language="de-DE", spoken_language="de-DE"), "language 'de-DE'"),
        (Change(spoken_language="fr-FR", voice="Eva"), "spoken language 'fr-FR', voice 'Eva'"),
        (Change(heard_language="de-DE", spoken_language="fr-FR"), "heard language 'de-DE', spoken language 'fr-FR'"),
    ],
)
def test_a_script_tells_the_languages_apart(change: Change, told: str) -> None:
    """A change of the language that is spoken alone is seen in a script."""
    assert rendered((effects.Reconfigure(change),)) == [f"    [reconfigure: {told}]"]


def test_a_turn_supersedes_all_before_it_at_once() -> None:
    """Ten thousand turns in one message of keys, while a reply is being settled: the last is answered, the one before
    is said to the model, and of the others no more is kept than can be said.
    """
    core = new_core()
    core.handle(inputs.SessionStarted(), at(0))
    core.handle(inputs.TextTyped("Hello."), at(1))
    keys = "".join(f"{number}#" for number in range(10_000))
    batch = core.handle(inputs.DigitsPressed(keys), at(2))
    finals = [effect for effect in batch if isinstance(effect, effects.Emit) and "Transcript" in repr(effect)]
    assert len(finals) == 10_000
    (asked,) = (effect for effect in batch if isinstance(effect, effects.StartReply))
    assert asked.messages[-1].text.endswith("\n9998\n9999")
    assert not core._dialogue.answers._waiting._superseded
    assert core._dialogue.answers._waiting._superseded_chars == 0


def test_pushed_turns_wait_up_to_a_bound() -> None:
    """A recogniser that ends a segment with each word of an hour: of the turns that wait for their answer the oldest
    are said and not answered, none is lost, and the others keep their order.
    """
    core = new_core()
    core.handle(inputs.SessionStarted(), at(0))
    core.handle(inputs.InputEnded(), at(1))
    for number in range(2 * MAX_WAITING_TURNS):
        core.handle(inputs.SegmentFinal(StreamId(1), f"Turn {number}.", (), number, number, number), at(2))
    assert len(core._dialogue.answers._waiting._turns) == MAX_WAITING_TURNS
    said = list(core._dialogue.unanswered())
    assert said == [(number + 1, f"Turn {number}.") for number in range(1, 2 * MAX_WAITING_TURNS)]


def test_what_is_superseded_is_bounded() -> None:
    """Typed on and on while a reply is being settled: the oldest of it is forgotten before it is ever said."""
    core = new_core()
    core.handle(inputs.SessionStarted(), at(0))
    core.handle(inputs.InputEnded(), at(1))
    for number in range(MAX_WAITING_TURNS + 100):
        text = f"{number} " + "x" * 1_000
        core.handle(inputs.SegmentFinal(StreamId(1), text, (), number, number, number), at(2))
    kept = [turn.text for turn in core._dialogue.answers._waiting._superseded]
    assert SUPERSEDED_CHARS - 1_010 < sum(map(len, kept)) <= SUPERSEDED_CHARS
    assert kept[-1].startswith("99 ")


def languages_that_change(times_ms: list[int]) -> list[tuple[int, str]]:
    """(time, language) of each stream that is opened after the first, when the language changes at these times."""
    core, opened, language = new_core(), list[tuple[int, str]](), ""

    def take(batch: tuple[effects.Effect, ...], now_ms: int) -> None:
        nonlocal language
        for effect in batch:
            if isinstance(effect, effects.Reconfigure):
                language = str(effect.change.heard_language)
            if isinstance(effect, effects.OpenRecognition) and language:
                opened.append((now_ms, language))
                take(core.handle(inputs.RecognitionEnded(StreamId(effect.stream - 1)), at(now_ms)), now_ms)

    take(core.handle(inputs.SessionStarted(), at(0)), 0)
    for number, time_ms in enumerate([*times_ms, times_ms[-1] + 10_000]):
        while (deadline := core.deadline()) is not None and deadline <= at(time_ms):
            take(core.on_deadline(deadline), deadline // NS_PER_MS)
        if time_ms in times_ms:
            take(core.handle(inputs.SettingsChanged(Change(heard_language=f"l{number}")), at(time_ms)), time_ms)
    return opened


def test_changes_of_language_open_streams_no_faster_than_one_a_second() -> None:
    """Two hundred changes in two seconds: the first at once, then the newest once a second, the last in the end."""
    told = languages_that_change(list(range(100, 2_100, 10)))
    assert told == [(100, "l0"), (1_100, "l99"), (2_100, "l199")]


def test_a_change_that_comes_in_time_is_taken_at_once() -> None:
    """A change a second after the last has nothing to wait for, nor has one that needs no other stream."""
    assert languages_that_change([100, 1_100, 2_100]) == [(100, "l0"), (1_100, "l1"), (2_100, "l2")]
    core = new_core()
    core.handle(inputs.SessionStarted(), at(0))
    for time_ms in (1, 2, 3):
        change = Change(spoken_language="de-DE", voice="Karl")
        (reconfigure,) = core.handle(inputs.SettingsChanged(change), at(time_ms))
        assert isinstance(reconfigure, effects.Reconfigure)


def told_of(batch: tuple[effects.Effect, ...], kind: type[events.Event]) -> list[Any]:
    """Events of a kind that a batch tells."""
    return [effect.event for effect in batch if isinstance(effect, effects.Emit) and isinstance(effect.event, kind)]


def test_a_reply_of_too_many_sentences_is_cut() -> None:
    """A thousand lines of one letter: five hundred are spoken, with one notice; what the model writes on is dropped.

    The reply ends as one that failed.
    """
    core = new_core()
    core.handle(inputs.SessionStarted(), at(0))
    core.handle(inputs.TextTyped("Go on."), at(1))
    batch = core.handle(inputs.ReplyDelta(ReplyId(1), "a\n" * 400), at(2))
    batch += core.handle(inputs.ReplyDelta(ReplyId(1), "b\n" * 400), at(3))
    assert len([effect for effect in batch if isinstance(effect, effects.Synthesize)]) == MAX_SENTENCES
    assert [notice.reason for notice in told_of(batch, events.Notice)] == [Reason.LLM_FAILED]
    assert core.handle(inputs.ReplyDelta(ReplyId(1), "c\n" * 400), at(4)) == ()
    assert core.handle(inputs.ReplyFailed(ReplyId(1), Reason.LLM_FAILED, "cut"), at(5)) == ()
    for number in range(1, MAX_SENTENCES + 1):
        batch = core.handle(inputs.SpeechFailed(ReplyId(1), SentenceId(number), 0, Reason.TTS_FAILED, "gone"), at(6))
        if told_of(batch, events.ReplyFinished):
            break
    (finished,) = told_of(batch, events.ReplyFinished)
    assert finished.outcome is events.ReplyOutcome.FAILED
    assert len(told_of(batch, events.ReplyText)) == MAX_SENTENCES


def test_the_last_sentence_may_be_one_too_many() -> None:
    """What the model ends with is cut, too, and told."""
    core = new_core()
    core.handle(inputs.SessionStarted(), at(0))
    core.handle(inputs.TextTyped("Go on."), at(1))
    batch = core.handle(inputs.ReplyDelta(ReplyId(1), "a\n" * MAX_SENTENCES + "the end"), at(2))
    assert told_of(batch, events.Notice) == []
    batch = core.handle(inputs.ReplyCompleted(ReplyId(1)), at(3))
    assert [notice.reason for notice in told_of(batch, events.Notice)] == [Reason.LLM_FAILED]


def turns_of(text: str, count: int) -> list[int]:
    """Lengths of the turns that are told when somebody says this so many times, without a pause."""
    core = new_core()
    core.handle(inputs.SessionStarted(), at(0))
    batch = core.handle(inputs.SpeechStarted(0, 0), at(100))
    for number in range(1, count + 1):
        end = number * 100 * PER_MS
        batch += core.handle(inputs.SpeechEnded(end, end), at(100 + number * 100))
        batch += core.handle(inputs.SpeechStarted(end, end), at(100 + number * 100))
        batch += core.handle(inputs.SegmentFinal(StreamId(1), text, (), end, end, end), at(100 + number * 100))
    return [len(told.text) for told in told_of(batch, events.Transcript) if told.is_final]


@pytest.mark.parametrize("text", ["A sentence of many words. ", "and then the "])
def test_a_turn_has_an_end_however_much_is_said(text: str) -> None:
    """A recogniser that makes words without end fills no memory: what is said on and on is cut into turns."""
    lengths = turns_of(text * 10, 100)
    assert len(lengths) > 1
    assert max(lengths) <= MAX_TURN_CHARS + len(text * 10)


def test_an_apology_without_end_is_cut_once() -> None:
    """What a server has set may be as long as what a model writes: it has the same bound, and the cut is told once."""
    core = new_core(persona=replace(PERSONA, apology="Sorry.\n" * (MAX_SENTENCES + 100)))
    told = played(core, ("0 ms: session starts", '100 ms: types "Hi."', "200 ms: model 1 fails"))
    assert told.count("sentences: the reply was cut") == 1
    assert told.count("[synthesize 1.") == MAX_SENTENCES


def test_a_withdrawn_request_leaves_nothing_due() -> None:
    """A request that waited for the end of a sound and was withdrawn wakes nobody, or its session never rests."""
    core = new_core(TurnPolicy(max_turn_ms=1_500))
    steps = (
        "0 ms: session starts",
        "1000 ms: speech starts at 900 ms",
        "1100 ms: asks for a reply",
        "1200 ms: interrupts",
    )
    played(core, steps)
    assert core.deadline() is None
