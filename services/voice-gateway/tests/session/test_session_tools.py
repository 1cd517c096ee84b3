"""Sessions whose model calls tools, on fakes of the ports, in virtual time."""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from gateway_kit import virtual_time
from gateway_kit.journals import assert_all_replay, replay_journal
from gateway_kit.port_fakes import (
    FakeHealth,
    FakeLlm,
    FakeRecognizer,
    FakeSink,
    FakeSynthesizer,
    FakeTelemetry,
    FakeTools,
    FakeVoiceModel,
)
from voice_gateway.domain.chat import Role, Tool, ToolCall, ToolPlace
from voice_gateway.domain.errors import Backend, ClientError, Reason, ToolError
from voice_gateway.domain.events import Ended, ReplyFinished, ReplyKind, ReplyText, ToolCalled, TurnOutcome
from voice_gateway.domain.ids import CallId, SessionId
from voice_gateway.domain.persona import Persona
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.domain.reply_options import AS_AGREED, ReplyOptions
from voice_gateway.session.admission.gate import Admission, AdmissionSettings
from voice_gateway.session.calls import NO_TOOL_RUNNER, Shared
from voice_gateway.session.journal.writer import JournalFolder
from voice_gateway.session.negotiation import SessionSettings
from voice_gateway.session.pacer import Pacer
from voice_gateway.session.ports import Session, SessionRequest, SessionUpdate
from voice_gateway.session.roster import Roster
from voice_gateway.session.service import SessionService
from voice_gateway.session.standing import StandingSpeech
from voice_gateway.session.voice import VoiceBank
from voice_gateway.turn.core import Core

DOOR = Tool("door", "Opens the door.", "", ToolPlace.CLIENT)
REQUEST = SessionRequest(transport="grpc_v1", input_rate_hz=16_000, tools=(DOOR,))


@dataclass
class World:
    """A service with tools, and everything round it."""

    folder: Path
    llm: FakeLlm = field(default_factory=FakeLlm)
    tools: FakeTools = field(default_factory=FakeTools)
    sink: FakeSink = field(default_factory=FakeSink)
    telemetry: FakeTelemetry = field(default_factory=FakeTelemetry)

    async def open(self, request: SessionRequest = REQUEST) -> tuple[Session, asyncio.Task[Ended]]:
        """A running session."""
        persona = Persona("Be brief.", "Sorry.", filler="One moment.")
        settings = SessionSettings("en-US", "Anna", 16_000, 16_000, persona, tool_timeout_ms=3_000)
        pacer = Pacer()
        shared = Shared(
            FakeRecognizer(),
            self.llm,
            StandingSpeech(FakeSynthesizer(), ()),
            self.telemetry,
            pacer,
            Roster(),
            VoiceBank(FakeVoiceModel(), pacer),
            JournalFolder(self.folder, "0.0.0"),
            self.tools,
        )
        ids = (SessionId(f"s{number}") for number in itertools.count(1))
        admission = Admission(AdmissionSettings())
        service = SessionService(
            settings,
            TurnPolicy(),
            shared,
            [FakeHealth(Backend.LLM)],
            lambda: next(ids),
            converse=Core,
            admission=admission,
        )
        session = await service.open(request, self.sink)
        return session, asyncio.create_task(session.run())


def called(*names: str) -> list[ToolCall]:
    """Calls of these tools."""
    return [ToolCall(f"c-{name}", name, "{}") for name in names]


