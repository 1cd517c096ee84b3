"""One call of a hostile client, on bytes: it sends what no generated client would, and counts what comes of it."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Final, Self

import grpc.aio
from voicegateway.v1 import audio_pb2, client_pb2
from voicegateway.v1 import voice_gateway_service_pb2 as service_pb2

from voicegateway_testkit.clients.call import watch_status
from voicegateway_testkit.load import METHOD, RATE_HZ

OWN_CONNECTION: Final = (("grpc.use_local_subchannel_pool", 1),)
TELEPHONE_RATE_HZ: Final = 8_000
STILL_OPEN: Final = "still open"
"""What is told of a call that its server has not ended."""
_STATUS_S: Final = 30.0
"""Once a call has ended, its true status comes at once; only a machine that stands still takes longer."""
_WRITE_S: Final = 2.0
"""A write that waits for longer: the server does not read, which is its right."""


def start(language_code: str = "", *, is_telephone: bool = False) -> service_pb2.ConverseRequest:
    """Gives the first message of every hostile call; a telephone's audio is mu-law at 8 kHz."""
    audio = audio_pb2.AudioFormat(encoding=audio_pb2.AUDIO_ENCODING_LINEAR_PCM, sample_rate_hz=RATE_HZ)
    telephone = audio_pb2.AudioFormat(encoding=audio_pb2.AUDIO_ENCODING_MULAW, sample_rate_hz=TELEPHONE_RATE_HZ)
    audio_in = telephone if is_telephone else audio
    opening = client_pb2.Start(audio_in=audio_in, audio_out=audio, language_code=language_code)
    return service_pb2.ConverseRequest(start=opening)


class HostileCall:
    """A call; an async context manager that gives it up on leaving."""

    def __init__(
        self,
        address: str,
        opening: service_pb2.ConverseRequest | None = None,
        *,
        reads: bool = True,
        channel: grpc.aio.Channel | None = None,
    ) -> None:
        """Makes a call to host and port.

        `reads` false: nothing that comes back is ever read. `channel`: somebody else's connection, instead of its own.
        """
        self.received: Counter[str] = Counter()
        """Messages that came, by the name of their payload."""
        self._opening = opening or start()
        self._is_shared = channel is not None
        self._channel = channel or grpc.aio.insecure_channel(address, options=OWN_CONNECTION)
        self._call: Any = self._channel.stream_stream(METHOD)()
        self._status = watch_status(self._call)
        self._reads = reads
        self._reader: asyncio.Task[None] | None = None
        self._write: asyncio.Future[None] | None = None
        self._changed = asyncio.Event()
        self._last: dict[str, service_pb2.ConverseResponse] = {}

    async def __aenter__(self) -> Self:
        await self.send(self._opening)
        if self._reads:
            self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call.cancel()
        self._status.cancel()
        left = {task for task in (self._status, self._reader, self._write) if task is not None}
        await asyncio.gather(*left, return_exceptions=True)
        if not self._is_shared:
            await self._channel.close()

    async def send(self, *requests: service_pb2.ConverseRequest) -> bool:
        """Sends messages; false once the call has ended or the server reads nothing more."""
        return await self.send_raw([request.SerializeToString() for request in requests])

    async def send_raw(self, messages: Sequence[bytes]) -> bool:
        """Sends any bytes as messages."""
        for raw in messages:
            if self._write is not None and not self._write.done():
                return False
            self._write = asyncio.ensure_future(self._call.write(raw))
            # not cancelled: that would end the call, and the server is to do that
            await asyncio.wait({self._write}, timeout=_WRITE_S)
            if not self._write.done() or self._write.cancelled() or self._write.exception() is not None:
                return False
        return True

    async def wait_for(
        self, payload: str, count: int = 1, timeout_s: float = 5.0
    ) -> service_pb2.ConverseResponse | None:
        """Gives the newest message of a kind once `count` of them have come; None if they do not."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self.received[payload] < count and not self.is_over:
                    self._changed.clear()
                    await self._changed.wait()
        return self._last.get(payload) if self.received[payload] >= count else None

    @property
    def is_over(self) -> bool:
        """Whether the server has ended the call."""
        return bool(self._call.done())

    async def outcome(self, timeout_s: float = 0.0) -> str:
        """Gives the status as code and reason, `RESOURCE_EXHAUSTED / RATE_EXCEEDED` say; waits up to `timeout_s`.

        When the call has ended, the status is waited for in any case.
        """
        await asyncio.wait({self._status}, timeout=_STATUS_S if self.is_over else timeout_s)
        if not self._status.done():
            return STILL_OPEN
        status = self._status.result()
        return f"{status.code.name} / {status.reason}" if status.reason else status.code.name

    async def _read(self) -> None:
        # iteration, not `read()`: that gives up unread messages, and the status, once a write has failed
        with contextlib.suppress(grpc.aio.AioRpcError, asyncio.CancelledError):
            async for raw in self._call:
                response = service_pb2.ConverseResponse.FromString(raw)
                payload = response.WhichOneof("payload") or "nothing"
                self.received[payload] += 1
                self._last[payload] = response
                self._changed.set()
        self._changed.set()
