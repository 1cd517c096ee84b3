"""Sentences whose audio is kept: which, how much of it, and what passes."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

import pytest
from gateway_kit import virtual_time
from gateway_kit.port_fakes import FakeSynthesizer
from voice_gateway.domain.errors import BackendError
from voice_gateway.domain.ids import SessionId
from voice_gateway.domain.transcript import SpokenWord
from voice_gateway.session.ports import SpeechChunk, VoiceSpec
from voice_gateway.session.standing import MAX_KEPT, MAX_KEPT_BYTES, StandingSpeech

SESSION = SessionId("s1")
VOICE = VoiceSpec("en-US", "Anna", 16_000)
TWO = "I cannot hear you.", "Please wait."


@dataclass
class Chunks:
    """Says the same chunks to any text."""

    chunks: list[SpeechChunk]
    texts: list[str] = field(default_factory=list)
    given: int = 0
    """Chunks that were taken."""

    async def synthesize(self, session: SessionId, spec: VoiceSpec, text: str) -> AsyncGenerator[SpeechChunk, None]:
        """Speak."""
        del session, spec
        self.texts.append(text)
        for chunk in self.chunks:
            self.given += 1
            yield chunk

    def voices(self) -> Mapping[str, tuple[str, ...]]:
        """None."""
        return {}


async def said(speech: StandingSpeech, text: str, spec: VoiceSpec = VOICE) -> list[SpeechChunk]:
    """All that is said."""
    return [chunk async for chunk in speech.synthesize(SESSION, spec, text)]


def test_a_kept_sentence_is_what_was_said_with_its_words() -> None:
    """The second time nobody is asked, and the same samples and words come in one piece."""

    async def main() -> None:
        words = SpokenWord("Hello", 0, 1), SpokenWord("you.", 1, 2)
        behind = Chunks([SpeechChunk(b"ab", words[:1]), SpeechChunk(b"cd", words[1:])])
        speech = StandingSpeech(behind, ("Hello you.",))
        assert await said(speech, "Hello you.") == behind.chunks
        assert await said(speech, "Hello you.") == [SpeechChunk(b"abcd", words)]
        assert behind.texts == ["Hello you."]

    virtual_time.run(main())


def test_anything_else_passes() -> None:
    """Answers are not kept, and neither is a sentence that fails or is left before its end, or has no sound."""

    async def main() -> None:
        behind = FakeSynthesizer()
        speech = StandingSpeech(behind, ("Hello you.",))
        for _ in range(2):
            await said(speech, "Hello me.")
        behind.fail_on = "you"
        with pytest.raises(BackendError):
            await said(speech, "Hello you.")
        behind.fail_on = ""
        async with aclosing(speech.synthesize(SESSION, VOICE, "Hello you.")) as left:
            await anext(left)
        await said(speech, "Hello you.")
        assert behind.texts == ["Hello me.", "Hello me.", *["Hello you."] * 3]
        assert behind.open_calls == 0
        silent = Chunks([SpeechChunk(b"")])
        mute = StandingSpeech(silent, ("Hello you.",))
        for _ in range(2):
            await said(mute, "Hello you.")
        assert len(silent.texts) == 2

    virtual_time.run(main())


def test_every_sentence_is_prepared_by_one() -> None:
    """Many who begin at once, before any audio has come, ask once for each sentence; `off` has none."""

    async def main() -> None:
        behind = FakeSynthesizer()
        speech = StandingSpeech(behind, TWO)
        assert not speech.has(VOICE)
        await asyncio.gather(*(speech.prepare(SESSION, VOICE) for _ in range(50)))
        assert sorted(behind.texts) == ["I cannot hear you.", "Please wait."]
        assert speech.has(VOICE)
        assert StandingSpeech(behind, ()).has(VOICE)

    virtual_time.run(main())


def test_a_preparation_that_fails_is_tried_by_the_next() -> None:
    """A failure is raised to whoever began, and leaves nothing behind."""

    async def main() -> None:
        behind = FakeSynthesizer(fail_on="wait")
        speech = StandingSpeech(behind, TWO)
        with pytest.raises(BackendError):
            await speech.prepare(SESSION, VOICE)
        assert not speech.has(VOICE)
        behind.fail_on = ""
        await speech.prepare(SESSION, VOICE)
        assert behind.texts == ["I cannot hear you.", "Please wait.", "Please wait."]

    virtual_time.run(main())


def test_a_preparation_that_is_broken_off_is_taken_over() -> None:
    """Whoever prepares may hang up: another session that waits for it must not be left without the sentence."""

    async def main() -> None:
        behind = FakeSynthesizer()
        speech = StandingSpeech(behind, ("Hello you.",))
        preparing = [asyncio.create_task(speech.prepare(SESSION, VOICE)) for _ in range(3)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert behind.open_calls == 1
        preparing[0].cancel()
        await asyncio.wait(preparing)
        assert speech.has(VOICE)
        assert behind.texts == ["Hello you.", "Hello you."]

    virtual_time.run(main())


def test_what_is_kept_is_bounded_in_number() -> None:
    """Clients choose voice and rate: the voice that was not used for the longest time goes first."""

    async def main() -> None:
        behind = Chunks([SpeechChunk(b"ab")])
        speech = StandingSpeech(behind, ("Hello.",))
        voices = [VoiceSpec("en-US", str(number), 16_000) for number in range(MAX_KEPT + 1)]
        for voice in voices[:MAX_KEPT]:
            await speech.prepare(SESSION, voice)
        await said(speech, "Hello.", voices[0])
        await speech.prepare(SESSION, voices[-1])
        assert [number for number, voice in enumerate(voices) if not speech.has(voice)] == [1]

    virtual_time.run(main())


def test_what_is_kept_is_bounded_in_bytes() -> None:
    """Two sentences that do not fit together: the older one goes; one that never fits is said, but not kept."""

    async def main() -> None:
        half = Chunks([SpeechChunk(bytes(MAX_KEPT_BYTES // 2 + 2))])
        speech = StandingSpeech(half, ("Hello.",))
        first, second = VoiceSpec("en-US", "Anna", 48_000), VoiceSpec("en-US", "Bea", 48_000)
        for voice in (first, second):
            await said(speech, "Hello.", voice)
        assert (speech.has(first), speech.has(second)) == (False, True)
        whole = Chunks([SpeechChunk(bytes(MAX_KEPT_BYTES)), SpeechChunk(b"ab")])
        long = StandingSpeech(whole, ("Hello.",))
        assert await said(long, "Hello.") == whole.chunks
        assert not long.has(VOICE)

    virtual_time.run(main())


def test_synthesis_without_end_is_prepared_no_longer_than_a_sentence_lasts() -> None:
    """A backend that never stops holds nobody: 120 s of audio at 16 kHz are 3,840,000 bytes."""

    async def main() -> None:
        behind = Chunks([SpeechChunk(bytes(1_000_000))] * 1_000)
        speech = StandingSpeech(behind, ("Hello.",))
        await speech.prepare(SESSION, VOICE)
        assert (behind.given, speech.has(VOICE)) == (4, False)

    virtual_time.run(main())
