"""The real engines: hibari for English, espeak-ng for the rest, Piper where a voice is installed."""

import json
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jiwer
import numpy as np
import pytest
import soxr
from local_models.audio import Samples
from local_models.engines import hibari as hibari_module
from local_models.engines.espeak import EspeakEngine
from local_models.engines.hibari import HibariEngine
from local_models.engines.moonshine import MoonshineEngine
from local_models.engines.piper import PiperEngine
from local_models.engines.recognition import EngineUnavailableError
from local_models.engines.synthesis import SpokenPiece, SpokenWord, Voice, without_lead


@pytest.fixture(scope="module")
def hibari() -> HibariEngine:
    return HibariEngine()


@pytest.fixture(scope="module")
def espeak() -> EspeakEngine:
    return EspeakEngine()


def voice(engine: HibariEngine | EspeakEngine, name: str) -> Voice:
    return next(each for each in engine.voices if each.name == name)


def length_ms(pieces: list[SpokenPiece], rate_hz: int) -> float:
    return sum(len(piece.samples) for piece in pieces) * 1000 / rate_hz


def level_db(samples: Samples) -> float:
    return 20 * float(np.log10(np.sqrt(np.mean(samples**2)) + 1e-9))


def pitch_hz(samples: Samples, rate_hz: int) -> float:
    """The strongest lag of the autocorrelation between 80 and 400 Hz over the loudest half second."""
    window = rate_hz // 2
    starts = range(0, len(samples) - window, window // 4)
    loudest = max(starts, key=lambda at: float(np.sum(samples[at : at + window] ** 2)))
    part = samples[loudest : loudest + window]
    spectrum = np.fft.rfft(part, 2 * window)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2)[:window]
    low, high = rate_hz // 400, rate_hz // 80
    return rate_hz / (low + int(np.argmax(correlation[low:high])))


def test_hibari_gives_a_piece_per_sentence_with_exact_word_times(hibari: HibariEngine) -> None:
    """Each word is loud where its times say, and the pause between two clauses is quiet."""
    pieces = list(hibari.speak("Yes, please. Thank you.", voice(hibari, "Hibari.EN-US.Heart")))
    assert [piece.text for piece in pieces] == ["Yes, please.", "Thank you."]
    yes, please = pieces[0].words
    assert (yes.text, please.text) == ("Yes,", "please.")
    samples = pieces[0].samples
    for word in (yes, please):
        assert level_db(samples[word.start_ms * 24 : word.end_ms * 24]) > -35
    assert please.end_ms * 24 <= len(samples)
    assert level_db(samples[-24 * 50 :]) < -60


def test_hibari_begins_at_once(hibari: HibariEngine) -> None:
    """Its 0.3 s of leading silence would be added to every answer's latency."""
    for text in ("Hello.", "Yes.", "Three."):
        (piece,) = hibari.speak(text, hibari.voices[0])
        assert int(np.argmax(np.abs(piece.samples) > 0.003)) < 24 * 120
        assert piece.words[0].start_ms < 120


def test_hibari_times_what_was_written_not_what_was_read(hibari: HibariEngine) -> None:
    """Callers match words with their own text: numbers, money and times stay as they wrote them."""
    text = "On May 3rd, Dr. Smith paid $9.99 at 7:30 pm."
    (piece,) = hibari.speak(text, hibari.voices[0])
    assert [word.text for word in piece.words] == text.split()
    edges = [edge for word in piece.words for edge in (word.start_ms, word.end_ms)]
    assert edges == sorted(edges)
    assert all(word.end_ms > word.start_ms for word in piece.words)
    assert "seven thirty" in piece.processed_text


