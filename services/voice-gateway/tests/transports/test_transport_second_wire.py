"""A call knows no wire: the same call over frames on a stream of bytes, around whole sessions, in virtual time."""

import asyncio
import logging
import socket
from dataclasses import replace
from typing import Any

import pytest
from gateway_kit.frames_exchange import HELLO, ID, LIMITS, Exchange, in_time
from gateway_kit.frames_wire import FramesCodec, FramesWire, Kind, frame, json_frame
from gateway_kit.session_world import FRAME, World, heard
from voice_gateway.domain.chat import ChatMessage, Role
from voice_gateway.domain.errors import Reason
from voice_gateway.domain.events import EndCause, Ended
from voice_gateway.session.admission.gate import Admission, AdmissionSettings
from voice_gateway.session.admission.unstarted import Unstarted
from voice_gateway.transports.call import MAX_START_MESSAGES, hold_call
from voice_gateway.transports.client_input import MAX_REQUEST_BYTES
from voice_gateway.transports.operations import CROWDED_MS

SECOND = bytes(32_000)
"""Of audio at 16 kHz."""
LONG = "This is a sentence of the reply that nobody stops. "


def talkative(*replies: str) -> World:
    """A world whose model says these, one to a turn."""
    world = World()
    world.llm.scripts = [[reply] for reply in replies]
    return world


def reason(told: Any) -> str:
    """Of an error."""
    return str(told[Kind.ERROR]["reason"])


# --- conversations ---


def test_a_spoken_conversation() -> None:
    """The server greets first, audio tells the rate and is heard from its first sample, and a half-close is answered
    before the server hangs up.
    """

    async def main() -> None:
        world = talkative("Good day. How are you?")
        world.recognizer.scripts = [[0.7, heard("hello", 500, is_final=False), 0.8, heard("Hello.", 1_400)]]
        exchange = Exchange(world)
        client = await exchange.dial()
        assert await client.next() == HELLO
        await client.send(ID)
        for _ in range(75):
            await client.send(frame(Kind.AUDIO_16K, FRAME))
            await asyncio.sleep(0.02)
        told = await client.read_to("ReplyFinished")
        assert told == [
            "session", "SpeechStarted", "Transcript", "SpeechEnded", "Transcript",
            "ReplyText", "TurnReport", "ReplyText", "ReplyFinished",
        ]  # fmt: skip
        assert len(client.heard) > len(SECOND) / 2
        client.half_close()
        ended, hangup = await client.rest()
        assert (ended["event"], ended["cause"], hangup) == ("Ended", EndCause.CLIENT_HALF_CLOSED, {Kind.HANGUP: None})
        assert bytes(world.recognizer.heard[0]) == FRAME * 75
        assert world.telemetry.started[0].input_rate_hz == 16_000
        await exchange.nothing_is_left()

    in_time(main())


def test_one_message_says_several_things() -> None:
    """What stands in one message is done in its order, also in the message that starts the session: the first question
    is answered, an interruption and the next question come together.
    """

    async def main() -> None:
        exchange = Exchange(talkative(LONG * 20, "Yes."))
        client = await exchange.dial()
        await client.send(ID)
        await client.say({"interrupt": True}, {"keys": "12"}, {"keys": "3#"})
        assert await client.read_to("ReplyText") == ["hello", "session", "Transcript", "Transcript", "ReplyText"]
        assert exchange.world.llm.requests[0][-1] == ChatMessage(Role.USER, "123")
        while not client.heard:
            await client.next()
        await client.say({"interrupt": True}, {"say": "Is it?"}, {"end": True})
        told = await client.rest()
        names = [said.get("event") for said in told]
        assert names.index("ReplyInterrupted") < names.index("Transcript") < names.index("Ended")
        assert told[names.index("Ended")]["cause"] == EndCause.CLIENT_ENDED
        await exchange.nothing_is_left()

    in_time(main())


def test_an_interruption_stops_what_waits() -> None:
    """No sound of a reply follows the word that it was interrupted, and the session goes on."""

    async def main() -> None:
        exchange = Exchange(talkative(LONG * 20, "Yes."))
        client = await exchange.opened()
        await client.say({"say": "Tell me."})
        await client.read_to("TurnReport")
        await client.say({"interrupt": True})
        await client.read_to("ReplyInterrupted")
        so_far = len(client.heard)
        await client.read_to("ReplyFinished")
        assert len(client.heard) == so_far
        await client.say({"say": "And now?"})
        await client.read_to("ReplyFinished")
        assert len(client.heard) > so_far
        client.half_close()
        await client.rest()
        await exchange.nothing_is_left()

    in_time(main())


