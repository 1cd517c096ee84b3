"""One call round one session, whatever its wire and its codec.

Of a call's tasks, `run` holds the conversation, `reader` feeds it and `drain` is the one writer. Whatever ends the
call, all three are over before its end is told, but for one that is inside a read or a write of the wire: it does
nothing more, and ends with the call (see `operations`). A client that has vanished or does not read leaves nothing
behind.
"""

import asyncio
import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from voice_gateway.domain.errors import ClientError, GatewayError, InternalError, Reason, Unavailable
from voice_gateway.domain.instant import NS_PER_S, Instant
from voice_gateway.domain.limits import TokenBucket
from voice_gateway.domain.trace_context import NO_TRACE
from voice_gateway.session.ports import AdmitCaller, ExpectStart, OpenSession, Session
from voice_gateway.transports import client_input
from voice_gateway.transports.audio_in import SLICE_SAMPLES, AudioIn, open_audio_in, slices
from voice_gateway.transports.codec import Codec, Opening
from voice_gateway.transports.failures import in_a_log, without_frames
from voice_gateway.transports.operations import Operation, StartTime, cancel, greet_within, through, write_within
from voice_gateway.transports.outbox import Outbox
from voice_gateway.transports.refusal_log import RefusalLog
from voice_gateway.transports.wire import Vanished, Wire

_LOG = logging.getLogger(__name__)

MESSAGES: Final = TokenBucket(capacity=1_000, per_s=400)
"""Messages of one call that are read, whatever is in them, and things that they say beyond the first of each; more
wait to be read. Clients of the older contract push 64 ms at 12.8 times real time, 200 a second; who pushes a recording
in frames of 20 ms comes to 8 times real time, after 20 s of it at once. 400 cost a fiftieth of a core (50 us each, the
least that a message costs grpc.aio)."""

COUNTED_TOGETHER: Final = 20
"""Messages that are counted at once: to count each one costs a tenth of what it costs to hear it."""

MAX_START_MESSAGES: Final = 16
"""Messages by which it must be known what session a client wants. Twilio needs two, `connected` and `start`, and so
does AudioSocket, an id and audio whose kind tells the rate; a telephone key may come between."""


@dataclass(frozen=True, slots=True)
class CallLimits:
    """How patient a call is."""

    start_timeout_ms: int = 10_000
    """A peer that has not said by then what it wants is no client, or holds our memory with half a message. The time
    for greeting it counts too, and where the greeting comes later it has no more time than this either."""
    write_stall_ms: int = 2_000
    """A write pending for longer: the client does not read."""
    max_queued_bytes: int = 1_048_576
    """More waiting than this: the client does not read. The largest lead, 5 s at 48 kHz, is 480 kB."""
    end_grace_ms: int = 1_000
    """After `end`, how long the client may take to half-close before the call is closed for it."""


@dataclass(frozen=True, slots=True)
class Doors:
    """The way into the sessions."""

    expect: ExpectStart
    """Told of a call that has not said what it wants."""
    admit: AdmitCaller
    """Asked before a call costs anything."""
    open_session: OpenSession
    log: RefusalLog


async def hold_call(wire: Wire, codec: Codec, doors: Doors, limits: CallLimits) -> None:
    """Serve a call from its first message to its end."""
    try:
        await _hold(wire, codec, doors, limits)
    except Vanished as error:
        without_frames(error)  # its session was cancelled, and there is nobody who could be told
        return
    except GatewayError as error:
        failure = without_frames(error)
    except Exception as error:  # noqa: BLE001  logged here; the client gets the typed failure that it is owed
        _LOG.exception("call failed")
        without_frames(error)
        failure = InternalError()
    else:
        return
    await wire.fail(failure)  # every place is free by now: a client can put this off for ever


class _Begun(NamedTuple):
    """A call that has its session."""

    session: Session
    outbox: Outbox
    said: Iterator[client_input.Input]
    """What the client said when it started; an iterator, which lets go of all of it when the last was taken."""


async def _hold(wire: Wire, codec: Codec, doors: Doors, limits: CallLimits) -> None:
    begun = await _admit(wire, codec, doors, limits)
    try:
        call = _Call(wire, codec, begun)
        for raw in codec.opened(begun.session.agreement):
            begun.outbox.put(raw)
        await _serve(call, begun.session, limits)
    finally:
        begun.session.release()  # if it never ran, because the client could not be greeted, it has its place yet


async def _serve(call: "_Call", session: Session, limits: CallLimits) -> None:
    """Greet the client and hold the conversation with it."""
    run = asyncio.create_task(session.run(), name="session")
    try:
        with _telling(call, run):
            await call.greet(limits.start_timeout_ms)
        await _converse(call, run, limits)
    finally:
        await through(cancel(run, raised=sys.exception()))


