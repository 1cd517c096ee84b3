"""Which stretch of audio is decoded for what, decided from the endpointer's events.

Pure. Every decode costs what its audio is long, and every interim decodes again, so an utterance is a row of *pieces*:
most have one. A piece that has grown past `PIECE_SOFT_FRAMES` is closed at the next pause after which speech goes on;
one that reaches `PIECE_HARD_FRAMES` without any is cut in its longest pause, or else where speech was least likely.
A closed piece is decoded once. An utterance that goes on past `UTTERANCE_SOFT_FRAMES` ends with the piece that took it
there, and the next one begins at the cut. Pieces of one stream never overlap in speech, and leave none out: a piece
begins where the one before ended.

Positions are in frames of the stream (`endpointing.FRAME_SAMPLES` each). The `Tracker` keeps only probabilities, at
most those of one piece.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from local_models.riva.endpointing import (
    SPEECH_PROBABILITY,
    Ended,
    Endpointer,
    EndpointingPolicy,
    EndSuspected,
    Event,
    PauseBegan,
    Phase,
    SpeechResumed,
    SpeechStarted,
)

LEAD_FRAMES: Final = 6
"""Audio kept before the onset (192 ms). With 0.5 s the word error rate on the reference recording doubles, with none
soft first sounds are lost (measured 2026-11-21: 0.1 to 0.3 s are equal)."""

PIECE_SOFT_FRAMES: Final = 250
"""8 s: a decode of 0.38 s, and still enough context for the recogniser."""

PIECE_PAUSE_FRAMES: Final = 3
"""A pause (96 ms) long enough to close a piece in; shorter ones occur inside words."""

PIECE_HARD_FRAMES: Final = 375
"""12 s: the most that one decode is ever given (0.5 s of CPU)."""

CUT_EARLIEST_FRAMES: Final = 125
"""A forced cut leaves at least 4 s before it."""

CUT_LATEST_MARGIN_FRAMES: Final = 9
"""And 0.3 s after it, so that the word being spoken now is not the one that is cut."""

UTTERANCE_SOFT_FRAMES: Final = 560
"""18 s: with one more piece at the most, no utterance is longer than 30 s."""


@dataclass(frozen=True, slots=True)
class Span:
    """Audio to decode, [start, end), and within it the first and last frame of speech."""

    start_frame: int
    end_frame: int
    speech_start_frame: int
    speech_end_frame: int


@dataclass(frozen=True, slots=True)
class DecodeAhead:
    """Speech paused: begin to decode `span`, since the end of the utterance would ask for exactly that."""

    span: Span


@dataclass(frozen=True, slots=True)
class DropAhead:
    """Speech went on: what was decoded ahead is void, unless a `ClosePiece` with the same span came just before."""


@dataclass(frozen=True, slots=True)
class ClosePiece:
    """This part of the utterance is complete; the utterance goes on."""

    span: Span


@dataclass(frozen=True, slots=True)
class Suspect:
    """First pass at `at_frame`; `span` is what was not yet closed."""

    span: Span
    at_frame: int


@dataclass(frozen=True, slots=True)
class Finish:
    """The utterance is over at `at_frame`; `span` is its last piece."""

    span: Span
    at_frame: int


Step = DecodeAhead | DropAhead | ClosePiece | Suspect | Finish


class Tracker:
    """One stream's utterances. Feed `frame()` each probability; perform the steps it returns in order."""

    def __init__(self, policy: EndpointingPolicy) -> None:
        self._endpointer = Endpointer(policy)
        self._idle_frames = self._endpointer.start_frames + LEAD_FRAMES
        self._next_frame = 0
        self._utterance_start = 0
        self._piece_start = 0
        self._piece: list[float] = []  # probabilities from _piece_start on
        self._ahead: Span | None = None

    @property
    def is_speaking(self) -> bool:
        """An utterance is in progress and the last frames were not a pause."""
        return self._endpointer.phase is Phase.SPEECH

    @property
    def oldest_needed_frame(self) -> int:
        """No step will ever ask for audio before this frame."""
        return self._piece_start

    def open_span(self) -> Span:
        """The open piece as far as it has been heard, for an interim."""
        return self._span(self._next_frame)

    def frame(self, probability: float) -> list[Step]:
        """Take the next frame; returns what has to be done about it, in order."""
        self._next_frame += 1
        self._piece.append(probability)
        steps = [step for event in self._endpointer.frame(probability) for step in self._on_event(event)]
        if self._endpointer.phase is Phase.IDLE:
            self._advance(max(self._piece_start, self._next_frame - self._idle_frames))
        elif len(self._piece) >= PIECE_HARD_FRAMES and self._ahead is None:
            steps.append(self._close(self._span(self._best_cut())))
        return steps

    def finish(self) -> list[Step]:
        """The audio is over: an utterance in progress ends here, whatever the windows say."""
        if self._endpointer.phase is Phase.IDLE:
            return []
        self._endpointer.end()
        return [self._finish()]

    def _on_event(self, event: Event) -> list[Step]:
        match event:
            case SpeechStarted(onset_frame):
                self._advance(max(self._piece_start, onset_frame - LEAD_FRAMES))
                self._utterance_start = self._piece_start
                return []
            case PauseBegan():
                return [DecodeAhead(self._end_span())]
            case SpeechResumed(silent_frames):
                return self._resume(silent_frames)
            case EndSuspected():
                return [Suspect(self._end_span(), self._next_frame)]
            case Ended():
                return [self._finish()]

    def _resume(self, silent_frames: int) -> list[Step]:
        steps: list[Step] = []
        ahead, self._ahead = self._ahead, None
        if ahead and silent_frames >= PIECE_PAUSE_FRAMES and ahead.end_frame - self._piece_start >= PIECE_SOFT_FRAMES:
            steps.append(self._close(ahead))
        steps.append(DropAhead())
        return steps

    def _close(self, span: Span) -> ClosePiece | Finish:
        self._advance(span.end_frame)
        if span.end_frame - self._utterance_start < UTTERANCE_SOFT_FRAMES:
            return ClosePiece(span)
        self._utterance_start = span.end_frame
        return Finish(span, self._next_frame)

    def _finish(self) -> Finish:
        span, self._ahead = self._end_span(), None
        self._advance(span.end_frame)
        return Finish(span, self._next_frame)

    def _end_span(self) -> Span:
        """What the end of the utterance needs decoded, the same from the pause to the end."""
        if self._ahead is None:
            self._ahead = self._span(self._next_frame)
        return self._ahead

    def _advance(self, piece_start: int) -> None:
        del self._piece[: piece_start - self._piece_start]
        self._piece_start = piece_start

    def _span(self, end_frame: int) -> Span:
        spoken = [probability >= SPEECH_PROBABILITY for probability in self._piece[: end_frame - self._piece_start]]
        lead_frames = next((index for index, speech in enumerate(spoken) if speech), 0)
        tail_frames = next((index for index, speech in enumerate(reversed(spoken)) if speech), 0)
        return Span(self._piece_start, end_frame, self._piece_start + lead_frames, end_frame - tail_frames)

    def _best_cut(self) -> int:
        candidates = self._piece[CUT_EARLIEST_FRAMES : len(self._piece) - CUT_LATEST_MARGIN_FRAMES]
        return self._piece_start + CUT_EARLIEST_FRAMES + quietest_frame(candidates)


def quietest_frame(probabilities: Sequence[float]) -> int:
    """Index to cut at: the middle of the longest silence, or the middle of the three least likely speech frames."""
    longest_start = longest_length = run_length = 0
    for index, probability in enumerate(probabilities):
        run_length = run_length + 1 if probability < SPEECH_PROBABILITY else 0
        if run_length > longest_length:
            longest_start, longest_length = index + 1 - run_length, run_length
    if longest_length:
        return longest_start + longest_length // 2
    return min(range(1, len(probabilities) - 1), key=lambda index: sum(probabilities[index - 1 : index + 2]))