def test_a_drain_lets_the_turn_finish() -> None:
    """Who is being answered hears the whole answer, then why the server leaves; who comes now is not even greeted."""

    async def main() -> None:
        exchange = Exchange(talkative(LONG * 2))
        client = await exchange.opened()
        await client.say({"say": "Tell me."})
        await client.read_to("TurnReport")
        exchange.world.roster.drain(60_000)
        late = await exchange.dial()
        assert [reason(told) for told in await late.rest()] == ["DRAINING"]
        names = [said.get("event") for said in await client.rest()]
        assert names.index("GoingAway") < names.index("ReplyFinished") < names.index("Ended")
        assert [ended.cause for ended in exchange.world.telemetry.ended if isinstance(ended, Ended)] == ["DRAINING"]
        await exchange.nothing_is_left()

    in_time(main())


# --- refusals ---


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        ([frame(Kind.AUDIO_16K, FRAME)], "START_REQUIRED"),
        ([], "START_REQUIRED"),
        ([ID, frame(Kind.AUDIO_16K, b"\0")], "AUDIO_MISALIGNED"),
        ([ID, json_frame([{"say": "Hi."}, {"dance": 1}])], "MESSAGE_EMPTY"),
        ([ID, frame(Kind.JSON, bytes(MAX_REQUEST_BYTES))[:100]], "START_REQUIRED"),
        ([frame(Kind.JSON, bytes(MAX_REQUEST_BYTES + 1))[:100]], "MESSAGE_TOO_LARGE"),
        ([ID, frame(0x77)], "MESSAGE_EMPTY"),
        ([ID, frame(Kind.JSON, b"{")], "TEXT_INVALID"),
    ],
    ids=["no id", "nothing", "half a sample", "unknown", "half a frame", "too large", "unknown kind", "no JSON"],
)
def test_a_bad_start_is_refused(sent: list[bytes], why: str) -> None:
    """Whatever a client begins with that is no start, it is greeted, told why, counted once, and gets no session."""

    async def main() -> None:
        exchange = Exchange()
        client = await exchange.dial()
        await client.send(*sent)
        client.half_close()
        hello, *told = await client.rest()
        assert hello == HELLO
        await exchange.nothing_is_left()
        assert exchange.world.telemetry.started == []
        is_cut_short = sent[-1:] == [frame(Kind.JSON, bytes(MAX_REQUEST_BYTES))[:100]]
        assert [reason(each) for each in told] == ([] if is_cut_short else [why])
        assert [error.reason for error in exchange.refused] == ([] if is_cut_short else [why])

    in_time(main())


@pytest.mark.parametrize(("ids", "told"), [(MAX_START_MESSAGES - 1, "session"), (MAX_START_MESSAGES, "255")])
def test_a_start_has_only_so_many_messages(ids: int, told: str) -> None:
    """Who says ever more and never what it wants is refused at once, however fast it goes on."""

    async def main() -> float:
        exchange, began_s = Exchange(), asyncio.get_running_loop().time()
        client = await exchange.dial()
        await client.send(*[ID] * ids, json_frame([]))
        assert await client.read_to(told) == ["hello", told]
        lasted_s = asyncio.get_running_loop().time() - began_s
        client.vanish()
        await exchange.nothing_is_left()
        return lasted_s

    assert in_time(main()) == 0


@pytest.mark.parametrize(
    ("room", "why", "within_ms"),
    [(100, "START_TIMEOUT", LIMITS.start_timeout_ms), (0, "AT_CAPACITY", CROWDED_MS)],
    ids=["there is time", "crowded"],
)
def test_the_start_is_waited_for_as_a_whole(room: int, why: str, within_ms: int) -> None:
    """A client that sends a bit of its start now and then has no more time for it than others, and none of a crowd."""

    async def main() -> float:
        exchange, began_s = Exchange(), asyncio.get_running_loop().time()
        exchange.doors = replace(exchange.doors, expect=Unstarted(lambda: room, lambda: 1_000).expecting)
        client = await exchange.dial()
        assert await client.next() == HELLO
        telling = asyncio.create_task(client.next())
        while not telling.done():
            await client.send(ID)
            await asyncio.wait({telling}, timeout=0.9 * within_ms / 1_000)
        assert reason(telling.result()) == why
        lasted_s = asyncio.get_running_loop().time() - began_s
        told = f"the client has not said what it wants within {within_ms} ms"
        assert exchange.refused[0].message == (told if room else "too many calls wait for their first message")
        await exchange.nothing_is_left()
        return lasted_s

    assert in_time(main()) == pytest.approx(within_ms / 1_000, abs=0.01)


