"""Both sides of a conversation on one time axis: what the user said and what was played of the agent. Pure.

Zero is the opening of the session. The user's positions count samples at the input rate, the agent's at the output
rate.
"""

from dataclasses import dataclass, field

import numpy as np

from voice_client.audio import Samples, resample, samples_of, sound_end_samples
from voice_client.player import BYTES_PER_SAMPLE, Played


@dataclass(frozen=True, slots=True)
class Said:
    """A stretch of user audio and where it began on the input time axis; s16le mono."""

    start_samples: int
    pcm: bytes
    rate_hz: int

    @property
    def end_samples(self) -> int:
        return self.start_samples + len(self.pcm) // BYTES_PER_SAMPLE

    @property
    def sound_end_samples(self) -> int:
        """One past the last sample that is not silence."""
        return self.start_samples + sound_end_samples(self.pcm, self.rate_hz)


@dataclass(slots=True)
class Timeline:
    """Collects both tracks as they happen."""

    input_rate_hz: int
    output_rate_hz: int
    said: list[Said] = field(default_factory=list)
    played: list[Played] = field(default_factory=list)

    def user_track(self) -> Samples:
        """All that the user said, at the input rate."""
        return _track([(said.start_samples, said.pcm) for said in self.said])

    def agent_track(self) -> Samples:
        """All that was played, at the output rate."""
        return _track([(played.clock_samples, played.pcm) for played in self.played])

    def stereo(self) -> tuple[Samples, Samples]:
        """Left the user, right the agent, both at the output rate."""
        return resample(self.user_track(), self.input_rate_hz, self.output_rate_hz), self.agent_track()

    def reply_pcm(self, reply_id: str) -> bytes:
        """What was played of one reply, without the silences between, s16le mono at the output rate."""
        return b"".join(played.pcm for played in self.played if played.reply_id == reply_id)

    def latency_ms(self, sound_end_samples: int) -> float | None:
        """From a sample of the user's to the first reply sample played after it; None when none was."""
        end_ms = sound_end_samples * 1000 / self.input_rate_hz
        starts = (played.clock_samples * 1000 / self.output_rate_hz for played in self.played)
        return next((start_ms - end_ms for start_ms in starts if start_ms >= end_ms), None)


def _track(pieces: list[tuple[int, bytes]]) -> Samples:
    decoded = [(start, samples_of(pcm)) for start, pcm in pieces]
    track = np.zeros(max((start + samples.size for start, samples in decoded), default=0), dtype=np.int16)
    for start, samples in decoded:
        track[start : start + samples.size] = samples
    return track
