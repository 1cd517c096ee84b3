"""Calls to backends that are slow to close, or fail at it, when a reply is interrupted or the session ends."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

import pytest
from gateway_kit import virtual_time
from gateway_kit.port_fakes import FakeLlm, FakeSynthesizer
from gateway_kit.session_world import World
from voice_gateway.domain.chat import ChatMessage, Tool, ToolCall
from voice_gateway.domain.errors import Backend, BackendError, Reason
from voice_gateway.domain.events import Ended
from voice_gateway.domain.ids import SessionId
from voice_gateway.session.ports import Session, SpeechChunk, VoiceSpec


@dataclass
class SlowToCloseLlm(FakeLlm):
    """A model whose connection takes a second to close."""

    has_closed: bool = False

    async def reply(
        self, session: SessionId, messages: Sequence[ChatMessage], tools: Sequence[Tool] = ()
    ) -> AsyncGenerator[str | ToolCall, None]:
        """Write a word, then hang."""
        del session, messages, tools
        try:
            yield "One. "
            await asyncio.sleep(3_600)
        finally:
            await asyncio.sleep(1)
            self.has_closed = True


class FailsToClose(FakeSynthesizer):
    """Synthesis that hangs, and fails when it is cancelled."""

    async def synthesize(self, session: SessionId, spec: VoiceSpec, text: str) -> AsyncGenerator[SpeechChunk, None]:
        """Speak, then hang."""
        try:
            async for chunk in super().synthesize(session, spec, text):
                yield chunk
            await asyncio.sleep(3_600)
        finally:
            raise BackendError(Backend.TTS, Reason.TTS_FAILED, "gone while it was closed")


async def asked(world: World) -> tuple[Session, asyncio.Task[Ended]]:
    """A session whose user has typed something half a second ago."""
    session, run = await world.open()
    session.type_text("Count.")
    await asyncio.sleep(0.5)
    return session, run


def test_a_client_that_vanishes_while_the_session_closes_breaks_into_nothing() -> None:
    """Backend calls that are being closed are not cancelled a second time."""

    async def main() -> None:
        llm = SlowToCloseLlm()
        session, run = await asked(World(llm=llm))
        session.end()
        await asyncio.sleep(0.5)
        run.cancel()
        await asyncio.sleep(1)
        assert run.cancelled()
        assert llm.has_closed

    virtual_time.run(main())


def test_a_reply_that_was_interrupted_ends_in_order_though_its_session_does() -> None:
    """What a call to the model does after it was cancelled is not broken off by the end of the session."""

    async def main() -> None:
        llm = SlowToCloseLlm()
        session, run = await asked(World(llm=llm))
        session.interrupt()
        await asyncio.sleep(0.5)
        session.end()
        await run
        assert llm.has_closed

    virtual_time.run(main())


@pytest.mark.parametrize("is_interrupted", [True, False])
def test_a_session_ends_though_what_it_cancels_fails(*, is_interrupted: bool) -> None:
    """A cancelling that a backend turns into a failure leaves no task behind that the end would wait for."""

    async def main() -> None:
        world = World(synthesizer=FailsToClose())
        world.llm.scripts = [["Hello there."]]
        session, run = await asked(world)
        if is_interrupted:
            session.interrupt()
            await asyncio.sleep(1)
        session.end()
        async with asyncio.timeout(5):
            await run
        assert world.nothing_is_left()

    virtual_time.run(main())