class Listening(FramesCodec):
    """The client speaks first, although the wire has to take the call before it can be heard."""

    def greeting(self) -> list[bytes]:
        """Nothing."""
        return []


def test_a_wire_that_greets_first_does_so_for_a_codec_that_does_not() -> None:
    """A WebSocket is accepted before anything is read, also for a contract in which the client speaks first."""

    async def main() -> None:
        exchange = Exchange()
        client = await exchange.dial(Listening())
        await client.send(ID, json_frame([]))
        assert await client.next() == {"session": "s1"}
        await client.say({"end": True})
        await client.rest()
        await exchange.nothing_is_left()

    in_time(main())


def test_a_full_server_says_so_and_greets_nobody() -> None:
    """AT_CAPACITY comes in place of the greeting, with the time to come again; who was greeted while there was room,
    and starts when there is none, is told then.
    """

    async def main() -> None:
        world = World(admission=Admission(AdmissionSettings(max_sessions=1)))
        exchange = Exchange(world)
        waiting = await exchange.dial()
        assert await waiting.next() == HELLO
        first = await exchange.dial()
        await first.send(ID, json_frame([]))
        await first.read_to("session")
        (late,) = await (await exchange.dial()).rest()
        assert reason(late) == "AT_CAPACITY"
        assert late[Kind.ERROR]["retry_after_ms"] >= 1_000
        await waiting.send(ID, json_frame([]))
        assert [reason(told) for told in await waiting.rest()] == ["AT_CAPACITY"]
        await first.say({"end": True})
        await first.rest()
        await exchange.nothing_is_left()
        assert [error.reason for error in exchange.refused] == [Reason.AT_CAPACITY] * 2
        assert (world.admission.sessions, world.admission.unstarted.calls) == (0, 0)

    in_time(main())


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (json_frame([{"say": " "}]), "TEXT_INVALID"),
        (json_frame([{"say": 5}]), "MESSAGE_EMPTY"),
        (json_frame(["say"]), "MESSAGE_EMPTY"),
        (json_frame([{"played": ["1", 2, True]}]), "MESSAGE_EMPTY"),
        (json_frame({"say": "Hi."}), "TEXT_INVALID"),
        (frame(Kind.JSON, b"\xff"), "TEXT_INVALID"),
        (frame(Kind.JSON, b"[" * 100_000), "TEXT_INVALID"),
        (frame(0x77), "MESSAGE_EMPTY"),
    ],
    ids=["white space", "a number", "no object", "no position", "no list", "no text", "too deep", "unknown kind"],
)
def test_what_a_client_may_not_do_ends_its_call(sent: bytes, why: str, caplog: pytest.LogCaptureFixture) -> None:
    """A broken message in the midst of a session is told after what was said by then, the session is cancelled, and
    nobody takes it for a fault of ours.
    """

    async def main() -> None:
        exchange = Exchange()
        client = await exchange.opened()
        await client.send(sent)
        assert [reason(told) for told in await client.rest()] == [why]
        await exchange.nothing_is_left()
        assert exchange.world.telemetry.ended == [None]
        assert exchange.refused == []

    in_time(main())
    assert [line for line in caplog.records if line.exc_info] == []


def test_a_codec_may_answer_by_itself() -> None:
    """What a message asks of the contract alone, and what the session refuses, is answered in order, and the call goes
    on.
    """

    async def main() -> None:
        exchange = Exchange(talkative("Yes."))
        client = await exchange.opened()
        await client.say({"ping": "1"}, {"voice": "nobody"}, {"ping": "2"}, {"say": "Is it?"})
        answers = [await client.next() for _ in range(3)]
        assert answers == [{"pong": "1"}, {"refused": "VOICE_UNSUPPORTED"}, {"pong": "2"}]
        assert (await client.read_to("ReplyFinished"))[-1] == "ReplyFinished"
        client.half_close()
        await client.rest()
        await exchange.nothing_is_left()

    in_time(main())


