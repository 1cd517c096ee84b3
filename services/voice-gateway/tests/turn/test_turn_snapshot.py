"""What outlives a core, and that the next one goes on as the first would have."""

import json
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
from gateway_kit.phone_call import PERSONA, TOOLBOX, at, new_core, parse
from hypothesis import given, settings
from hypothesis import strategies as st
from voice_gateway.domain.chat import ToolCall
from voice_gateway.domain.errors import Reason
from voice_gateway.domain.ids import CallId, ReplyId, SentenceId, StreamId
from voice_gateway.domain.instant import NS_PER_MS, Instant
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.domain.settings_change import SettingsChange
from voice_gateway.domain.transcript import Word
from voice_gateway.turn import effects, inputs
from voice_gateway.turn.core import Core, Phase, State
from voice_gateway.turn.snapshot import SnapshotError
from voice_gateway.turn.tables import Floor, Listening, Reply

PER_MS = 16
RESTORED_AT = at(3_000)
"""The next process has a monotonic clock of its own."""
_Steps = list[tuple[int, inputs.Input]]
_MS = st.integers(0, 2_000)


def told(*script: str) -> Core:
    """A core that was told a script's facts, deadlines kept."""
    core = new_core()
    for line in script:
        until, fact = line.split(" ms: ", 1)
        while (deadline := core.deadline()) is not None and deadline <= at(int(until)):
            core.on_deadline(deadline)
        core.handle(parse(fact, int(until)), at(int(until)))
    return core


SPEAKING = (
    "0 ms: session starts",
    '100 ms: types "Count."',
    '200 ms: model 1 writes "One two three. Four five six. "',
    "300 ms: speech 1.1 comes",
    "300 ms: playout 1 starts at 0 ms",
    '400 ms: speech 1.1 is complete, 900 ms, words "One two three."',
)


@pytest.mark.parametrize(
    ("script", "history", "ids"),
    [
        ((), [], (1, 0, False)),
        (SPEAKING[:2], [["user", "Count."]], (2, 1, False)),
        (SPEAKING, [["user", "Count."], ["assistant", "One two"]], (2, 1, False)),
        (
            ("0 ms: session starts", '600 ms: interim "what is a"'),
            [["user", "what is a"]],
            (1, 0, False),
        ),
        (
            (*SPEAKING, "950 ms: client played 650 ms of 1, 800 ms sent", '960 ms: types "Stop."'),
            [["user", "Count."], ["assistant", "One two"], ["user", "Stop."]],
            (3, 1, True),
        ),
        (
            (*SPEAKING, "950 ms: client played 300 ms of 1, 800 ms sent"),
            [["user", "Count."], ["assistant", "One"]],
            (2, 1, True),
        ),
        (
            (*SPEAKING[:2], "200 ms: model 1 calls weather {} and open_door {}", '300 ms: tool 1 returns "sunny"'),
            [
                ["user", "Count."],
                ["assistant", "", [["c1.1", "weather", "{}"], ["c1.2", "open_door", "{}"]]],
                ["tool", "sunny", "c1.1"],
                ["tool", "Error: interrupted", "c1.2"],
            ],
            (2, 1, False),
        ),
        (
            (*SPEAKING, "800 ms: half-closes", '900 ms: final "More."', '910 ms: final "And more."'),
            [["user", "Count."], ["assistant", "One two"], ["user", "More.\nAnd more."]],
            (4, 1, False),
        ),
    ],
)
def test_a_snapshot_may_be_taken_at_any_time(
    script: tuple[str, ...], history: list[list[str]], ids: tuple[int, int, bool]
) -> None:
    """A reply in flight or being settled is kept as what was heard of it, waiting turns as said; ids go on."""
    core = told(*script)
    value = core.snapshot(at(1_000))
    assert value["history"] == history
    assert (value["turn"], value["last_reply"], value["has_reports"]) == ids
    assert core.snapshot(at(1_000)) == value
    through_json = json.loads(json.dumps(value))
    assert Core.restore(through_json, TurnPolicy()).snapshot(at(9_000)) == value


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"version": 1}, "a snapshot of version 1; this is version 2"),
        ({"turn": "1"}, "turn of a snapshot is '1'; it must be int"),
        ({"has_reports": 1}, "has_reports of a snapshot is 1; it must be bool"),
        ({"history": [["system", "Obey."]]}, r"\['system', 'Obey.'\] is no message"),
        ({"history": [["user", 5]]}, r"\['user', 5\] is no message"),
        ({"history": [["assistant", "", [["c1", "weather"]]]]}, r"\['c1', 'weather'\] is no tool call"),
    ],
)
def test_what_is_no_snapshot_is_refused(change: dict[str, Any], why: str) -> None:
    """Nothing is guessed: a wrong value is a typed error."""
    with pytest.raises(SnapshotError, match=why):
        Core.restore(new_core().snapshot(at(0)) | change, TurnPolicy())


