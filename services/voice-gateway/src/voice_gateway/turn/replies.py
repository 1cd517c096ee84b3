"""Makes the replies of one session: to a turn, and after the tools that a reply has called."""

from voice_gateway.domain.ids import ReplyId, TurnId
from voice_gateway.domain.instant import Instant
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.turn.effects import Orders
from voice_gateway.turn.history import History
from voice_gateway.turn.latency import ReplyClock
from voice_gateway.turn.playback import Playback
from voice_gateway.turn.reply import ReplyInFlight
from voice_gateway.turn.tools import Tools


class Replies:
    """Counts replies, and gives each what is known when it begins."""

    def __init__(self, policy: TurnPolicy, rate_hz: int, history: History, tools: Tools, orders: Orders) -> None:
        self.last = ReplyId(0)
        """The latest reply; 0 before the first."""
        self.has_reports = False
        """Whether the client has reported playback."""
        self.policy = policy
        self._rate_hz = rate_hz
        """Of reply audio."""
        self._history = history
        self._tools = tools
        self._orders = orders

    def make(self, turn: TurnId | None, user_text: str, clock: ReplyClock, rounds: int = 0) -> ReplyInFlight:
        """A reply to that turn, after so many rounds of tools."""
        self.last = ReplyId(self.last + 1)
        policy = self.policy
        playback = Playback(self._rate_hz, policy.client_buffer_ms, policy.stall_ms, self.has_reports)
        reply = ReplyInFlight(self.last, turn, user_text, clock, playback, self._rate_hz, self._orders)
        reply.rounds, reply.tools = rounds, self._tools.offered(rounds)
        return reply

    def after_tools(self, now: Instant) -> ReplyInFlight | None:
        """If all tools have returned, the reply in which the model goes on; the history is whole then.

        None also if somebody has interrupted: then nothing goes on.
        """
        over = self._tools.take_over()
        if over is None:
            return None
        self._history.called(over.outcomes)
        if over.is_interrupted:
            return None
        caller = over.caller
        clock = caller.clock.after_tools(over.called, now)
        reply = self.make(caller.turn, caller.user_text, clock, caller.rounds + 1)
        reply.is_released, reply.is_reported = True, caller.is_reported
        reply.committed, reply.speculations = caller.committed, caller.speculations
        return reply