def test_hibari_reads_what_the_library_itself_would_read(hibari: HibariEngine) -> None:
    """Joining words for their times must not change the phonemes the model is given."""
    from hibari import Hibari  # noqa: PLC0415 - loading it takes half a second that other tests need not pay

    reference = Hibari(g2p=hibari._g2p)
    for text in (
        "Well-known, isn't it? (Yes.)",
        "It costs $3.50, or 20% less, on 2024-10-12.",
        "The U.S. and the E.U.",
    ):
        ours = [
            " ".join(word.phonemes for word in hibari._read(hibari._normalize(sentence))).strip()
            for sentence in reference.split_sentences(text)
        ]
        assert ours == reference.phonemize(text)


def test_hibari_reads_a_number_it_has_no_name_for_digit_by_digit(hibari: HibariEngine) -> None:
    """A reply that spells out a long number is spoken and does not break off."""
    (piece,) = hibari.speak(f"It is {'1' * 40}.", hibari.voices[0])
    assert piece.processed_text.count("one") + piece.processed_text.count("1") == 40
    assert [word.text for word in piece.words] == ["It", "is", f"{'1' * 40}."]


def test_hibari_says_the_same_each_time(hibari: HibariEngine) -> None:
    """Recordings of a demo can be compared bit by bit."""
    first, second = (next(iter(hibari.speak("Same.", hibari.voices[0]))).samples for _ in range(2))
    assert np.array_equal(first, second)


def test_hibaris_variants_differ_as_their_names_say(hibari: HibariEngine) -> None:
    """The demo's other side must not sound like the agent: tempo and pitch really move."""
    text = "I would like to order a large pizza with mushrooms, please."
    spoken = {each.variant: list(hibari.speak(text, each)) for each in hibari.voices}
    lengths = {variant: length_ms(pieces, 24_000) for variant, pieces in spoken.items()}
    assert lengths["Fast"] < 0.9 * lengths["Heart"]
    assert lengths["Slow"] > 1.08 * lengths["Heart"]
    pitches = {variant: pitch_hz(pieces[0].samples, 24_000) for variant, pieces in spoken.items()}
    assert pitches["Low"] < 0.92 * pitches["Heart"]
    assert pitches["High"] > 1.05 * pitches["Heart"]
    for pieces in spoken.values():
        assert abs(pieces[0].words[-1].end_ms - len(pieces[0].samples) / 24) < 600


def test_a_sentence_longer_than_the_model_takes_is_said_in_parts(
    hibari: HibariEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is dropped and nothing said twice at the cut, which falls after a clause where there is one."""
    monkeypatch.setattr(hibari_module, "_MAX_PHONEMES", 40)
    text = "One two three four, five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen."
    (piece,) = hibari.speak(text, hibari.voices[0])
    assert [word.text for word in piece.words] == text.split()
    parts = list(hibari_module._parts(hibari._read(text)))
    assert [word.text for part in parts for word in part] == text.split()
    assert parts[0][-1].text == "four,"
    assert all(sum(len(word.phonemes) + 1 for word in part) <= 41 for part in parts)


def test_punctuation_alone_is_nothing_to_say(hibari: HibariEngine) -> None:
    """No piece, no noise, no error."""
    assert list(hibari.speak("... !", hibari.voices[0])) == []


def test_another_models_file_is_refused_with_the_version_that_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Word times rest on one release's graph; with any other the start must fail, not the times."""
    monkeypatch.setattr(hibari_module, "_DURATIONS", b"/No_such_tensor")
    with pytest.raises(EngineUnavailableError, match=r"hibari-tts==0\.2\.1"):
        HibariEngine()


def test_what_hibari_says_is_understood(hibari: HibariEngine) -> None:
    """The demo's two sides understand each other: at most 10 % word errors by Moonshine for the voices it uses."""
    recogniser = MoonshineEngine()
    texts = (
        "Hello there, how can I help you today?",
        "The capital of France is Paris.",
        "I am sorry, I do not know the answer to that question.",
        "Could you please repeat after me, the quick brown fox jumps over the lazy dog.",
    )
    for each in hibari.voices:
        recordings = [soxr.resample(_with_silence(hibari, text, each), 24_000, 16_000) for text in texts]
        heard = [_letters(recogniser.recognize(recording).text) for recording in recordings]
        errors = jiwer.wer([_letters(text) for text in texts], heard)
        assert errors <= 0.10, (each.name, heard)


def _letters(text: str) -> str:
    return "".join(each for each in text.lower() if each.isalpha() or each == " ")


def _with_silence(engine: HibariEngine, text: str, speaker: Voice) -> Samples:
    silence = np.zeros(24_000 // 4, np.float32)
    return np.concatenate([silence, *(piece.samples for piece in engine.speak(text, speaker)), silence])


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de-DE", "Guten Tag, am 3. Mai 2024 war es schön."),
        ("fr-FR", "L'été, c'est 3,5 euros."),
        ("ru-RU", "Привет, как дела?"),
        ("es-ES", "Hola. ¿Qué tal estás?"),
    ],
)
def test_espeak_times_the_words_of_other_languages(espeak: EspeakEngine, language: str, text: str) -> None:
    """Every written word once, in order, the last ending with the sound, in any script with spaces."""
    (piece,) = espeak.speak(text, voice(espeak, f"Espeak.{language.upper()}.Male"))
    assert [word.text for word in piece.words] == text.split()
    edges = [edge for word in piece.words for edge in (word.start_ms, word.end_ms)]
    assert edges == sorted(edges)
    assert 0 <= len(piece.samples) * 1000 / espeak.rate_hz - edges[-1] <= 50
    assert level_db(piece.samples) > -30