# --- the restored core goes on as the first would have ---------------------------------------------------------------


@st.composite
def _whole_turns(draw: st.DrawFn) -> _Steps:
    """Turns that are over: answered and heard to the end, interrupted, or failed; with or without reports."""
    steps: _Steps = []
    for number in range(1, draw(st.integers(0, 3)) + 1):
        reply, sentence = ReplyId(number), SentenceId(1)
        steps += [
            (draw(_MS), inputs.TextTyped(f"Question {number}.")),
            (draw(_MS), inputs.ReplyDelta(reply, f"Answer number {number}.")),
            (5, inputs.ReplyCompleted(reply)),
            (5, inputs.SpeechReady(reply, sentence)),
            (5, inputs.PlayoutStarted(reply, 0)),
            (5, inputs.SpeechCompleted(reply, sentence, 8_000)),
        ]
        if draw(st.booleans()):
            steps.append((100, inputs.PlaybackReported(reply, draw(st.integers(0, 1_600)), 1_600, is_final=False)))
        if draw(st.booleans()):
            steps.append((draw(st.integers(0, 300)), inputs.ClientInterrupted()))
        else:
            steps.append((600, inputs.PlayoutCompleted(reply, 8_000)))
            steps.append((5, inputs.PlaybackReported(reply, 8_000, 8_000, is_final=True)))
    return steps


_SAMPLES = st.integers(1, 60_000)
_STREAMS = st.integers(1, 4).map(StreamId)
_TEXTS = st.sampled_from(["", "Yes.", "What is it? I know. "])
_REPLIES = st.integers(0, 3).map(ReplyId)
_WORDS = st.just(()) | st.builds(Word, st.just("word"), _SAMPLES, _SAMPLES).map(lambda word: (word,))
_CHANGES = st.builds(
    SettingsChange,
    st.none() | st.just("de-DE"),
    system_prompt=st.none() | st.just("Be long."),
    policy=st.none() | st.builds(TurnPolicy, no_input_ms=st.sampled_from([0, 1_000])),
)
_SENSELESS = st.lists(
    st.tuples(
        _MS,
        st.one_of(
            st.builds(inputs.TranscriptRevised, _STREAMS, _TEXTS, st.just(0.5), _SAMPLES),
            st.builds(inputs.SegmentFinal, _STREAMS, _TEXTS, _WORDS, _SAMPLES, _SAMPLES, _SAMPLES),
            st.builds(inputs.RecognitionEnded, _STREAMS),
            st.builds(inputs.RecognitionFailed, _STREAMS, st.just("gone")),
            st.builds(inputs.CommitRequested, _SAMPLES),
            st.sampled_from([inputs.ClientInterrupted(), inputs.TextTyped("Typed."), inputs.InputEnded()]),
            st.builds(inputs.DigitsPressed, st.sampled_from(["1", "12#3"])),
            st.builds(inputs.SettingsChanged, _CHANGES),
            st.builds(inputs.DrainRequested, st.integers(0, 10**10).map(Instant)),
            st.builds(inputs.ReplyDelta, _REPLIES, _TEXTS),
            st.builds(inputs.ReplyCompleted, _REPLIES),
            st.builds(inputs.ToolsCalled, _REPLIES, st.just((ToolCall("c", "weather", "{}"),))),
            st.builds(inputs.ToolReturned, st.integers(1, 3).map(CallId), st.just("sunny"), st.booleans()),
            st.builds(inputs.ReplyFailed, _REPLIES, st.just(Reason.LLM_FAILED), st.just("gone")),
            st.builds(inputs.SpeechReady, _REPLIES, st.just(SentenceId(1))),
            st.builds(inputs.SpeechCompleted, _REPLIES, st.just(SentenceId(1)), _SAMPLES),
            st.builds(inputs.PlayoutStarted, _REPLIES, st.just(0)),
            st.builds(inputs.PlayoutCompleted, _REPLIES, _SAMPLES),
            st.builds(inputs.PlaybackReported, _REPLIES, _SAMPLES, _SAMPLES, st.booleans()),
        ),
    ),
    max_size=15,
)
_ONE_REPLY = (
    inputs.TextTyped("Typed."),
    inputs.ReplyDelta(ReplyId(1), "Yes. "),
    inputs.SpeechReady(ReplyId(1), SentenceId(1)),
    inputs.PlayoutStarted(ReplyId(1), 0),
    inputs.SpeechCompleted(ReplyId(1), SentenceId(1), 8_000),
    inputs.ReplyCompleted(ReplyId(1)),
    inputs.PlayoutCompleted(ReplyId(1), 8_000),
)
_FOLLOWING = st.tuples(_SENSELESS, st.lists(_MS, min_size=7, max_size=7), _SENSELESS).map(
    lambda drawn: [*drawn[0], *zip(drawn[1], _ONE_REPLY, strict=True), *drawn[2]]
)
_INPUT_POSITIONS = frozenset(
    {"from_samples", "before_samples", "received_samples", "end_samples", "covered_samples", "start_samples"}
)
_INPUT_EVENTS = ("SpeechStarted", "SpeechEnded", "FinishRecognition")
"""Whose `at_samples` is a position of the input."""


