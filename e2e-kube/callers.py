"""People who talk to the gateway all the while, and what became of each of their calls."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from grpc import StatusCode
from voicegateway.v1 import server_pb2
from voicegateway.v1 import voice_gateway_service_pb2 as service_pb2
from voicegateway_testkit import CallEndedError, CallStatus, ConverseClient, utterance_pcm

WORDS = ("please tell me", "what the weather is", "in berlin tomorrow")
"""One utterance: three runs of speech with short pauses. The fake has the words of a run only if it heard that run."""
SAID = " ".join(WORDS)
ANSWER = "It will be sunny all day. Take your hat with you."
RUN_MS, PAUSE_MS = 900, 120
"""The pause is longer than what the fake takes for one run (80 ms), and too short to end anything."""
TURN_S = 30.0
"""Nobody waits longer for an answer; two cores may be busy."""
START_S = 10.0
THINKING_S = (0.2, 2.0)
AWAY_S = 60.0
"""After going_away a call has its drain time and a margin."""
_NS_PER_S = 1_000_000_000


def utterance() -> bytes:
    """What everybody says: 16 kHz, s16le."""
    return b"".join(utterance_pcm(RUN_MS, PAUSE_MS, seed=number) for number in range(len(WORDS)))


@dataclass(slots=True)
class CallRecord:
    """What became of one call."""

    began_ns: int
    """When it was opened, on `time.monotonic_ns`."""
    connect_s: float = 0.0
    """From there to `started`."""
    status: CallStatus | None = None
    finals: list[str] = field(default_factory=list)
    answers: int = 0
    """Replies that were finished whole."""
    faults: list[str] = field(default_factory=list)
    """What a caller would complain of."""
    was_told: bool = False
    """`going_away` came."""
    answered_ns: list[int] = field(default_factory=list)
    """When each reply was finished."""
    waits: list[tuple[int, int]] = field(default_factory=list)
    """When the last sample of each utterance was said, and when it had been understood."""

    @property
    def is_well(self) -> bool:
        """Nothing to complain of."""
        return not self.faults


class Caller:
    """Calls, asks, listens, asks again; calls again when a call has ended, until told to stop."""

    def __init__(self, address: Callable[[], str], seed: int, pcm: bytes) -> None:
        self.calls: list[CallRecord] = []
        self.is_speaking = False
        self._address = address
        self._random = random.Random(seed)
        self._pcm = pcm
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Ends the call after the running turn."""
        self._stop.set()

    async def run(self) -> None:
        """Calls until told to stop."""
        while not self._stop.is_set():
            record = CallRecord(time.monotonic_ns())
            self.calls.append(record)
            try:
                await self._call(record)
            except (TimeoutError, CallEndedError) as error:
                record.faults.append(str(error))
                await asyncio.sleep(0.2)  # as a client that dials again does

    async def _call(self, record: CallRecord) -> None:
        async with ConverseClient(self._address(), own_connection=True) as client:
            try:
                await client.start(timeout_s=START_S)
                record.connect_s = (time.monotonic_ns() - record.began_ns) / _NS_PER_S
                client.turn_microphone_on()
                await self._talk(client, record)
                if client.log.status is None and not client.log.all("going_away"):
                    await client.turn_microphone_off()  # nothing may follow `end`
                    client.end()
                record.status = await client.wait_end(AWAY_S)
            finally:
                record.status = client.log.status
                _judge(record, client)

    async def _talk(self, client: ConverseClient, record: CallRecord) -> None:
        with contextlib.suppress(CallEndedError):  # the verdict says whether it may have ended
            while not (self._stop.is_set() or client.log.all("going_away")):
                self.is_speaking = True
                await client.say(self._pcm)
                self.is_speaking = False
                said_ns = time.monotonic_ns()
                final = await client.wait_for("transcript", _is_final, timeout_s=TURN_S)
                record.waits.append((said_ns, final.at_ns))
                await client.wait_for("reply_finished", timeout_s=TURN_S)
                record.answered_ns.append(time.monotonic_ns())
                record.answers += 1
                await self._think(client)

    async def _think(self, client: ConverseClient) -> None:
        with contextlib.suppress(TimeoutError):
            await client.wait_end(self._random.uniform(*THINKING_S))


