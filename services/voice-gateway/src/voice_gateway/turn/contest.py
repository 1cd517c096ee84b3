"""Speech over the agent's voice, or over the reply it is about to speak: who gets the floor."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from voice_gateway.domain.events import DisregardCause, InterruptCause
from voice_gateway.domain.instant import Instant, after_ms
from voice_gateway.domain.player import Player
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.turn.effects import Disregard
from voice_gateway.turn.reply.agent import Agent
from voice_gateway.turn.tables import Floor, FloorEvent, Machine
from voice_gateway.turn.text.backchannels import is_backchannel
from voice_gateway.turn.text.echo import beyond_echo
from voice_gateway.turn.text.heard import count_words
from voice_gateway.turn.text.stop_words import is_stop
from voice_gateway.turn.user.utterance import Sound

MOST_LONE_WORDS = 2
"""So many finals in a row of one word that the agent has said may be the user's. The next one is the agent's."""


class Verdict(Enum):
    """What the agent does."""

    WAIT = "it cannot be decided yet"
    YIELD = "stop: this is an interruption"
    GO_ON = "go on: this was no interruption"


@dataclass(frozen=True, slots=True)
class Said:
    """What has been said over the agent so far."""

    text: str
    speech_ms: int | None
    """How long it took; None: its sound was not noticed."""
    is_final: bool
    """Whether no more words of this utterance will come."""
    has_voice: bool
    """Whether a voice was in the sound. A knock and a cough have none; recognisers hear a word in them all the same."""


def judge(policy: TurnPolicy, language_code: str, said: Said, *, is_answer: bool) -> Verdict:
    """The verdict on what has been said over the agent so far.

    Args:
        policy: its `min_speech_ms`, `min_words` and `backchannel_ms` decide.
        language_code: tells which words only acknowledge.
        said: the words, and their sound.
        is_answer: whether the agent has asked something last.
    """
    words = count_words(said.text)
    if not words:
        return Verdict.GO_ON if said.is_final else Verdict.WAIT
    is_short = said.speech_ms is None or said.speech_ms < policy.backchannel_ms
    is_long = words >= policy.min_words and (said.speech_ms is None or said.speech_ms >= policy.min_speech_ms)
    acknowledges = is_short and is_backchannel(said.text, language_code) and not is_answer
    if is_stop(said.text) or (is_long and not acknowledges):
        return Verdict.YIELD
    if not said.is_final:
        return Verdict.WAIT
    is_noise = said.speech_ms is not None and is_short and words == 1 and not said.has_voice
    return Verdict.GO_ON if acknowledges or is_noise else Verdict.YIELD


class Contest:
    """Holds the reply at an onset, and lets it go on when that was no interruption."""

    def __init__(
        self,
        policy: TurnPolicy,
        language_code: str,
        floor: Machine[Floor, FloorEvent],
        agent: Agent,
        *,
        player: Player,
    ) -> None:
        self._policy = policy
        self._language_code = language_code
        self._floor = floor
        self._agent, self._current = agent, agent.current
        self._player = player
        self._until = Instant(0)
        self._onset_known = Instant(0)
        """When the sound that began last was told of."""
        self._is_echoing = False
        """Whether words have shown that the agent's voice comes back: from then on sound alone contests nothing."""
        self._lone_words = 0
        """How many finals in a row were one word that the agent had just said."""
        self._sounding_since: Instant | None = None
        """When somebody began to speak who still speaks, and for whom no reply was held yet."""
        self._hears_itself = False
        """Whether the sound has shown it. If so, words over the agent's voice without a user's sound are its own."""

    def hears_itself(self) -> None:
        """The agent's voice comes back, by the sound; speech that is told of from now on is not echo."""
        self._hears_itself = True

    def users_part(
        self, text: str, began: Instant, ended: Instant, now: Instant, *, is_final: bool, sound: Sound
    ) -> str | None:
        """What of a transcript of speech from `began` to `ended` is not the agent's own voice coming back.

        A single word proves little, and a user may well take it from what the agent says. As long as nothing has shown
        an echo, it is the user's once it is final, if its sound began before the reply left, or if it may be an answer.
        None: it may be that, and is not final yet.
        """
        spoken = self._agent.spoken(began, ended, now)
        if spoken and self._hears_itself and not sound.is_noticed:
            return ""
        part = beyond_echo(text, spoken) if spoken else text
        if part:
            self._lone_words = 0 if is_final else self._lone_words
            return part
        if count_words(text) > 1:
            self._is_echoing = True
            return ""
        is_before = sound.is_fresh and not (self._hears_itself or self._agent.spoken(began, began, now))
        may_be_users = is_before or (sound.is_asked and sound.has_voice)
        is_users = may_be_users and not self._is_echoing and self._lone_words < MOST_LONE_WORDS
        if not is_final:
            return None if is_users else ""
        self._lone_words += 1
        if not is_users and self._lone_words >= MOST_LONE_WORDS:
            self._is_echoing = True
        return text if is_users else ""

    def reconfigure(self, policy: TurnPolicy, language_code: str) -> None:
        """Judge by another policy and language from now on."""
        self._policy, self._language_code = policy, language_code

    def onset(self, began: Instant, now: Instant) -> None:
        """Somebody began to speak, by the sound; where the agent's voice comes back, that may be it."""
        self._sounding_since, self._onset_known = began, now
        if not self._is_echoing:
            self._hold_what_is_heard(now)

    def sound_ended(self) -> None:
        """Nobody speaks any more, or what sounds belongs to a turn that is committed."""
        self._sounding_since = None

    def hold_for_sound(self, now: Instant) -> None:
        """Hold a reply if somebody speaks who began before any of it was heard: that is no echo of it."""
        if self._sounding_since is not None and self._current.unheard(self._sounding_since):
            self._sounding_since = None
            self._hold(now)

    def verdict(self, said: Said, now: Instant, *, is_asked: bool, sounds_on: bool) -> Verdict:
        """Whether what was said so far takes the floor; WAIT when there is nobody to take it from.

        `is_asked`: the sound of the words began behind a question of the agent's, or within one.
        `sounds_on`: somebody speaks, by the sound, who cannot have said these words.
        """
        if self._floor.state not in (Floor.AGENT, Floor.CONTESTED):
            return Verdict.WAIT
        is_answer = is_asked or self._current.has_asked(now, now)
        verdict = judge(self._policy, self._language_code, said, is_answer=is_answer)
        if verdict is Verdict.GO_ON:
            self.disregarded(now, sounds_on=sounds_on)
        elif self._agent.is_protected(now):
            return Verdict.WAIT
        elif verdict is Verdict.YIELD:
            self._agent.interrupt(InterruptCause.USER_SPEECH, now)
        elif self._is_echoing:
            self._hold_what_is_heard(now)
        return verdict

    def _hold_what_is_heard(self, now: Instant) -> None:
        if self._floor.state is Floor.AGENT and not self._agent.is_protected(now):
            self._hold(now)

    def _hold(self, now: Instant) -> None:
        """Hold the reply, once for each sound, until there is a verdict."""
        if self._floor.state is Floor.AGENT:
            if not self._player.can_be_held:
                return
            self._floor.move(FloorEvent.CONTESTED)
        elif self._current.is_held:
            return
        self._sounding_since = None
        self._until = after_ms(now, self._policy.contested_timeout_ms)
        self._current.hold(now)

    def disregarded(self, now: Instant, *, sounds_on: bool) -> None:
        """Words were no interruption. `sounds_on`: somebody who did not say them speaks, and is still to be judged.

        The time for that runs from the onset, however often such words come.
        """
        until = after_ms(self._onset_known, self._policy.contested_timeout_ms)
        if sounds_on and now < until:
            self._until = until
        else:
            self._go_on(now)

    def disregards(self, said: str, own: str, *, is_for_nobody: bool) -> Iterator[Disregard]:
        """What whoever watches is told of the words of a final that are in no turn.

        `own` is what is the user's of it, and `is_for_nobody` whether that is disregarded, too.
        """
        words, users = count_words(said), count_words(own)
        if users < words:
            yield Disregard(DisregardCause.ECHO, words - users)
        if users and is_for_nobody:
            acknowledges = is_backchannel(own, self._language_code)
            yield Disregard(DisregardCause.BACKCHANNEL if acknowledges else DisregardCause.NOISE, users)

    def _go_on(self, now: Instant) -> None:
        if self._floor.state is Floor.CONTESTED:
            self._floor.move(FloorEvent.RESUMED)
        self._current.resume(now)

    def deadline(self) -> Instant | None:
        """When the reply goes on without a verdict."""
        return self._until if self._current.is_held else None

    def on_deadline(self, now: Instant) -> None:
        """Let the reply go on if there was no verdict in time."""
        if self._current.is_held and now >= self._until:
            self._go_on(now)
