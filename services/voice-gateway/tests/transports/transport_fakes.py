"""A session that does what a script says, and a server with both gRPC transports around it on a loopback socket."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2
from voice_gateway.domain.agreement import Agreement
from voice_gateway.domain.caller import Caller
from voice_gateway.domain.errors import ClientError, GatewayError, Reason, Refused
from voice_gateway.domain.events import EndCause, Ended, ReplyAudio, ReplyKind, ReplyText
from voice_gateway.domain.ids import CallId, ReplyId, SentenceId, SessionId, TurnId
from voice_gateway.domain.limits import Tally
from voice_gateway.domain.persona import Persona
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.domain.reply_options import ReplyOptions
from voice_gateway.identity.shown import Shown
from voice_gateway.session.ports import ClientSink, Language, SessionRequest, SessionUpdate
from voice_gateway.transports import client_input
from voice_gateway.transports.call import CallLimits, Doors
from voice_gateway.transports.codec import Codec
from voice_gateway.transports.grpc_legacy import server as legacy_server
from voice_gateway.transports.grpc_v1 import server as v1_server
from voice_gateway.transports.grpc_wire.auth import CallerInterceptor, Identifies
from voice_gateway.transports.grpc_wire.wire import SERVER_OPTIONS
from voice_gateway.transports.refusal_log import RefusalLog

VERSION = "1.2.3"
NO_VOICE = "nobody"
"""The one voice that no session has."""
RawCall = grpc.aio.StreamStreamCall[bytes, bytes]
Script = Callable[["FakeSession"], Awaitable[Ended]]

AGREEMENT = Agreement(
    session_id=SessionId("s7"),
    transport="grpc_v1",
    input_rate_hz=16_000,
    asr_rate_hz=16_000,
    output_rate_hz=22_050,
    heard_language="en-US",
    spoken_language="en-US",
    voice="alba",
    persona=Persona("Be brief.", "Sorry."),
    policy=TurnPolicy(),
)


def text(reply: int, sentence: int = 1, words: str = "Hello.", turn: int | None = None) -> ReplyText:
    """A sentence of a reply; turn and reply have the same number unless told otherwise."""
    return ReplyText(
        ReplyId(reply), TurnId(reply if turn is None else turn), ReplyKind.ANSWER, SentenceId(sentence), words
    )


def audio(reply: int, sentence: int = 1, pcm: bytes = b"\1\0", offset: int = 0, *, is_last: bool = False) -> ReplyAudio:
    """Audio of a reply."""
    return ReplyAudio(ReplyId(reply), SentenceId(sentence), offset, pcm, is_last)


async def until_told_to_stop(session: "FakeSession") -> Ended:
    """A session without a word: it ends when the client does."""
    cause = await session.stop
    session.sink.emit(Ended(cause))
    return Ended(cause)


@dataclass
class FakeSession:
    """Writes down what it is told and runs its script."""

    agreement: Agreement
    sink: ClientSink
    script: Script
    told: list[tuple[Any, ...]] = field(default_factory=list)
    stop: asyncio.Future[EndCause] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    is_full: bool = False
    was_cancelled: bool = False
    is_released: bool = False
    over: asyncio.Event = field(default_factory=asyncio.Event)
    room: asyncio.Event = field(default_factory=asyncio.Event)
    waits_for_room: asyncio.Event = field(default_factory=asyncio.Event)
    heard: asyncio.Queue[tuple[Any, ...]] = field(default_factory=asyncio.Queue)

    def _note(self, *what: Any) -> None:
        self.told.append(what)
        self.heard.put_nowait(what)

    def hear(self, pcm: bytes, offset_samples: int) -> None:
        """Note it."""
        self._note("hear", pcm, offset_samples)

    def has_room(self) -> bool:
        """False while a test says so."""
        return not self.is_full

    async def wait_for_room(self) -> None:
        """Wait until the test makes room."""
        self.waits_for_room.set()
        await self.room.wait()

    def type_text(self, text: str) -> None:
        """Note it."""
        self._note("type_text", text)

    def press(self, digits: str) -> None:
        """Note it."""
        self._note("press", digits)

    def update(self, update: SessionUpdate) -> None:
        """Note it, or refuse it."""
        if update.voice == NO_VOICE:
            raise ClientError(Reason.VOICE_UNSUPPORTED, "no such voice")
        self._note("update", update)

    def request_reply(self, options: ReplyOptions) -> None:
        """Note it."""
        self._note("request_reply", options)

    def report_playback(self, reply: ReplyId, played_samples: int, *, is_final: bool) -> None:
        """Note it."""
        self._note("report_playback", reply, played_samples, is_final)

    def interrupt(self) -> None:
        """Note it."""
        self._note("interrupt")

    def commit(self) -> None:
        """Note it."""
        self._note("commit")

    def return_tool(self, call: CallId, output: str, *, is_error: bool) -> None:
        """Note it."""
        self._note("return_tool", call, output, is_error)

    def finish(self) -> None:
        """Note it, and end."""
        self._note("finish")
        self._stop(EndCause.CLIENT_HALF_CLOSED)

    def end(self) -> None:
        """Note it, and end."""
        self._note("end")
        self._stop(EndCause.CLIENT_ENDED)

    def _stop(self, cause: EndCause) -> None:
        if not self.stop.done():
            self.stop.set_result(cause)

    def release(self) -> None:
        """Note it."""
        self.is_released = True

    async def run(self) -> Ended:
        """Do as the script says."""
        try:
            return await self.script(self)
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        finally:
            self.over.set()


@dataclass
class FakeGateway:
    """Opens sessions that run `script`, or refuses with `refusal`."""

    script: Script = until_told_to_stop
    agreement: Agreement = AGREEMENT
    refusal: GatewayError | None = None
    early_refusal: GatewayError | None = None
    """Told before the client has said what it wants."""
    callers: list[Caller] = field(default_factory=list)
    refused: list[GatewayError] = field(default_factory=list)
    """What was told of calls that got no session."""
    crowded: Refused | None = None
    """Told to those whose first message does not come at once."""
    expected: Tally = field(default_factory=Tally)
    requests: list[SessionRequest] = field(default_factory=list)
    sessions: asyncio.Queue[FakeSession] = field(default_factory=asyncio.Queue)

    @property
    def doors(self) -> Doors:
        """The way in."""
        return Doors(self.expect, self.admit, self.open_session, RefusalLog(self))

    def session_refused(self, error: GatewayError) -> None:
        """Keep."""
        self.refused.append(error)

    @contextmanager
    def expect(self, caller: Caller) -> Iterator[Refused | None]:
        """Count."""
        with self.expected.one_more(caller.account):
            yield self.crowded

    def admit(self, caller: Caller) -> None:
        """Let in, or refuse."""
        self.callers.append(caller)
        if self.early_refusal is not None:
            raise self.early_refusal

    async def open_session(self, request: SessionRequest, sink: ClientSink) -> FakeSession:
        """Admit or refuse."""
        self.requests.append(request)
        if self.refusal is not None:
            raise self.refusal
        session = FakeSession(self.agreement, sink, self.script)
        self.sessions.put_nowait(session)
        return session

    def describe(self) -> tuple[Language, ...]:
        """One language, or the refusal."""
        if self.refusal is not None:
            raise self.refusal
        return (Language("en-US", ("alba", "bruce")),)


class Anybody:
    """An entrance that lets in whoever comes, by address."""

    async def caller(self, shown: Shown) -> Caller:
        """Say who it is."""
        return Caller(address=shown.address)


def said_in(codec: Codec, raw: bytes) -> client_input.Input:
    """The one thing that a message says."""
    (only,) = codec.receive(raw)
    return only


@asynccontextmanager
async def serving(
    gateway: FakeGateway, limits: CallLimits | None = None, entrance: Identifies | None = None
) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to a server with both transports; without an entrance nobody asks who calls."""
    async with (
        serving_port(gateway, limits, entrance) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        yield channel


@asynccontextmanager
async def serving_port(
    gateway: FakeGateway, limits: CallLimits | None = None, entrance: Identifies | None = None
) -> AsyncIterator[int]:
    """The port of a server with both transports."""
    limits, doors = limits or CallLimits(), gateway.doors
    guards = [] if entrance is None else [CallerInterceptor(entrance, (), doors.log)]
    server = grpc.aio.server(options=SERVER_OPTIONS, interceptors=guards)
    v1_server.add_to_server(
        server,
        doors=doors,
        capabilities=gateway.describe,
        server_version=VERSION,
        limits=limits,
    )
    legacy_server.add_to_server(server, doors=doors, limits=limits)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(0)


def converse(channel: grpc.aio.Channel) -> RawCall:
    """A Converse call whose messages are bytes."""
    return channel.stream_stream("/voicegateway.v1.VoiceGatewayService/Converse")()


def stream_audio(channel: grpc.aio.Channel, metadata: tuple[tuple[str, str], ...] = ()) -> RawCall:
    """A StreamAudio call whose messages are bytes."""
    return channel.stream_stream("/voice_workflow.VoiceGateway/StreamAudio")(metadata=metadata)


async def send(call: RawCall, *messages: bytes) -> None:
    """Write messages, as far as the server still takes them."""
    for message in messages:
        await call.write(message)


async def read_all(call: RawCall) -> list[bytes]:
    """Everything the server says until it ends the call."""
    replies: list[bytes] = []
    try:
        while isinstance(raw := await call.read(), bytes):
            replies.append(raw)
    except grpc.aio.AioRpcError:
        # the status is for `reason_of` to look at
        return replies
    return replies


async def reason_of(call: RawCall) -> tuple[grpc.StatusCode, str, dict[str, str]]:
    """Code, reason and metadata of a call's status."""
    code = await call.code()
    for key, value in await call.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            detail = status_pb2.Status.FromString(value).details[0]
            info = error_details_pb2.ErrorInfo()
            assert detail.Unpack(info)
            assert info.domain == "voicegateway.v1"
            return code, info.reason, dict(info.metadata)
    return code, "", {}


async def retry_after_ms(call: RawCall) -> int | None:
    """When the status of a call says to come again."""
    retry = error_details_pb2.RetryInfo()
    for key, value in await call.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(value).details:
                if detail.Unpack(retry):
                    return int(retry.retry_delay.ToMilliseconds())
    return None