async def _admit(wire: Wire, codec: Codec, doors: Doors, limits: CallLimits) -> _Begun:
    """Hear what the client wants and open a session; a refusal has no session whose lines would tell of it."""
    trace = NO_TRACE
    try:
        opening = await _opening(wire, codec, doors, limits)
        trace = opening.request.trace
        outbox = Outbox(codec, max_bytes=limits.max_queued_bytes, write_stall_ms=limits.write_stall_ms)
        session = await doors.open_session(replace(opening.request, caller=wire.caller), outbox)
    except GatewayError as error:
        doors.log.tell(error, wire.peer, wire.caller, trace)
        raise
    return _Begun(session, outbox, iter(opening.said))


async def _opening(wire: Wire, codec: Codec, doors: Doors, limits: CallLimits) -> Opening:
    """Greet the client where the wire greets first, and read until it is known what session it wants."""
    with doors.expect(wire.caller) as crowded:
        start_time = StartTime(limits.start_timeout_ms, crowded)
        if wire.greets_first:
            doors.admit(wire.caller)
            await start_time.bound(wire.greet())
            for raw in codec.greeting():
                await start_time.bound(write_within(wire, raw, limits.write_stall_ms))
        for _ in range(MAX_START_MESSAGES):
            opening = await _read_start(wire, codec, doors, start_time)
            if opening is not None:
                return opening
    raise ClientError(Reason.START_REQUIRED, f"{MAX_START_MESSAGES} messages have come, and none of them starts")


async def _read_start(wire: Wire, codec: Codec, doors: Doors, start_time: StartTime) -> Opening | None:
    """Read one message, which is kept by nobody while the next one is awaited.

    Who cannot have a session is told so before a message is looked at, but not before it has come: one in eight of
    gRPC's own Python clients that write while their call is refused see INTERNAL instead of the status (measured
    2026-11-28).
    """
    raw = await start_time.bound(wire.read())
    doors.admit(wire.caller)
    return codec.start(raw)


async def _converse(call: "_Call", run: asyncio.Task[Any], limits: CallLimits) -> None:
    """Read and write until the call is over."""
    reader = asyncio.create_task(call.read(), name="call reader")
    drain = asyncio.create_task(call.outbox.drain(call.write), name="call writer")
    try:
        with _telling(call, run):
            await _finish(call, run, reader, drain, limits)
    finally:
        call.outbox.close()
        run.cancel()
        await through(_leave(call, reader, drain, raised=sys.exception()))


@contextmanager
def _telling(call: "_Call", run: asyncio.Task[Any]) -> Iterator[None]:
    """Log what breaks a session off; of what ended the session itself, the session tells."""
    try:
        yield
    except Vanished:
        if not run.done():
            _LOG.info("call_broken_off", extra=call.logged | {"detail": "the client has vanished"})
        raise
    except GatewayError as error:
        if not run.done():
            level = logging.WARNING if isinstance(error, Unavailable) else logging.INFO
            _LOG.log(level, "call_broken_off", extra=call.logged | in_a_log(error))
        raise
    except Exception as error:
        error.add_note(f"session {call.session_id}")  # error.proto, ERROR_REASON_INTERNAL: the logs have it
        raise


