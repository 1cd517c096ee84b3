"""A second wire, which is not gRPC: frames on a stream of bytes, with JSON beside the audio.

A frame is its kind (1 byte), the length of its payload (4 bytes, big-endian) and the payload. That is more than
AudioSocket has, whose lengths are of 2 bytes and whose frames are no JSON. The server greets first. Then the client
sends its id, then anything; the first audio tells the rate. A frame of JSON is a list of things, and may be empty.

What is no frame, no JSON or no such thing ends the call with its reason. What the session refuses is answered, and the
call goes on.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from enum import IntEnum
from typing import Any, Final

from voice_gateway.domain.agreement import Agreement
from voice_gateway.domain.audio import AudioFormat, Encoding
from voice_gateway.domain.caller import Caller
from voice_gateway.domain.errors import ClientError, GatewayError, Reason
from voice_gateway.domain.events import Ended, Event, ReplyAudio
from voice_gateway.domain.ids import ReplyId
from voice_gateway.domain.player import Player
from voice_gateway.session.ports import SessionRequest, SessionUpdate
from voice_gateway.transports import client_input
from voice_gateway.transports.call import CallLimits, Doors, hold_call
from voice_gateway.transports.codec import Opening
from voice_gateway.transports.wire import Vanished

HEAD_BYTES: Final = 5
FAREWELL_S: Final = 1.0
"""How long a client may take to read what was written last."""


class Kind(IntEnum):
    """Of a frame."""

    HANGUP = 0x00
    ID = 0x01
    JSON = 0x02
    AUDIO_8K = 0x10
    AUDIO_16K = 0x12
    ERROR = 0xFF


_RATES_HZ: Final[dict[int, int]] = {Kind.AUDIO_8K: 8_000, Kind.AUDIO_16K: 16_000}
_KINDS: Final = {rate_hz: kind for kind, rate_hz in _RATES_HZ.items()}


def frame(kind: int, payload: bytes = b"") -> bytes:
    """A whole frame."""
    return bytes((kind,)) + len(payload).to_bytes(4, "big") + payload


def json_frame(value: Any) -> bytes:
    """A frame of JSON."""
    return frame(Kind.JSON, json.dumps(value).encode())


async def read_frame(reader: asyncio.StreamReader) -> bytes | None:
    """A whole frame; None: the other side has half-closed.

    Raises:
        ClientError: MESSAGE_TOO_LARGE.
        EOFError: the stream has ended inside of a frame.
    """
    try:
        head = await reader.readexactly(HEAD_BYTES)
    except asyncio.IncompleteReadError as cut:
        if cut.partial:
            raise
        return None
    size_bytes = int.from_bytes(head[1:], "big")
    if size_bytes > client_input.MAX_REQUEST_BYTES:
        raise ClientError(Reason.MESSAGE_TOO_LARGE, f"the frame has {size_bytes} bytes")
    return head + await reader.readexactly(size_bytes)


class FramesWire:
    """One connection; implements `transports.wire.Wire`."""

    greets_first: Final = True

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._is_greeted = False

    @property
    def caller(self) -> Caller:
        """By its address, if it has one."""
        return Caller(address=self.peer)

    @property
    def peer(self) -> str:
        """The address of a TCP client; other sockets have none."""
        name = self._writer.get_extra_info("peername")
        return str(name[0]) if isinstance(name, tuple) else ""

    async def greet(self) -> None:
        """There is nothing to send."""
        assert not self._is_greeted
        self._is_greeted = True

    async def read(self) -> bytes | None:
        """The next frame."""
        assert self._is_greeted
        try:
            return await read_frame(self._reader)
        except (ConnectionError, EOFError) as error:
            raise Vanished from error

    async def write(self, raw: bytes) -> None:
        """Send a frame."""
        assert self._is_greeted
        self._writer.write(raw)
        try:
            await self._writer.drain()
        except ConnectionError as error:
            raise Vanished from error

    async def fail(self, failure: GatewayError) -> None:
        """Send the reason; `serve_frames` hangs up."""
        told = {"reason": failure.reason, "retry_after_ms": failure.retry_after_ms}
        self._writer.write(frame(Kind.ERROR, json.dumps(told).encode()))

    async def close(self) -> None:
        """Hang up; who does not take what was written last is cut off."""
        self._writer.close()
        try:
            async with asyncio.timeout(FAREWELL_S):
                await self._writer.wait_closed()
        except (ConnectionError, TimeoutError):
            self._writer.transport.abort()


class FramesCodec:
    """One call; implements `transports.codec.Codec`."""

    def __init__(self) -> None:
        self._audio_in = AudioFormat(Encoding.LINEAR_PCM, 16_000)
        self._id = b""
        self._clock = client_input.InputClock()
        self._audio_out: int = Kind.AUDIO_16K

    @property
    def audio_in(self) -> AudioFormat:
        """As the first audio told."""
        return self._audio_in

    def greeting(self) -> Sequence[bytes]:
        """The server speaks first, too."""
        return [json_frame({"hello": "frames"})]

    def start(self, raw: bytes | None) -> Opening | None:
        """The id, which says nothing about the session; then what comes first."""
        if raw is None:
            raise ClientError(Reason.START_REQUIRED, "the client has left before it said anything")
        if raw[0] == Kind.ID:
            self._id = raw[HEAD_BYTES:]
            return None
        if not self._id:
            raise ClientError(Reason.START_REQUIRED, "the first frame must be the id")
        if rate_hz := _RATES_HZ.get(raw[0]):
            self._audio_in = AudioFormat(Encoding.LINEAR_PCM, rate_hz)
        rate_hz = self._audio_in.rate_hz
        request = SessionRequest("frames", rate_hz, rate_hz, player=Player.NEVER_HELD, client_label=self._id.hex())
        return Opening(request, tuple(self.receive(raw)))

    def opened(self, agreement: Agreement) -> Sequence[bytes]:
        """The session's id."""
        self._audio_out = _KINDS[agreement.output_rate_hz]
        return [json_frame({"session": agreement.session_id})]

    def receive(self, raw: bytes) -> Iterator[client_input.Input]:
        """Audio, or each thing of a list."""
        kind, payload = raw[0], raw[HEAD_BYTES:]
        if kind in _RATES_HZ:
            yield self._audio(payload)
        elif kind == Kind.JSON:
            for thing in _things(payload):
                yield _thing(thing)
        else:
            raise ClientError(Reason.MESSAGE_EMPTY, f"a frame of kind {kind} says nothing here")

    def refused(self, error: ClientError) -> Sequence[bytes]:
        """The reason; the call goes on."""
        return [json_frame({"refused": error.reason})]

    def _audio(self, pcm: bytes) -> client_input.Input:
        at_samples = self._clock.end_samples
        self._clock = self._clock.after(at_samples, client_input.count_samples(pcm, Encoding.LINEAR_PCM))
        return client_input.Audio(pcm, at_samples)

    def encode_event(self, event: Event) -> Sequence[bytes]:
        """The event by its name; the end is a frame of its own."""
        told = [json_frame({"event": type(event).__name__, **asdict(event)})]
        return [*told, frame(Kind.HANGUP)] if isinstance(event, Ended) else told

    def encode_audio(self, audio: ReplyAudio) -> Sequence[bytes]:
        """Audio as it is."""
        return [frame(self._audio_out, audio.pcm)]


