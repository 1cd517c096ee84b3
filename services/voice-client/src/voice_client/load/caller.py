"""One caller: when it speaks, what it hears, and what there is to say of it afterwards. Pure; the time is an argument.

It says an utterance, waits for the answer, hears it out, and after a natural gap says the next; some replies it speaks
over. It has a microphone that is always on: where it says nothing, it sends silence.
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from voice_client.load.playout import NEVER_NS, NS_PER_MS, NS_PER_S, Playout
from voice_client.load.script import FRAME_MS, FRAME_SAMPLES, RATE_HZ, Utterance
from voice_client.player import PlaybackReport

FRAME_NS: Final = FRAME_MS * NS_PER_MS
GAP_MS: Final = (300, 1_500)
"""From the end of a reply to the caller's next words."""
SPOKEN_OVER_AFTER_MS: Final = (500, 2_500)
"""From the first sound of a reply to the first of what is said over it."""
ANSWER_PATIENCE_MS: Final = 10_000
"""A turn that is not answered by then never is, to somebody who waits."""
ENDED_ANYWAY_MS: Final = 500
"""A reply that comes to its end so soon after somebody spoke over it would have ended without that, too."""
AUDIBLE: Final = 100
"""50 dB below full scale: what is quieter is the silence of a synthesiser."""


@dataclass(slots=True)
class Turn:
    """Something that a caller said."""

    utterance: Utterance
    began_ns: int
    """Its first speech sample."""
    ended_ns: int
    """Its last speech sample."""
    left_ns: int
    """When the frame left that has it: nobody can have heard it before."""
    answered_ns: int | None = None
    """The first sound of the answer."""
    is_cut_in_on: bool = False
    """A reply began while it was still being said."""
    heard: list[str] = field(default_factory=list)
    """What the server made of it: final transcripts."""


@dataclass(slots=True)
class Interruption:
    """Speech over a reply."""

    reply_id: str
    began_ns: int
    """Its first speech sample."""
    silent_ns: int
    """The last that was heard of the reply, once it has been obeyed."""
    is_obeyed: bool = False
    ended_by_itself: bool = False