def _is_final(response: service_pb2.ConverseResponse) -> bool:
    return response.transcript.is_final


def _judge(record: CallRecord, client: ConverseClient) -> None:
    """Whatever began was understood and answered to the end, and the call ended as announced."""
    log = client.log
    record.finals = [
        entry.response.transcript.text for entry in log.all("transcript") if entry.response.transcript.is_final
    ]
    record.was_told = bool(log.all("going_away"))
    record.faults += [f"understood {text!r}" for text in record.finals if text != SAID]
    finished = {
        entry.response.reply_finished.reply_id: entry.response.reply_finished for entry in log.all("reply_finished")
    }
    for entry in log.all("reply_text"):
        reply = finished.get(entry.response.reply_text.reply_id)
        if reply is None:
            record.faults.append(f"cut short: {entry.response.reply_text.text!r}")
    record.faults += [
        f"reply {reply.reply_id} {server_pb2.ReplyOutcome.Name(reply.outcome)}"
        for reply in finished.values()
        if reply.outcome != server_pb2.REPLY_OUTCOME_COMPLETED
    ]
    record.faults += _judge_end(record, client)


def _judge_end(record: CallRecord, client: ConverseClient) -> list[str]:
    log, faults = client.log, []
    if log.status is None or log.status.code is not StatusCode.OK:
        faults.append(f"ended {log.status}")
    reasons = [entry.response.ended.reason for entry in log.all("ended")]
    expected = server_pb2.END_REASON_DRAINING if record.was_told else server_pb2.END_REASON_CLIENT_ENDED
    if reasons != [expected]:
        faults.append(f"ended with {[server_pb2.EndReason.Name(reason) for reason in reasons]}")
    if len(log.all("speech_started")) > len(record.finals):
        faults.append(f"{len(log.all('speech_started'))} utterances begun, {len(record.finals)} understood")
    if faults:
        faults.append(log.describe())
    return faults


@dataclass(slots=True)
class Callers:
    """All who call."""

    everybody: list[Caller]

    @property
    def calls(self) -> list[CallRecord]:
        """Calls of all callers, until now."""
        return [call for caller in self.everybody for call in caller.calls]

    def since(self, instant_ns: int) -> list[CallRecord]:
        """Calls that were opened after it."""
        return [call for call in self.calls if call.began_ns > instant_ns]

    @property
    def faults(self) -> list[str]:
        """All complaints."""
        return [fault for call in self.calls for fault in call.faults]

    def have_answers_after(self, instant_ns: int) -> bool:
        """Each has had an answer since."""
        return all(
            any(at_ns > instant_ns for call in caller.calls for at_ns in call.answered_ns) for caller in self.everybody
        )

    def longest_wait_s(self, since_ns: int) -> float:
        """From an utterance's end, or that instant if it is later, to when it was understood; 0: none was since."""
        waits = [(until, max(said, since_ns)) for call in self.calls for said, until in call.waits if until > since_ns]
        return max(((until - begun) / _NS_PER_S for until, begun in waits), default=0.0)

    @property
    def everybody_was_answered(self) -> bool:
        """Each has had an answer in the call that runs now."""
        return all(caller.calls and caller.calls[-1].answers for caller in self.everybody)


@asynccontextmanager
async def calling(count: int, address: Callable[[], str]) -> AsyncIterator[Callers]:
    """`count` people call while this runs; at its end they finish their turns."""
    pcm = utterance()
    callers = Callers([Caller(address, seed, pcm) for seed in range(count)])
    tasks = [asyncio.create_task(caller.run()) for caller in callers.everybody]
    try:
        yield callers
        for caller in callers.everybody:
            caller.stop()
        async with asyncio.timeout(AWAY_S + TURN_S):
            await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
