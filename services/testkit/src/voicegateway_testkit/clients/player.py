"""The player of a v1 client: the playout model behind a network that delays, reporting as the contract asks."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from voicegateway.v1 import client_pb2
from voicegateway.v1 import voice_gateway_service_pb2 as service_pb2

from voicegateway_testkit.clients.playout import (
    Arrival,
    AudioArrived,
    FinishArrived,
    InterruptArrived,
    PauseArrived,
    PlayoutModel,
    Report,
    ResumeArrived,
)

_NS_PER_S = 1_000_000_000
ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True)
class PlayerSettings:
    """A listener's equipment and network."""

    jitter_ms: int = 60
    network_ms: tuple[int, int] = (0, 0)
    """Lowest and highest one-way delay; each message draws its own, order is kept."""
    report_every_ms: int = 100
    """At most 200, says the contract."""
    reports: bool = True
    """False: a listener of whom the server must estimate what was heard."""
    seed: int = 0
    """Seed of the delays."""


class DelayLine(Generic[ItemT]):
    """Hands items over after a random delay each, in order, as a stream over a network does."""

    def __init__(self, deliver: Callable[[ItemT], None], delay_ms: tuple[int, int], seed: int) -> None:
        """Makes a line with delays drawn evenly from `delay_ms`; without delay it hands over at once."""
        self._deliver = deliver
        self._low_ms, self._high_ms = delay_ms
        self._rng = np.random.default_rng(seed)
        self._items: deque[tuple[float, ItemT]] = deque()
        self._last_due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def put(self, item: ItemT) -> None:
        """Sends an item on its way."""
        if self._high_ms == 0:
            self._deliver(item)
            return
        loop = asyncio.get_running_loop()
        delay_s = float(self._rng.uniform(self._low_ms, self._high_ms)) / 1000
        self._last_due = max(self._last_due, loop.time() + delay_s)
        self._items.append((self._last_due, item))
        if self._timer is None:
            self._timer = loop.call_at(self._last_due, self._run)

    def close(self) -> None:
        """Loses what is on its way."""
        self._items.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _run(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        while self._items and self._items[0][0] <= loop.time():
            self._deliver(self._items.popleft()[1])
        if self._items:
            self._timer = loop.call_at(self._items[0][0], self._run)


class Player:
    """Plays what `take` is given and hands playback reports to `send`. What it played is the truth to measure by."""

    def __init__(
        self,
        send: Callable[[service_pb2.ConverseRequest], None],
        rate_hz: int,
        sample_bytes: int,
        settings: PlayerSettings,
    ) -> None:
        """Makes a player for audio of `rate_hz` and `sample_bytes` a sample."""
        self.model = PlayoutModel(rate_hz, settings.jitter_ms, settings.report_every_ms)
        self.reports: list[Report] = []
        self.error: Exception | None = None
        """What the playout model could not take; raised again by `check`."""
        self._sample_bytes = sample_bytes
        self._is_telling = settings.reports
        self._timelines: dict[str, bytearray] = {}
        self._down: DelayLine[Arrival] = DelayLine(self._receive, settings.network_ms, settings.seed)
        self._up = DelayLine(send, settings.network_ms, settings.seed + 1)
        self._timer: asyncio.TimerHandle | None = None

    def take(self, response: service_pb2.ConverseResponse) -> None:
        """Takes a message off the wire; those that do not concern a player are ignored."""
        match response.WhichOneof("payload"):
            case "reply_audio":
                audio = response.reply_audio
                self._keep(audio.reply_id, audio.offset_samples, audio.data)
                samples = len(audio.data) // self._sample_bytes
                self._down.put(AudioArrived(audio.reply_id, audio.offset_samples, samples, audio.is_last))
            case "reply_paused":
                self._down.put(PauseArrived(response.reply_paused.reply_id))
            case "reply_resumed":
                self._down.put(ResumeArrived(response.reply_resumed.reply_id, response.reply_resumed.offset_samples))
            case "reply_interrupted":
                self._down.put(InterruptArrived(response.reply_interrupted.reply_id))
            case "reply_finished":
                self._down.put(FinishArrived(response.reply_finished.reply_id))

    def check(self) -> None:
        """Raises what the server did wrong, if anything."""
        if self.error is not None:
            raise self.error

    def played_samples(self, reply_id: str) -> int:
        """Gives how much of a reply has left the loudspeaker by now."""
        self._tend(self.model.advance(time.monotonic_ns()))
        return self.model.played_samples(reply_id)

    def audio(self, reply_id: str) -> bytes:
        """Gives all audio received of a reply, in its timeline."""
        return bytes(self._timelines.get(reply_id, b""))

    def played_audio(self) -> bytes:
        """Gives what the loudspeaker gave, run after run without the gaps; twice where it went back."""
        return b"".join(
            self.audio(run.reply_id)[run.start_samples * self._sample_bytes : run.end_samples * self._sample_bytes]
            for run in self.model.runs
        )

    def close(self) -> None:
        """Stops."""
        self._down.close()
        self._up.close()
        if self._timer is not None:
            self._timer.cancel()

    def _keep(self, reply_id: str, offset_samples: int, data: bytes) -> None:
        timeline = self._timelines.setdefault(reply_id, bytearray())
        at = offset_samples * self._sample_bytes
        timeline[at : at + len(data)] = data

    def _receive(self, arrival: Arrival) -> None:
        try:
            self._tend(self.model.receive(arrival, time.monotonic_ns()))
        except Exception as error:  # noqa: BLE001 - kept for `check`: raised in a timer it would reach nobody
            self.error = self.error or error

    def _tend(self, reports: list[Report]) -> None:
        """Sends the reports and sets the timer anew."""
        for report in reports:
            self.reports.append(report)
            playback = client_pb2.Playback(
                reply_id=report.reply_id, played_samples=report.played_samples, is_final=report.is_final
            )
            if self._is_telling:
                self._up.put(service_pb2.ConverseRequest(playback=playback))
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if (deadline_ns := self.model.deadline()) is not None:
            wait_s = max(0, deadline_ns - time.monotonic_ns()) / _NS_PER_S
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._tend(self.model.advance(time.monotonic_ns()))
