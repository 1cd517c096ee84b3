"""One gRPC call around one session; the wires differ only in their codec.

Of a call's tasks, `run` holds the conversation, `reader` feeds it and `drain` is the one writer. Whatever ends the
call, all three are over before its status is sent, but for one that is inside a read or a write of gRPC: it does
nothing more, and ends with the call (see `reading`). A client that has vanished or does not read leaves nothing behind.
"""

import asyncio
import logging
import sys
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol, TypeVar

import grpc

from voice_gateway.domain.agreement import Agreement
from voice_gateway.domain.audio import AudioFormat
from voice_gateway.domain.errors import GatewayError, InternalError, Reason, Unavailable
from voice_gateway.domain.instant import NS_PER_S, Instant
from voice_gateway.domain.rates import TokenBucket
from voice_gateway.session.ports import AdmitCaller, ExpectStart, OpenSession, Session, SessionRequest
from voice_gateway.transports import inputs
from voice_gateway.transports.audio_in import AudioIn, open_audio_in, slices
from voice_gateway.transports.auth import CALLER
from voice_gateway.transports.outbox import Encoder, Outbox
from voice_gateway.transports.reading import RawContext, leave, read, read_first
from voice_gateway.transports.refusal_log import RefusalLog
from voice_gateway.transports.status import abort, safe_message, without_frames

_LOG = logging.getLogger(__name__)

KEEPALIVE_OPTIONS: Final = (
    # a powered-off client sends no reset: its call is cancelled 40 s later at most, not after gRPC's default of 2 h
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
)
SERVER_OPTIONS: Final = (
    # a message that is a little too large reaches the codec and gets its typed refusal; gRPC refuses any larger one
    # RESOURCE_EXHAUSTED without holding it
    ("grpc.max_receive_message_length", inputs.MAX_REQUEST_BYTES + 65_536),
    *KEEPALIVE_OPTIONS,
)
"""Options that the server of these transports needs."""

MESSAGES: Final = TokenBucket(capacity=1_000, per_s=400)
"""Messages of one call that are read, whatever is in them; more wait to be read. Clients of the older contract push
64 ms at 12.8 times real time, 200 a second; who pushes a recording in frames of 20 ms comes to 8 times real time, after
20 s of it at once. 400 cost a fiftieth of a core (50 us each, the least that a message costs grpc.aio)."""

_CALL_ENDED: Final = (grpc.aio.BaseError, asyncio.InvalidStateError)
"""What gRPC raises when a call has ended under its handler."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CallLimits:
    """How patient a call is."""

    start_timeout_ms: int = 10_000
    """The first message has not come whole by then: the client is none, or holds our memory with half a message."""
    write_stall_ms: int = 2_000
    """A write pending for longer: the client does not read."""
    max_queued_bytes: int = 1_048_576
    """More waiting than this: the client does not read. The largest lead, 5 s at 48 kHz, is 480 kB."""
    end_grace_ms: int = 1_000
    """After `end`, how long the client may take to half-close before the call is closed for it."""


class Codec(Encoder, Protocol):
    """One call's translation between its wire and the session. `start` first, then `opened`, then the others."""

    @property
    def audio_in(self) -> AudioFormat:
        """Format of the client's audio; known after `start`."""

    def start(self, raw: bytes | None) -> SessionRequest:
        """Read the first message; None: the client half-closed without one. Raises ClientError."""

    def opened(self, agreement: Agreement) -> Iterable[bytes]:
        """Messages that greet the client."""

    def receive(self, raw: bytes) -> inputs.Input:
        """Read any later message. Raises ClientError."""


@dataclass(frozen=True, slots=True)
class Doors:
    """The way into the sessions."""

    expect: ExpectStart
    """Told of a call that has not said what it wants."""
    admit: AdmitCaller
    """Asked before a call costs anything."""
    open_session: OpenSession
    log: RefusalLog


async def hold_call(context: RawContext, codec: Codec, doors: Doors, limits: CallLimits) -> None:
    """Serve a call from its first message to its status."""
    try:
        await _hold(context, codec, doors, limits)
    except GatewayError as error:
        failure = without_frames(error)
    except Exception as error:  # noqa: BLE001  logged here; the client gets the typed status that it is owed
        _LOG.exception("call failed")
        without_frames(error)
        failure = InternalError()
    else:
        return
    await end_with(context, failure)