# --- clients that are not there, or do not listen ---


@pytest.mark.parametrize("when", ["greeted", "idle", "speaking"])
def test_a_client_that_vanishes_leaves_nothing(when: str, caplog: pytest.LogCaptureFixture) -> None:
    """Wherever its client goes without a word, a call ends, and takes session, backend calls and tasks with it."""

    async def main() -> None:
        exchange = Exchange(talkative(LONG * 20))
        if when == "greeted":
            client = await exchange.dial()
            await client.next()
        else:
            client = await exchange.opened()
        if when == "speaking":
            await client.say({"say": "Tell me."})
            await client.read_to("TurnReport")
        client.vanish()
        await exchange.nothing_is_left()
        assert len(exchange.world.telemetry.ended) == (when != "greeted")
        assert exchange.world.admission.sessions == 0

    in_time(main())
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_a_client_that_does_not_read_is_not_spoken_to_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    """When the socket takes no more for as long as a write may be pending, the call ends CLIENT_STALLED."""
    caplog.set_level(logging.INFO, "voice_gateway")

    async def main() -> None:
        exchange = Exchange(talkative(LONG * 100))
        client = await exchange.opened()
        await client.say({"say": "Tell me."})
        await exchange.nothing_is_left()
        assert exchange.world.telemetry.ended == [None]

    in_time(main())
    assert [vars(line)["reason"] for line in caplog.records if line.msg == "call_broken_off"] == ["CLIENT_STALLED"]


class Unopened(FramesWire):
    """A wire whose client does not let itself be greeted."""

    async def greet(self) -> None:
        """Pending until the call is torn down."""
        await self._reader.read()


def test_who_does_not_let_itself_be_greeted_is_one_who_has_not_started() -> None:
    """Half a handshake is counted, and waited for no longer than a start."""

    async def main() -> float:
        exchange, began_s = Exchange(), asyncio.get_running_loop().time()
        unstarted = exchange.world.admission.unstarted
        ours, theirs = socket.socketpair()
        wire = Unopened(*await asyncio.open_connection(sock=ours))
        call = asyncio.create_task(hold_call(wire, FramesCodec(), exchange.doors, LIMITS))
        await asyncio.sleep(LIMITS.start_timeout_ms / 2_000)
        assert unstarted.calls == 1
        await call
        lasted_s = asyncio.get_running_loop().time() - began_s
        await wire.close()
        theirs.close()
        assert ([error.reason for error in exchange.refused], unstarted.calls) == ([Reason.START_TIMEOUT], 0)
        await exchange.nothing_is_left()
        return lasted_s

    assert in_time(main()) == pytest.approx(LIMITS.start_timeout_ms / 1_000, abs=0.01)


class Deaf(FramesWire):
    """A wire that nothing can be written to."""

    async def write(self, raw: bytes) -> None:
        """Pending until the call is torn down."""
        del raw
        await self._reader.read()


def test_a_greeting_that_nobody_takes_ends_the_call() -> None:
    """Who lets the greeting wait is not waited for, and holds no place among those who have not started."""

    async def main() -> None:
        exchange = Exchange()
        ours, theirs = socket.socketpair()
        wire = Deaf(*await asyncio.open_connection(sock=ours))
        await hold_call(wire, FramesCodec(), exchange.doors, LIMITS)
        await wire.close()
        theirs.close()
        assert [error.reason for error in exchange.refused] == [Reason.CLIENT_STALLED]
        await exchange.nothing_is_left()

    in_time(main())


def test_what_is_left_over_is_noticed() -> None:
    """These tests look for what a call leaves behind at the moment of its end: they do not wait for it to go."""

    async def main() -> None:
        exchange = Exchange()
        await (await exchange.dial()).close()
        leftover = asyncio.create_task(asyncio.sleep(0.01))
        with pytest.raises(AssertionError):
            await exchange.nothing_is_left()
        await leftover
        dying: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        dying.set_exception(ZeroDivisionError())
        del dying
        with pytest.raises(AssertionError):
            await exchange.nothing_is_left()
        exchange.faults.clear()
        await exchange.nothing_is_left()

    in_time(main())
