"""Senseless facts: any kind, about anything that is near what is in flight."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway_kit.phone_call import RATE_HZ, at
from voice_gateway.domain.agreement import Change
from voice_gateway.domain.chat import Tool, ToolCall, ToolPlace
from voice_gateway.domain.errors import Reason
from voice_gateway.domain.ids import CallId, ReplyId, SentenceId, StreamId
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.domain.reply_options import Modality, ReplyOptions
from voice_gateway.domain.transcript import SpokenWord, Word
from voice_gateway.turn import inputs

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway_kit.simulated.call import Call
    from gateway_kit.simulated.choices import Choices

_TEXTS = ("Yes.", "", " ", "What is it? I know. ", "one two ", "\n", "```", "See https://a.b/c. ", "stop", "and the")

_OPTIONS = (
    ReplyOptions(),
    ReplyOptions(instructions="Say goodbye."),
    ReplyOptions(modality=Modality.TEXT),
    ReplyOptions(tools=(Tool("close_door", "", "", ToolPlace.CLIENT),)),
)
_CHANGES = (
    Change(),
    Change(heard_language="de-DE", spoken_language="de-DE"),
    Change(spoken_language="fr-FR"),
    Change(system_prompt="Be long."),
    Change(reply_modality=Modality.TEXT),
    Change(policy=TurnPolicy(no_input_ms=2_000)),
    Change(tools=(Tool("close_door", "", "", ToolPlace.CLIENT),)),
)


class _Draw:
    """Parts of a fact."""

    def __init__(self, choices: Choices, call: Call) -> None:
        self._choices = choices
        self._call = call

    def reply(self) -> ReplyId:
        return ReplyId(max(0, self._call.core._agent.last[0] + 1 - self._choices.below(4)))

    def stream(self) -> StreamId:
        return StreamId(max(0, (self._call.recogniser.newest or 1) + 1 - self._choices.below(4)))

    def sentence(self) -> SentenceId:
        return SentenceId(self._choices.below(4))

    def take(self) -> int:
        return self._choices.of((1, 1, 2))

    def samples(self) -> int:
        return self._choices.below(256) * 5 * RATE_HZ // 256

    def near(self) -> int:
        """A position near the end of the input."""
        return max(0, self._call.input_samples() + (self._choices.below(256) - 200) * RATE_HZ // 100)

    def text(self) -> str:
        return self._choices.of(_TEXTS)

    def flag(self) -> bool:
        return bool(self._choices.below(2))

    def digits(self) -> str:
        return self._choices.of(("1", "#", "12#3"))

    def change(self) -> Change:
        return self._choices.of(_CHANGES)

    def options(self) -> ReplyOptions:
        return self._choices.of(_OPTIONS)

    def calls(self) -> tuple[ToolCall, ...]:
        names = ("weather", "open_door", "fly to Rome")[: 1 + self._choices.below(3)]
        return tuple(ToolCall(f"c{place}", name, "{}") for place, name in enumerate(names))

    def call(self) -> CallId:
        return CallId(1 + self._choices.below(4))

    def words(self) -> tuple[Word, ...]:
        return (Word("word", self.near(), self.near()),) if self.flag() else ()

    def spoken(self) -> tuple[SpokenWord, ...]:
        return (SpokenWord("Yes.", self.samples(), self.samples()),) if self.flag() else ()


_KINDS: dict[type[inputs.Input], Callable[[_Draw], inputs.Input]] = {
    inputs.VoicingHeard: lambda _: inputs.VoicingHeard(),
    inputs.SpeechStarted: lambda draw: inputs.SpeechStarted(draw.near(), draw.near()),
    inputs.SpeechEnded: lambda draw: inputs.SpeechEnded(draw.near(), draw.near()),
    inputs.BacklogBegan: lambda _: inputs.BacklogBegan(),
    inputs.CaughtUp: lambda draw: inputs.CaughtUp(draw.near()),
    inputs.OwnVoiceHeard: lambda _: inputs.OwnVoiceHeard(),
    inputs.TranscriptRevised: lambda draw: inputs.TranscriptRevised(
        draw.stream(), draw.text(), float(draw.flag()), draw.near(), draw.near()
    ),
    inputs.SegmentFinal: lambda draw: inputs.SegmentFinal(
        draw.stream(), draw.text(), draw.words(), draw.near(), draw.near(), draw.near()
    ),
    inputs.RecognitionEnded: lambda draw: inputs.RecognitionEnded(draw.stream()),
    inputs.RecognitionFailed: lambda draw: inputs.RecognitionFailed(draw.stream(), "gone"),
    inputs.TextTyped: lambda _: inputs.TextTyped("Typed."),
    inputs.DigitsPressed: lambda draw: inputs.DigitsPressed(draw.digits()),
    inputs.SettingsChanged: lambda draw: inputs.SettingsChanged(draw.change()),
    inputs.CommitRequested: lambda draw: inputs.CommitRequested(draw.near()),
    inputs.ClientInterrupted: lambda _: inputs.ClientInterrupted(),
    inputs.ReplyRequested: lambda draw: inputs.ReplyRequested(draw.options()),
    inputs.ReplyDelta: lambda draw: inputs.ReplyDelta(draw.reply(), draw.text()),
    inputs.ReplyCompleted: lambda draw: inputs.ReplyCompleted(draw.reply()),
    inputs.ToolsCalled: lambda draw: inputs.ToolsCalled(draw.reply(), draw.calls()),
    inputs.ToolReturned: lambda draw: inputs.ToolReturned(draw.call(), draw.text(), draw.flag()),
    inputs.ReplyFailed: lambda draw: inputs.ReplyFailed(draw.reply(), Reason.LLM_FAILED, "gone"),
    inputs.ReplyTooLong: lambda draw: inputs.ReplyTooLong(draw.reply()),
    inputs.SpeechReady: lambda draw: inputs.SpeechReady(draw.reply(), draw.sentence(), draw.take()),
    inputs.SpeechCompleted: lambda draw: inputs.SpeechCompleted(
        draw.reply(), draw.sentence(), draw.samples(), draw.spoken(), draw.take()
    ),
    inputs.SpeechFailed: lambda draw: inputs.SpeechFailed(
        draw.reply(), draw.sentence(), draw.samples(), Reason.TTS_FAILED, "gone", draw.take()
    ),
    inputs.PlayoutStarted: lambda draw: inputs.PlayoutStarted(draw.reply(), draw.samples()),
    inputs.PlayoutStarved: lambda draw: inputs.PlayoutStarved(draw.reply(), draw.samples()),
    inputs.PlayoutCompleted: lambda draw: inputs.PlayoutCompleted(draw.reply(), draw.samples()),
    inputs.PlaybackReported: lambda draw: inputs.PlaybackReported(
        draw.reply(), draw.samples(), draw.samples(), draw.flag()
    ),
    inputs.SessionStarted: lambda _: inputs.SessionStarted(),
    inputs.InputEnded: lambda _: inputs.InputEnded(),
    inputs.EndRequested: lambda _: inputs.EndRequested(),
    inputs.SessionIdled: lambda _: inputs.SessionIdled(),
    inputs.DrainRequested: lambda draw: inputs.DrainRequested(at(draw.samples())),
}
_ENDING = (inputs.InputEnded, inputs.EndRequested, inputs.SessionIdled, inputs.DrainRequested)
KINDS = frozenset(_KINDS)
"""Every kind of fact that may be drawn."""
_OFTEN = [kind for kind in _KINDS if kind not in _ENDING]


def senseless(choices: Choices, call: Call) -> inputs.Input:
    """A fact that need not be true; those that end a session are rare, since nothing is seen after them."""
    kind = choices.of(_ENDING) if choices.one_in(24) else choices.of(_OFTEN)
    return _KINDS[kind](_Draw(choices, call))
