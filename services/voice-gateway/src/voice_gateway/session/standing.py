"""Sentences that are the same for everybody: their audio is kept, so that they are said also while synthesis is away.

What is said when recognition is away is such a sentence: a recogniser and a synthesiser are often one server.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Final

from voice_gateway.domain.audio import pcm_bytes
from voice_gateway.domain.ids import SessionId
from voice_gateway.domain.transcript import MAX_SENTENCE_WORDS, SpokenWord
from voice_gateway.session.excess import MAX_SENTENCE_MS, PIECES, breathing, share_of_speech
from voice_gateway.session.ports import SpeechChunk, SpeechSynthesizer, VoiceSpec

MAX_KEPT: Final = 64
"""Sentences in one voice at one rate; the one that was not said for the longest time goes first."""
MAX_KEPT_BYTES: Final = 8 << 20
"""Audio of all of them: 95 s at 44.1 kHz, some 25 sentences; clients choose voice and rate."""

_Key = tuple[VoiceSpec, str]


class StandingSpeech:
    """A SpeechSynthesizer in front of another: it keeps the audio of these sentences, all else passes.

    Used in one event loop. What failed, or was not taken to its end, is not kept.
    """

    def __init__(self, synthesizer: SpeechSynthesizer, sentences: tuple[str, ...]) -> None:
        self._synthesizer = synthesizer
        self._sentences = sentences
        self._kept: OrderedDict[_Key, SpeechChunk] = OrderedDict()
        self._kept_bytes = 0
        self._coming: dict[_Key, asyncio.Future[bool]] = {}
        """Sentences being prepared. The future's result: whether that was broken off, because the session ended."""

    def voices(self) -> Mapping[str, tuple[str, ...]]:
        """Those of the synthesiser behind it."""
        return self._synthesizer.voices()

    def has(self, spec: VoiceSpec) -> bool:
        """Whether all sentences are kept in this voice."""
        return all((spec, text) in self._kept for text in self._sentences)

    async def prepare(self, session: SessionId, spec: VoiceSpec) -> None:
        """Keep the sentences in this voice; a failure is raised, see `synthesize`.

        If another session is preparing a sentence, this one waits, and prepares it if the other ends meanwhile.
        """
        for text in self._sentences:
            key = spec, text
            while (others := self._coming.get(key)) is not None:
                await asyncio.wait({others})
                if not others.result():
                    break
            else:
                if key not in self._kept:
                    await self._prepare(session, key)

    async def _prepare(self, session: SessionId, key: _Key) -> None:
        spec, text = key
        is_over = self._coming[key] = asyncio.get_running_loop().create_future()
        is_broken_off = False
        room = pcm_bytes(MAX_SENTENCE_MS, spec.rate_hz)
        speech = self.synthesize(session, spec, text)
        try:
            async with aclosing(speech), aclosing(breathing(speech, PIECES, share_of_speech)) as paced:
                async for chunk in paced:
                    room -= len(chunk.pcm)
                    if room < 0:
                        return
        except asyncio.CancelledError:
            is_broken_off = True
            raise
        finally:
            del self._coming[key]
            is_over.set_result(is_broken_off)

    async def synthesize(self, session: SessionId, spec: VoiceSpec, text: str) -> AsyncGenerator[SpeechChunk, None]:
        """Audio as it comes, or what is kept of it, at once; see `ports.SpeechSynthesizer`."""
        key = spec, text
        if (kept := self._kept.get(key)) is not None:
            self._kept.move_to_end(key)
            yield kept
            return
        pcm, words, is_kept = bytearray(), list[SpokenWord](), text in self._sentences
        speech = self._synthesizer.synthesize(session, spec, text)
        async with aclosing(speech):
            async for chunk in speech:
                is_kept = is_kept and len(pcm) + len(chunk.pcm) <= MAX_KEPT_BYTES
                if is_kept:
                    pcm += chunk.pcm
                    words += chunk.words[: MAX_SENTENCE_WORDS - len(words)]
                yield chunk
        if is_kept and pcm:
            self._keep(key, SpeechChunk(bytes(pcm), tuple(words)))

    def _keep(self, key: _Key, speech: SpeechChunk) -> None:
        if key in self._kept:
            return  # somebody else has had it said at the same time
        self._kept[key] = speech
        self._kept_bytes += len(speech.pcm)
        while len(self._kept) > MAX_KEPT or self._kept_bytes > MAX_KEPT_BYTES:
            self._kept_bytes -= len(self._kept.popitem(last=False)[1].pcm)