async def end_with(context: RawContext, failure: GatewayError) -> None:
    """End the call with the status of `failure`; free every place before, as a client can put that off for ever."""
    try:
        await abort(context, failure)
    except grpc.aio.InternalError:
        _LOG.warning("the call took no status any more", extra=_told(failure))


async def _hold(context: RawContext, codec: Codec, doors: Doors, limits: CallLimits) -> None:
    session, outbox = await _admit(context, codec, doors, limits)
    try:
        call = _Call(context, codec, session, outbox)
        for raw in codec.opened(session.agreement):
            outbox.put(raw)
        await _serve(call, session, limits)
    finally:
        session.release()  # if it never ran, because the client could not be greeted, it has its place yet


async def _serve(call: "_Call", session: Session, limits: CallLimits) -> None:
    """Greet the client and hold the conversation with it."""
    run = asyncio.create_task(session.run(), name="session")
    try:
        await call.greet()
        await _converse(call, run, limits)
    finally:
        await _through(_cancel(run, raised=sys.exception()))


async def _admit(context: RawContext, codec: Codec, doors: Doors, limits: CallLimits) -> tuple[Session, Outbox]:
    """Read the first message and open a session; a refusal has no session whose lines would tell of it.

    Who cannot have a session is told so before the first message is looked at, but not before it has come: one in
    eight of gRPC's own Python clients that write while their call is refused see INTERNAL instead of the status
    (measured 2026-11-28).
    """
    caller = CALLER.get()
    try:
        raw = await read_first(context, doors.expect(caller), limits.start_timeout_ms)
        doors.admit(caller)
        outbox = Outbox(codec, max_bytes=limits.max_queued_bytes, write_stall_ms=limits.write_stall_ms)
        session = await doors.open_session(replace(codec.start(raw), caller=caller), outbox)
    except GatewayError as error:
        doors.log.tell(error, context.peer(), caller)
        raise
    return session, outbox


def _told(error: GatewayError) -> dict[str, str]:
    return {"reason": error.reason.value, "detail": safe_message(error)}


async def _converse(call: "_Call", run: asyncio.Task[Any], limits: CallLimits) -> None:
    """Read and write until the call is over."""
    reader = asyncio.create_task(call.read(), name="call reader")
    drain = asyncio.create_task(call.outbox.drain(call.write), name="call writer")
    try:
        await _finish(call, run, reader, drain, limits)
    except GatewayError as error:
        if not run.done():  # of what ended the session itself, the session tells
            level = logging.WARNING if isinstance(error, Unavailable) else logging.INFO
            _LOG.log(level, "call_broken_off", extra={"session": call.session_id, **_told(error)})
        raise
    except Exception as error:
        error.add_note(f"session {call.session_id}")  # error.proto, ERROR_REASON_INTERNAL: the logs have it
        raise
    finally:
        call.outbox.close()
        run.cancel()
        await _through(_leave(call, reader, drain, raised=sys.exception()))


class _Operation:
    """What a task of the call is about: reading or writing."""

    is_running = False
    """The task is inside of gRPC."""
    is_left = False
    """It ends with the operation that it is inside of."""


async def _inside(operation: _Operation, grpcs: Coroutine[Any, Any, T]) -> T:
    """Await what gRPC does; meanwhile `_end` leaves the task alone."""
    operation.is_running = True
    try:
        outcome = await grpcs
    finally:
        operation.is_running = False
    if operation.is_left:
        raise asyncio.CancelledError
    return outcome


async def _end(task: asyncio.Task[None], operation: _Operation, *, raised: BaseException | None) -> None:
    """End the reader or the writer, now or, when gRPC has it, with the call."""
    if operation.is_running:
        operation.is_left = True
        leave(task)
    else:
        await _cancel(task, raised=raised)


