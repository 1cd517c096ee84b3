"""Riva speech recognition on the wire: messages of riva_asr.proto to and from the domain. Messages have no types."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby, islice, takewhile
from typing import Any

from riva.client.proto import riva_asr_pb2, riva_audio_pb2

from voice_gateway.backends.riva.offers import Offers
from voice_gateway.domain.transcript import MAX_RESULT_CHARS, MAX_RESULT_WORDS, MAX_WORD_CHARS, RecognitionResult, Word
from voice_gateway.session.ports import RecognitionSpec

_MS_PER_S = 1_000
MAX_RESULTS = 16
"""Results of one response that are looked at, with as many words as one transcript may have: Riva sends one, or an
interim in some parts."""


def encode_config(spec: RecognitionSpec) -> Any:
    """The first message of a stream."""
    config = riva_asr_pb2.RecognitionConfig(
        encoding=riva_audio_pb2.LINEAR_PCM,
        sample_rate_hertz=spec.rate_hz,
        language_code=spec.language_code,
        max_alternatives=1,
        audio_channel_count=1,
        enable_word_time_offsets=True,
        enable_automatic_punctuation=True,
        endpointing_config=riva_asr_pb2.EndpointingConfig(
            stop_history=spec.stop_history_ms, stop_history_eou=spec.stop_history_eou_ms
        ),
    )
    streaming = riva_asr_pb2.StreamingRecognitionConfig(config=config, interim_results=True)
    return riva_asr_pb2.StreamingRecognizeRequest(streaming_config=streaming)


def encode_audio(pcm: bytes) -> Any:
    """Any later message of a stream: LINEAR_PCM at the stream's rate."""
    return riva_asr_pb2.StreamingRecognizeRequest(audio_content=pcm)


def decode_response(response: Any, rate_hz: int, sent_samples: int) -> tuple[RecognitionResult, ...]:
    """The results of one StreamingRecognizeResponse, in order.

    Interim results that follow one another are parts of one text, the stable part first, and become one result, as
    NVIDIA's own client prints them; each final result stands for itself. Results that tell no text are left out.

    Args:
        response: the message.
        rate_hz: rate of the stream's audio.
        sent_samples: how much audio the stream was given. No result covers more, whatever padding the server adds,
            and a result that does not say what it covers is taken to cover it all.
    """
    telling = [result for result in response.results[:MAX_RESULTS] if result.alternatives or result.is_final]
    decoded: list[RecognitionResult] = []
    room = MAX_RESULT_WORDS
    for is_final, group in groupby(telling, key=lambda result: bool(result.is_final)):
        run = tuple(group)
        for parts in [(result,) for result in run] if is_final else [run]:
            decoded.append(_decode_parts(parts, rate_hz, sent_samples, max_words=room))
            room -= len(decoded[-1].words)
    return tuple(decoded)


REPEAT_S = 2
"""A server tells more of an utterance within this much further audio; somebody who answers twice usually takes
longer."""