def test_espeak_times_characters_where_there_are_no_spaces(espeak: EspeakEngine) -> None:
    """A Chinese sentence as one word would be useless for knowing how much was heard."""
    (piece,) = espeak.speak("你好，你今天好吗？", voice(espeak, "Espeak.ZH-CN.Female"))  # noqa: RUF001 - Chinese commas
    assert "".join(word.text for word in piece.words) == "你好，你今天好吗？"  # noqa: RUF001 - Chinese commas
    assert len({word.start_ms for word in piece.words}) > 5


def test_espeak_speaks_a_long_text_in_pieces(espeak: EspeakEngine) -> None:
    """A cancelled call must not have to wait for four thousand characters; nothing is lost at the cuts."""
    text = "Das ist der erste Satz von vielen. " * 30
    pieces = list(espeak.speak(text, voice(espeak, "Espeak.DE-DE.Male")))
    assert len(pieces) >= 5
    assert " ".join(piece.text for piece in pieces) == text.strip()


def test_espeaks_voices_differ(espeak: EspeakEngine) -> None:
    """Male and female are two voices, not one under two names."""
    german = [each for each in espeak.voices if each.language_code == "de-DE"]
    samples = [next(iter(espeak.speak("Guten Morgen zusammen.", each))).samples for each in german]
    both = [pitch_hz(each, espeak.rate_hz) for each in samples]
    assert both[1] > 1.2 * both[0]


def test_every_voice_espeak_lists_speaks(espeak: EspeakEngine) -> None:
    """A voice that GetRivaSynthesisConfig offers must not fail when it is asked for; digits are read everywhere."""
    silent = [each.name for each in espeak.voices if not any(len(p.samples) for p in espeak.speak("1 2 3", each))]
    assert silent == []


def test_espeak_leaves_english_to_hibari_and_names_languages_as_riva_does(espeak: EspeakEngine) -> None:
    """de-DE, not de; and an English request must never end at the formant synthesiser by accident."""
    languages = [each.language_code for each in espeak.voices]
    assert {"de-DE", "es-ES", "es-US", "fr-FR", "pt-BR", "zh-CN", "ja-JP", "fr-CH"} <= set(languages)
    assert not [language for language in languages if language.startswith("en")]
    assert len({each.name for each in espeak.voices}) == len(espeak.voices)
    assert len(set(languages)) > 100


def test_engines_describe_themselves_for_the_start_up_table(hibari: HibariEngine, espeak: EspeakEngine) -> None:
    """The source in the table is a path that exists, so that a reader can go and look."""
    for engine in (hibari, espeak):
        (row,) = engine.describe()
        assert row.service == "TTS"
        assert Path(row.source).exists()


