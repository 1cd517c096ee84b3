"""When an utterance starts and ends, decided from one speech probability per 32 ms of audio.

Pure: no clock, no I/O, no async. Time is counted in frames of audio, so audio that arrives faster than real time ends
its utterances at the same places.

Theory of operation. Each frame is *speech* or *silence*. The six numbers of Riva's `EndpointingConfig` are three
windows and the share of each that must qualify:

1. IDLE. When `start_threshold` of the last `start_history_ms` is speech, an utterance begins (`SpeechStarted`).
2. Two silent frames in a row are a pause (`PauseBegan`): the moment to begin the decode that the end would need.
   A speech frame after that is `SpeechResumed`.
3. When `stop_threshold_eou` of the last `stop_history_eou_ms` is silence, the end is suspected (`EndSuspected`), once
   per pause. This is Riva's first pass: on the wire an interim with stability 1.0.
4. When `stop_threshold` of the last `stop_history_ms` is silence, the utterance has ended (`Ended`); back to 1.

Only frames since the utterance began count in the windows of 3 and 4, a window must be full, and the frame that
decides must be silent itself: a threshold of 0.5 is not met by the silence before the first word.
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Final

FRAME_SAMPLES: Final = 512
"""One decision per chunk of the voice activity model: 32 ms at 16 kHz."""

SAMPLES_PER_MS: Final = 16

SPEECH_PROBABILITY: Final = 0.5
"""Silero's own default. Its probability falls within one frame of a sharp end of speech (measured 2026-11-21)."""

PAUSE_FRAMES: Final = 2
"""Silent frames that make a pause. With 1, every stop consonant would start a decode; with 4, the decode of a
five-second utterance (159 ms) would not be there at the default first pass."""

MAX_HISTORY_MS: Final = 10_000
"""An upper bound for the windows, because the audio of the start window is kept."""

DEFAULT_STOP_HISTORY_MS: Final = 480
DEFAULT_STOP_HISTORY_EOU_MS: Final = 240

SHARE_TOLERANCE_FRAMES: Final = 1e-3
"""Thresholds travel as 32-bit floats: 0.6 of 5 frames arrives as 3.0000001."""


class EndpointingError(ValueError):
    """Endpointing settings that contradict themselves; the message names the field and both numbers."""


@dataclass(frozen=True, slots=True)
class EndpointingPolicy:
    """The three windows. Defaults: the turn policy table (stop windows), Riva's 0.98 for what must be silent.

    `start_history_ms` 96 with `start_threshold` 0.5 is two frames of three: a click of one frame is not speech.
    Raises EndpointingError.
    """

    start_history_ms: int = 96
    start_threshold: float = 0.5
    stop_history_ms: int = DEFAULT_STOP_HISTORY_MS
    stop_threshold: float = 0.98
    stop_history_eou_ms: int = DEFAULT_STOP_HISTORY_EOU_MS
    stop_threshold_eou: float = 0.98

    def __post_init__(self) -> None:
        for name in ("start_history_ms", "stop_history_ms", "stop_history_eou_ms"):
            value = getattr(self, name)
            if not 0 < value <= MAX_HISTORY_MS:
                field = name.removesuffix("_ms")
                raise EndpointingError(f"{field} must be from 1 to {MAX_HISTORY_MS} ms, got {value}")
        for name in ("start_threshold", "stop_threshold", "stop_threshold_eou"):
            value = getattr(self, name)
            if not 0.0 < value <= 1.0:
                raise EndpointingError(f"{name} must be above 0 and at most 1, got {value:g}")
        if self.stop_history_eou_ms >= self.stop_history_ms:
            raise EndpointingError(
                f"stop_history_eou ({self.stop_history_eou_ms} ms) must be less than "
                f"stop_history ({self.stop_history_ms} ms)"
            )


