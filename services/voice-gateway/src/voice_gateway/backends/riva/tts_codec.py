"""Riva speech synthesis on the wire: messages of riva_tts.proto to and from the domain. Messages have no types."""

from itertools import islice
from typing import Any

from riva.client.proto import riva_audio_pb2, riva_tts_pb2

from voice_gateway.backends.riva.offers import Offers, merge_offers
from voice_gateway.domain.audio import PCM_SAMPLE_BYTES
from voice_gateway.domain.transcript import MAX_SENTENCE_WORDS, MAX_WORD_CHARS, SpokenWord
from voice_gateway.session.ports import SpeechChunk, VoiceSpec

_MS_PER_S = 1_000


def encode_request(spec: VoiceSpec, text: str) -> Any:
    """The only message of a call: one sentence. The server resamples to the rate asked for."""
    return riva_tts_pb2.SynthesizeSpeechRequest(
        text=text,
        language_code=spec.language_code,
        encoding=riva_audio_pb2.LINEAR_PCM,
        sample_rate_hz=spec.rate_hz,
        voice_name=spec.voice,
        enable_word_time_offsets=True,
    )


_RIFF, _WAVE, _DATA = b"RIFF", b"WAVE", b"data"
_RIFF_BYTES = 12
_NAME_BYTES = 4
_CHUNK_HEAD_BYTES = 8
_MAX_HEADER_BYTES = 4_096
"""A header that goes on for longer is taken for sound: common ones have 44 bytes, some more for a list of names."""
_MAX_TRAILER_BYTES = 65_536
"""A longer chunk behind the samples is taken for sound: real ones name the encoder, or hold a title and a few tags."""
_MAX_HEADER_CHUNKS = 16
"""Chunks of a file up to its samples: real files have three or four. What has more is not a file."""
_MAX_CHUNKS = 1_000
"""Chunks of one message, where a file counts as two: its header and its samples. Messages hold half a second of sound,
and have a handful of chunks. What follows is left out."""


class HeaderStripper:
    """Takes WAV files out of audio that should have none: some servers send one for a sentence, or for each message.

    A header stands at the beginning of a message, or where the file before it ends, and may go on in the next messages.
    (RIFF: chunks of a four-letter name, a length and content, padded to an even length; the samples are those of
    `data`, and other chunks may follow.) The length that it states may be false, as that of a stream has to be: what
    follows the samples of that length, and is no chunk, is samples too.
    """

    def __init__(self) -> None:
        self._held = b""
        self._data_bytes: int | None = None
        """Bytes of samples that are still to come in the file; None: it goes on without end, or there is no file."""
        self._trailer_bytes = 0
        """Bytes that are still to come of a chunk behind the samples."""

    def take(self, audio: bytes) -> bytes:
        """The samples of a message; those that may yet be a header are held. Linear in the message's length."""
        data, self._held = self._held + audio, b""
        samples: list[bytes] = []
        at = self._begin(data, 0)
        for _ in range(_MAX_CHUNKS):
            if at >= len(data):
                break
            if self._trailer_bytes:
                skipped = min(self._trailer_bytes, len(data) - at)
                self._trailer_bytes -= skipped
                at += skipped
            elif self._data_bytes == 0:
                at = self._go_on(data, at)
            else:
                end = len(data) if self._data_bytes is None else min(at + self._data_bytes, len(data))
                samples.append(data[at:end])
                self._data_bytes = None if self._data_bytes is None else self._data_bytes - (end - at)
                at = end
        return b"".join(samples)

    def finish(self) -> bytes:
        """What was held and is no header."""
        held, self._held = self._held, b""
        return b"" if len(held) >= _RIFF_BYTES or self._data_bytes == 0 else held

    def _begin(self, data: bytes, at: int) -> int:
        """Where to go on: behind a header if there is one; at the end of the message if it goes on in the next."""
        if not _begins_header(data[at : at + _RIFF_BYTES]):
            return at
        end = _header_end(data, at)
        if end is None and len(data) - at <= _MAX_HEADER_BYTES:
            self._held = data[at:]
            return len(data)
        self._trailer_bytes, self._data_bytes = 0, None
        if end is not None:
            length = _length(data, end - _CHUNK_HEAD_BYTES)
            self._data_bytes = None if length % 2 else length
        return end or at

    def _go_on(self, data: bytes, at: int) -> int:
        """The same where the samples of a file should end: another one begins, or a chunk, or the samples go on."""
        begin = self._begin(data, at)
        if begin > at or self._data_bytes is None:
            return begin
        head = data[at : at + _CHUNK_HEAD_BYTES]
        name = head[:_NAME_BYTES]
        if not (name.isascii() and name.replace(b" ", b"").replace(b"_", b"").isalnum()):
            self._data_bytes = None
        elif len(head) < _CHUNK_HEAD_BYTES:
            self._held = head
            return len(data)
        elif (length := _length(data, at)) <= _MAX_TRAILER_BYTES:
            self._trailer_bytes = _CHUNK_HEAD_BYTES + length + length % 2
        else:
            self._data_bytes = None
        return at


