"""What a call needs of its codec: one call's translation between its wire's messages and the session."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from voice_gateway.domain.agreement import Agreement
from voice_gateway.domain.audio import AudioFormat
from voice_gateway.domain.errors import ClientError
from voice_gateway.session.ports import SessionRequest
from voice_gateway.transports.client_input import Input
from voice_gateway.transports.outbox import Encoder


@dataclass(frozen=True, slots=True)
class Opening:
    """What a client has said by the time it is known what session it wants."""

    request: SessionRequest
    said: Sequence[Input] = ()
    """What else was in the message that told it."""


class Codec(Encoder, Protocol):
    """`greeting` first, `start` until it gives an Opening, then `opened`, then the others."""

    @property
    def audio_in(self) -> AudioFormat:
        """Format of the client's audio; known after the last `start`."""

    def greeting(self) -> Sequence[bytes]:
        """Messages for a client that has not spoken yet, on a wire that greets first; empty where the client begins."""

    def start(self, raw: bytes | None) -> Opening | None:
        """Read one of the first messages; None: the next one is needed too.

        `raw` is None when the client has half-closed. Raises ClientError, and always does for None.
        """

    def opened(self, agreement: Agreement) -> Iterable[bytes]:
        """Messages that tell the client of its session."""

    def receive(self, raw: bytes) -> Iterable[Input]:
        """Read any later message: what it says, in order. Raises ClientError, also while it is iterated.

        Each thing is done before the next one is taken. An `Answer` is sent behind what waits to be written.
        """

    def refused(self, error: ClientError) -> Sequence[bytes] | None:
        """Messages that tell of what the session refused, which is what `receive` gave last; the call goes on.

        None: the call ends with `error`.
        """