def test_tools_of_both_places_in_one_turn(tmp_path: Path) -> None:
    """The server runs its tool, the client is told of its own; with both outcomes the model answers, and it replays."""

    async def main() -> None:
        world = World(tmp_path)
        world.tools.outcomes = {"weather": (0.1, "sunny")}
        world.llm.scripts = [["I look. ", *called("weather", "door")], ["Go out."]]
        session, run = await world.open()
        session.type_text("Go out?")
        await world.sink.wait_for(ToolCalled)
        (told,) = world.sink.of(ToolCalled)
        assert isinstance(told, ToolCalled)
        session.return_tool(told.call, "open", is_error=False)
        await world.sink.wait_for(ReplyFinished, 2)
        session.end()
        await run
        assert world.telemetry.answered == [1]
        assert world.tools.runs == [("weather", "{}")]
        assert [[tool.name for tool in offered] for offered in world.llm.offered] == [["weather", "door"]] * 2
        outcomes = [message.text for message in world.llm.requests[1] if message.role is Role.TOOL]
        assert outcomes == ["sunny", "open"]
        said = [event.text for event in world.sink.of(ReplyText) if isinstance(event, ReplyText)]
        assert said == ["I look. ", "Go out."]

    virtual_time.run(main())
    assert_all_replay(tmp_path)
    script = "\n".join(replay_journal(tmp_path / "s1.jsonl").script)
    assert "tool    weather {}  (call 1, of the server)" in script
    assert "tool    door {}  (call 2 for turn 1)" in script


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        ((0.1, ToolError("the tool refused")), "Error: the tool refused"),
        ((3_600.0, "late"), "Error: timed out"),
    ],
)
def test_a_tool_that_fails_is_told_to_the_model(
    tmp_path: Path, outcome: tuple[float, str | ToolError], told: str
) -> None:
    """An error and a deadline are outcomes like any other, and nothing is left running."""

    async def main() -> None:
        world = World(tmp_path)
        world.tools.outcomes = {"weather": outcome}
        world.llm.scripts = [[*called("weather")], ["I cannot tell."]]
        session, run = await world.open()
        session.type_text("Weather?")
        await asyncio.sleep(5)
        assert world.llm.requests[1][-1].text == told
        assert world.tools.open_calls == 0
        session.end()
        await run

    virtual_time.run(main())
    assert_all_replay(tmp_path)


def test_a_filler_is_spoken_while_a_tool_takes_long(tmp_path: Path) -> None:
    """It is a reply of its own, asked of no model, and the answer comes after it."""

    async def main() -> None:
        world = World(tmp_path)
        world.tools.outcomes = {"weather": (2.0, "sunny")}
        world.llm.scripts = [[*called("weather")], ["Sunny."]]
        session, run = await world.open()
        session.type_text("Weather?")
        await world.sink.wait_for(ReplyFinished, 3)
        session.end()
        await run
        kinds = [event.kind for event in world.sink.of(ReplyFinished) if isinstance(event, ReplyFinished)]
        assert kinds == [ReplyKind.ANSWER, ReplyKind.FILLER, ReplyKind.ANSWER]
        assert len(world.llm.requests) == 2
        assert {audio.reply for _, audio in world.sink.audio} == {2, 3}

    virtual_time.run(main())
    assert_all_replay(tmp_path)


@pytest.mark.parametrize("way", ["interrupt", "end", "type_text", "vanish"])
def test_an_interruption_stops_the_tool(tmp_path: Path, way: str) -> None:
    """The request is cancelled, not only forgotten, and the turn is counted, which no reply ends."""

    async def main() -> None:
        world = World(tmp_path)
        world.tools.outcomes = {"weather": (3_600.0, "late")}
        world.llm.scripts = [[*called("weather")], ["Yes."]]
        session, run = await world.open()
        session.type_text("Weather?")
        await asyncio.sleep(0.1)
        assert world.tools.open_calls == 1
        ways: dict[str, Callable[[], object]] = {
            "interrupt": session.interrupt,
            "end": session.end,
            "type_text": lambda: session.type_text("Stop."),
            "vanish": run.cancel,
        }
        ways[way]()
        await asyncio.sleep(0.01)
        assert world.tools.open_calls == 0
        assert world.telemetry.outcomes[:1] == [(1, TurnOutcome.ABANDONED_EARLY)]
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)

    virtual_time.run(main())


def test_a_tool_that_breaks_is_our_fault_and_told(tmp_path: Path) -> None:
    """An error that nobody foresaw fails the call, is logged, and the session goes on."""

    async def main() -> None:
        world = World(tmp_path)
        world.tools.outcomes = {"weather": ()}  # type: ignore[dict-item]  # the fake breaks on it
        world.llm.scripts = [[*called("weather")], ["Yes."]]
        session, run = await world.open()
        session.type_text("Weather?")
        await asyncio.sleep(5)
        assert world.llm.requests[1][-1].text == "Error: internal error"
        assert [error.reason for error in world.telemetry.troubles] == [Reason.INTERNAL]
        session.end()
        await run

    virtual_time.run(main())


