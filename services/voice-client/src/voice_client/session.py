"""One conversation with the server: link, player and device joined. Says nothing to people; publishes what happens."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Self

from voicegateway.v1 import audio_pb2, client_pb2, server_pb2

from voice_client.device import DEFAULT_FRAME_MS, INPUT_RATE_HZ, Device, Playout
from voice_client.errors import ContractError, VoiceClientError
from voice_client.link import Link, ServerEvent, Target, first_event
from voice_client.player import BYTES_PER_SAMPLE, ReplyAudioError

# The loudspeaker and the microphone are served once in this time; a frame is 20 ms in every common sound stack.
TICK_S = 0.02
# A frame preference outside this is not one a microphone can follow without being felt.
FRAME_RANGE_MS = range(10, 101)


def start_message(*, language: str = "", voice: str = "", system_prompt: str | None = None) -> client_pb2.Start:
    """The opening message; what is left out is the server's choice."""
    pcm = audio_pb2.AUDIO_ENCODING_LINEAR_PCM
    return client_pb2.Start(
        audio_in=audio_pb2.AudioFormat(encoding=pcm, sample_rate_hz=INPUT_RATE_HZ),
        audio_out=audio_pb2.AudioFormat(encoding=pcm),
        language_code=language,
        voice=voice,
        system_prompt=system_prompt,
    )


class Session:
    """Use as `async with`. `observe` sees every event at once, before anybody who iterates over `events`."""

    started: server_pb2.Started
    playout: Playout

    def __init__(
        self,
        target: Target,
        start: client_pb2.Start,
        device: Device,
        *,
        observe: Callable[[ServerEvent], None] = lambda _: None,
    ) -> None:
        self._target = target
        self._start = start
        self._device = device
        self._observe = observe
        self._subscribers: list[asyncio.Queue[ServerEvent | None]] = []
        self.heard_samples = 0
        self.last_event_s = 0.0
        self._has_ticked = asyncio.Event()
        self._is_over = asyncio.Event()
        self.failure: Exception | None = None

    async def __aenter__(self) -> Self:
        self._link = await Link(self._target).__aenter__()
        try:
            self._link.send(self._start)
            events = self._link.events()
            self.started = await first_event(events, self._target)
            self._open_device(self.started)
        except BaseException:
            self._device.close()
            await self._link.__aexit__()
            raise
        self._tasks = [asyncio.create_task(self._guard(work)) for work in (self._read(events), self._tick())]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        self._device.close()
        self._finish(None)
        await self._link.__aexit__()

    @property
    def is_over(self) -> bool:
        return self._is_over.is_set()

    def events(self) -> AsyncIterator[ServerEvent]:
        """What the server says from this call on, until the session is over."""
        queue: asyncio.Queue[ServerEvent | None] = asyncio.Queue()
        if self.is_over:
            queue.put_nowait(None)
        self._subscribers.append(queue)
        return _drain(queue)

    def hear(self, pcm: bytes) -> None:
        """Send microphone audio, s16le mono at `INPUT_RATE_HZ`; it follows without a gap on what was sent before."""
        self._link.send(client_pb2.AudioInput(data=pcm, offset_samples=self.heard_samples))
        self.heard_samples += len(pcm) // BYTES_PER_SAMPLE

    def say_text(self, text: str) -> None:
        """Send a typed turn."""
        self._link.send(client_pb2.TextInput(text=text))

    def interrupt(self) -> None:
        """Stop the reply: here at once, at the server as soon as it hears."""
        audible_samples = self._device.sync()
        self.playout.flush_all()
        self._link.send(client_pb2.Interrupt())
        self._report(audible_samples)

    def end(self) -> None:
        """Leave now."""
        self._link.send(client_pb2.End())
        self._link.half_close()

    def half_close(self) -> None:
        """Say that nothing more comes; the server answers what it has heard and ends the call."""
        self._link.half_close()

    async def drained(self) -> None:
        """Wait until the server has taken what was sent."""
        await self._link.drained()

    async def heard_up_to(self, position_samples: int) -> None:
        """Wait until the microphone has reached a position of the input time axis, or the session is over.

        Raises:
            VoiceClientError: it ended badly; see errors.py.
        """
        while self.heard_samples < position_samples and not self.is_over:
            await self.ticked()
        self.raise_failure()

    async def ticked(self) -> None:
        """Wait until the device has been served once more, within `TICK_S`; the end of the session counts as well."""
        await self._has_ticked.wait()

    async def wait_over(self) -> None:
        """Wait for the end of the session.

        Raises:
            VoiceClientError: it ended badly; see errors.py.
        """
        await self._is_over.wait()
        self.raise_failure()

    async def played_out(self) -> None:
        """Wait until nothing is left to play; the last audio still plays when the call has ended.

        Raises:
            VoiceClientError: the session broke before; see errors.py.
        """
        while not self.playout.is_idle:
            self.raise_failure()
            await self.ticked()

    def raise_failure(self) -> None:
        """Raise what broke the session, if something did."""
        if self.failure is not None:
            raise self.failure

    def _open_device(self, started: server_pb2.Started) -> None:
        audio_out = started.audio_out
        if audio_out.encoding != audio_pb2.AUDIO_ENCODING_LINEAR_PCM or audio_out.sample_rate_hz <= 0:
            raise ContractError(f"the server speaks in a format that was not asked for: {audio_out}".replace("\n", " "))
        self.playout = Playout(audio_out.sample_rate_hz)
        frame_ms = started.limits.preferred_frame_ms
        self._device.open(self.playout, self._capture, frame_ms if frame_ms in FRAME_RANGE_MS else DEFAULT_FRAME_MS)

    async def _read(self, events: AsyncIterator[ServerEvent]) -> None:
        self._publish(self.started)
        async for event in events:
            audible_samples = self._device.sync()
            self.playout.apply(event)
            self._report(audible_samples)
            self._publish(event)
        self._finish(None)

    async def _tick(self) -> None:
        while True:
            self._report(self._device.sync())
            self._tock()
            await asyncio.sleep(TICK_S)

    def _capture(self, pcm: bytes) -> None:
        try:
            self.hear(pcm)
        except VoiceClientError as error:  # raised here it would end in a sound card's callback, not with the caller
            self._finish(error)

    def _report(self, audible_samples: int) -> None:
        for report in self.playout.reports(audible_samples):
            self._link.send(
                client_pb2.Playback(
                    reply_id=report.reply_id, played_samples=report.played_samples, is_final=report.is_final
                )
            )

    def _publish(self, event: ServerEvent) -> None:
        self.last_event_s = asyncio.get_running_loop().time()
        self._observe(event)
        for queue in self._subscribers:
            queue.put_nowait(event)

    def _tock(self) -> None:
        self._has_ticked.set()
        self._has_ticked.clear()

    async def _guard(self, work: Awaitable[None]) -> None:
        try:
            await work
        except VoiceClientError as error:
            self._finish(error)
        except ReplyAudioError as error:
            self._finish(ContractError(f"the server broke the contract: {error}"))
        except Exception as error:  # noqa: BLE001 handed on: whoever waits for the session raises it
            self._finish(error)

    def _finish(self, failure: Exception | None) -> None:
        if self.is_over:
            # A sound card may still fail while the last audio plays out, and whoever waits for that must hear of it.
            self.failure = self.failure or failure
            self._tock()
            return
        self.failure = failure
        self._is_over.set()
        for queue in self._subscribers:
            queue.put_nowait(None)
        self._tock()


async def _drain(queue: asyncio.Queue[ServerEvent | None]) -> AsyncIterator[ServerEvent]:
    while (event := await queue.get()) is not None:
        yield event