class ResultDecoder:
    """Decodes the responses of one stream, each utterance once.

    Some servers send a second final of an utterance, with punctuation or with more of its words. What a final tells of
    audio that an earlier final has told of is left out: words are neither doubled nor lost. One that tells nothing new
    is a final without words, which still says how far its stream has come.

    Times alone are no proof of that: some servers count them anew with each utterance. A final that covers more audio
    than the one before repeats it only if it also has its words and comes soon, and of a server whose times were seen
    to begin anew not even then: who says "yes" twice is heard twice.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._told_until = 0
        """Where the words of the last utterance end, in samples; 0 while words have no times."""
        self._begins_anew = False
        """The server counts times from the beginning of each utterance."""
        self._last = RecognitionResult("", is_final=True, stability=0.0, end_samples=-1, words=())

    def take(self, response: Any, sent_samples: int) -> tuple[RecognitionResult, ...]:
        """The results of a response that are new; see `decode_response`."""
        decoded = decode_response(response, self._rate_hz, sent_samples)
        return tuple(map(self._new_of, decoded))

    def _new_of(self, result: RecognitionResult) -> RecognitionResult:
        if not result.is_final or not result.text:
            return result
        last, self._last = self._last, result
        until = max((word.end_samples for word in result.words), default=0)
        if not until or not self._told_until:
            self._told_until = until or self._told_until
            is_repeat = result.end_samples == last.end_samples and _bare(result.text) == _bare(last.text)
            return replace(result, text="", words=()) if is_repeat else result
        told, new = _split(result.words, self._told_until)
        since_samples = result.end_samples - last.end_samples
        is_soon = 0 <= since_samples <= REPEAT_S * self._rate_hz
        self._begins_anew = self._begins_anew or (bool(told) and not is_soon)
        may_repeat = since_samples == 0 or (not self._begins_anew and _ends_with(last.text, told))
        if not told or not may_repeat:
            self._told_until = until
            return result
        self._told_until = max(self._told_until, until)
        return replace(result, text=_text_of(new, told, result.text), words=new)


def _split(words: tuple[Word, ...], at_samples: int) -> tuple[tuple[Word, ...], tuple[Word, ...]]:
    """The words that have ended by then, and the rest."""
    told = tuple(takewhile(lambda word: word.end_samples <= at_samples, words))
    return told, words[len(told) :]


def _ends_with(text: str, words: Iterable[Word]) -> bool:
    said = _bare("".join(word.text for word in words))
    return bool(said) and _bare(text).endswith(said)


def _text_of(new: Sequence[Word], told: Iterable[Word], text: str) -> str:
    """What is left of a text, spaced as the server has it: some languages put no spaces between their words."""
    if not new:
        return ""
    lettered = [at for at, character in enumerate(text) if character.isalnum()]
    told_letters = sum(map(str.isalnum, "".join(word.text for word in told)))
    after = lettered[told_letters - 1] + 1 if 0 < told_letters <= len(lettered) else 0
    begin = text.find(new[0].text, after)
    if after and begin >= 0 and _bare(text[begin:]) == _bare("".join(word.text for word in new)):
        return text[begin:]
    return (" " if " " in text else "").join(word.text for word in new)  # the words are written otherwise than the text


def _bare(text: str) -> str:
    """Letters and digits alone."""
    return "".join(filter(str.isalnum, text)).casefold()


def decode_languages(response: Any) -> Offers:
    """The languages of a RivaSpeechRecognitionConfigResponse that can be streamed.

    A model of several languages lists them with commas. A model that does not say its type is taken to stream.
    """
    return {
        code.strip(): ()
        for config in response.model_config
        if config.parameters.get("type", "online") == "online"
        for code in config.parameters.get("language_code", "").split(",")
        if code.strip()
    }


def _decode_parts(parts: Sequence[Any], rate_hz: int, sent_samples: int, *, max_words: int) -> RecognitionResult:
    alternatives = [part.alternatives[0] for part in parts if part.alternatives]
    is_final = bool(parts[0].is_final)
    covered_s = max(part.audio_processed for part in parts)
    is_told = 0 < covered_s < sent_samples / rate_hz
    end_samples = round(covered_s * rate_hz) if is_told else sent_samples
    words = (word for alternative in alternatives for word in alternative.words)
    return RecognitionResult(
        text="".join(alternative.transcript for alternative in alternatives)[:MAX_RESULT_CHARS].strip(),
        is_final=is_final,
        # A text is as stable as its least stable part.
        stability=0.0 if is_final else min(_share(part.stability) for part in parts),
        end_samples=end_samples,
        words=tuple(_decode_word(word, rate_hz, end_samples) for word in islice(words, max_words)),
    )


def _share(value: float) -> float:
    """Within [0, 1], as the contract has it; a server may send any number, or NaN."""
    return min(max(value, 0.0), 1.0) if value == value else 0.0  # noqa: PLR0124  NaN alone is not itself


def _decode_word(word: Any, rate_hz: int, covered_samples: int) -> Word:
    """Riva's word times are milliseconds of the stream's audio; a confidence of 0 is one that is not set.

    No word sounds before the audio or after what its result covers.
    """
    start_samples, end_samples = (
        min(max(time_ms * rate_hz // _MS_PER_S, 0), covered_samples) for time_ms in (word.start_time, word.end_time)
    )
    return Word(
        word.word[:MAX_WORD_CHARS], start_samples, max(start_samples, end_samples), _share(word.confidence) or None
    )
