"""Keys, silence and changed settings of whole sessions, on fakes of the ports, in virtual time."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from gateway_kit import virtual_time
from gateway_kit.journals import assert_all_replay
from gateway_kit.session_world import FRAME, REQUEST, World, heard
from voice_gateway.domain.agreement import Change
from voice_gateway.domain.errors import ClientError, Reason
from voice_gateway.domain.events import (
    EndCause,
    Ended,
    ReplyFinished,
    ReplyInterrupted,
    ReplyKind,
    ReplyText,
    SpeechStarted,
    Transcript,
)
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.domain.reply_options import Modality, ReplyOptions
from voice_gateway.session.journal.writer import JournalFolder
from voice_gateway.session.ports import RecognitionSpec, Session, SessionRequest, SessionUpdate, VoiceSpec
from voice_gateway.session.runner import SessionRunner
from voice_gateway.turn import inputs

GERMAN = {"en-US": ("Anna",), "de-DE": ("Karl", "Anna")}
LOUD = b"\x00\x10" * 320


@pytest.fixture(autouse=True)
def _every_session_replays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each session here keeps a journal, and each journal replays to the same effects."""
    monkeypatch.setattr(World, "journals", JournalFolder(tmp_path, "0.0.0"))
    yield
    assert_all_replay(tmp_path)


async def speak(session: Session, *, frames: int, start: int = 0, pcm: bytes = FRAME) -> None:
    """Frames of 20 ms in real time."""
    for index in range(start, start + frames):
        session.hear(pcm, index * 320)
        await asyncio.sleep(0.02)


def test_keys_stop_the_reply_and_are_a_turn() -> None:
    """The first key flushes the reply; 1.5 s after the last the digits are asked about, all together."""

    async def main() -> None:
        world = World()
        world.llm.scripts = [["One two three four five six seven eight nine ten. ", 60.0], ["Thank you."]]
        session, run = await world.open()
        session.type_text("Count.")
        await world.sink.wait_for(ReplyText)
        await asyncio.sleep(1.0)
        session.press("4")
        await asyncio.sleep(1.0)
        session.press("2")
        pressed_at = asyncio.get_running_loop().time()
        await world.sink.wait_for(ReplyFinished, 2)
        assert len(world.sink.of(ReplyInterrupted)) == 1
        assert len(world.sink.flushed) == 1
        told = [(at, event) for at, event in world.sink.events if isinstance(event, Transcript)]
        assert [event.text for _, event in told] == ["Count.", "4", "42", "42"]
        assert told[-1][0] == pytest.approx(pressed_at + 1.5)
        assert [message.text for message in world.llm.requests[1]][-1] == "42"
        session.end()
        await run

    virtual_time.run(main())


def test_replies_that_are_text() -> None:
    """A session whose replies are text asks no synthesis and sends no audio; one reply may be spoken all the same."""

    async def main() -> None:
        world = World()
        world.llm.scripts = [["One. ", "Two."], ["Three."], ["Four."]]
        session, run = await world.open(SessionRequest("grpc_v1", 16_000, reply_modality=Modality.TEXT))
        session.type_text("Count.")
        await world.sink.wait_for(ReplyFinished)
        assert [event.text for _, event in world.sink.events if isinstance(event, ReplyText)] == ["One. ", "Two."]
        assert not world.sink.audio
        session.request_reply(ReplyOptions(modality=Modality.AUDIO))
        await world.sink.wait_for(ReplyFinished, 2)
        count = len(world.sink.audio)
        assert count
        session.update(SessionUpdate(reply_modality=Modality.TEXT))
        session.type_text("Go on.")
        await world.sink.wait_for(ReplyFinished, 3)
        assert len(world.sink.audio) == count
        session.finish()
        await run
        assert world.nothing_is_left()

    virtual_time.run(main())


def test_keys_are_answered_after_a_half_close() -> None:
    """Who presses and hangs up at once has still said it."""

    async def main() -> None:
        world = World()
        world.llm.scripts = [["Thank you."]]
        session, run = await world.open()
        session.press("42")
        session.finish()
        assert await run == Ended(EndCause.CLIENT_HALF_CLOSED)
        assert len(world.sink.of(ReplyFinished)) == 1
        assert world.nothing_is_left()

    virtual_time.run(main())