def _begins_header(data: bytes) -> bool:
    wave = data[8:_RIFF_BYTES]
    return bool(data) and _RIFF.startswith(data[:4]) and _WAVE.startswith(wave)


def _header_end(data: bytes, begin: int) -> int | None:
    """Where the samples begin; None while the header goes on."""
    at = begin + _RIFF_BYTES
    for _ in range(_MAX_HEADER_CHUNKS):
        if len(data) < at + _CHUNK_HEAD_BYTES:
            return None
        if data[at : at + _NAME_BYTES] == _DATA:
            return at + _CHUNK_HEAD_BYTES
        length = _length(data, at)
        at += _CHUNK_HEAD_BYTES + length + length % 2
    return None


def _length(data: bytes, at: int) -> int:
    """Bytes of the content of the chunk that begins there."""
    return int.from_bytes(data[at + _NAME_BYTES : at + _CHUNK_HEAD_BYTES], "little")


class SpeechAssembler:
    """Cuts the responses of one sentence into chunks of whole samples, each with the words told by then.

    Messages may end inside a sample; the odd byte waits for the rest of it. Half a sample at the very end is no sound
    and is dropped. Words that do not come after those already told are repeats of them and are left out, so that
    positions never go back.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._odd_byte = b""
        self._stripper = HeaderStripper()
        self._words: list[SpokenWord] = []
        self._told_until_ms = (-1, -1)

    def take(self, response: Any) -> SpeechChunk | None:
        """The next chunk; None while there is no whole sample."""
        self._take_words(response.meta.words)
        return self._assemble(self._stripper.take(response.audio))

    def _assemble(self, audio: bytes) -> SpeechChunk | None:
        data = self._odd_byte + audio
        whole_bytes = len(data) - len(data) % PCM_SAMPLE_BYTES
        self._odd_byte = data[whole_bytes:]
        return self._chunk(data[:whole_bytes]) if whole_bytes else None

    def finish(self) -> SpeechChunk | None:
        """Words that came after the last audio, and audio that was held; None if there are neither."""
        if (chunk := self._assemble(self._stripper.finish())) is not None:
            return chunk
        return self._chunk(b"") if self._words else None

    def _chunk(self, pcm: bytes) -> SpeechChunk:
        words, self._words = tuple(self._words), []
        return SpeechChunk(pcm, words)

    def _take_words(self, words: Any) -> None:
        for word in islice(words, MAX_SENTENCE_WORDS):
            position_ms = (word.start_time, word.end_time)
            if position_ms <= self._told_until_ms:
                continue
            self._told_until_ms = position_ms
            start_samples, end_samples = (time_ms * self._rate_hz // _MS_PER_S for time_ms in position_ms)
            self._words.append(SpokenWord(word.word[:MAX_WORD_CHARS], start_samples, end_samples))


def decode_voices(response: Any) -> Offers:
    """The voices of a RivaSynthesisConfigResponse by language."""
    return merge_offers(_decode_model(config.parameters) for config in response.model_config)


def _decode_model(parameters: Any) -> Offers:
    """One model's voices: `voice_name.name` for each `name:id` of its `subvoices`, or `voice_name` without any.

    A model of several languages lists them with commas and begins the names of its voices with the language
    (`EN-US.Aria`); a voice that names none of the model's languages speaks them all.
    """
    codes = [code.strip() for code in parameters.get("language_code", "").split(",") if code.strip()]
    base = parameters.get("voice_name", "")
    names = [name for entry in parameters.get("subvoices", "").split(",") if (name := entry.partition(":")[0].strip())]
    voices: dict[str, list[str]] = {code: [] for code in codes}
    for name in names or [""]:
        voice = ".".join(part for part in (base, name) if part)
        native = [code for code in codes if code.casefold() == name.partition(".")[0].casefold()]
        for code in native or codes:
            voices[code] += [voice] if voice else []
    return {code: tuple(listed) for code, listed in voices.items()}
