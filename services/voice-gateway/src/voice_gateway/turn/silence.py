"""What the agent says of its own accord: to a user who says nothing, and to one who cannot be heard.

When nobody says anything it asks again, then says goodbye, then the session is over. While recognition is away nobody
can be heard: the clock of silence rests, and a user who speaks is told so, once.
"""

from enum import Enum

from voice_gateway.domain.events import Event, Transcript
from voice_gateway.domain.instant import Instant, after_ms
from voice_gateway.domain.persona import Persona
from voice_gateway.turn import inputs
from voice_gateway.turn.effects import Orders

_SPOKEN = inputs.SpeechStarted | inputs.TranscriptRevised | inputs.SegmentFinal
_BY_HAND = (
    inputs.TextTyped | inputs.DigitsPressed | inputs.CommitRequested | inputs.ClientInterrupted | inputs.ReplyRequested
)


class _Step(Enum):
    LISTENING = "nothing was said about the silence"
    REPROMPTED = "the user was asked once more"
    OVER = "goodbye was said"


class Silence:
    """How long nothing has happened, and what the agent has said about it.

    It does not outlive the core: whoever opens a session again is there.
    """

    def __init__(self, persona: Persona, orders: Orders) -> None:
        self._orders = orders
        self._persona = persona
        self._step = _Step.LISTENING
        self._since: Instant | None = None

    @property
    def is_over(self) -> bool:
        """Whether goodbye was said, or left out, and nobody has stirred since."""
        return self._step is _Step.OVER

    def noticed(self, fact: inputs.Input) -> None:
        """Whatever the user does, or says, begins the silence anew; the agent's own voice coming back does not."""
        if isinstance(fact, _BY_HAND) or any(map(_says_something, self._orders.events)):
            self._step, self._since = _Step.LISTENING, None

    def watch(self, now: Instant, *, is_quiet: bool, is_away: bool) -> None:
        """Take whether anything happens now; an outage of recognition is no silence, and after it all begins anew."""
        if is_away:
            self._step, self._since = _Step.LISTENING, None
        elif not is_quiet:
            self._since = None
        elif self._since is None:
            self._since = now

    def deadline(self, no_input_ms: int, doubtful_until: Instant | None) -> Instant | None:
        """When the next prompt is due; `no_input_ms` 0: never. Until `doubtful_until` the user may not be heard."""
        if not no_input_ms or self._since is None:
            return None
        return max(after_ms(self._since, no_input_ms), doubtful_until or self._since)

    def is_due(self, no_input_ms: int, doubtful_until: Instant | None, now: Instant) -> bool:
        """Whether the next prompt is due."""
        deadline = self.deadline(no_input_ms, doubtful_until)
        return deadline is not None and now >= deadline

    def next_prompt(self) -> str:
        """What the agent is to say now; empty: nothing. An empty re-prompt is left out: the goodbye comes at once."""
        self._since = None
        if self._step is _Step.LISTENING and self._persona.reprompt:
            self._step = _Step.REPROMPTED
            return self._persona.reprompt
        self._step = _Step.OVER
        return self._persona.goodbye


class Unheard:
    """Whether the user is to be told that recognition is away: once for an outage, and only one who speaks."""

    def __init__(self) -> None:
        self._speaks = False
        """Whether the user spoke last, rather than typed."""
        self._is_told = False

    def noticed(self, fact: inputs.Input) -> None:
        """Whether the user speaks or types; keys change nothing: callers who speak press them."""
        if isinstance(fact, _SPOKEN):
            self._speaks = True
        elif isinstance(fact, inputs.TextTyped):
            self._speaks = False

    def review(self, *, is_away: bool, is_deaf: bool) -> bool:
        """Whether the user is to be told as soon as nothing else is going on; an outage that is over is forgotten."""
        self._is_told = self._is_told and is_away
        return is_deaf and self._speaks and not self._is_told

    def told(self) -> None:
        """The user is being told."""
        self._is_told = True


def _says_something(event: Event) -> bool:
    return isinstance(event, Transcript) and bool(event.text)
