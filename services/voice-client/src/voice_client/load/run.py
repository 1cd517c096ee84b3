"""A run: so many calls for so long, and what was heard in them."""

import asyncio
import contextlib
import gc
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from voice_client.link import Target
from voice_client.load import server as servers
from voice_client.load.caller import ANSWER_PATIENCE_MS, Caller
from voice_client.load.doors import Door
from voice_client.load.playout import NS_PER_S
from voice_client.load.scores import Heard, ServerCost, Summary, summarise
from voice_client.load.script import FRAME_MS, SILENCE, Utterance
from voice_client.load.server import MeterError, Reading, ServerMeter
from voice_client.load.wheel import TimerWheel
from voice_client.load.wire import Wire

SPREAD_S: Final = 5.0
"""The callers' first words are spread over this time, or over a third of a shorter run."""
PHASE_STEP_MS: Final = 13
"""From one call's frames to the next one's: shares no factor with a frame, so that any number of calls spreads."""
OPENING_AT_ONCE: Final = 20
LOOK_S: Final = 0.25
LEAD_IN_S: Final = 0.2
"""Silence before the first words of a call, as when a telephone is lifted."""
MIN_MINUTES: Final = 2 / 60
"""A shorter time, of a run that was stopped, says nothing of processors that are counted in steps of 10 ms."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What all runs of a command share."""

    target: Target
    door: Door
    utterances: tuple[Utterance, ...]
    seconds: float
    spoken_over_share: float = 0.0
    meter: ServerMeter = field(default_factory=ServerMeter)
    floor_ms: float | None = None

    @property
    def settle_s(self) -> float:
        """Longest wait for the last answers: an utterance that has just begun, and a caller's patience."""
        longest_ms = max(len(utterance.frames) for utterance in self.utterances) * FRAME_MS
        return (longest_ms + ANSWER_PATIENCE_MS) / 1_000


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is."""

    elapsed_s: float
    total_s: float
    calls_up: int
    turns: int
    answered: int
    failed: int


class _Call:
    """A caller, and its stream."""

    def __init__(self, plan: Plan, frames: dict[bytes, bytes], seed: int) -> None:
        self.caller = Caller(plan.utterances, plan.spoken_over_share, seed)
        self.wire = Wire(plan.target, plan.door.method, plan.door.reader(self.caller), self._messages)
        self._door = plan.door
        self._frames = frames
        self._silence = frames[SILENCE]
        self._number = 0

    def _messages(self, due_ns: int) -> Iterable[bytes]:
        pcm = self.caller.frame(due_ns)
        frame = self._silence if pcm is None else self._frames[pcm]
        yield self._door.placed(frame, self._number)
        self._number += 1
        for report in self.caller.reports(due_ns):
            if (message := self._door.playback(report)) is not None:
                yield message


async def run(plan: Plan, calls: int, stop: asyncio.Event, tell: Callable[[Progress], None]) -> Summary:
    """Hold `calls` calls until the time is over or `stop` is set; gives the numbers.

    Raises:
        UnreachableError, TlsError: the first call met nobody.
        MeterError: see server.py.
    """
    frames = {pcm: plan.door.frame(pcm) for said in plan.utterances for pcm in said.frames}
    frames[SILENCE] = plan.door.frame(SILENCE)
    everybody = tuple(_Call(plan, frames, seed) for seed in range(calls))
    try:
        async with turning() as wheel:
            return await _Run(plan, everybody, stop, tell).hold(wheel)
    finally:
        await asyncio.gather(*(call.wire.end(None) for call in everybody))


@dataclass(slots=True)
class _Run:
    plan: Plan
    everybody: Sequence[_Call]
    stop: asyncio.Event
    tell: Callable[[Progress], None]
    began_ns: int = 0
    trouble: str = ""
    """Why the server could not be looked at during the run."""

    async def hold(self, wheel: TimerWheel) -> Summary:
        """The whole of it."""
        idle = await self.plan.meter.read()
        await self._open_unless_stopped()
        with _no_collection():
            await asyncio.sleep(FRAME_MS / 1_000)  # the wheel stood still while that collected, and catches up
            self._begin(wheel)
            tool_s, server = await self._measure(idle)
            await self._settle()
            ended_ns = time.monotonic_ns()
            await asyncio.gather(*(call.wire.end(self.plan.door.end()) for call in self.everybody))
        heard = Heard(
            callers=[call.caller for call in self.everybody],
            frames=[call.wire.frames for call in self.everybody],
            failures=[call.wire.failure for call in self.everybody if call.wire.failure is not None],
            calls=len(self.everybody),
            began_ns=self.began_ns,
            ended_ns=ended_ns,
            tool_cpu_s_per_call_minute=tool_s,
            server=server,
        )
        return summarise(heard, self.plan.floor_ms)

    @property
    def spread_s(self) -> float:
        return min(SPREAD_S, self.plan.seconds / 3)

    async def _open_unless_stopped(self) -> None:
        opening, stopping = asyncio.create_task(self._open()), asyncio.create_task(self.stop.wait())
        await asyncio.wait((opening, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not opening.done():
            opening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await opening

    async def _open(self) -> None:
        start, slots = self.plan.door.start(), asyncio.Semaphore(OPENING_AT_ONCE)
        first = self.everybody[0].wire
        await first.open(start)
        if first.failure is not None and first.failure.unreachable is not None:
            raise first.failure.unreachable

        async def open_one(call: _Call) -> None:
            async with slots:
                await call.wire.open(start)

        await asyncio.gather(*map(open_one, self.everybody[1:]))

    def _begin(self, wheel: TimerWheel) -> None:
        self.began_ns = time.monotonic_ns()
        stop_ns = self.began_ns + round(self.plan.seconds * NS_PER_S)
        for number, call in enumerate(self.everybody):
            after_s = LEAD_IN_S + self.spread_s * number / len(self.everybody)
            call.caller.begin(self.began_ns + round(after_s * NS_PER_S), stop_ns)
            wheel.add(call.wire, number * PHASE_STEP_MS)

    async def _measure(self, idle: Reading) -> tuple[float | None, ServerCost]:
        """Wait while the callers speak; gives what that cost the tool, in CPU-seconds, and the server."""
        await self._wait_until(self.spread_s)
        before, before_s, before_tool_s = await self._look(), time.monotonic(), time.process_time()
        await self._wait_until(self.plan.seconds)
        after, after_s, after_tool_s = await self._look(), time.monotonic(), time.process_time()
        tool_s, minutes = after_tool_s - before_tool_s, (after_s - before_s) / 60
        up = sum(call.wire.is_up for call in self.everybody)
        if self.stop.is_set() and minutes < MIN_MINUTES:
            return None, ServerCost()
        tool_s_per_call_minute = tool_s / up / minutes if up else None
        if before is None or after is None:
            return tool_s_per_call_minute, ServerCost(trouble=self.trouble)
        return tool_s_per_call_minute, servers.cost(idle, before, after, up, minutes)

    async def _look(self) -> Reading | None:
        """A server that breaks down under the load can no longer be looked at, and what callers heard still counts."""
        try:
            return await self.plan.meter.read()
        except MeterError as error:
            self.trouble = str(error)
            return None

    async def _wait_until(self, at_s: float) -> None:
        until_ns = self.began_ns + round(at_s * NS_PER_S)
        while not self.stop.is_set() and self._is_anybody_up() and (left_ns := until_ns - time.monotonic_ns()) > 0:
            self.tell(self._progress())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stop.wait(), min(LOOK_S, left_ns / NS_PER_S))

    def _is_anybody_up(self) -> bool:
        return any(call.wire.is_up for call in self.everybody)

    async def _settle(self) -> None:
        """Wait for the last answers."""
        now_ns = time.monotonic_ns()
        until_ns = now_ns + round(self.plan.settle_s * NS_PER_S)
        for call in self.everybody:
            call.caller.stop(now_ns)
        while not self.stop.is_set() and (now_ns := time.monotonic_ns()) < until_ns:
            if all(call.caller.is_settled(now_ns) for call in self.everybody if call.wire.is_up):
                break
            await asyncio.sleep(FRAME_MS / 1_000)
        for call in self.everybody:
            if call.wire.is_up:
                call.caller.playout.close(time.monotonic_ns())

    def _progress(self) -> Progress:
        turns = [turn for call in self.everybody for turn in call.caller.turns]
        return Progress(
            elapsed_s=(time.monotonic_ns() - self.began_ns) / NS_PER_S,
            total_s=self.plan.seconds,
            calls_up=sum(call.wire.is_up for call in self.everybody),
            turns=len(turns),
            answered=sum(turn.answered_ns is not None for turn in turns),
            failed=sum(call.wire.failure is not None for call in self.everybody),
        )


@contextlib.asynccontextmanager
async def turning() -> AsyncIterator[TimerWheel]:
    wheel = TimerWheel()
    task = asyncio.create_task(wheel.run())
    try:
        yield wheel
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """A collection in the middle of a run makes frames late."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()
