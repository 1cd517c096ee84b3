"""What is known of the user's running utterance, by its sound and by its words; either may come first, or alone."""

from dataclasses import dataclass

from voice_gateway.domain.events import SpeechEnded, SpeechStarted
from voice_gateway.domain.instant import Instant, after_ms
from voice_gateway.turn.effects import Emit, Orders
from voice_gateway.turn.tables import Floor, FloorEvent, Machine

QUIET_MS = 1_000
"""A final for speech that has ended comes within this: the longest usual `stop_history_ms` and the decoding."""
FORGOTTEN_MS = 3_000
"""Words that come this long after a sound are not of that sound, however slow the recogniser is."""
WORD_SLACK_MS = 500
"""A word that a recogniser places up to this long before the sound that was noticed is still of that sound."""
CARRIED_ON_MS = 1_000
"""After a final, words without a pause before them begin within this time. A sound that goes on longer without words is
a room that is never still."""


@dataclass(frozen=True, slots=True)
class Sound:
    """What is known of the sound of some words."""

    is_noticed: bool
    """Whether there was any, be it of other words."""
    is_fresh: bool = False
    """Whether it is their own, and began with them: it does not go on from the words before."""
    has_voice: bool = False
    """Whether it is their own, and has a voice."""
    is_asked: bool = False
    """Whether it is their own, and began behind a question of the agent's or within one."""


