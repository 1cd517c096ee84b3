"""What who speaks is told while recognition is away, in virtual time."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace

import pytest
from gateway_kit import virtual_time
from gateway_kit.port_fakes import FakeSynthesizer, Step
from gateway_kit.session_world import PERSONA, REQUEST, World, heard
from voice_gateway.domain.chat import Role
from voice_gateway.domain.errors import Backend, BackendError, Reason
from voice_gateway.domain.events import EndCause, Ended, Notice, ReplyFinished, ReplyKind, ReplyOutcome, ReplyText
from voice_gateway.domain.ids import SessionId
from voice_gateway.session.ports import Session, SessionUpdate, SpeechChunk, VoiceSpec

pytestmark = pytest.mark.usefixtures("every_session_replays")

UNHEARD = "I cannot hear you."
GONE = BackendError(Backend.ASR, Reason.BACKEND_UNAVAILABLE, "connection refused")
MUTE = BackendError(Backend.TTS, Reason.TTS_FAILED, "connection refused")
MS = 16
"""Samples."""
PIECE_MS = 20


@dataclass
class Synthesis(FakeSynthesizer):
    """May be away."""

    is_away: bool = False

    async def synthesize(self, session: SessionId, spec: VoiceSpec, text: str) -> AsyncGenerator[SpeechChunk, None]:
        """Speak, or fail before the first audio."""
        if self.is_away:
            raise MUTE
        async for chunk in super().synthesize(session, spec, text):
            yield chunk


@dataclass
class Outage(World):
    """The second to seventh stream break at once, so that recognition is away from 1 s to 9 s; then it hears a word."""

    synthesis: Synthesis = field(default_factory=Synthesis)

    def __post_init__(self) -> None:
        """Set the scene."""
        self.persona = replace(PERSONA, unheard=UNHEARD)
        self.synthesizer = self.synthesis
        broken: list[list[Step]] = [[GONE] for _ in range(5)]
        self.recognizer.scripts = [[1.0, GONE], *broken, [3.0, heard("Can you hear me?", 10_500)]]
        self.llm.scripts = [["Yes."]]

    @property
    def said(self) -> list[tuple[str, ReplyKind, bool]]:
        """What the agent said, as what, and whether it belongs to a turn."""
        texts = [event for event in self.sink.of(ReplyText) if isinstance(event, ReplyText)]
        return [(event.text, event.kind, event.turn is not None) for event in texts]

    @property
    def notices(self) -> list[Reason]:
        """What the client was told to have failed."""
        return [event.reason for event in self.sink.of(Notice) if isinstance(event, Notice)]


async def speak(session: Session, *parts: tuple[int, bool]) -> None:
    """Send audio in real time: so many milliseconds each, of speech or of silence."""
    at_ms = 0
    for milliseconds, is_speech in parts:
        for _ in range(0, milliseconds, PIECE_MS):
            session.hear((b"\x00\x10" if is_speech else b"\x00\x00") * PIECE_MS * MS, at_ms * MS)
            at_ms += PIECE_MS
            await asyncio.sleep(PIECE_MS / 1_000)


SPOKEN = ((200, False), (600, True), (8_800, False), (800, True), (2_600, False))
"""A word before the outage, and one when it is over."""
APOLOGY = (UNHEARD, ReplyKind.APOLOGY, False)
ANSWER = ("Yes.", ReplyKind.ANSWER, True)


def test_who_speaks_is_told_once_and_goes_on_when_recognition_is_back() -> None:
    """One notice and one sentence for an outage; no model reads the sentence, and the next words are answered."""

    async def main() -> None:
        world = Outage()
        session, run = await world.open()
        await speak(session, *SPOKEN)
        await world.sink.wait_for(ReplyFinished, 2)
        assert world.said == [APOLOGY, ANSWER]
        assert world.notices == [Reason.RECOGNITION_INTERRUPTED]
        assert {audio.reply for _, audio in world.sink.audio if audio.pcm} == {1, 2}
        assert [message.text for message in world.llm.requests[0] if message.role is not Role.SYSTEM] == [
            "Can you hear me?"
        ]
        assert world.synthesis.texts == [UNHEARD, "Yes."]
        session.end()
        assert await run == Ended(EndCause.CLIENT_ENDED)
        assert world.nothing_is_left()

    virtual_time.run(main())


def test_what_is_kept_is_said_while_synthesis_is_away_too() -> None:
    """The sentence was synthesised when the session began: one server for both may be gone, and it is heard yet."""

    async def main() -> None:
        world = Outage()
        session, run = await world.open()
        talk = asyncio.create_task(speak(session, *SPOKEN))
        await asyncio.sleep(0.9)
        world.synthesis.is_away = True
        await world.sink.wait_for(ReplyFinished)
        assert (world.said, world.notices) == ([APOLOGY], [Reason.RECOGNITION_INTERRUPTED])
        finished = world.sink.of(ReplyFinished)[0]
        assert isinstance(finished, ReplyFinished)
        assert (finished.outcome, finished.total_samples) == (ReplyOutcome.COMPLETED, len(UNHEARD) // 2 * 1_600)
        await talk
        session.end()
        await run

    virtual_time.run(main())


def test_without_a_voice_the_notice_is_all() -> None:
    """Synthesis was never there: no text stands for the sentence, and no second notice; the words after it count."""

    async def main() -> None:
        world = Outage()
        world.synthesis.is_away = True
        session, run = await world.open()
        talk = asyncio.create_task(speak(session, *SPOKEN))
        await asyncio.sleep(9)
        assert (world.said, world.sink.audio, world.notices) == ([], [], [Reason.RECOGNITION_INTERRUPTED])
        assert world.sink.of(ReplyFinished) == []
        assert MUTE in world.telemetry.troubles
        world.synthesis.is_away = False
        await talk
        await world.sink.wait_for(ReplyFinished)
        assert world.said == [ANSWER]
        session.end()
        await run

    virtual_time.run(main())


def test_who_types_hears_nothing_of_it() -> None:
    """A session that only types is answered, and told nothing aloud."""

    async def main() -> None:
        world = Outage()
        session, run = await world.open()
        await asyncio.sleep(3)
        session.type_text("Can you hear me?")
        await world.sink.wait_for(ReplyFinished)
        await asyncio.sleep(5)
        assert world.said == [ANSWER]
        session.end()
        await run

    virtual_time.run(main())


def test_silence_ends_no_session_that_cannot_be_heard() -> None:
    """Recognition is away from 1 s to 9 s, and nobody speaks: prompts begin when a stream has lasted 30 s."""

    async def main() -> None:
        world = Outage()
        world.recognizer.scripts[-1] = []
        _, run = await world.open(replace(REQUEST, policy={"no_input_ms": 2_000}))
        begun_s = asyncio.get_running_loop().time()
        assert await run == Ended(EndCause.NO_INPUT)
        first_s = next(at for at, event in world.sink.events if isinstance(event, ReplyText)) - begun_s
        assert 30 + 2 < first_s < 60
        assert [text for text, _, _ in world.said] == ["Are you there?", "Bye."]

    virtual_time.run(main())


def test_the_sentence_is_made_once_in_a_voice() -> None:
    """Sessions share it: the second asks for nothing, and a change of voice for one more."""

    async def main() -> None:
        world = Outage()
        world.synthesis.offered = {"en-US": ("Anna", "Bea")}
        service = world.service()
        sessions = [await service.open(REQUEST, world.sink) for _ in range(2)]
        runs = [asyncio.create_task(session.run()) for session in sessions]
        await asyncio.sleep(0.5)
        sessions[0].update(SessionUpdate(voice="Bea"))
        await asyncio.sleep(0.4)
        assert [spec.voice for spec in world.synthesis.specs] == ["Anna", "Bea"]
        for session, run in zip(sessions, runs, strict=True):
            session.end()
            await run

    virtual_time.run(main())
