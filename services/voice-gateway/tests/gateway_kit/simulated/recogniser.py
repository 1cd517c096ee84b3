"""The recogniser of a simulated call: it transcribes what was said into the streams that the core has opened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway_kit.phone_call import PER_MS
from voice_gateway.domain.transcript import Word
from voice_gateway.turn import effects, inputs

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway_kit.simulated.call import Call
    from voice_gateway.domain.ids import StreamId

_MISHEARD = {"there": "their", "four": "for", "gate": "boat", "pod": "pot"}
"""Words that one pass or the other may hear instead; some sound alike."""
_FIGURES = {"four two": "42", "twenty one": "21"}


@dataclass(slots=True)
class _Stream:
    number: StreamId
    done_samples: int
    """Up to here nothing is to be told any more."""
    end_samples: int | None = None
    """Where it ends; None while it is fed."""


class Recogniser:
    """Hears `words`; positions are input samples. It may be late, silent, mistaken, or break."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self.words: list[Word] = []
        self._streams: dict[StreamId, _Stream] = {}
        self.performs: dict[type, Callable[[Any], None]] = {
            effects.OpenRecognition: self._open,
            effects.FinishRecognition: self._finish,
            effects.CancelRecognition: self._cancel,
        }

    @property
    def newest(self) -> StreamId | None:
        """The stream that is fed."""
        return next(reversed(self._streams), None)

    def revise(self, *, is_sure: bool) -> None:
        """Tell what may still change."""
        for stream in self._streams.values():
            words = self._heard(stream)
            if words:
                text, end = self._text(words), words[-1].end_samples
                stability, received = 1.0 if is_sure else 0.5, self._call.input_samples()
                fact = inputs.TranscriptRevised(stream.number, text, stability, end, received)
                self._call.in_ms(0, lambda fact=fact: self._tell(fact))  # type: ignore[misc]  # bound now

    def finalise(self) -> None:
        """The end of a segment has been heard on the newest stream."""
        stream = self._streams.get(self.newest) if self.newest is not None else None
        if stream is not None and (words := self._heard(stream)):
            self._tell_final(stream, words, words[-1].end_samples)

    def fail(self) -> None:
        """A stream breaks, or ends though nobody asked it to."""
        if self.newest is not None:
            number = self.newest
            del self._streams[number]
            is_broken = self._call.choices.below(2) == 0
            gone = inputs.RecognitionFailed(number, "gone")
            self._call.tell(gone if is_broken else inputs.RecognitionEnded(number))

    def _open(self, effect: effects.OpenRecognition) -> None:
        self._streams[effect.stream] = _Stream(effect.stream, effect.from_samples)
        if any(word.end_samples <= self._call.input_samples() for word in self.words):
            self._call.in_ms(self._call.choices.ms(100, 600), self.finalise)  # what is replayed ends in silence

    def _cancel(self, effect: effects.CancelRecognition) -> None:
        self._streams.pop(effect.stream, None)

    def _finish(self, effect: effects.FinishRecognition) -> None:
        stream = self._streams.get(effect.stream)
        if stream is None:
            return
        received = self._call.input_samples()
        stream.end_samples = received if effect.at_samples is None else effect.at_samples
        mood = self._call.choices.of(("prompt", "prompt", "prompt", "late", "silent", "empty", "broken", "talkative"))
        if mood == "silent":
            return
        if mood == "broken":
            self._call.in_ms(60, lambda: self._break(stream))
            return
        wait_ms = self._call.choices.ms(20, 200) + (900 if mood == "late" else 0)
        if mood == "talkative":
            for again in range(1, 6):
                self._call.in_ms(again * 700, lambda: self.revise(is_sure=False))
            wait_ms += 4_000
        self._call.in_ms(wait_ms, lambda: self._end(stream, is_empty=mood == "empty"))

    def _end(self, stream: _Stream, *, is_empty: bool) -> None:
        words = [] if is_empty else self._heard(stream)
        if stream.number not in self._streams:
            return
        if words or self._call.choices.below(2):
            self._tell_final(stream, words, max(stream.done_samples, stream.end_samples or 0))
        self._streams.pop(stream.number, None)
        self._call.tell(inputs.RecognitionEnded(stream.number))

    def _break(self, stream: _Stream) -> None:
        if self._streams.pop(stream.number, None) is not None:
            self._call.tell(inputs.RecognitionFailed(stream.number, "gone"))

    def _heard(self, stream: _Stream) -> list[Word]:
        received = self._call.input_samples()
        end = received if stream.end_samples is None else min(received, stream.end_samples)
        middle = 100 * PER_MS
        return [
            word
            for word in self.words
            if word.start_samples + middle > stream.done_samples and word.end_samples - middle < end
        ]

    def _tell_final(self, stream: _Stream, words: list[Word], covered: int) -> None:
        stream.done_samples = covered
        text = self._text(words).capitalize() + "." if words else ""
        told = tuple(words) if self._call.choices.below(2) == 0 else ()
        end = words[-1].end_samples if words else covered
        received = max(self._call.input_samples(), covered)
        self._tell(inputs.SegmentFinal(stream.number, text, told, end, covered, received))

    def _tell(self, fact: inputs.TranscriptRevised | inputs.SegmentFinal) -> None:
        if fact.stream in self._streams or self._call.choices.one_in(8):
            self._call.tell(fact)

    def _text(self, words: list[Word]) -> str:
        """The words as this pass hears them."""
        text = " ".join(word.text for word in words)
        if self._call.choices.one_in(4):
            for said, heard in _MISHEARD.items():
                text = text.replace(said, heard)
        if self._call.choices.one_in(3):
            for said, heard in _FIGURES.items():
                text = text.replace(said, heard)
        return text
