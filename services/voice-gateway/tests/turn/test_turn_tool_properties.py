"""What holds for every sequence of facts in which tools are called, however senseless."""

from dataclasses import replace

from gateway_kit.lawful import assert_lawful
from gateway_kit.phone_call import PER_MS, PERSONA, RATE_HZ, new_core, question
from gateway_kit.properties import MANY
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.domain import events
from voice_gateway.domain.agreement import Change
from voice_gateway.domain.chat import Tool, ToolCall, ToolPlace
from voice_gateway.domain.errors import Reason
from voice_gateway.domain.ids import CallId, ReplyId, SentenceId, StreamId
from voice_gateway.domain.instant import NS_PER_MS, Instant
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.domain.transcript import SpokenWord, Word
from voice_gateway.turn import effects, inputs
from voice_gateway.turn.core import Core

_SAMPLES = st.integers(0, 5 * RATE_HZ)
_REPLIES = st.integers(0, 4).map(ReplyId)
_SENTENCES = st.integers(0, 3).map(SentenceId)
_STREAMS = st.integers(0, 4).map(StreamId)
_TEXTS = st.sampled_from(["", " ", "Yes.", "What is it? I know. ", "one two ", "\n", "```", "See https://a.b/c. "])
_WORDS = st.just(()) | st.builds(Word, st.just("word"), _SAMPLES, _SAMPLES).map(lambda word: (word,))
_SPOKEN = st.just(()) | st.builds(SpokenWord, st.just("Yes."), _SAMPLES, _SAMPLES).map(lambda word: (word,))
_CALLED = st.lists(
    st.tuples(
        st.sampled_from(["weather", "open_door", "fly to Rome"]), st.sampled_from(["", "{}", '{"a": 1}', "[]", "{"])
    ),
    min_size=1,
    max_size=3,
).map(lambda drawn: tuple(ToolCall(f"c{i}", *call) for i, call in enumerate(drawn)))
_RETURNS = st.builds(inputs.ToolReturned, st.integers(1, 8).map(CallId), st.sampled_from(["", "sunny"]), st.booleans())
_POLICIES = st.builds(TurnPolicy, no_input_ms=st.integers(0, 3_000), stop_history_ms=st.sampled_from([480, 600]))
_CHANGES = st.builds(
    Change,
    st.none() | st.just("de-DE"),
    st.none() | st.just("de-DE"),
    st.none() | st.just("Karl"),
    st.none() | st.just("Be long."),
    st.none() | _POLICIES,
    st.none() | st.just((Tool("close_door", "", "", ToolPlace.CLIENT),)),
)
_FACTS = st.one_of(
    st.just(inputs.SessionStarted()),
    st.builds(inputs.SpeechStarted, _SAMPLES),
    st.builds(inputs.SpeechEnded, _SAMPLES),
    st.just(inputs.OwnVoiceHeard()),
    st.builds(inputs.TranscriptRevised, _STREAMS, _TEXTS, st.floats(0, 1), _SAMPLES),
    st.builds(inputs.SegmentFinal, _STREAMS, _TEXTS, _WORDS, _SAMPLES, _SAMPLES, _SAMPLES),
    st.builds(inputs.RecognitionEnded, _STREAMS),
    st.builds(inputs.RecognitionFailed, _STREAMS, st.just("gone")),
    st.builds(inputs.TextTyped, st.just("Typed.")),
    st.builds(inputs.DigitsPressed, st.sampled_from(["1", "#", "12#3"])),
    st.builds(inputs.SettingsChanged, _CHANGES),
    st.builds(inputs.CommitRequested, _SAMPLES),
    st.just(inputs.ClientInterrupted()),
    st.just(inputs.InputEnded()),
    st.just(inputs.EndRequested()),
    st.builds(inputs.DrainRequested, st.integers(0, 10**11).map(Instant)),
    st.builds(inputs.ReplyDelta, _REPLIES, _TEXTS),
    st.builds(inputs.ReplyCompleted, _REPLIES),
    st.builds(inputs.ToolsCalled, _REPLIES, _CALLED),
    _RETURNS,
    st.builds(inputs.ReplyFailed, _REPLIES, st.just(Reason.LLM_FAILED), st.just("gone")),
    st.builds(inputs.ReplyTooLong, _REPLIES),
    st.builds(inputs.SpeechReady, _REPLIES, _SENTENCES),
    st.builds(inputs.SpeechCompleted, _REPLIES, _SENTENCES, _SAMPLES, _SPOKEN),
    st.builds(inputs.SpeechFailed, _REPLIES, _SENTENCES, _SAMPLES, st.just(Reason.TTS_FAILED), st.just("gone")),
    st.builds(inputs.PlayoutStarted, _REPLIES, _SAMPLES),
    st.builds(inputs.PlayoutStarved, _REPLIES, _SAMPLES),
    st.builds(inputs.PlayoutCompleted, _REPLIES, _SAMPLES),
    st.builds(inputs.PlaybackReported, _REPLIES, _SAMPLES, _SAMPLES, st.booleans()),
)
_ONE_REPLY = (
    inputs.TextTyped("Typed."),
    inputs.ReplyDelta(ReplyId(1), "What is it? I know. "),
    inputs.SpeechReady(ReplyId(1), SentenceId(1)),
    inputs.PlayoutStarted(ReplyId(1), 0),
    inputs.PlaybackReported(ReplyId(1), 100, 200, is_final=False),
    inputs.SpeechCompleted(ReplyId(1), SentenceId(1), 800),
    inputs.PlayoutStarved(ReplyId(1), 800),
    inputs.ReplyCompleted(ReplyId(1)),
    inputs.SpeechCompleted(ReplyId(1), SentenceId(2), 800),
    inputs.PlayoutStarted(ReplyId(1), 800),
    inputs.PlayoutCompleted(ReplyId(1), 1_600),
)
"""A conversation in order, so that senseless facts meet a core that is in the midst of something: drawn from
`_FACTS` alone, hardly one example in a hundred gets as far as a sentence that is played."""
_STEPS = st.tuples(st.integers(0, 3_000), _FACTS)
_CALLS = st.tuples(
    st.lists(_STEPS, max_size=5),
    st.lists(st.tuples(st.sampled_from(range(len(_ONE_REPLY) + 1)), _STEPS), max_size=12),
    st.lists(_STEPS, max_size=40),
).map(lambda drawn: [*drawn[0], *_interspersed(drawn[1]), *drawn[2]])
_Steps = list[tuple[int, inputs.Input]]


