"""The ears of the fake recogniser: where speech starts and stops in a stream of samples, in audio time, by energy."""

from dataclasses import dataclass

import numpy as np

from voicegateway_testkit.pcm import from_pcm

FRAME_MS = 10
RUN_GAP_MS = 80
"""Silence that ends a run of speech; pauses within the kit's own speech are shorter."""
LOUD_AMPLITUDE = 300
"""A frame with a sample beyond this is speech: -41 dBFS; the kit's speech peaks at -6 dBFS, its silence is zero."""


@dataclass(frozen=True, slots=True)
class Endpointing:
    """The windows of a request, `EndpointingConfig`'s stop_history_eou and stop_history; no first pass if None."""

    stop_history_eou_ms: int | None
    stop_history_ms: int


@dataclass(frozen=True, slots=True)
class RunStarted:
    """Speech begins, in a new segment or after a pause within one."""

    at_samples: int


@dataclass(frozen=True, slots=True)
class RunEnded:
    """Speech has ended at `at_samples`, RUN_GAP_MS ago."""

    at_samples: int


@dataclass(frozen=True, slots=True)
class InterimDue:
    """It is time for an interim result, or the first pass suspects the end of the utterance (`is_suspected_end`)."""

    at_samples: int
    is_suspected_end: bool


@dataclass(frozen=True, slots=True)
class SegmentEnded:
    """The second pass, or the end of the audio, has ended the segment."""

    at_samples: int


EarEvent = RunStarted | RunEnded | InterimDue | SegmentEnded


class Ears:
    """Takes s16le audio of any cut and gives events; positions count from the stream's first sample."""

    def __init__(self, rate_hz: int, endpointing: Endpointing, interim_every_ms: int) -> None:
        self._frame_samples = rate_hz * FRAME_MS // 1000
        self._rest = np.zeros(0, dtype=np.int16)
        self._gap_samples = rate_hz * RUN_GAP_MS // 1000
        eou_ms = endpointing.stop_history_eou_ms
        self._eou_samples = None if eou_ms is None else rate_hz * eou_ms // 1000
        self._stop_samples = rate_hz * endpointing.stop_history_ms // 1000
        self._interim_samples = rate_hz * interim_every_ms // 1000
        self._position = 0
        self._last_loud = 0
        self._next_interim = 0
        self._in_segment = False
        self._in_run = False
        self._suspected = False

    @property
    def heard_samples(self) -> int:
        """Samples taken so far."""
        return self._position + len(self._rest)

    def hear(self, pcm: bytes) -> list[EarEvent]:
        """Takes the next audio; raises ValueError when a sample is cut."""
        samples = np.concatenate((self._rest, from_pcm(pcm)))
        whole = len(samples) // self._frame_samples * self._frame_samples
        self._rest = samples[whole:]
        peaks = np.abs(samples[:whole].astype(np.int32)).reshape(-1, self._frame_samples).max(axis=1)
        events: list[EarEvent] = []
        for is_loud in (peaks > LOUD_AMPLITUDE).tolist():
            self._hear_frame(events, is_loud=is_loud)
        return events

    def finish(self) -> list[EarEvent]:
        """The audio has ended: a segment that is open ends here."""
        events: list[EarEvent] = []
        if self._in_run:
            events.append(RunEnded(self._last_loud))
        if self._in_segment:
            events.append(SegmentEnded(self.heard_samples))
        self._in_run = self._in_segment = False
        return events

    def _hear_frame(self, events: list[EarEvent], *, is_loud: bool) -> None:
        if is_loud and not self._in_run:
            events.append(RunStarted(self._position))
            if not self._in_segment:
                self._next_interim = self._position + self._interim_samples
            self._in_segment = self._in_run = True
        self._position += self._frame_samples
        if is_loud:
            self._last_loud = self._position
            self._suspected = False
        if self._in_segment:
            self._judge_silence(self._position - self._last_loud, events)

    def _judge_silence(self, silent_samples: int, events: list[EarEvent]) -> None:
        is_end = silent_samples >= self._stop_samples
        is_suspicion = self._eou_samples is not None and silent_samples >= self._eou_samples and not self._suspected
        if self._in_run and (is_end or is_suspicion or silent_samples >= self._gap_samples):
            self._in_run = False
            events.append(RunEnded(self._last_loud))
        if is_end:
            self._in_segment = False
            events.append(SegmentEnded(self._position))
        elif is_suspicion:
            self._suspected = True
            events.append(InterimDue(self._position, is_suspected_end=True))
        elif self._position >= self._next_interim:
            self._next_interim += self._interim_samples
            events.append(InterimDue(self._position, is_suspected_end=False))