def test_nobody_speaks_and_the_session_ends() -> None:
    """After no_input_ms of silence a prompt that no model wrote, after as much again the goodbye, heard to its end."""

    async def main() -> None:
        world = World()
        _, run = await world.open(SessionRequest("grpc_v1", 16_000, policy={"no_input_ms": 3_000}))
        begun = asyncio.get_running_loop().time()
        assert await run == Ended(EndCause.NO_INPUT)
        texts = [(at - begun, event) for at, event in world.sink.events if isinstance(event, ReplyText)]
        assert [(event.text, event.kind, event.turn) for _, event in texts] == [
            ("Are you there?", ReplyKind.REPROMPT, None),
            ("Bye.", ReplyKind.REPROMPT, None),
        ]
        assert texts[0][0] == pytest.approx(3.0, abs=0.1)
        first, second = (at - begun for at, event in world.sink.events if isinstance(event, ReplyFinished))
        assert texts[1][0] == pytest.approx(first + 3.0, abs=0.1)
        last_audio_at = world.sink.audio[-1][0] - begun
        assert last_audio_at < second == pytest.approx(asyncio.get_running_loop().time() - begun)
        assert world.llm.requests == []
        assert [(turn.finished.turn, turn.report) for turn in world.telemetry.turns] == [(None, None), (None, None)]
        assert world.telemetry.answered == [0]
        assert world.nothing_is_left()

    virtual_time.run(main())


def test_speech_over_a_prompt_is_answered_and_the_wait_starts_over() -> None:
    """A prompt is interrupted like any reply, and the conversation goes on from there."""

    async def main() -> None:
        world = World()
        world.recognizer.scripts = [[1.6, heard("I am here", 1_300, is_final=False), 0.5, heard("I am here.", 1_900)]]
        world.llm.scripts = [["Good."]]
        session, run = await world.open(SessionRequest("grpc_v1", 16_000, policy={"no_input_ms": 600}))
        await speak(session, frames=40)
        await speak(session, frames=45, start=40, pcm=LOUD)
        await speak(session, frames=20, start=85)
        await world.sink.wait_for(ReplyFinished, 2)
        kinds = [event.kind for event in world.sink.of(ReplyFinished) if isinstance(event, ReplyFinished)]
        assert kinds == [ReplyKind.REPROMPT, ReplyKind.ANSWER]
        assert len(world.sink.of(ReplyInterrupted)) == 1
        assert await run == Ended(EndCause.NO_INPUT)
        assert [event.text for event in world.sink.of(ReplyText) if isinstance(event, ReplyText)][-3:] == [
            "Good.",
            "Are you there?",
            "Bye.",
        ]

    virtual_time.run(main())


def test_another_voice_and_prompt_from_the_next_turn_on() -> None:
    """The reply under way keeps its voice to its end; the next turn has the new voice, prompt and lead."""

    async def main() -> None:
        world = World()
        world.synthesizer.offered = {"en-US": ("Anna", "Eva")}
        world.llm.scripts = [["One two three. ", 0.5, "Four five six."], ["Seven."]]
        session, run = await world.open()
        session.type_text("Count.")
        await world.sink.wait_for(ReplyText)
        session.update(SessionUpdate(voice="Eva", policy={"lead_ms": 1_000}))
        session.update(SessionUpdate(system_prompt="Be long."))
        await world.sink.wait_for(ReplyFinished)
        assert (session.agreement.voice, session.agreement.policy) == ("Eva", TurnPolicy(lead_ms=1_000))
        session.type_text("Go on.")
        await world.sink.wait_for(ReplyText, 3)
        at = asyncio.get_running_loop().time()
        await world.sink.wait_for(ReplyFinished, 2)
        assert [spec.voice for spec in world.synthesizer.specs] == ["Anna", "Anna", "Eva"]
        assert [request[0].text for request in world.llm.requests] == ["Be brief.", "Be long."]
        sent_at_once = [audio for when, audio in world.sink.audio if at <= when < at + 0.02]
        assert sum(len(audio.pcm) for audio in sent_at_once) == 0.3 * 32_000  # all of it; the usual lead is 0.2 s
        session.end()
        await run

    virtual_time.run(main())


def test_another_language_is_heard_without_losing_a_sample() -> None:
    """The old stream ends where the new one begins; recognition, voice and pauses follow the new settings."""

    async def main() -> None:
        world = World()
        world.synthesizer.offered = GERMAN
        world.llm.scripts = [["Ja."]]
        session, run = await world.open()
        pcm = [number.to_bytes(2, "little") * 320 for number in range(60)]
        for index in range(60):
            session.hear(pcm[index], index * 320)
            if index == 31:
                session.update(SessionUpdate(language_code="de", policy={"stop_history_ms": 600}))
            await asyncio.sleep(0.02)
        session.type_text("Hallo.")
        await world.sink.wait_for(ReplyFinished)
        session.finish()
        await run
        assert [bytes(taken) for taken in world.recognizer.heard] == [b"".join(pcm[:32]), b"".join(pcm[32:])]
        assert world.recognizer.specs == [
            RecognitionSpec("en-US", 16_000, 240, 480),
            RecognitionSpec("de-DE", 16_000, 240, 600),
        ]
        assert world.synthesizer.specs == [VoiceSpec("de-DE", "Anna", 16_000)]
        assert world.nothing_is_left()

    virtual_time.run(main())


