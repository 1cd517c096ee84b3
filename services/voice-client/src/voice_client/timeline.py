"""Both sides of a conversation on one time axis: what the user said and what was played of the agent. Pure.

Zero is the opening of the session. The user's positions count samples at the input rate, the agent's at the output
rate.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np

from voice_client.audio import Samples, resample, samples_of
from voice_client.player import BYTES_PER_SAMPLE, Played
from voice_client.speech_end import speech_end_samples


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
    def speech_end_samples(self) -> int:
        """One past the last sample of speech, as its sound tells."""
        return self.start_samples + speech_end_samples(self.pcm, self.rate_hz)


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

    def latency_ms(self, speech_end_samples: int, reply_ids: Collection[str]) -> float | None:
        """From the end of the user's speech to the first sample of the first of these replies that begins after it.

        None when none of them does: a reply that was playing already is no answer to that speech.
        """
        end_ms = speech_end_samples * 1000 / self.input_rate_hz
        begins_ms: dict[str, float] = {}
        for played in self.played:
            begins_ms.setdefault(played.reply_id, played.clock_samples * 1000 / self.output_rate_hz)
        after = [begin_ms - end_ms for reply_id, begin_ms in begins_ms.items() if reply_id in reply_ids]
        return min((wait_ms for wait_ms in after if wait_ms >= 0), default=None)


def _track(pieces: list[tuple[int, bytes]]) -> Samples:
    decoded = [(start, samples_of(pcm)) for start, pcm in pieces]
    track = np.zeros(max((start + samples.size for start, samples in decoded), default=0), dtype=np.int16)
    for start, samples in decoded:
        track[start : start + samples.size] = samples
    return track