class Phase(Enum):
    IDLE = "idle"
    SPEECH = "speech"
    PAUSE = "pause"


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Speech began at `onset_frame`, the first speech frame of the window that decided it."""

    onset_frame: int


@dataclass(frozen=True, slots=True)
class PauseBegan:
    """The first `PAUSE_FRAMES` silent frames after speech have been heard."""


@dataclass(frozen=True, slots=True)
class SpeechResumed:
    """Speech again after `silent_frames` of silence: what was prepared for the end is void."""

    silent_frames: int


@dataclass(frozen=True, slots=True)
class EndSuspected:
    """First pass: the utterance has probably ended."""


@dataclass(frozen=True, slots=True)
class Ended:
    """Second pass: the utterance has ended."""


Event = SpeechStarted | PauseBegan | SpeechResumed | EndSuspected | Ended


class _Window:
    """The last frames, as booleans, and how many of them are true."""

    __slots__ = ("_frames", "_hits", "_needed", "size_frames")

    def __init__(self, history_ms: int, threshold: float) -> None:
        # Rounded down, because the frame in which speech ends counts as speech, and the probability falls up to one
        # frame late: measured over real endings, the decision then comes within 50 ms of the window asked for.
        self.size_frames = max(1, history_ms * SAMPLES_PER_MS // FRAME_SAMPLES)
        self._needed = threshold * self.size_frames - SHARE_TOLERANCE_FRAMES
        self._frames: deque[bool] = deque(maxlen=self.size_frames)
        self._hits = 0

    def add(self, *, hit: bool) -> None:
        if len(self._frames) == self.size_frames:
            self._hits -= self._frames[0]
        self._frames.append(hit)
        self._hits += hit

    @property
    def qualifies(self) -> bool:
        return self._hits >= self._needed

    @property
    def is_full(self) -> bool:
        return len(self._frames) == self.size_frames

    def first_hit_age_frames(self) -> int:
        """How many frames ago the oldest hit in the window was; 0 is the newest frame."""
        return len(self._frames) - 1 - self._frames.index(True)

    def clear(self) -> None:
        self._frames.clear()
        self._hits = 0


class Endpointer:
    """One stream's endpointing. Feed `frame()` every probability in order; act on the events it returns in order."""

    def __init__(self, policy: EndpointingPolicy) -> None:
        self._start = _Window(policy.start_history_ms, policy.start_threshold)
        self._stop = _Window(policy.stop_history_ms, policy.stop_threshold)
        self._stop_eou = _Window(policy.stop_history_eou_ms, policy.stop_threshold_eou)
        self._frame_index = -1
        self._silent_frames = 0
        self._suspected = False
        self.phase = Phase.IDLE
        self.start_frames = self._start.size_frames

    def frame(self, probability: float) -> tuple[Event, ...]:
        """Take the next frame's speech probability; returns what it means, in order."""
        self._frame_index += 1
        speech = probability >= SPEECH_PROBABILITY
        if self.phase is Phase.IDLE:
            return self._while_idle(speech=speech)
        self._stop.add(hit=not speech)
        self._stop_eou.add(hit=not speech)
        return self._on_speech() if speech else self._on_silence()

    def end(self) -> None:
        """Forget the utterance in progress, because its audio is over."""
        self.phase = Phase.IDLE
        self._silent_frames = 0
        self._suspected = False
        for window in (self._start, self._stop, self._stop_eou):
            window.clear()

    def _while_idle(self, *, speech: bool) -> tuple[Event, ...]:
        self._start.add(hit=speech)
        if not (speech and self._start.qualifies):
            return ()
        self.phase = Phase.SPEECH
        return (SpeechStarted(self._frame_index - self._start.first_hit_age_frames()),)

    def _on_speech(self) -> tuple[Event, ...]:
        silent_frames, self._silent_frames = self._silent_frames, 0
        was_void = self.phase is Phase.PAUSE or self._suspected
        self.phase = Phase.SPEECH
        self._suspected = False
        return (SpeechResumed(silent_frames),) if was_void else ()

    def _on_silence(self) -> tuple[Event, ...]:
        events: list[Event] = []
        self._silent_frames += 1
        if self._silent_frames == PAUSE_FRAMES:
            self.phase = Phase.PAUSE
            events.append(PauseBegan())
        if not self._suspected and self._stop_eou.is_full and self._stop_eou.qualifies:
            self._suspected = True
            events.append(EndSuspected())
        if self._stop.is_full and self._stop.qualifies:
            self.end()
            events.append(Ended())
        return tuple(events)
