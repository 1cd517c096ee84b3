"""Sentences that are the same for everybody: their audio is kept, so that they are said also while synthesis is away.

What is said when recognition is away is such a sentence: a recogniser and a synthesiser are often one server.
"""

from collections import OrderedDict
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Final

from voice_gateway.domain.audio import pcm_bytes
from voice_gateway.domain.ids import SessionId
from voice_gateway.domain.transcript import SpokenWord
from voice_gateway.session.excess import MAX_SENTENCE_MS, MAX_SENTENCE_WORDS, PIECES, breathing, share_of_speech
from voice_gateway.session.ports import SpeechChunk, SpeechSynthesizer, VoiceSpec
from voice_gateway.turn.reply import spoken_sentences

MAX_KEPT: Final = 64
"""Sentences in one voice at one rate; the one that was not said for the longest time goes first."""
MAX_KEPT_BYTES: Final = 8 << 20
"""Audio of all of them: 95 s at 44.1 kHz, some 25 sentences; clients choose voice and rate."""

_Key = tuple[VoiceSpec, str]


class StandingSpeech:
    """A SpeechSynthesizer in front of another: of the sentences of `text` it keeps the audio, all else passes.

    Used in one event loop. What failed, or was not taken to its end, is not kept.
    """

    def __init__(self, synthesizer: SpeechSynthesizer, text: str) -> None:
        self._synthesizer = synthesizer
        self._sentences = spoken_sentences(text)
        self._kept: OrderedDict[_Key, SpeechChunk] = OrderedDict()
        self._kept_bytes = 0
        self._coming: set[_Key] = set()
        """Being prepared."""

    def voices(self) -> Mapping[str, tuple[str, ...]]:
        """Those of the synthesiser behind it."""
        return self._synthesizer.voices()

    def has(self, spec: VoiceSpec) -> bool:
        """Whether all sentences are kept in this voice, or are being prepared in it."""
        return all((spec, text) in self._kept or (spec, text) in self._coming for text in self._sentences)

    async def prepare(self, session: SessionId, spec: VoiceSpec) -> None:
        """Keep the sentences in this voice, unless somebody else is at it; a failure is raised, see `synthesize`."""
        for text in self._sentences:
            key = spec, text
            if key in self._kept or key in self._coming:
                continue
            self._coming.add(key)
            room = pcm_bytes(MAX_SENTENCE_MS, spec.rate_hz)
            speech = self.synthesize(session, spec, text)
            try:
                async with aclosing(speech), aclosing(breathing(speech, PIECES, share_of_speech)) as paced:
                    async for chunk in paced:
                        room -= len(chunk.pcm)
                        if room < 0:
                            return
            finally:
                self._coming.discard(key)

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
