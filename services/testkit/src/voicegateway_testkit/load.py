"""Many callers on one core: frames serialised beforehand, sent by one timer wheel, and what came back kept as numbers.

Every caller says a track, each from its own instant on. A frame leaves when its last sample has been spoken.
Instants are `time.monotonic_ns`.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc.aio
from voicegateway.v1 import audio_pb2, client_pb2, policy_pb2
from voicegateway.v1 import voice_gateway_service_pb2 as service_pb2

from voicegateway_testkit.pcm import to_pcm
from voicegateway_testkit.speech import silence, speech

RATE_HZ = 16000
"""Sample rate of the audio both ways."""
FRAME_MS = 20
LATE_MS = 10
"""A frame that leaves later than this spoils the measurement if many do."""
AUDIO_LATE_MS = 40
"""Reply audio later than its place in the reply plus this, counted from the reply's first frame, is late."""
METHOD = "/voicegateway.v1.VoiceGatewayService/Converse"
_NS_PER_MS = 1_000_000
_NS_PER_S = 1_000_000_000
_SLOT_MS = 1
_SLOTS = FRAME_MS // _SLOT_MS
_LEAD_IN_MS = 200
REPORT_FRAMES = 10
"""A caller that reports playback does so with every tenth frame: at least each 200 ms, says the contract."""
JITTER_MS = 60
"""What such a caller's player holds back."""
_SPEECH_FRAMES = (45, 60)
"""Shortest and longest utterance: odd and even numbers alike, so that whoever batches frames waits as often as not."""


@dataclass(frozen=True, slots=True)
class Track:
    """What a caller says."""

    frames: tuple[bytes, ...]
    """Serialised ConverseRequests of FRAME_MS each."""
    ends_ms: tuple[int, ...]
    """For each turn, when its last speech sample is spoken."""
    window_ms: int
    """Silence that ends a turn."""
    turn_ms: int
    """From one turn to the next."""

    @property
    def duration_ms(self) -> int:
        """How long it takes to say."""
        return len(self.frames) * FRAME_MS