class _Call:
    """What passes between one client and its session."""

    def __init__(self, context: RawContext, codec: Codec, session: Session, outbox: Outbox) -> None:
        self._context = context
        self._codec = codec
        self._session = session
        self._audio_in: AudioIn = open_audio_in(codec.audio_in, session.agreement.asr_rate_hz, session.hear)
        self._encoding = codec.audio_in.encoding
        self.outbox = outbox
        self.session_id = session.agreement.session_id
        self.is_ended = False
        """The client sent `end`."""
        self.reading = _Operation()
        self.writing = _Operation()

    async def read(self) -> None:
        """Feed the session until the client half-closes. Raises ClientError.

        A client that vanishes reads as a half-close, too; the cancellation of the call follows at once.
        """
        pace = MESSAGES
        while (raw := await _inside(self.reading, read(self._context))) is not None:
            pace = await paced(pace)
            said = self._codec.receive(raw)
            if isinstance(said, inputs.Audio):
                await self._hear(said)
            else:
                self._do(said)
        if not self.is_ended:
            self._audio_in.flush()
            self._session.finish()

    async def _hear(self, said: inputs.Audio) -> None:
        """Feed the session audio, no more at once than it has room for and than others may wait for."""
        for number, (data, offset_samples) in enumerate(slices(said.data, said.offset_samples, self._encoding)):
            if number:
                await asyncio.sleep(0)
            self._audio_in.feed(data, offset_samples)
            if not self._session.has_room():
                await self._session.wait_for_room()

    async def greet(self) -> None:
        """Send the headers: a status cannot be sent while they are on their way with a message that is cancelled."""
        try:
            await self._context.send_initial_metadata(())
        except _CALL_ENDED as error:
            raise InternalError("the call takes no headers") from error

    async def write(self, raw: bytes) -> None:
        """Write a message. Raises InternalError when the call has ended under us: the client is gone."""
        try:
            await _inside(self.writing, self._context.write(raw))
        except _CALL_ENDED as error:
            raise InternalError("the call takes no more messages") from error

    def _do(self, said: inputs.Input) -> None:
        match said:
            case inputs.PlaybackReported(reply, played_samples, is_final):
                self._session.report_playback(reply, played_samples, is_final=is_final)
            case inputs.Interrupted():
                self._session.interrupt()
            case inputs.Committed():
                self._audio_in.flush()
                self._session.commit()
            case inputs.ToolReturned(call, output, is_error):
                self._session.return_tool(call, output, is_error=is_error)
            case inputs.EndRequested():
                self.is_ended = True
                self._session.end()
            case inputs.Refused(notice):
                self.outbox.emit(notice)
            case _:
                self._do_at_keys(said)

    def _do_at_keys(self, said: inputs.Input) -> None:
        """What comes from a keyboard, a keypad or a settings dialogue. Raises ClientError for what there is not."""
        match said:
            case inputs.TextTyped(text):
                self._session.type_text(text)
            case inputs.DigitsPressed(digits):
                self._session.press(digits)
            case inputs.Updated(update):
                self._session.update(update)


async def _finish(
    call: _Call,
    run: asyncio.Task[Any],
    reader: asyncio.Task[None],
    drain: asyncio.Task[None],
    limits: CallLimits,
) -> None:
    """See the session to its end, then what it said to the client, then the client to its half-close.

    Once `Ended` is told, nothing but OK may follow it: what goes wrong from then on is nobody's but ours.
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
    """Raise what a task died of, unless the end was told before; then it is only logged, by `_cancel`."""
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
    """End what reads and writes; what has been said is written before the status, unless nobody reads it."""
    over: set[asyncio.Future[Any]] = {drain, call.outbox.stalled}
    await _end(reader, call.reading, raised=raised)
    await asyncio.wait(over, return_when=asyncio.FIRST_COMPLETED)
    await _end(drain, call.writing, raised=raised)
    call.outbox.drop()


async def _through(ending: Coroutine[Any, Any, None]) -> None:
    """Await it to its end also if the call is cancelled meanwhile: its client has vanished while it was being ended."""
    task = asyncio.create_task(ending, name="call ending")
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        await asyncio.wait({task})  # gRPC cancels a call once
        raise
    task.result()


async def _cancel(task: asyncio.Task[Any], *, raised: BaseException | None) -> None:
    """Cancel a task and wait until it is over; what it dies of is logged unless it is `raised` or typed."""
    if not task.cancelling():  # a second time would break into what it does to end well
        task.cancel()
    await asyncio.wait({task})
    outcome = None if task.cancelled() else task.exception()
    if isinstance(outcome, Exception) and outcome is not raised and not isinstance(outcome, GatewayError):
        _LOG.error("a task of the call died", exc_info=outcome)


async def paced(pace: TokenBucket) -> TokenBucket:
    """One message more; waits when there were too many."""
    now = Instant(round(asyncio.get_running_loop().time() * NS_PER_S))
    pace = pace.take(1, now)
    if wait_ns := pace.debt_ns(now):
        await asyncio.sleep(wait_ns / NS_PER_S)
    return pace
