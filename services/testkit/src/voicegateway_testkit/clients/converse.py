"""A client of v1: speaks into a conversation, keeps everything that comes back, plays it."""

import asyncio
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

import grpc
import grpc.aio
from voicegateway.v1 import audio_pb2, client_pb2, server_pb2, voice_gateway_service_pb2_grpc
from voicegateway.v1 import voice_gateway_service_pb2 as service_pb2

from voicegateway_testkit.clients.call import PeerCall, channel
from voicegateway_testkit.clients.log import CallLog, CallStatus, Entry
from voicegateway_testkit.clients.microphone import Microphone, Said
from voicegateway_testkit.clients.player import Player, PlayerSettings

DEFAULT_PLAYER = PlayerSettings()
ConverseEntry = Entry[service_pb2.ConverseResponse]

_SAMPLE_BYTES = {audio_pb2.AUDIO_ENCODING_MULAW: 1, audio_pb2.AUDIO_ENCODING_ALAW: 1}
_LINEAR_SAMPLE_BYTES = 2
_SILENCE = {audio_pb2.AUDIO_ENCODING_MULAW: b"\xff", audio_pb2.AUDIO_ENCODING_ALAW: b"\xd5"}
_LINEAR_SILENCE = b"\0\0"


class ConverseClient:
    """One Converse call; an async context manager, which on leaving gives the call up if it is still open."""

    def __init__(
        self,
        address: str,
        *,
        player: PlayerSettings | None = DEFAULT_PLAYER,
        metadata: Sequence[tuple[str, str]] = (),
        frame_ms: int = 20,
        own_connection: bool = False,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        """Makes a client for host and port; `player` None plays nothing and reports nothing.

        With `credentials` it speaks TLS. Clients of one process share a connection to one address, and with it the pod
        behind a Service, unless they have one of their own.
        """
        self.log: CallLog[service_pb2.ConverseResponse] = CallLog("payload")
        self.player: Player | None = None
        """Set once the server has started the session, unless there is to be none."""
        self._player_settings = player
        self._metadata = tuple(metadata)
        self._frame_ms = frame_ms
        self._options = (("grpc.use_local_subchannel_pool", 1),) if own_connection else ()
        self._address = address
        self._credentials = credentials
        self._next_samples = 0
        self._audio_in = audio_pb2.AudioFormat(encoding=audio_pb2.AUDIO_ENCODING_LINEAR_PCM, sample_rate_hz=16000)
        self._microphone: Microphone | None = None

    async def __aenter__(self) -> Self:
        self._channel = channel(self._address, self._credentials, self._options)
        stub = voice_gateway_service_pb2_grpc.VoiceGatewayServiceStub(self._channel)
        self.call: PeerCall[service_pb2.ConverseRequest, service_pb2.ConverseResponse] = PeerCall(
            stub.Converse(metadata=self._metadata), self.log, self._on_entry
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.vanish()
        if self.player is not None and error is None:
            self.player.check()

    def send(self, request: service_pb2.ConverseRequest) -> None:
        """Sends any message, a wrong one too."""
        self.call.send(request)

    async def start(self, start: client_pb2.Start | None = None, timeout_s: float = 5.0) -> server_pb2.Started:
        """Opens the session; raises CallEndedError when it is refused."""
        start = start or client_pb2.Start()
        if start.audio_in.encoding:
            self._audio_in.encoding = start.audio_in.encoding
        if start.audio_in.sample_rate_hz:
            self._audio_in.sample_rate_hz = start.audio_in.sample_rate_hz
        self.send(service_pb2.ConverseRequest(start=start))
        return (await self.wait_for("started", timeout_s=timeout_s)).response.started

    def send_audio(self, data: bytes, offset_samples: int | None = None) -> None:
        """Sends one audio message, at the end of the audio sent so far unless told otherwise."""
        at = self._next_samples if offset_samples is None else offset_samples
        self._next_samples = at + len(data) // self._in_sample_bytes
        self.send(service_pb2.ConverseRequest(audio=client_pb2.AudioInput(data=data, offset_samples=at)))

    async def push(self, audio: bytes, speed: float | None = None) -> None:
        """Sends audio in frames at `speed` times real time, None as fast as possible; returns when it has left."""
        frame_bytes = self._audio_in.sample_rate_hz * self._frame_ms // 1000 * self._in_sample_bytes
        start_s = time.monotonic()
        for number, at in enumerate(range(0, len(audio), frame_bytes)):
            if speed is not None:
                leaves_s = start_s + number * self._frame_ms / 1000 / speed
                await asyncio.sleep(max(0.0, leaves_s - time.monotonic()))
            self.send_audio(audio[at : at + frame_bytes])
        await self.call.drain()

    def turn_microphone_on(self) -> Microphone:
        """Sends a frame each `frame_ms` from now on, silence unless `say` gives it something."""
        self._microphone = Microphone(
            self.send_audio,
            self._audio_in.sample_rate_hz,
            self._in_sample_bytes,
            _SILENCE.get(self._audio_in.encoding, _LINEAR_SILENCE),
            self._frame_ms,
        )
        self._microphone.turn_on(self._next_samples)
        return self._microphone

    async def turn_microphone_off(self) -> None:
        """Sends no more frames, as when a client mutes."""
        if self._microphone is not None:
            await self._microphone.turn_off()
            self._microphone = None

    async def say(self, audio: bytes) -> Said:
        """Says something into the microphone, in real time; returns when it has been said."""
        if self._microphone is None:
            raise RuntimeError("turn the microphone on first")
        return await self._microphone.say(audio)

    def send_text(self, text: str) -> None:
        """Types a turn."""
        self.send(service_pb2.ConverseRequest(text=client_pb2.TextInput(text=text)))

    def interrupt(self) -> None:
        """Stops the running reply."""
        self.send(service_pb2.ConverseRequest(interrupt=client_pb2.Interrupt()))

    def commit(self) -> None:
        """Ends the user's turn."""
        self.send(service_pb2.ConverseRequest(commit=client_pb2.Commit()))

    def end(self) -> None:
        """Ends the session now."""
        self.send(service_pb2.ConverseRequest(end=client_pb2.End()))

    async def half_close(self) -> None:
        """Says that nothing more will come; turns the microphone off."""
        await self.turn_microphone_off()
        await self.call.half_close()

    async def vanish(self) -> None:
        """Goes away without a word, as a client that crashed does; harmless when the call has ended."""
        await self.turn_microphone_off()
        if self.player is not None:
            self.player.close()
        await self.call.close()
        await self._channel.close()

    async def wait_for(
        self,
        kind: str,
        where: Callable[[service_pb2.ConverseResponse], bool] = lambda _response: True,
        timeout_s: float = 5.0,
    ) -> ConverseEntry:
        """Gives the next message of a kind, the oneof's field name; see CallLog.wait_for."""
        return await self.log.wait_for(kind, where, timeout_s)

    async def wait_end(self, timeout_s: float = 5.0) -> CallStatus:
        """Waits for the call's status."""
        return await self.log.wait_end(timeout_s)

    @property
    def _in_sample_bytes(self) -> int:
        return _SAMPLE_BYTES.get(self._audio_in.encoding, _LINEAR_SAMPLE_BYTES)

    def _on_entry(self, entry: ConverseEntry) -> None:
        if entry.kind == "started" and self._player_settings is not None:
            out = entry.response.started.audio_out
            sample_bytes = _SAMPLE_BYTES.get(out.encoding, _LINEAR_SAMPLE_BYTES)
            self.player = Player(self.send, out.sample_rate_hz, sample_bytes, self._player_settings)
        elif self.player is not None:
            self.player.take(entry.response)
