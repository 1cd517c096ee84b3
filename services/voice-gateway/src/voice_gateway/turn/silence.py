"""Nobody says anything: the agent asks again, then says goodbye, then the session is over."""

from collections.abc import Iterable
from enum import Enum

from voice_gateway.domain.events import Transcript
from voice_gateway.domain.instant import Instant, after_ms
from voice_gateway.domain.persona import Persona
from voice_gateway.turn import inputs
from voice_gateway.turn.effects import Effect, Emit


class _Step(Enum):
    LISTENING = "nothing was said about the silence"
    REPROMPTED = "the user was asked once more"
    OVER = "goodbye was said"


class Silence:
    """How long nothing has happened, and what the agent has said about it.

    It does not outlive the core: whoever opens a session again is there.
    """

    def __init__(self, persona: Persona) -> None:
        self._persona = persona
        self._step = _Step.LISTENING
        self._since: Instant | None = None

    @property
    def is_over(self) -> bool:
        """Whether goodbye was said, or left out, and nobody has stirred since."""
        return self._step is _Step.OVER

    def noticed(self, fact: inputs.Input, effects: Iterable[Effect]) -> None:
        """Whatever the user does, or says, begins the silence anew; the agent's own voice coming back does not."""
        is_said = any(isinstance(effect, Emit) and isinstance(effect.event, Transcript) for effect in effects)
        if is_said or _is_by_hand(fact):
            self._step, self._since = _Step.LISTENING, None

    def watch(self, now: Instant, *, is_quiet: bool) -> None:
        """Whether anything happens now."""
        if not is_quiet:
            self._since = None
        elif self._since is None:
            self._since = now

    def deadline(self, no_input_ms: int) -> Instant | None:
        """When the next prompt is due; `no_input_ms` 0: never."""
        return after_ms(self._since, no_input_ms) if no_input_ms and self._since is not None else None

    def is_due(self, no_input_ms: int, now: Instant) -> bool:
        """Whether the next prompt is due."""
        deadline = self.deadline(no_input_ms)
        return deadline is not None and now >= deadline

    def next_prompt(self) -> str:
        """What the agent is to say now; empty: nothing. An empty re-prompt is left out: the goodbye comes at once."""
        self._since = None
        if self._step is _Step.LISTENING and self._persona.reprompt:
            self._step = _Step.REPROMPTED
            return self._persona.reprompt
        self._step = _Step.OVER
        return self._persona.goodbye


def _is_by_hand(fact: inputs.Input) -> bool:
    by_hand = inputs.TextTyped | inputs.DigitsPressed | inputs.CommitRequested | inputs.ClientInterrupted
    return isinstance(fact, by_hand)
