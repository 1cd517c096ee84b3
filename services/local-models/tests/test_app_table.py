"""The table printed at start."""

from local_models.engines.recognition import EngineDescription
from local_models.startup_table import render


def test_columns_are_aligned_and_languages_of_one_engine_joined() -> None:
    """A hundred languages of one engine are one row, not a hundred."""
    rows = [
        EngineDescription("TTS", code, "espeak-ng", "1.52", "wheel") for code in ("de", "es", "fr", "it", "pl", "pt")
    ]
    rows.append(EngineDescription("LLM", "en-US", "responder", "local-responder", "facts"))
    assert render(rows).splitlines() == [
        "SERVICE  LANGUAGE                   ENGINE     MODEL            SOURCE",
        "TTS      de, es, fr, it and 2 more  espeak-ng  1.52             wheel",
        "LLM      en-US                      responder  local-responder  facts",
    ]
