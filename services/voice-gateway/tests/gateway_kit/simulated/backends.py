"""The language model and the synthesis of a simulated call: they work for the replies that were asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway_kit.phone_call import PER_MS
from voice_gateway.domain.errors import Reason
from voice_gateway.domain.ids import ReplyId
from voice_gateway.domain.transcript import SpokenWord
from voice_gateway.turn import effects, inputs

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway_kit.simulated.call import Call

_ANSWERS = (
    ("The pod is ", "small. It runs ", "one container."),
    ("Yes. ",),
    ("Would you like a window ", "or an aisle seat?", " I can look for both."),
    ("Seven eight nine ten eleven twelve. ", "Then the gate closes and the boat leaves at four. ", "Good night."),
    ("See `kubectl` or\n", "```\nls -l\n```\n", "That is all."),
    ("It is noon.", " Anything else?", " Just ask."),
    ("See example.", "com. ", "It has all."),
    ("Wait.", "..", " I will look.", " Here it is."),
    ("```\nls\n```\n",),
    (" ", "\n"),
    (),
)
_SPEECH_MS = 60
"""Of one character."""


class Model:
    """Writes an answer in pieces; refuses, fails, writes nothing, or writes on after it was cancelled."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._asked: set[ReplyId] = set()
        self.performs: dict[type, Callable[[Any], None]] = {
            effects.StartReply: self._start,
            effects.AskAgain: self._start,
            effects.CancelReply: lambda effect: self._asked.discard(effect.reply),
        }

    def _start(self, effect: effects.StartReply | effects.AskAgain) -> None:
        reply, choices = effect.reply, self._call.choices
        self._asked.add(reply)
        wait_ms = choices.ms(20, 400)
        if choices.one_in(16):
            self._tell(wait_ms, inputs.ReplyTooLong(reply))
            return
        fails_at = choices.below(3) if choices.one_in(8) else None
        for place, piece in enumerate(choices.of(_ANSWERS)):
            if place == fails_at:
                break
            self._tell(wait_ms, inputs.ReplyDelta(reply, piece))
            wait_ms += choices.ms(5, 250)
        gone = inputs.ReplyFailed(reply, Reason.LLM_FAILED, "gone")
        self._tell(wait_ms, inputs.ReplyCompleted(reply) if fails_at is None else gone)

    def _tell(
        self, wait_ms: int, fact: inputs.ReplyDelta | inputs.ReplyCompleted | inputs.ReplyFailed | inputs.ReplyTooLong
    ) -> None:
        def tell() -> None:
            if fact.reply in self._asked or self._call.choices.one_in(8):
                self._call.tell(fact)

        self._call.in_ms(wait_ms, tell)


class Voice:
    """Speaks the sentences of a reply one after another; fails, has nothing to say, or is too late."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._ordered: set[effects.Synthesize] = set()
        self._dropped: set[effects.Synthesize] = set()
        self._busy_until_ms = 0
        self.performs: dict[type, Callable[[Any], None]] = {
            effects.Synthesize: self._speak,
            effects.DropSpeech: self._drop,
            effects.CancelReply: self._cancel,
            effects.CancelSynthesis: self._cancel,
        }

    def _cancel(self, effect: effects.CancelReply | effects.CancelSynthesis | effects.DropSpeech) -> None:
        self._ordered = {order for order in self._ordered if order.reply != effect.reply}

    def _drop(self, effect: effects.DropSpeech) -> None:
        """No audio of it comes any more; what was told of it may still be on its way."""
        self._dropped |= {order for order in self._ordered if order.reply == effect.reply}
        self._cancel(effect)

    def _speak(self, effect: effects.Synthesize) -> None:
        reply, sentence, take, choices = effect.reply, effect.sentence, effect.take, self._call.choices
        self._ordered.add(effect)
        length_ms = 0 if choices.one_in(16) else len(effect.text) * _SPEECH_MS
        ready_ms = max(self._call.now_ms, self._busy_until_ms) + choices.ms(40, 300)
        done_ms = self._busy_until_ms = ready_ms + choices.ms(0, 600)
        is_failing, words = choices.one_in(12), _words(effect.text, length_ms) if choices.below(2) else ()
        samples = length_ms * PER_MS

        def has(there_ms: int, *, is_all: bool) -> None:
            if effect not in self._dropped:
                self._call.player.has(reply, sentence, there_ms, is_all=is_all)

        def begin() -> None:
            if self._is_awaited(effect) and length_ms:
                has(min(200, length_ms), is_all=False)
                self._call.tell(inputs.SpeechReady(reply, sentence, take))

        def end() -> None:
            if not self._is_awaited(effect):
                return
            if is_failing:
                has(min(200, length_ms), is_all=True)
                failed = min(samples, 200 * PER_MS)
                self._call.tell(inputs.SpeechFailed(reply, sentence, failed, Reason.TTS_FAILED, "gone", take))
            else:
                has(length_ms, is_all=True)
                self._call.tell(inputs.SpeechCompleted(reply, sentence, samples, words, take))

        self._call.in_ms(ready_ms - self._call.now_ms, begin)
        self._call.in_ms(done_ms - self._call.now_ms, end)

    def _is_awaited(self, order: effects.Synthesize) -> bool:
        return order in self._ordered or self._call.choices.one_in(8)


def _words(text: str, length_ms: int) -> tuple[SpokenWord, ...]:
    each = text.split()
    step = length_ms * PER_MS // max(1, len(each))
    return tuple(SpokenWord(word, place * step, (place + 1) * step) for place, word in enumerate(each))