def test_leading_silence_is_cut_and_times_move_along() -> None:
    """20 ms stay before the first sound; silence alone stays whole."""
    silent = np.zeros(8000, np.float32)
    loud = np.concatenate([silent, np.full(8000, 0.5, np.float32)])
    cut = without_lead(SpokenPiece("a", "a", loud, (SpokenWord("a", 990, 1500),)), 8000)
    assert len(cut.samples) == 8000 + 160
    assert (cut.words[0].start_ms, cut.words[0].end_ms) == (10, 520)
    assert len(without_lead(SpokenPiece("", "", silent, ()), 8000).samples) == 8000


def test_a_word_ends_with_its_sound() -> None:
    """The silence behind the last word is none of it: whoever heard the word, but not the silence, heard it all."""
    sound = np.concatenate([np.full(4000, 0.1, np.float32), np.zeros(4000, np.float32)])
    words = (SpokenWord("a", 0, 400), SpokenWord("b", 400, 1000))
    cut = without_lead(SpokenPiece("a b", "a b", sound, words), 8000)
    assert [(word.start_ms, word.end_ms) for word in cut.words] == [(0, 400), (400, 500)]
    assert len(cut.samples) == 8000


@dataclass
class _Chunk:
    audio_float_array: Samples


class _FakePiperVoice:
    """The part of piper-tts 1.8's PiperVoice that is used."""

    @staticmethod
    def load(model_path: Path, config_path: Path) -> "_FakePiperVoice":
        assert model_path.is_file()
        assert config_path.is_file()
        return _FakePiperVoice()

    def synthesize(self, text: str) -> Iterator[_Chunk]:
        if text.strip("."):
            yield _Chunk(np.full(2205 * len(text.split()), 0.1, np.float32))


@pytest.fixture
def piper_voice(tmp_path: Path) -> Path:
    path = tmp_path / "xx_YY-joe-medium.onnx"
    path.write_bytes(b"weights")
    config = {"audio": {"sample_rate": 22050}, "language": {"code": "xx_YY"}, "dataset": "joe"}
    path.with_name(path.name + ".json").write_text(json.dumps(config), encoding="utf-8")
    return path


def test_a_piper_voice_speaks_its_language(piper_voice: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The voice's own files say the rate, the language and the name; words share each sentence's time."""
    module = types.ModuleType("piper")
    monkeypatch.setattr(module, "PiperVoice", _FakePiperVoice, raising=False)
    monkeypatch.setitem(sys.modules, "piper", module)
    engine = PiperEngine(piper_voice)
    assert [each.name for each in engine.voices] == ["Piper.XX-YY.Joe"]
    pieces = list(engine.speak("One two. Three.", engine.voices[0]))
    assert [(piece.text, len(piece.samples)) for piece in pieces] == [("One two.", 4410), ("Three.", 2205)]
    assert [(word.text, word.end_ms) for word in pieces[0].words] == [("One", 86), ("two.", 200)]
    assert list(engine.speak("...", engine.voices[0])) == []


def test_piper_says_what_is_missing(piper_voice: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file, its configuration, the package, a sound voice: each has its own sentence."""
    with pytest.raises(EngineUnavailableError, match=r"no\.onnx is missing"):
        PiperEngine(piper_voice.with_name("no.onnx"))
    monkeypatch.setitem(sys.modules, "piper", None)
    with pytest.raises(EngineUnavailableError, match="pip install piper-tts"):
        PiperEngine(piper_voice)
    module = types.ModuleType("piper")
    monkeypatch.setattr(module, "PiperVoice", _FakePiperVoice, raising=False)
    monkeypatch.setitem(sys.modules, "piper", module)
    piper_voice.with_name(piper_voice.name + ".json").write_text("{}", encoding="utf-8")
    with pytest.raises(EngineUnavailableError, match="cannot be loaded"):
        PiperEngine(piper_voice)
