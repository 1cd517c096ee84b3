"""The one reply of a session that is not over: prepared, in flight or being settled."""

from voice_gateway.domain.instant import Instant, samples_between
from voice_gateway.turn.reply.reply import Attempt, Reply
from voice_gateway.turn.tables import Forbidden, ReplyState


class CurrentReply:
    """Keeps that reply."""

    def __init__(self) -> None:
        self.reply: Reply | None = None

    def begin(self, reply: Reply) -> Reply:
        """This is the reply from now on.

        Raises:
            Forbidden: there is one that is not over.
        """
        if self.reply is not None:
            raise Forbidden(f"reply {reply.id} while reply {self.reply.id} is {self.state.value}")
        self.reply = reply
        return reply

    @property
    def state(self) -> ReplyState:
        """What it is doing."""
        return self.reply.state if self.reply is not None else ReplyState.NONE

    @property
    def in_flight(self) -> Reply | None:
        """The reply if its turn is certain, and it was neither stopped nor heard to its end."""
        return self.reply if self.reply is not None and self.reply.is_in_flight else None

    @property
    def prepared(self) -> tuple[Reply, Attempt] | None:
        """The reply if it is prepared, and what it presumes."""
        reply = self.reply
        return (reply, reply.attempt) if reply is not None and reply.attempt is not None else None

    @property
    def is_held(self) -> bool:
        """Whether it waits for a verdict on speech over it."""
        return self.reply is not None and self.reply.is_held

    def unheard(self, by: Instant) -> Reply | None:
        """The reply if it is in flight, and nothing of it was heard by then (of a text: nothing was told by now)."""
        reply = self.in_flight
        if reply is None:
            return None
        is_heard = not reply.wording.is_untold if reply.brief.is_text else reply.playback.is_heard_by(by)
        return None if is_heard else reply

    def has_asked(self, then: Instant, now: Instant) -> bool:
        """Whether what was heard last of it by `then` is a question, or the beginning of one.

        It is taken to have run on since, so that of one that is held the last fraction of a second is left out.
        """
        reply = self.in_flight
        if reply is None:
            return False
        heard, rate_hz = reply.playback.heard(now).samples, reply.playback.rate_hz
        return reply.wording.has_asked(heard - samples_between(then, now, rate_hz))

    def is_opening(self, now: Instant, opening_ms: int) -> bool:
        """Whether it is in flight, and less than its first `opening_ms` have been heard. A text is not heard."""
        reply = self.in_flight
        return reply is not None and not reply.brief.is_text and reply.playback.heard_ms(now) < opening_ms

    def hold(self, now: Instant) -> None:
        """Hold it if it is in flight: somebody may be interrupting. Nobody talks over a text."""
        if (reply := self.in_flight) is not None and not reply.brief.is_text:
            reply.hold(now)

    def resume(self, now: Instant) -> None:
        """Go on with it if it is held, from where it was heard to."""
        if self.reply is not None and self.reply.is_held:
            self.reply.resume(now)

    def let_go(self) -> None:
        """Make room for the next reply if this one is over."""
        if self.state is ReplyState.OVER:
            self.reply = None