class _Call:
    """What passes between one client and its session."""

    def __init__(self, wire: Wire, codec: Codec, begun: _Begun) -> None:
        self._wire = wire
        self._codec = codec
        self._begun = begun
        self._session = session = begun.session
        self._audio_in: AudioIn = open_audio_in(codec.audio_in, session.agreement.asr_rate_hz, session.hear)
        self._encoding = codec.audio_in.encoding
        self._pace = Pace(MESSAGES)
        self.outbox = begun.outbox
        self.session_id = session.agreement.session_id
        self.logged = {"session": self.session_id, **session.agreement.trace.logged}
        """Fields of a log line that tell which call it is."""
        self.is_ended = False
        """The client sent `end`."""
        self.reading = Operation()
        self.writing = Operation()

    async def greet(self, within_ms: int) -> None:
        """Take the call, unless its client was greeted before it spoke. Raises Unavailable and Vanished."""
        if not self._wire.greets_first:
            await greet_within(self._wire, within_ms)

    async def read(self) -> None:
        """Feed the session until the client half-closes. Raises ClientError and Vanished."""
        await self._take(self._begun.said)
        while (raw := await self.reading.inside(self._wire.read())) is not None:
            if wait_s := self._pace.spend():
                await asyncio.sleep(wait_s)
            await self._take(self._codec.receive(raw))
            del raw  # it may have a megabyte, and the next one an hour
        if not self.is_ended:
            self._audio_in.flush()
            self._session.finish()

    async def _take(self, said: Iterable[client_input.Input]) -> None:
        """Take what one message says, no more at once than others may wait for."""
        for number, each in enumerate(said):
            if number:
                await asyncio.sleep(self._pace.spend())
            if not isinstance(each, client_input.Audio):
                self._do_or_answer(each)
            elif len(each.data) <= SLICE_SAMPLES:
                await self._hear(each.data, each.offset_samples)
            else:
                for part, (data, offset_samples) in enumerate(slices(*each, self._encoding)):
                    if part:
                        await asyncio.sleep(0)
                    await self._hear(data, offset_samples)

    async def _hear(self, data: bytes, offset_samples: int) -> None:
        """Feed the session audio as soon as it has room for more."""
        self._audio_in.feed(data, offset_samples)
        if not self._session.has_room():
            await self._session.wait_for_room()

    async def write(self, raw: bytes) -> None:
        """Send a message. Raises Vanished."""
        await self.writing.inside(self._wire.write(raw))

    def _do_or_answer(self, said: client_input.Input) -> None:
        """Do it; or have the client told, where the codec has words for it, that it is refused. Raises ClientError."""
        try:
            self._do(said)
        except ClientError as error:
            answers = self._codec.refused(error)
            if answers is None:
                raise
            for raw in answers:
                self.outbox.put(raw)

    def _do(self, said: client_input.Input) -> None:
        match said:
            case client_input.PlaybackReported(reply, played_samples, is_final):
                self._session.report_playback(reply, played_samples, is_final=is_final)
            case client_input.Interrupted():
                self._session.interrupt()
            case client_input.Committed():
                self._audio_in.flush()
                self._session.commit()
            case client_input.ToolReturned(call, output, is_error):
                self._session.return_tool(call, output, is_error=is_error)
            case client_input.EndRequested():
                self.is_ended = True
                self._session.end()
            case client_input.Refused(notice):
                self.outbox.emit(notice)
            case client_input.Answer(raw):
                self.outbox.put(raw)
            case _:
                self._do_at_keys(said)

    def _do_at_keys(self, said: client_input.Input) -> None:
        """What comes from a keyboard, a keypad or a settings dialogue. Raises ClientError for what there is not."""
        match said:
            case client_input.TextTyped(text):
                self._session.type_text(text)
            case client_input.DigitsPressed(digits):
                self._session.press(digits)
            case client_input.Updated(update):
                self._session.update(update)
            case client_input.ReplyRequested(options):
                self._session.request_reply(options)


async def _finish(
    call: _Call,
    run: asyncio.Task[Any],
    reader: asyncio.Task[None],
    drain: asyncio.Task[None],
    limits: CallLimits,
) -> None:
    """See the session to its end, then what it said to the client, then the client to its half-close.

    Once `Ended` is told, nothing but a good end may follow it: what goes wrong from then on is nobody's but ours.
    """
    await _until(run, call.outbox, reader, drain)
    call.outbox.close()
    await _until(drain, call.outbox, reader)
    drain.result()
    _look_at(run, call.outbox)
    if call.is_ended:
        await asyncio.wait({reader}, timeout=limits.end_grace_ms / 1_000)
        if reader.done():
            _look_at(reader, call.outbox)


def _look_at(task: asyncio.Future[Any], outbox: Outbox) -> None:
    """Raise what a task died of, unless the end was told before; then it is only logged, by `cancel`."""
    if not outbox.has_ended:
        task.result()


async def _until(goal: asyncio.Future[Any], outbox: Outbox, *others: asyncio.Task[None]) -> None:
    """Wait for `goal`; raise at once what one of the others raises before the end is told, or that the client is
    stalled.
    """
    watched: set[asyncio.Future[Any]] = {goal, outbox.stalled, *others}
    while not goal.done():
        done, _ = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
        if outbox.stalled in done:
            raise Unavailable(Reason.CLIENT_STALLED, outbox.stalled.result())
        for other in done - {goal, outbox.stalled}:
            _look_at(other, outbox)
        watched -= done


async def _leave(
    call: _Call, reader: asyncio.Task[None], drain: asyncio.Task[None], *, raised: BaseException | None
) -> None:
    """End what reads and writes; what has been said is written before the end is told, unless nobody reads it."""
    over: set[asyncio.Future[Any]] = {drain, call.outbox.stalled}
    await call.reading.end(reader, raised=raised)
    await asyncio.wait(over, return_when=asyncio.FIRST_COMPLETED)
    await call.writing.end(drain, raised=raised)
    call.outbox.drop()


class Pace:
    """How fast one peer may say things."""

    def __init__(self, bucket: TokenBucket) -> None:
        self._bucket = bucket
        self._uncounted = 0

    def spend(self) -> float:
        """One thing more; gives for how many seconds its sender has to wait, as a rule 0."""
        self._uncounted += 1
        if self._uncounted < COUNTED_TOGETHER:
            return 0.0
        now = Instant(round(asyncio.get_running_loop().time() * NS_PER_S))
        self._bucket = self._bucket.take(self._uncounted, now)
        self._uncounted = 0
        return self._bucket.debt_ns(now) / NS_PER_S