class Caller:
    """Told what comes and when a frame is due; asked what to send. An `Ear` of doors.py."""

    def __init__(self, utterances: Sequence[Utterance], spoken_over_share: float, seed: int) -> None:
        """`spoken_over_share` of the replies, 0 to 1, are spoken over; the seed decides what is said when."""
        self.turns: list[Turn] = []
        self.interruptions: list[Interruption] = []
        self.notices: Counter[str] = Counter()
        self.playout = Playout(RATE_HZ)
        self._pending_reports: list[PlaybackReport] = []
        """Of players that were stopped; to be sent before anything else."""
        self._utterances = utterances
        self._share = spoken_over_share
        self._rng = random.Random(seed)  # noqa: S311 - who speaks when
        self._next_ns = NEVER_NS
        self._stop_ns = NEVER_NS
        self._saying: Utterance | None = None
        self._said_frames = 0
        self._sounded: set[str] = set()
        self._complete: set[str] = set()
        self._running_id: str | None = None
        """The reply that can be heard and has not come whole."""
        self._speak_over_ns = NEVER_NS
        self._no_answers: set[str] = set()

    def begin(self, first_ns: int, stop_ns: int) -> None:
        """Speak for the first time at `first_ns`, and begin nothing from `stop_ns` on."""
        self._next_ns, self._stop_ns = first_ns, stop_ns

    def stop(self, now_ns: int) -> None:
        """Begin nothing from now on."""
        self._stop_ns = min(self._stop_ns, now_ns)

    def is_settled(self, now_ns: int) -> bool:
        """Whether no answer is waited for, and nothing will be said any more."""
        if self._saying is not None or now_ns < self._stop_ns:
            return False
        last = self.turns[-1] if self.turns else None
        return last is None or last.answered_ns is not None or now_ns >= last.ended_ns + ANSWER_PATIENCE_MS * NS_PER_MS

    def frame(self, due_ns: int) -> bytes | None:
        """What was spoken in the frame that ends now; None: silence."""
        utterance = self._saying
        if utterance is None:
            if due_ns < self._next_ns or due_ns >= self._stop_ns:
                return None
            utterance = self._begin_utterance(due_ns - FRAME_NS)
        frame = utterance.frames[self._said_frames]
        self._said_frames += 1
        if self._said_frames == len(utterance.frames):
            self._saying = None
            self._next_ns = self._resume_ns(self.turns[-1])
        return frame

    def reports(self, now_ns: int) -> list[PlaybackReport]:
        """Playback reports that are due."""
        due, self._pending_reports = self._pending_reports, []
        return due + self.playout.reports(now_ns) if now_ns >= self.playout.report_ns else due

    def audio(self, reply_id: str, offset_samples: int, pcm: bytes, at_ns: int, *, is_last: bool) -> None:
        """Reply audio came, s16le at `RATE_HZ`."""
        if reply_id in self._complete:
            return  # nobody plays what comes of a reply that is over
        self.playout.push(reply_id, offset_samples, len(pcm) // 2, at_ns, is_last=is_last)
        if reply_id not in self._sounded and (sound := _first_sound_samples(pcm)) is not None:
            self._sounded.add(reply_id)
            self._sound(reply_id, self.playout.place_ns(reply_id, offset_samples + sound, at_ns + _ns(sound)))
        if is_last:
            self._come_whole(reply_id, at_ns)

    def paused(self, reply_id: str, at_ns: int) -> None:
        """The reply is held."""
        self._report(self.playout.pause(reply_id, at_ns))

    def resumed(self, reply_id: str, offset_samples: int, at_ns: int) -> None:
        """The reply goes on."""
        self.playout.resume(reply_id, offset_samples, at_ns)
        self._plan()

    def interrupted(self, reply_id: str, at_ns: int) -> None:
        """The reply is over before its end."""
        if self.interruptions and self.interruptions[-1].reply_id == reply_id:
            self.interruptions[-1].is_obeyed = True
            self.interruptions[-1].silent_ns = self.playout.silent_ns(reply_id, at_ns)
        self._report(self.playout.flush(reply_id, at_ns))
        self._end_reply(reply_id)

    def finished(self, reply_id: str, at_ns: int) -> None:
        """No more comes of the reply."""
        self._come_whole(reply_id, at_ns)

    def over(self, reply_id: str, at_ns: int) -> None:
        """No more comes of the reply, whole or not."""
        last = self.interruptions[-1] if self.interruptions else None
        if last is not None and last.reply_id == reply_id:
            last.is_obeyed = at_ns - last.began_ns > ENDED_ANYWAY_MS * NS_PER_MS
            last.silent_ns = self.playout.silent_ns(reply_id, NEVER_NS)  # nobody is told to drop what has come
        self.finished(reply_id, at_ns)

    def transcript(self, text: str) -> None:
        """The server has understood a turn."""
        if self.turns:
            self.turns[-1].heard.append(text)

    def no_answer(self, reply_id: str) -> None:
        """The reply is a filler, an apology or a re-prompt: it answers nothing."""
        self._no_answers.add(reply_id)

    def notice(self, reason: str) -> None:
        """The server tells of trouble from which the call recovers."""
        self.notices[reason] += 1

    def _begin_utterance(self, start_ns: int) -> Utterance:
        utterance = self._rng.choice(self._utterances)
        began_ns, ended_ns = (
            start_ns + _ns(at_samples) for at_samples in (utterance.speech_start_samples, utterance.speech_end_samples)
        )
        if self._running_id is not None:
            self.interruptions.append(Interruption(self._running_id, began_ns, began_ns))
            self._speak_over_ns = NEVER_NS
        frames = -(-utterance.speech_end_samples // FRAME_SAMPLES)
        self.turns.append(Turn(utterance, began_ns, ended_ns, start_ns + frames * FRAME_NS))
        self._saying, self._said_frames = utterance, 0
        return utterance

    def _sound(self, reply_id: str, sound_ns: int) -> None:
        turn = self.turns[-1] if self.turns else None
        if turn is not None and turn.answered_ns is None and reply_id not in self._no_answers:
            if sound_ns >= turn.ended_ns:
                turn.answered_ns = sound_ns
            else:
                turn.is_cut_in_on = True
        self._running_id, self._speak_over_ns = reply_id, NEVER_NS
        if self._rng.random() < self._share:
            self._speak_over_ns = sound_ns + self._rng.randint(*SPOKEN_OVER_AFTER_MS) * NS_PER_MS
        self._plan()

    def _come_whole(self, reply_id: str, at_ns: int) -> None:
        if reply_id in self._complete:
            return
        self.playout.complete(reply_id)
        last = self.interruptions[-1] if self.interruptions else None
        if last is not None and last.reply_id == reply_id and not last.is_obeyed:
            last.ended_by_itself = at_ns - last.began_ns <= ENDED_ANYWAY_MS * NS_PER_MS
        self._end_reply(reply_id)

    def _end_reply(self, reply_id: str) -> None:
        self._complete.add(reply_id)
        if self._running_id == reply_id:
            self._running_id = None
        self._plan()

    def _plan(self) -> None:
        """What has been heard of the replies has changed: when are the next words due?"""
        if self._saying is None and self.turns:
            self._next_ns = self._resume_ns(self.turns[-1])

    def _resume_ns(self, turn: Turn) -> int:
        if turn.answered_ns is None:
            patience_ns = turn.ended_ns + ANSWER_PATIENCE_MS * NS_PER_MS
            return patience_ns if self._running_id is None else min(patience_ns, self._speak_over_ns)
        if self._running_id is not None:
            return self._speak_over_ns
        ends_ns = self.playout.ends_ns()
        if ends_ns == NEVER_NS:
            return NEVER_NS
        return max(ends_ns, turn.answered_ns) + self._rng.randint(*GAP_MS) * NS_PER_MS

    def _report(self, report: PlaybackReport | None) -> None:
        if report is not None:
            self._pending_reports.append(report)


def _first_sound_samples(pcm: bytes) -> int | None:
    """Where the first audible sample is."""
    loud = np.flatnonzero(np.abs(np.frombuffer(pcm, np.dtype("<i2")).astype(np.int32)) >= AUDIBLE)
    return int(loud[0]) if loud.size else None


def _ns(samples: int) -> int:
    return samples * NS_PER_S // RATE_HZ
