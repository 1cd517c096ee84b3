"""A turn while it is answered, and what the client asks of a reply."""

from dataclasses import dataclass

from voice_gateway.domain.events import Speculation
from voice_gateway.domain.instant import Instant
from voice_gateway.domain.reply_options import ReplyOptions
from voice_gateway.turn.user.turn_so_far import CommittedTurn


@dataclass(frozen=True, slots=True)
class Requested:
    """What the client has asked for, and when."""

    options: ReplyOptions
    at: Instant


class Answering:
    """A committed turn while it is answered, by one reply or, after tools, by several."""

    def __init__(
        self, turn: CommittedTurn, speculations: tuple[Speculation, ...], requested: Instant | None = None
    ) -> None:
        self.turn = turn
        self.speculations = speculations
        """Replies that were prepared early for it."""
        self.requested = requested
        """When the client asked for the reply; None: it is answered unasked."""
        self.is_reported = False
        """Whether its report was told, which is done once."""
        self.is_answered = False
        """Whether some of an answer to it was heard; a reply of which a part failed does not count."""
        self.has_failed = False
        """Whether a part of the answer is missing, in whichever of its replies."""
        self.is_over = False
        """Whether nothing more follows to answer it."""

    @property
    def turn_that_may_go_on(self) -> CommittedTurn | None:
        """The turn if further speech may belong to it; whoever asks for its reply takes it for complete."""
        return self.turn if self.requested is None and self.turn.may_go_on else None

    def reported(self) -> None:
        """Its report was told."""
        self.is_reported = True

    def answered(self) -> None:
        """Some of an answer was heard."""
        self.is_answered = True

    def failed(self) -> None:
        """A part of the answer is missing."""
        self.has_failed = True

    def ended(self) -> None:
        """Nothing more follows to answer it."""
        self.is_over = True
