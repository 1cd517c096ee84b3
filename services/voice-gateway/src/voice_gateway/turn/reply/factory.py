"""Makes the replies of one session."""

from voice_gateway.domain.chat import Tool
from voice_gateway.domain.events import ReplyKind
from voice_gateway.domain.ids import ReplyId, TurnId
from voice_gateway.domain.persona import Persona
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.turn.reply.latency import Answering, ReplyClock
from voice_gateway.turn.reply.playback import Playback, Reporting
from voice_gateway.turn.reply.reply import Brief, Reply, Shared


class ReplyFactory:
    """Counts replies, and gives each what is known when it begins."""

    def __init__(self, policy: TurnPolicy, persona: Persona, rate_hz: int, shared: Shared) -> None:
        self.last = ReplyId(0)
        """The latest reply; 0 before the first."""
        self.has_reports = False
        """Whether the client has reported playback."""
        self._policy, self._persona = policy, persona
        self._rate_hz = rate_hz
        """Of reply audio."""
        self._shared = shared

    def reconfigure(self, policy: TurnPolicy, persona: Persona) -> None:
        """Make replies by another policy and persona from now on."""
        self._policy, self._persona = policy, persona

    def make(
        self,
        turn: TurnId | None,
        clock: ReplyClock,
        *,
        answering: Answering | None = None,
        kind: ReplyKind = ReplyKind.ANSWER,
        tools: tuple[Tool, ...] = (),
        rounds: int = 0,
    ) -> Reply:
        """The next reply; it belongs to that turn, and comes after so many rounds of tools."""
        self.last = ReplyId(self.last + 1)
        reporting = Reporting.YES if self.has_reports else Reporting.NOT_YET
        policy = self._policy
        playback = Playback(self._rate_hz, policy.client_buffer_ms, policy.stall_ms, reporting)
        brief = Brief(self.last, turn, kind, self._persona.apology, tools, rounds)
        return Reply(brief, answering, clock, playback, self._shared)