def test_each_direction_has_its_own_language() -> None:
    """The agent speaks another language from now on; what the user says is heard as before, by the same stream."""

    async def main() -> None:
        world = World()
        world.llm.scripts = [["Ja."]]
        session, run = await world.open()
        assert isinstance(session, SessionRunner)
        session._post(inputs.SettingsChanged(Change(spoken_language="de-DE")))
        session.type_text("Hello.")
        await world.sink.wait_for(ReplyFinished)
        assert (session.agreement.heard_language, session.agreement.spoken_language) == ("en-US", "de-DE")
        assert [spec.language_code for spec in world.recognizer.specs] == ["en-US"]
        assert world.synthesizer.specs == [VoiceSpec("de-DE", "Anna", 16_000)]
        session.end()
        await run

    virtual_time.run(main())


def test_another_onset_is_believed() -> None:
    """Sound that was too short for an onset is one under the new policy."""

    async def main() -> None:
        world = World()
        session, run = await world.open(SessionRequest("grpc_v1", 16_000, policy={"vad_onset_ms": 1_000}))
        await speak(session, frames=20, pcm=LOUD)
        await speak(session, frames=20, start=20)
        assert world.sink.of(SpeechStarted) == []
        session.update(SessionUpdate(policy={"vad_onset_ms": 96}))
        await speak(session, frames=20, start=40, pcm=LOUD)
        await speak(session, frames=20, start=60)
        assert len(world.sink.of(SpeechStarted)) == 1
        session.end()
        await run

    virtual_time.run(main())


@pytest.mark.parametrize(
    ("update", "reason"),
    [
        (SessionUpdate(language_code="xx"), Reason.LANGUAGE_UNSUPPORTED),
        (SessionUpdate(voice="Karl"), Reason.VOICE_UNSUPPORTED),
        (SessionUpdate(language_code="de", voice="Luc"), Reason.VOICE_UNSUPPORTED),
        (SessionUpdate(policy={"lead_ms": 0}), Reason.POLICY_OUT_OF_RANGE),
        (SessionUpdate(policy={"stop_history_eou_ms": 480}), Reason.POLICY_OUT_OF_RANGE),
    ],
)
def test_an_update_is_refused_as_a_start_is(update: SessionUpdate, reason: Reason) -> None:
    """What the backends do not have, or what contradicts what is in force, is told with the same reason."""

    async def main() -> None:
        world = World()
        world.synthesizer.offered = GERMAN
        session, run = await world.open()
        with pytest.raises(ClientError) as caught:
            session.update(update)
        assert caught.value.reason is reason
        session.end()
        await run

    virtual_time.run(main())


@pytest.mark.parametrize(
    ("updates", "expected"),
    [
        ([SessionUpdate(language_code="de")], ("de-DE", "Anna")),
        ([SessionUpdate(language_code="fr")], ("fr-FR", "")),
        ([SessionUpdate(language_code="de"), SessionUpdate(voice="Karl")], ("de-DE", "Karl")),
        ([SessionUpdate(language_code="de", voice="Karl"), SessionUpdate(language_code="")], ("en-US", "")),
        ([SessionUpdate(language_code="de", voice="Karl"), SessionUpdate(voice="")], ("de-DE", "Anna")),
        ([SessionUpdate(language_code="de", voice="Karl"), SessionUpdate("en", "")], ("en-US", "Anna")),
    ],
)
def test_a_voice_follows_its_language(updates: list[SessionUpdate], expected: tuple[str, str]) -> None:
    """Later updates are checked against earlier ones that wait; a voice that the language lacks is not kept."""

    async def main() -> None:
        world = World()
        world.synthesizer.offered = GERMAN | {"fr-FR": ("Luc",)}
        world.recognizer.offered = frozenset({"en-US", "de-DE", "fr-FR"})
        world.llm.scripts = [["One two three."]]
        session, run = await world.open(REQUEST)
        session.type_text("Count.")
        await world.sink.wait_for(ReplyText)
        for update in updates:
            session.update(update)
        assert session.agreement.spoken_language == "en-US"
        await world.sink.wait_for(ReplyFinished)
        await asyncio.sleep(0.1)
        assert (session.agreement.spoken_language, session.agreement.voice) == expected
        session.end()
        await run

    virtual_time.run(main())