def _interspersed(senseless: list[tuple[int, tuple[int, inputs.Input]]]) -> _Steps:
    """The conversation, with each of these steps put before the fact of that number."""
    steps: _Steps = []
    for index, fact in enumerate((*_ONE_REPLY, None)):
        steps += [step for where, step in senseless if where == index]
        steps += [(10, fact)] if fact is not None else []
    return steps


def _play(steps: _Steps, core: Core | None = None) -> list[tuple[effects.Effect, ...]]:
    """The batches of a started core; deadlines are kept on the way, and checked."""
    core = core or new_core()
    batches = [core.handle(inputs.SessionStarted(), Instant(0))]
    now = Instant(0)
    for wait_ms, fact in steps:
        until = Instant(now + wait_ms * NS_PER_MS)
        now = _keep_deadlines(core, now, until, batches)
        batches.append(core.handle(fact, now))
    _keep_deadlines(core, now, now, batches)
    return batches


def _keep_deadlines(core: Core, now: Instant, until: Instant, batches: list[tuple[effects.Effect, ...]]) -> Instant:
    while (deadline := core.deadline()) is not None and deadline <= until:
        now = max(now, deadline)
        batches.append(core.on_deadline(now))
        after = core.deadline()
        assert after is None or after > now, "a deadline that was handled comes at once again"
    return until


def _flat(batches: list[tuple[effects.Effect, ...]]) -> list[effects.Effect]:
    return [effect for batch in batches for effect in batch]


_ASKED_BY_TEXT: _Steps = [(0, inputs.TextTyped("Typed."))]
_ASKED_EARLY: _Steps = [
    (1_000, inputs.SpeechStarted(900 * PER_MS, 1_000 * PER_MS)),
    (100, inputs.TranscriptRevised(StreamId(1), "what is it", 0.5, 1_000 * PER_MS, 1_100 * PER_MS)),
    (100, inputs.TranscriptRevised(StreamId(1), "what is it", 1.0, 1_100 * PER_MS, 1_200 * PER_MS)),
    (100, inputs.SpeechEnded(1_100 * PER_MS, 1_300 * PER_MS)),
]
"""Reply 1 is asked for when its turn is committed, or when the end of a turn is suspected."""
_WITH_TOOLS = st.tuples(
    st.booleans(),
    _CALLED,
    st.lists(st.tuples(st.integers(0, 12_000), st.one_of(_RETURNS, _RETURNS, _FACTS)), max_size=8),
    st.booleans(),
    _CALLED,
    _CALLS,
    st.sampled_from([_ASKED_BY_TEXT, _ASKED_EARLY]),
).map(
    lambda drawn: [
        *drawn[6],
        *([(10, inputs.ReplyDelta(ReplyId(1), "I look. "))] if drawn[0] else []),
        (10, inputs.ToolsCalled(ReplyId(1), drawn[1])),
        *drawn[2],
        *([(10, inputs.ToolsCalled(ReplyId(2), drawn[4]))] if drawn[3] else []),
        *drawn[5],
    ]
)
"""Turns whose model calls tools, and whatever may happen meanwhile."""


@MANY
@given(_WITH_TOOLS)
def test_totality_with_tools(steps: _Steps) -> None:
    """Whatever happens while tools run is taken without an error; deadlines move on, the end absorbs."""
    flat = _flat(_play([*steps, (1, inputs.EndRequested())]))
    assert isinstance(flat[-1], effects.Close | effects.Fail)


@MANY
@given(_WITH_TOOLS)
def test_no_tool_runs_twice(steps: _Steps) -> None:
    """Each call is ordered once, of the server or of the client; each is cancelled at most once, and not before."""
    ordered: list[CallId] = []
    cancelled: list[CallId] = []
    run: set[CallId] = set()
    for effect in _flat(_play([*steps, (1, inputs.EndRequested())])):
        match effect:
            case effects.RunTool(call):
                ordered.append(call)
                run.add(call)
            case effects.Emit(events.ToolCalled(call)):
                ordered.append(call)
            case effects.CancelTool(call):
                assert call in run
                cancelled.append(call)
    assert ordered == sorted(set(ordered))
    assert len(cancelled) == len(set(cancelled))


@MANY
@given(_WITH_TOOLS)
def test_the_model_reads_lawful_messages(steps: _Steps) -> None:
    """Whatever is said, called, returned and interrupted: no chat template refuses what the model is asked."""
    for effect in _flat(_play(steps)):
        if isinstance(effect, effects.StartReply | effects.AskAgain):
            assert_lawful(effect.messages)


def test_an_answer_reads_the_persona() -> None:
    """Without a system prompt the model gets none, not an empty one."""
    core = new_core(persona=replace(PERSONA, system_prompt=""))
    core.handle(inputs.SessionStarted(), Instant(0))
    start = question(core.handle(inputs.TextTyped("Hello."), Instant(1)))
    assert [message.role for message in start.messages] == ["user"]
