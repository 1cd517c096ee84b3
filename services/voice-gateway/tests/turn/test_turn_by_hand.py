"""Keys, prompts to a silent user and changes of settings, where a script would be long or has another persona."""

import json
from collections import deque
from dataclasses import replace
from typing import Any

import pytest
from gateway_kit.phone_call import PERSONA, at, new_core
from voice_gateway.domain import events
from voice_gateway.domain.chat import Role
from voice_gateway.domain.errors import Reason
from voice_gateway.domain.instant import NS_PER_MS
from voice_gateway.domain.persona import Persona
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.domain.settings_change import SettingsChange
from voice_gateway.turn import effects, inputs
from voice_gateway.turn.core import Core
from voice_gateway.turn.history import History
from voice_gateway.turn.keypad import LONGEST_DIGITS
from voice_gateway.turn.snapshot import SnapshotError

CHANGE = SettingsChange("de-DE", "Karl", "Be long.", TurnPolicy(lead_ms=300))


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


def test_the_model_reads_from_the_users_first_words_on() -> None:
    """A prompt heard before the user spoke stays in the history; a template that demands a user first is not upset."""
    history = History("Be brief.")
    history.heard("Are you there?")
    assert [message.role for message in history.messages()] == [Role.SYSTEM]
    history.said("Yes.")
    history.heard("Good.")
    assert [message.role for message in history.messages()] == [Role.SYSTEM, Role.USER, Role.ASSISTANT]
    assert [message.text for message in history.conversation()] == ["Are you there?", "Yes.", "Good."]


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
    assert core.snapshot(at(2))["history"] == [["user", "42"]]


def test_a_change_under_way_outlives_the_core() -> None:
    """What the client changed, applied or not, is in a snapshot; the next core orders it before it opens a stream."""
    core = new_core()
    core.handle(inputs.SessionStarted(), at(0))
    core.handle(inputs.SettingsChanged(replace(CHANGE, voice="Eva")), at(1))
    core.handle(inputs.TextTyped("Hello."), at(2))
    core.handle(inputs.SettingsChanged(SettingsChange(voice="Karl")), at(3))
    value = json.loads(json.dumps(core.snapshot(at(4))))
    restored = Core.restore(value, TurnPolicy())
    assert restored.snapshot(at(5)) == value
    change, opened = restored.handle(inputs.SessionStarted(), at(6))
    assert change == effects.Reconfigure(CHANGE)
    assert isinstance(opened, effects.OpenRecognition)
    assert restored.snapshot(at(7)) == value


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"voice": 5}, "voice of a snapshot is 5; it must be str"),
        ({"policy": {"lead_ms": 0}}, "the policy of a snapshot: .*lead_ms is 0"),
        ({"policy": {"speed": 1}}, "the policy of a snapshot: "),
        ({"policy": 7}, "policy of a snapshot is 7; it must be dict"),
    ],
)
def test_a_change_that_is_none_is_refused(change: dict[str, Any], why: str) -> None:
    """A snapshot is read strictly, its change too."""
    with pytest.raises(SnapshotError, match=why):
        Core.restore(new_core().snapshot(at(0)) | {"change": change}, TurnPolicy())


def test_changes_merge_field_by_field() -> None:
    """What the later change leaves open stays as the earlier one says."""
    later = SettingsChange(voice="", policy=TurnPolicy(lead_ms=400))
    assert CHANGE.merged(later) == SettingsChange("de-DE", "", "Be long.", TurnPolicy(lead_ms=400))
    assert SettingsChange().merged(CHANGE) == CHANGE
