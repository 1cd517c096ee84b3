"""Speech over the agent's voice, or over the reply it is about to speak: who gets the floor."""

from enum import Enum

from voice_gateway.domain.events import InterruptCause
from voice_gateway.domain.instant import Instant, after_ms
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.turn.agent import Agent
from voice_gateway.turn.effects import Effect
from voice_gateway.turn.tables import Floor, FloorEvent, Machine
from voice_gateway.turn.text.backchannels import is_backchannel
from voice_gateway.turn.text.echo import beyond_echo
from voice_gateway.turn.text.heard import count_words
from voice_gateway.turn.text.stop_words import is_stop


class Verdict(Enum):
    """What the agent does."""

    WAIT = "nothing can be said yet"
    YIELD = "stop: this is an interruption"
    GO_ON = "go on: this was none"


def judge(policy: TurnPolicy, text: str, speech_ms: int, *, is_final: bool) -> Verdict:
    """The verdict on what has been said over the agent so far.

    Args:
        policy: its `min_speech_ms`, `min_words` and `backchannel_ms` decide.
        text: the words so far.
        speech_ms: how long they took to say.
        is_final: whether no more words of this utterance will come.
    """
    words = count_words(text)
    is_long = speech_ms >= policy.min_speech_ms and words >= policy.min_words
    is_short = speech_ms < policy.backchannel_ms
    acknowledges = is_short and is_backchannel(text)
    if is_stop(text) or (words and is_long and not acknowledges):
        return Verdict.YIELD
    if not is_final:
        return Verdict.WAIT
    return Verdict.GO_ON if acknowledges or (is_short and words <= 1) else Verdict.YIELD


class Contest:
    """Holds the reply at an onset, and lets it go on when that was no interruption."""

    def __init__(self, policy: TurnPolicy, floor: Machine[Floor, FloorEvent], agent: Agent, *, can_pause: bool) -> None:
        self._policy = policy
        self._floor = floor
        self._agent = agent
        self._can_pause = can_pause
        """Whether the client's player can be held; if not, only words interrupt what is being played."""
        self._until = Instant(0)
        self._is_echoing = False
        """Whether words have shown that the agent's voice comes back: from then on sound alone contests nothing."""
        self._is_sounding = False
        """Whether somebody began to speak and has not ended, and nothing was held for that yet."""
        self._hears_itself = False
        """Whether the sound has shown it: words over the agent's voice without the sound of a user are its own."""

    def hears_itself(self) -> None:
        """The agent's voice comes back, by the sound; what is told of as speech from now on is not that."""
        self._hears_itself = True

    def users_part(self, text: str, began: Instant, now: Instant, *, is_final: bool, has_sound: bool) -> str:
        """What of a transcript of speech that began then is not the agent's own voice coming back.

        `has_sound`: whether its sound was told of.
        """
        spoken = self._agent.spoken(began, now)
        if spoken and self._hears_itself and not has_sound:
            return ""
        part = beyond_echo(text, spoken) if spoken else text
        if not part and (is_final or count_words(text) > 1):
            self._is_echoing = True
        return part

    def reconfigure(self, policy: TurnPolicy) -> None:
        """Judge by another policy from now on."""
        self._policy = policy

    def onset(self, now: Instant) -> list[Effect]:
        """Somebody began to speak, by the sound."""
        self._is_sounding = True
        return [] if self._is_echoing and self._floor.state is Floor.AGENT else self._begin(now)

    def sound_ended(self) -> None:
        """Nobody speaks any more, or what sounds belongs to a turn that is committed."""
        self._is_sounding = False

    def hold_for_sound(self, now: Instant) -> list[Effect]:
        """Hold back a reply that has begun while somebody spoke already."""
        if not self._is_sounding or not self._agent.is_unheard:
            return []
        self._is_sounding = False
        return self._begin(now)

    def verdict(self, text: str, speech_ms: int, now: Instant, *, is_final: bool) -> tuple[Verdict, list[Effect]]:
        """Whether what was said so far takes the floor; WAIT when there is nobody to take it from."""
        if self._floor.state not in (Floor.AGENT, Floor.CONTESTED) or self._agent.is_protected(now):
            return Verdict.WAIT, []
        verdict = judge(self._policy, text, speech_ms, is_final=is_final)
        if verdict is Verdict.GO_ON:
            return verdict, self.go_on(now)
        if verdict is Verdict.YIELD:
            return verdict, self._agent.interrupt(InterruptCause.USER_SPEECH, now)
        return verdict, self._begin(now) if self._is_echoing else []

    def _begin(self, now: Instant) -> list[Effect]:
        if self._floor.state is Floor.AGENT:
            if not self._can_pause or self._agent.is_protected(now):
                return []
            self._floor.move(FloorEvent.CONTESTED)
        elif not self._agent.is_unheard or self._agent.is_held:
            return []
        self._is_sounding = False
        self._until = after_ms(now, self._policy.contested_timeout_ms)
        return self._agent.pause(now)

    def go_on(self, now: Instant) -> list[Effect]:
        """It was no interruption."""
        if self._floor.state is Floor.CONTESTED:
            self._floor.move(FloorEvent.RESUMED)
        return self._agent.resume(now)

    def deadline(self) -> Instant | None:
        """When the reply goes on without a verdict."""
        return self._until if self._agent.is_held else None

    def on_deadline(self, now: Instant) -> list[Effect]:
        """Let the reply go on if there was no verdict in time."""
        return self.go_on(now) if self._agent.is_held and now >= self._until else []
