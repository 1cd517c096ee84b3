"""What a call needs of its wire: gRPC, WebSocket, frames over TCP."""

from typing import Protocol

from voice_gateway.domain.caller import Caller
from voice_gateway.domain.errors import GatewayError


class Vanished(Exception):  # noqa: N818  said as the fact it is
    """The client is gone: nothing more comes from it, and nothing can be told to it."""


class Wire(Protocol):
    """The way to one client, for one call.

    One task reads and one writes. Nothing is cancelled inside `greet`, `read` or `write`. When `hold_call` returns, the
    call is over: whoever made the wire tears it down, and what is pending in it must end then. For a client that has
    vanished, `greet`, `read` and `write` raise Vanished, or the task that awaits `hold_call` is cancelled, once.
    """

    @property
    def greets_first(self) -> bool:
        """Whether nothing can be read before `greet`: a WebSocket must be accepted, whoever speaks first.

        Else `greet` comes once it is known that the client has a session.
        """

    @property
    def caller(self) -> Caller:
        """Who opened the call."""

    @property
    def peer(self) -> str:
        """Where the call comes from, for logs."""

    async def greet(self) -> None:
        """Take the call. Raises Vanished.

        Awaited once at most, before the first `write` and, where the wire greets first, before the first `read`.
        """

    async def read(self) -> bytes | None:
        """The next message; None: the client has half-closed.

        Raises:
            ClientError: what came is no message, or one that is too large.
            Vanished: the client is gone.
        """

    async def write(self, raw: bytes) -> None:
        """Send a message; pending for as long as the client takes nothing. Raises Vanished."""

    async def fail(self, failure: GatewayError) -> None:
        """Say why the call ends, if the client still takes it. It may take long: nothing else is held meanwhile.

        Awaited once at most, and nothing is begun after it. It may come before `greet`, for who is refused at once, or
        while `greet` is pending; a read and a write may be pending too, for ever if the client does not take what was
        written. It may be cancelled, when the client vanishes meanwhile.

        May raise what the wire's library wants raised at the end of a failed call, and nothing else.
        """
