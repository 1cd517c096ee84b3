"""Makes the replies of one session."""

from voice_gateway.domain.agreement import Agreement
from voice_gateway.domain.chat import Tool
from voice_gateway.domain.events import ReplyKind
from voice_gateway.domain.ids import ReplyId, TurnId
from voice_gateway.domain.reply_options import AS_AGREED, ReplyOptions
from voice_gateway.turn.reply.answering import Answering
from voice_gateway.turn.reply.brief import Brief
from voice_gateway.turn.reply.latency import ReplyClock
from voice_gateway.turn.reply.playback import Playback, Reporting
from voice_gateway.turn.reply.reply import Reply, Shared


class ReplyFactory:
    """Counts replies, and gives each what is known when it begins."""

    def __init__(self, agreement: Agreement, shared: Shared) -> None:
        self.last = ReplyId(0)
        """The latest reply; 0 before the first."""
        self.has_reports = False
        """Whether the client reports playback."""
        self._agreement = agreement
        self._shared = shared

    def resume(self, last: ReplyId, *, has_reports: bool) -> None:
        """Count on from there."""
        self.last, self.has_reports = last, has_reports

    def reports_came(self) -> None:
        """The client reports playback: the next replies count on that."""
        self.has_reports = True

    def reports_ended(self) -> None:
        """The client reports no more."""
        self.has_reports = False

    def reconfigure(self, agreement: Agreement) -> None:
        """Make replies by this from now on."""
        self._agreement = agreement

    def make(
        self,
        turn: TurnId | None,
        clock: ReplyClock,
        *,
        answering: Answering | None = None,
        kind: ReplyKind = ReplyKind.ANSWER,
        tools: tuple[Tool, ...] = (),
        rounds: int = 0,
        options: ReplyOptions = AS_AGREED,
    ) -> Reply:
        """The next reply; it belongs to `turn`, and comes after `rounds` rounds of tools."""
        self.last = ReplyId(self.last + 1)
        reporting = Reporting.YES if self.has_reports else Reporting.NOT_YET
        agreement, policy = self._agreement, self._agreement.policy
        playback = Playback(
            agreement.output_rate_hz, policy.client_buffer_ms, policy.stall_ms, reporting, agreement.player
        )
        modality = options.modality or agreement.reply_modality
        brief = Brief(self.last, turn, kind, agreement.persona.apology, tools, rounds, options, modality)
        return Reply(brief, answering, clock, playback, self._shared)