def make_track(turns: int, turn_ms: int, window_ms: int, seed: int = 0) -> Track:
    """Makes a track of `turns` utterances, one each `turn_ms`; `window_ms` of silence end one. Whole frames only."""
    rng = random.Random(seed)  # noqa: S311 - lengths of utterances
    pcm, ends_ms = bytearray(), []
    for turn in range(turns):
        speech_ms = rng.randint(*_SPEECH_FRAMES) * FRAME_MS
        pcm += to_pcm(silence(_LEAD_IN_MS)) + to_pcm(speech(speech_ms, RATE_HZ, seed=speech_ms))
        pcm += to_pcm(silence(turn_ms - _LEAD_IN_MS - speech_ms))
        ends_ms.append(turn * turn_ms + _LEAD_IN_MS + speech_ms)
    frame_bytes = RATE_HZ * FRAME_MS // 1000 * 2
    frames = (
        service_pb2.ConverseRequest(
            audio=client_pb2.AudioInput(data=bytes(pcm[at : at + frame_bytes]), offset_samples=at // 2)
        ).SerializeToString()
        for at in range(0, len(pcm), frame_bytes)
    )
    return Track(tuple(frames), tuple(ends_ms), window_ms, turn_ms)


def start_request(policy: policy_pb2.TurnPolicy) -> bytes:
    """Gives the serialised `start` of every caller."""
    audio = audio_pb2.AudioFormat(encoding=audio_pb2.AUDIO_ENCODING_LINEAR_PCM, sample_rate_hz=RATE_HZ)
    start = client_pb2.Start(audio_in=audio, audio_out=audio, policy=policy)
    return service_pb2.ConverseRequest(start=start).SerializeToString()


@dataclass(slots=True)
class _Reply:
    first_ns: int
    first_samples: int
    sounds_ns: int | None = None
    """When its first sample that is not silent came, were a frame played as it arrives."""
    end_samples: int = 0
    is_complete: bool = False


class ReplyScore:
    """What one caller got back: when each reply began, and how its audio kept time."""

    def __init__(self) -> None:
        self._replies: dict[str, _Reply] = {}
        self.audio_frames = 0
        self.late_audio_frames = 0

    def take(self, raw: bytes, at_ns: int) -> None:
        """Takes a serialised ConverseResponse that arrived at `at_ns`."""
        response = service_pb2.ConverseResponse.FromString(raw)
        if response.WhichOneof("payload") != "reply_audio":
            return
        audio = response.reply_audio
        reply = self._replies.setdefault(audio.reply_id, _Reply(at_ns, audio.offset_samples))
        reply.is_complete = audio.is_last
        if not audio.data:
            return
        reply.end_samples = audio.offset_samples + len(audio.data) // 2
        if reply.sounds_ns is None and (silent := len(audio.data) - len(audio.data.lstrip(b"\0"))) < len(audio.data):
            reply.sounds_ns = at_ns + silent // 2 * _NS_PER_S // RATE_HZ
        place_ns = (audio.offset_samples - reply.first_samples) * _NS_PER_S // RATE_HZ
        self.audio_frames += 1
        self.late_audio_frames += at_ns - reply.first_ns - place_ns > AUDIO_LATE_MS * _NS_PER_MS

    def latencies_ms(self, since_ns: Sequence[int]) -> list[float]:
        """For each turn, from its instant to the first sound of its reply; infinite for one not answered.

        A reply answers a turn when it is heard first after the turn's instant and before that of the next one.
        """
        sounds_ns = sorted(reply.sounds_ns for reply in self._replies.values() if reply.sounds_ns is not None)
        latencies = []
        for this_ns, next_ns in zip(since_ns, [*since_ns[1:], float("inf")], strict=True):
            answers = [sound_ns for sound_ns in sounds_ns if this_ns <= sound_ns < next_ns]
            latencies.append((answers[0] - this_ns) / _NS_PER_MS if answers else float("inf"))
        return latencies

    def playing(self, now_ns: int) -> client_pb2.Playback | None:
        """Gives the report of a player of this audio on the last reply, which is not asked for after its end."""
        if not self._replies:
            return None
        reply_id, reply = next(reversed(self._replies.items()))
        begun_ns = max(0, now_ns - reply.first_ns - JITTER_MS * _NS_PER_MS)
        played = min(reply.first_samples + begun_ns * RATE_HZ // _NS_PER_S, reply.end_samples)
        is_final = reply.is_complete and played == reply.end_samples
        return client_pb2.Playback(reply_id=reply_id, played_samples=played, is_final=is_final)


class LoadCaller:
    """One call on a connection of its own; the wheel says when a frame is due."""

    def __init__(
        self,
        address: str,
        track: Track,
        take: Callable[[bytes, int], None],
        report: Callable[[int], client_pb2.Playback | None] | None = None,
    ) -> None:
        """Makes a caller; `take` is given each message that comes back, and its arrival.

        `report` gives the playback report of an instant; None: this caller reports none.
        """
        self.track = track
        self.start_ns = 0
        """When the first sample of the track is spoken."""
        self.frames = 0
        self.late_frames = 0
        """Frames that left more than LATE_MS after they were due."""
        self._take = take
        self._report = report
        self._reported = client_pb2.Playback()
        self._left_ns: list[int] = []
        # a subchannel pool of its own: otherwise all callers of the process would share one connection
        self._channel = grpc.aio.insecure_channel(address, options=(("grpc.use_local_subchannel_pool", 1),))
        self._call: Any = self._channel.stream_stream(METHOD)()
        self._due: asyncio.Future[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def ended_ns(self) -> list[int]:
        """For each turn, when its last speech sample was spoken."""
        return [self.start_ns + end_ms * _NS_PER_MS for end_ms in self.track.ends_ms]

    @property
    def decided_ns(self) -> list[int]:
        """For each turn, when the frame left that completes the recogniser's window of silence."""
        return [self._left_ns[(end_ms + self.track.window_ms) // FRAME_MS - 1] for end_ms in self.track.ends_ms]

    @property
    def due_ns(self) -> list[int]:
        """For each turn, when that frame was due."""
        return [ended_ns + self.track.window_ms * _NS_PER_MS for ended_ns in self.ended_ns]

    async def open(self, start: bytes) -> None:
        """Sends `start` and returns at the first answer."""
        await self._call.write(start)
        self._take(await self._call.read(), time.monotonic_ns())
        self._tasks.append(asyncio.create_task(self._read()))

    def speak(self, start_ns: int) -> asyncio.Task[None]:
        """Begins the track; the task ends when its last frame has left."""
        self.start_ns = start_ns
        task = asyncio.create_task(self._write())
        self._tasks.append(task)
        return task

    def tick(self) -> None:
        """A frame is due."""
        if self._due is not None and not self._due.done():
            self._due.set_result(None)

    async def close(self) -> None:
        """Gives the call up; raises what a task of it raised."""
        self._call.cancel()
        for task in self._tasks:
            task.cancel()
        outcomes = await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._channel.close()
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome

    async def _read(self) -> None:
        while (raw := await self._call.read()) is not grpc.aio.EOF:
            self._take(raw, time.monotonic_ns())

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        for number, frame in enumerate(self.track.frames):
            due_ns = self.start_ns + (number + 1) * FRAME_MS * _NS_PER_MS
            while (now_ns := time.monotonic_ns()) < due_ns:
                self._due = loop.create_future()
                await self._due
            self._left_ns.append(now_ns)
            self.frames += 1
            self.late_frames += now_ns - due_ns > LATE_MS * _NS_PER_MS
            await self._call.write(frame)
            if self._report is not None and number % REPORT_FRAMES == 0:
                await self._tell_playback(self._report(now_ns))

    async def _tell_playback(self, report: client_pb2.Playback | None) -> None:
        if report is not None and report != self._reported:
            self._reported = report
            await self._call.write(service_pb2.ConverseRequest(playback=report).SerializeToString())


class TimerWheel:
    """One timer for all callers: a slot for each millisecond of a frame, with the callers whose frames are due then."""

    def __init__(self) -> None:
        self._slots: list[list[LoadCaller]] = [[] for _ in range(_SLOTS)]
        self.zero_ns = time.monotonic_ns()
        """Slots count from here."""
        self._task = asyncio.create_task(self._run())

    def start_ns(self, after_ms: float) -> int:
        """Gives the first instant of a slot that is at least `after_ms` from now."""
        slots = (time.monotonic_ns() - self.zero_ns + after_ms * _NS_PER_MS) // (_SLOT_MS * _NS_PER_MS) + 1
        return self.zero_ns + int(slots) * _SLOT_MS * _NS_PER_MS

    def add(self, caller: LoadCaller) -> None:
        """Ticks a caller from now on; its `start_ns` must be one of this wheel's."""
        slot = (caller.start_ns - self.zero_ns) // (_SLOT_MS * _NS_PER_MS) % _SLOTS
        self._slots[slot].append(caller)

    async def stop(self) -> None:
        """Ticks nobody any more."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        slot = 0
        while True:
            slot += 1
            due_ns = self.zero_ns + slot * _SLOT_MS * _NS_PER_MS
            # a timer with a grain of 1 ms may ring early, and a frame that is not due yet would wait for the next round
            while (wait_ns := due_ns - time.monotonic_ns()) > 0:  # noqa: ASYNC110 - time itself is waited for
                await asyncio.sleep(max(wait_ns, _SLOT_MS * _NS_PER_MS) / _NS_PER_S)
            for caller in self._slots[slot % _SLOTS]:
                caller.tick()