def _moved(value: Any, samples: int, streams: int, since: Instant) -> Any:
    """The same value on an input clock that is `samples` on, with streams and instants that are on, too."""
    if isinstance(value, tuple):
        return tuple(_moved(item, samples, streams, since) for item in value)
    if not is_dataclass(value) or isinstance(value, type):
        return value
    changes: dict[str, Any] = {}
    for spec in fields(value):
        field = getattr(value, spec.name)
        is_position = spec.name == "at_samples" and type(value).__name__ in _INPUT_EVENTS
        if field is not None and (is_position or spec.name in _INPUT_POSITIONS):
            changes[spec.name] = field + samples
        elif spec.name == "stream":
            changes[spec.name] = field + streams
        elif spec.name == "deadline":
            changes[spec.name] = field + since
        else:
            changes[spec.name] = _moved(field, samples, streams, since)
    return replace(value, **changes)


def _play(core: Core, steps: _Steps, now: Instant) -> tuple[list[tuple[effects.Effect, ...]], Instant]:
    """The batches, and when the last fact was told."""
    batches = []
    for wait_ms, fact in steps:
        until = Instant(now + wait_ms * NS_PER_MS)
        while (deadline := core.deadline()) is not None and deadline <= until:
            now = max(now, deadline)
            batches.append(core.on_deadline(now))
        now = until
        batches.append(core.handle(fact, now))
    return batches, now


@settings(max_examples=400, deadline=None)
@given(_whole_turns(), st.booleans(), _FOLLOWING)
def test_a_restored_core_goes_on_as_the_first_would_have(
    before: _Steps,
    has_broken: bool,  # noqa: FBT001  drawn by Hypothesis
    following: _Steps,
) -> None:
    """From a point where all is quiet the same facts give the same effects, but for stream numbers and clocks."""
    first = new_core()
    breaks: _Steps = [(0, inputs.RecognitionFailed(StreamId(1), "gone"))] if has_broken else []
    _, now = _play(first, [(0, inputs.SessionStarted()), *breaks, *before, (2_000, inputs.ClientInterrupted())], at(0))
    samples, streams = now // NS_PER_MS * PER_MS, len(breaks)
    first.handle(inputs.SegmentFinal(StreamId(1 + streams), "", (), samples, samples, samples), now)
    assert first.state == State(Phase.RUNNING, Floor.NOBODY, Reply.NONE, Listening.OPEN)
    value = json.loads(json.dumps(first.snapshot(now)))
    second = Core.restore(value, TurnPolicy(), TOOLBOX)
    second.handle(inputs.SessionStarted(), RESTORED_AT)
    last = value["last_reply"]
    steps = [
        (wait, replace(fact, reply=fact.reply + last) if hasattr(fact, "reply") else fact) for wait, fact in following
    ]
    ours = [(wait, _moved(fact, samples, streams, now)) for wait, fact in steps]
    theirs = [(wait, _moved(fact, 0, 0, RESTORED_AT)) for wait, fact in steps]
    expected, _ = _play(second, theirs, RESTORED_AT)
    assert _play(first, ours, now)[0] == [_moved(batch, samples, streams, now) for batch in expected]


def test_the_persona_is_kept() -> None:
    """The next process asks the model under the same instructions, and apologises in the same words."""
    core = Core.restore(new_core().snapshot(at(0)), TurnPolicy())
    core.handle(inputs.SessionStarted(), at(1))
    (_, start) = core.handle(inputs.TextTyped("Hello."), at(2))
    assert isinstance(start, effects.StartReply)
    assert start.messages[0].text == PERSONA.system_prompt
    (_, apology) = core.handle(inputs.ReplyFailed(ReplyId(1), Reason.LLM_FAILED, "gone"), at(3))
    assert apology == effects.Synthesize(ReplyId(1), SentenceId(1), PERSONA.apology)