class Utterance:
    """From the first sound or word after a final to the next final. Positions are input samples."""

    def __init__(self, floor: Machine[Floor, FloorEvent], input_rate_hz: int, orders: Orders) -> None:
        self._floor = floor
        self._orders = orders
        self._rate_hz = input_rate_hz
        self._has_onset = False
        """Whether the sound has told of speech since the last final; if so, words do not begin or end it."""
        self._has_words = False
        self._from: int | None = None
        """Where the sound began."""
        self._onset = 0
        """Where the sound began last."""
        self._sound_end: int | None = None
        """End of the last speech by its sound; None while somebody speaks, or when no sound was noticed."""
        self._forgotten_at = Instant(0)
        """From this instant on, words do not belong to the last sound."""
        self.has_voice = False
        """Whether a voice was heard in its sound."""
        self._is_last_voiced = False
        """The same, of the sound that began last."""
        self._is_asked = self._is_last_asked = False
        """Whether a sound before the last, or the last, began behind a question of the agent's or within one."""
        self._goes_on = False
        """Whether its sound went on from the words before."""
        self.is_speaking = False
        self.quiet_by: Instant | None = None
        """A final for the last speech may come until this instant."""

    @property
    def may_become_turn(self) -> bool:
        """Whether words of it may still be to come."""
        return self.is_speaking or self._has_words or self.quiet_by is not None

    @property
    def is_silent(self) -> bool:
        """Whether the sound has told that its speech ended."""
        return self._has_onset and self._sound_end is not None

    @property
    def is_sounding(self) -> bool:
        """Whether somebody speaks now, by the sound."""
        return self._has_onset and self._sound_end is None

    def goes_on_after(self, end_samples: int, unheard_ms: int = 0) -> bool:
        """Whether somebody speaks now, by the sound, who began later than `unheard_ms` before this position."""
        return self.is_sounding and self._onset >= end_samples - unheard_ms * self._rate_hz // 1_000

    def sound_began(self, at_samples: int, *, is_asked: bool) -> None:
        """Speech began, by the sound. An earlier sound without words within QUIET_MS is forgotten.

        `is_asked`: it began behind a question of the agent's, or within one.
        """
        if self._sound_end is not None and self.quiet_by is None and not self._has_words:
            self._forget_sound()
        self._has_onset, self._sound_end, self.quiet_by, self._onset = True, None, None, at_samples
        self._is_asked = self._from is not None and (self._is_asked or self._is_last_asked)
        self._is_last_voiced, self._is_last_asked = False, is_asked
        self._goes_on = self._goes_on and self._from is not None
        self._from = at_samples if self._from is None else self._from
        self._start(at_samples)

    def voiced(self) -> None:
        """A voice is in the sound that was told of last."""
        self.has_voice = self._is_last_voiced = self._from is not None

    def sound_ended(self, at_samples: int, now: Instant) -> bool:
        """Speech ended, by the sound; False if nobody was speaking."""
        if not self.is_speaking:
            return False
        self._sound_end, self.quiet_by = at_samples, after_ms(now, QUIET_MS)
        self._forgotten_at = after_ms(now, FORGOTTEN_MS)
        self._end(at_samples)
        return True

    def words_came(self, at_samples: int) -> None:
        """Words came; without any sound noticed, speech began at the latest here."""
        self._has_words = True
        if not self._has_onset:
            self._start(at_samples)

    def speech_ms(self, end_samples: int) -> int | None:
        """How long it has lasted by `end_samples`; None when its sound was not noticed."""
        if self._from is None:
            return None
        return max(0, self.sound_end(end_samples) - self._from) * 1_000 // self._rate_hz

    def began(self, words_began: int) -> int:
        """Where it began: by its sound, or by its words if the sound was not noticed, or is of other words.

        What is transcribed late, after an outage, has the sound of what was said later. A sound that did not pause at
        the last final belongs to the next words only if these come soon.
        """
        return words_began if self._from is None or not self._is_own(self._from, words_began) else self._from

    def sound_of(self, words_began: int) -> Sound:
        """What is known of the sound of words that began here."""
        if self._from is None:
            return Sound(is_noticed=False)
        if not self._is_own(self._from, words_began):
            return Sound(is_noticed=True)
        is_last = words_began >= self._onset or self._onset == self._from
        is_asked = self._is_last_asked if is_last else self._is_asked
        return Sound(is_noticed=True, is_fresh=not self._goes_on, has_voice=self.has_voice, is_asked=is_asked)

    def _is_own(self, sound_began: int, words_began: int) -> bool:
        after_ms = (words_began - sound_began) * 1_000 // self._rate_hz
        is_carried_on = self._onset < sound_began
        return after_ms >= -WORD_SLACK_MS and (after_ms <= CARRIED_ON_MS or not is_carried_on)

    def sound_end(self, end_samples: int) -> int:
        """Where its sound ended; `end_samples`, the end of its words, when that was not noticed."""
        return end_samples if self._sound_end is None else self._sound_end

    def finalised(self, end_samples: int, *, has_words: bool = True) -> None:
        """Its final came. Speech that goes on by the sound, or began behind it, belongs to the next utterance.

        A final without words has answered no question: its sound may still.
        """
        if not self._has_onset:
            self._end(end_samples)
        is_ended = self._sound_end is not None
        self._has_onset = self._has_onset and (not is_ended or self._onset >= end_samples)
        self._from = max(self._onset, end_samples) if self._has_onset else None
        self.has_voice, self._has_words = self._is_last_voiced and self._has_onset, False
        is_new = self._onset >= end_samples
        self._is_last_asked = self._is_last_asked and self._has_onset and (is_new or not has_words)
        self._is_asked = False
        self._goes_on = self._has_onset and not is_new and (self._goes_on or has_words)
        if not (self._has_onset and is_ended):
            self._sound_end, self.quiet_by = None, None

    def words_lapsed(self, end_samples: int) -> None:
        """No final will follow what was shown of it, and disregarded."""
        if self._has_words and not self.is_sounding:
            self.finalised(end_samples, has_words=False)

    def keep_quiet_time(self, now: Instant, *, is_heard: bool) -> None:
        """Wait for no final once its time has passed; `is_heard`: recognition has heard the last sound."""
        if self.quiet_by is not None and now >= self.quiet_by:
            self.quiet_by = None
        is_wordless = self._sound_end is not None and not self._has_words
        if is_heard and is_wordless and now >= self._forgotten_at:
            self._forget_sound()

    def _forget_sound(self) -> None:
        """The last sound had no words."""
        self._has_onset, self._sound_end, self._from = False, None, None
        self.has_voice = self._is_asked = self._is_last_asked = self._goes_on = False

    def _start(self, at_samples: int) -> None:
        if not self.is_speaking:
            self.is_speaking = True
            self._orders.add(Emit(SpeechStarted(at_samples)))

    def _end(self, at_samples: int) -> None:
        if self.is_speaking:
            self.is_speaking = False
            self._floor.move(FloorEvent.USER_DONE)
            self._orders.add(Emit(SpeechEnded(at_samples)))
