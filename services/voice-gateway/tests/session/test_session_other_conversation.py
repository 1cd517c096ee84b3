"""A session that holds another conversation than the core's: without turns, without replies."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from gateway_kit import virtual_time
from gateway_kit.journals import read_journal
from gateway_kit.session_world import World
from voice_gateway.domain.agreement import Agreement
from voice_gateway.domain.errors import Reason
from voice_gateway.domain.events import EndCause, Ended, Notice
from voice_gateway.domain.instant import Instant, after_ms
from voice_gateway.session.journal.replay import replay
from voice_gateway.session.journal.writer import JournalFolder
from voice_gateway.turn import effects, inputs
from voice_gateway.turn.conversation import Conversation

ECHO_MS = 700


class Echo:
    """Gives back what was typed, a while later, and in which language it took it to be."""

    def __init__(self, agreement: Agreement) -> None:
        self._language = agreement.heard_language
        self._typed = ""
        self._due: Instant | None = None

    def handle(self, fact: inputs.Input, now: Instant) -> tuple[effects.Effect, ...]:
        """Keep what is typed; leave with the client."""
        if isinstance(fact, inputs.TextTyped):
            self._typed, self._due = fact.text, after_ms(now, ECHO_MS)
        if isinstance(fact, inputs.EndRequested):
            ended = Ended(EndCause.CLIENT_ENDED)
            return effects.Emit(ended), effects.Close(ended)
        return ()

    def deadline(self) -> Instant | None:
        """When the echo comes."""
        return self._due

    def on_deadline(self, now: Instant) -> tuple[effects.Effect, ...]:
        """The echo."""
        del now
        self._due = None
        return (effects.Emit(Notice(Reason.FEATURE_UNAVAILABLE, f"{self._language}: {self._typed}")),)

    def snapshot(self, now: Instant) -> dict[str, Any]:
        """What was typed."""
        del now
        return {"typed": self._typed}


def test_a_session_holds_any_conversation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Session, journal and replay need a conversation, not the core: an interpreter can be the next one."""
    made: list[Conversation] = []

    def converse(agreement: Agreement) -> Conversation:
        made.append(Echo(agreement))
        return made[-1]

    async def main() -> None:
        world = World(converse=converse)
        session, run = await world.open()
        begun = asyncio.get_running_loop().time()
        session.type_text("Hello.")
        await world.sink.wait_for(Notice)
        ((told_at, told),) = world.sink.events
        assert isinstance(told, Notice)
        assert (told.message, round(told_at - begun, 2)) == ("en-US: Hello.", ECHO_MS / 1_000)
        session.end()
        assert await run == Ended(EndCause.CLIENT_ENDED)
        assert made[0].snapshot(Instant(0)) == {"typed": "Hello."}

    monkeypatch.setattr(World, "journals", JournalFolder(tmp_path, "1.2.3"))
    virtual_time.run(main())
    replayed = replay(read_journal(tmp_path / "s1.jsonl"), converse)
    assert replayed.difference is None
    assert len(made) == 2
    assert "en-US: Hello." in "\n".join(replayed.script)
