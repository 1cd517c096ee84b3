"""Settings: where they come from, which wins, and one clear line for each mistake."""

import dataclasses
from pathlib import Path

import pytest
from local_models.settings import SETTINGS, Llm, Settings, SettingsError, read_settings


def test_defaults_are_the_ports_that_the_gateway_expects() -> None:
    """Nothing set: Riva on 50061, OpenAI on 8061, loopback only."""
    assert read_settings({}, {}) == Settings()
    assert (Settings().host, Settings().riva_port, Settings().openai_port) == ("127.0.0.1", 50061, 8061)


def test_flags_win_over_the_environment() -> None:
    """And an empty variable counts as unset, since that is how scripts unset one."""
    environment = {"LOCAL_MODELS_TTFT_MS": "100", "LOCAL_MODELS_TOKEN_MS": "20", "LOCAL_MODELS_HOST": ""}
    settings = read_settings({"ttft_ms": "7", "token_ms": None}, environment)
    assert (settings.ttft_ms, settings.token_ms, settings.host) == (7, 20, "127.0.0.1")


def test_every_mistake_is_told_at_once_by_the_name_it_was_given_under(tmp_path: Path) -> None:
    """Who sets ten things wrong does not start ten times."""
    flags = {"riva_port": "70000", "llm": "gpt", "ports_file": str(tmp_path / "none" / "ports.json")}
    environment = {
        "LOCAL_MODELS_OPENAI_PORT": "http",
        "LOCAL_MODELS_GGUF_PATH": "/none.gguf",
        "LOCAL_MODELS_WHISPER_MODEL": "/none",
        "LOCAL_MODELS_HOST": "  ",
    }
    with pytest.raises(SettingsError) as caught:
        read_settings(flags, environment)
    assert caught.value.problems == (
        "LOCAL_MODELS_HOST: must not be empty",
        "--riva-port: must be from 0 to 65535, not 70000",
        "LOCAL_MODELS_OPENAI_PORT: must be a whole number from 0 to 65535, not 'http'",
        f"--ports-file: no such folder: {tmp_path / 'none'}",
        "--llm: must be one of responder, gguf, not 'gpt'",
        "LOCAL_MODELS_GGUF_PATH: no such file: /none.gguf",
        "LOCAL_MODELS_WHISPER_MODEL: no such folder: /none",
    )


def test_settings_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    """Weights that would not be loaded, and two servers on one port; port 0 twice is fine."""
    weights = tmp_path / "w.gguf"
    weights.touch()
    with pytest.raises(SettingsError, match="--gguf-path: only used with --llm gguf"):
        read_settings({"gguf_path": str(weights)}, {})
    with pytest.raises(SettingsError, match="both are 9000"):
        read_settings({"riva_port": "9000", "openai_port": "9000"}, {})
    assert read_settings({"riva_port": "0", "openai_port": "0"}, {}).riva_port == 0
    assert read_settings({"gguf_path": str(weights), "llm": "gguf"}, {}).llm is Llm.GGUF


def test_the_table_and_the_class_name_the_same_settings() -> None:
    """A field without a row could never be set, and a row without a field would fail at start."""
    assert [setting.name for setting in SETTINGS] == [field.name for field in dataclasses.fields(Settings)]