def _things(payload: bytes) -> list[Any]:
    try:
        things = json.loads(payload)
    except (ValueError, RecursionError):
        things = None
    if not isinstance(things, list):
        raise ClientError(Reason.TEXT_INVALID, "a frame of JSON holds no list")
    return things


def _thing(thing: Any) -> client_input.Input:
    match thing:
        case {"say": str(text)}:
            return client_input.TextTyped(client_input.check_typed(text))
        case {"keys": str(digits)}:
            return client_input.DigitsPressed(client_input.check_digits(digits))
        case {"played": [int(reply), int(samples), bool(is_final)]}:
            return client_input.PlaybackReported(ReplyId(reply), samples, is_final)
        case {"voice": str(voice)}:
            return client_input.Updated(SessionUpdate(voice=voice))
        case {"ping": str(word)}:
            return client_input.Answer(json_frame({"pong": word}))
        case {"interrupt": _}:
            return client_input.Interrupted()
        case {"end": _}:
            return client_input.EndRequested()
        case _:
            raise ClientError(Reason.MESSAGE_EMPTY, "a thing that nobody knows, or that is not as it must be")


async def serve_frames(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    doors: Doors,
    limits: CallLimits,
    codec: FramesCodec | None = None,
) -> None:
    """Hold the call of one connection, and hang up."""
    wire = FramesWire(reader, writer)
    try:
        await hold_call(wire, codec or FramesCodec(), doors, limits)
    finally:
        await wire.close()


class FramesClient:
    """The other side of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.heard = bytearray()
        """Reply audio, by now."""

    async def send(self, *frames: bytes) -> None:
        """Send, as far as the server still takes it."""
        for each in frames:
            self._writer.write(each)
        await self._writer.drain()

    async def say(self, *things: Mapping[str, Any]) -> None:
        """Send a frame of several things."""
        await self.send(json_frame(things))

    async def next(self) -> Any:
        """What a frame of JSON says, or the kind of another; None: the server has hung up. Audio is kept aside."""
        while (raw := await read_frame(self._reader)) is not None:
            kind, payload = Kind(raw[0]), raw[HEAD_BYTES:]
            if kind in _RATES_HZ:
                self.heard += payload
            elif kind is Kind.JSON:
                return json.loads(payload)
            else:
                return {kind: json.loads(payload) if payload else None}
        return None

    async def read_to(self, event: str) -> list[str]:
        """The names of events up to this one."""
        told: list[str] = []
        while event not in told:
            said = await self.next()
            assert said is not None, told
            told.append(str(said.get("event", next(iter(said)))))
        return told

    async def rest(self) -> list[Any]:
        """All that comes until the server hangs up."""
        said = []
        while (each := await self.next()) is not None:
            said.append(each)
        return said

    def half_close(self) -> None:
        """Say that nothing more comes."""
        self._writer.write_eof()

    def vanish(self) -> None:
        """Go without a word."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """Be over."""
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()