def test_a_client_may_not_bring_a_tool_of_the_server(tmp_path: Path) -> None:
    """Two tools of one name could not be told apart."""

    async def main() -> None:
        world = World(tmp_path)
        world.tools.outcomes = {"door": (0.1, "")}
        with pytest.raises(ClientError) as caught:
            await world.open()
        assert caught.value.reason is Reason.TEXT_INVALID

    virtual_time.run(main())


def test_an_update_replaces_the_tools_of_the_client(tmp_path: Path) -> None:
    """The next turn is asked with the new ones; a name of the server's is refused as at the start; and it replays."""

    async def main() -> None:
        world = World(tmp_path)
        world.tools.outcomes = {"weather": (0.1, "sunny")}
        world.llm.scripts = [["Yes."]]
        session, run = await world.open()
        session.update(SessionUpdate(tools=()))
        with pytest.raises(ClientError) as caught:
            session.update(SessionUpdate(tools=(Tool("weather", "", "", ToolPlace.CLIENT),)))
        assert caught.value.reason is Reason.TEXT_INVALID
        session.type_text("Weather?")
        await world.sink.wait_for(ReplyFinished)
        assert [tool.name for tool in world.llm.offered[0]] == ["weather"]
        session.update(SessionUpdate(tools=(DOOR,)))
        await asyncio.sleep(1)
        session.end()
        await run

    virtual_time.run(main())
    assert_all_replay(tmp_path)
    script = "\n".join(replay_journal(tmp_path / "s1.jsonl").script)
    assert "from here on: tools of the server alone" in script
    assert "from here on: tools door" in script


def test_a_reply_that_is_asked_for_has_its_own_tools(tmp_path: Path) -> None:
    """That one alone, and its own instructions; a name of the server's is refused as at the start; and it replays."""

    async def main() -> None:
        world = World(tmp_path)
        world.tools.outcomes = {"weather": (0.1, "sunny")}
        world.llm.scripts = [["Yes."], ["No."]]
        session, run = await world.open(SessionRequest("grpc_v1", 16_000, policy={"auto_reply": False}))
        with pytest.raises(ClientError) as caught:
            session.request_reply(ReplyOptions(tools=(Tool("weather", "", "", ToolPlace.CLIENT),)))
        assert caught.value.reason is Reason.TEXT_INVALID
        session.type_text("Weather?")
        await asyncio.sleep(5)
        assert not world.llm.requests
        session.request_reply(ReplyOptions("Be kind.", (DOOR,)))
        await world.sink.wait_for(ReplyFinished)
        session.request_reply(AS_AGREED)
        await world.sink.wait_for(ReplyFinished, 2)
        assert [[tool.name for tool in tools] for tools in world.llm.offered] == [["weather", "door"], ["weather"]]
        assert [asked[0].text for asked in world.llm.requests] == ["Be kind.", "Be brief."]
        session.end()
        await run

    virtual_time.run(main())
    assert_all_replay(tmp_path)


def test_a_gateway_without_tools_runs_none() -> None:
    """Should one be run all the same, that is an error for the model."""

    async def main() -> None:
        assert NO_TOOL_RUNNER.tools() == ()
        with pytest.raises(ToolError, match="no tool weather"):
            await NO_TOOL_RUNNER.run("weather", "{}")

    virtual_time.run(main())


def test_an_outcome_that_nobody_awaits_is_dropped(tmp_path: Path) -> None:
    """A client may answer what was never asked, or too late."""

    async def main() -> None:
        world = World(tmp_path)
        session, run = await world.open()
        session.return_tool(CallId(7), "open", is_error=False)
        await asyncio.sleep(0.01)
        session.end()
        await run
        assert world.llm.requests == []

    virtual_time.run(main())
