"""Each kind of setting: what it takes, and the one clear line for what it does not."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from voice_gateway import config
from voice_gateway.config import SECTIONS
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.setting_kinds import Setting

URL_SAID = "must be a URL that begins with http:// or https://, without a user or a query"
METADATA_SAID = "must be key=value, or several joined by commas; keys in lower case, no grpc-... or ...-bin"
ALL = [setting for section in SECTIONS for setting in section.settings]


@pytest.mark.parametrize("setting", ALL, ids=lambda setting: setting.name)
def test_every_default_is_a_value_that_may_be_set(setting: Setting[Any]) -> None:
    """The default printed in the documentation can be copied into a ConfigMap."""
    setting.parse(setting.default)
    assert re.fullmatch(r"[A-Z][A-Z0-9_]*", setting.name)
    assert setting.doc


def test_every_setting_of_the_modules_is_in_the_documentation() -> None:
    """A setting left out of SECTIONS would be read but never documented."""
    modules = (config.server, config.riva, config.llm, config.session)
    declared = {value.name for module in modules for value in vars(module).values() if isinstance(value, Setting)}
    listed = [setting.name for setting in ALL]
    assert declared <= set(listed)
    assert len(listed) == len(set(listed))


def test_every_field_of_the_turn_policy_is_a_setting_of_the_same_name_default_and_range() -> None:
    """One name, four spellings: proto lead_ms is TURN_LEAD_MS here."""
    rows = {setting.name: setting for setting in ALL if setting.name.startswith("TURN_")}
    assert list(rows) == [f"TURN_{spec.name.upper()}" for spec in fields(TurnPolicy)]
    lead = rows["TURN_LEAD_MS"]
    assert (lead.default, lead.unit, lead.allowed) == ("200", "ms", "40 to 5000")


@pytest.mark.parametrize(
    ("setting", "raw", "value"),
    [
        (config.server.GRPC_PORT, "0", 0),
        (config.server.GRPC_PORT, "65535", 65_535),
        (config.llm.LLM_TEMPERATURE, "0", 0.0),
        (config.llm.LLM_TEMPERATURE, "1.25", 1.25),
        (config.llm.LLM_TEMPERATURE, "Off", None),
        (config.llm.LLM_MAX_TOKENS, "off", None),
        (config.llm.LLM_MAX_TOKENS, "9", 9),
        (config.llm.LLM_MAX_TOKENS_FIELD, "MAX_COMPLETION_TOKENS", "max_completion_tokens"),
        (config.llm.LLM_SYSTEM_PROMPT, "off", ""),
        (config.llm.LLM_EXTRA_BODY, '{"top_k":1}', '{"top_k": 1}'),
        (config.llm.LLM_THOUGHTS, "opened", "opened"),
        (config.server.LOG_LEVEL, "warning", "WARNING"),
        (config.riva.TTS_SAMPLE_RATE, "48000", 48_000),
        (config.riva.RIVA_TLS, "True", True),
        (config.riva.RIVA_TLS, "off", False),
        (config.session.NO_INPUT_REPROMPT, "Hello?", "Hello?"),
        (config.session.NO_INPUT_GOODBYE, "Off", ""),
        (config.riva.ASR_URI, "riva:50051", ("riva:50051",)),
        (config.riva.ASR_URI, " a.b.svc:1 , 10.0.0.1:2,[::1]:3,a.b.svc:1", ("a.b.svc:1", "10.0.0.1:2", "[::1]:3")),
        (config.llm.LLM_SERVICE_URL, "https://llm.example/v1/", "https://llm.example/v1"),
        (config.llm.LLM_SERVICE_URL, "http://[::1]:8000", "http://[::1]:8000"),
        (config.llm.LLM_SERVICE_URL, "http://nim:8000", "http://nim:8000"),
        (config.llm.LLM_API_KEY, "nvapi-_x.Y~1+/=", "nvapi-_x.Y~1+/="),
        (config.identity.AUTH_TOKENS, " old , new,old,\n", ("old", "new")),
        (config.riva.ASR_LANGUAGE, "zh-Hant-TW", "zh-Hant-TW"),
        (config.riva.ASR_LANGUAGE, "multi", "multi"),
        (
            config.riva.RIVA_METADATA,
            "function-id=12-ab, authorization=Bearer x=y",
            (("function-id", "12-ab"), ("authorization", "Bearer x=y")),
        ),
    ],
    ids=lambda value: value.name if isinstance(value, Setting) else None,
)
def test_what_operators_write_is_understood(setting: Setting[Any], raw: str, value: object) -> None:
    """The forms people write in a ConfigMap or a shell mean what they say."""
    assert setting.parse(raw) == value


@pytest.mark.parametrize(
    ("setting", "raw", "said"),
    [
        (config.server.GRPC_PORT, "65536", "must be a whole number from 0 to 65535"),
        (config.server.GRPC_PORT, "-1", "must be a whole number from 0 to 65535"),
        (config.identity.AUTH_TOKENS, " ,\n", "must have a token: commas alone would let everybody in"),
        (config.identity.AUTH_TOKENS, "two words", "must have no spaces inside a token"),
        (config.identity.AUTH_TOKENS, "schlüssel", "must be printable ASCII, several joined by commas"),
        (config.server.GRPC_PORT, "tcp://10.0.0.1:50051", "must be a whole number from 0 to 65535"),
        (config.server.SHUTDOWN_GRACE_PERIOD, "1.5", "must be a whole number from 0 to 86400"),
        (config.llm.LLM_TEMPERATURE, "nan", "must be a number from 0 to 2, or off"),
        (config.llm.LLM_TEMPERATURE, "hot", "must be a number from 0 to 2, or off"),
        (config.llm.LLM_MAX_TOKENS, "none", "must be a whole number from 1 to 32768, or off"),
        (config.llm.LLM_MAX_TOKENS_FIELD, "tokens", "must be one of max_tokens, max_completion_tokens"),
        (config.llm.LLM_EXTRA_BODY, "top_k=1", 'must be a JSON object, like {"top_p": 0.9}'),
        (config.llm.LLM_THOUGHTS, "none", "must be one of marked, opened"),
        (config.server.LOG_LEVEL, "loud", "must be one of DEBUG, INFO, WARNING, ERROR"),
        (
            config.riva.TTS_SAMPLE_RATE,
            "22000",
            "must be one of 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000",
        ),
        (config.riva.RIVA_TLS, "maybe", "must be true or false"),
        (config.riva.RIVA_URI, "riva", "must be host:port, or several joined by commas; 'riva' is not"),
        (config.riva.RIVA_URI, "riva:70000", "must be host:port, or several joined by commas; 'riva:70000' is not"),
        (
            config.riva.RIVA_URI,
            "http://riva:1",
            "must be host:port, or several joined by commas; 'http://riva:1' is not",
        ),
        (config.riva.RIVA_URI, "riva:1,", "must be host:port, or several joined by commas; '' is not"),
        (config.llm.LLM_SERVICE_URL, "llm:8000", URL_SAID),
        (config.llm.LLM_SERVICE_URL, "http://", URL_SAID),
        (config.llm.LLM_SERVICE_URL, "http://me:secret@llm/v1", URL_SAID),
        (config.riva.RIVA_METADATA, "Bearer", METADATA_SAID),
        (config.riva.RIVA_METADATA, "Key=1", METADATA_SAID),
        (config.riva.RIVA_METADATA, "grpc-timeout=1", METADATA_SAID),
        (config.riva.RIVA_METADATA, "trace-bin=1", METADATA_SAID),
        (config.llm.LLM_SERVICE_URL, "http://llm:99999/v1", URL_SAID),
        (config.llm.LLM_SERVICE_URL, "http://llm:0/v1", URL_SAID),
        (config.llm.LLM_SERVICE_URL, "http://[::1", URL_SAID),
        (config.llm.LLM_SERVICE_URL, "http://:80", URL_SAID),
        (
            config.llm.LLM_API_KEY,
            "sk-1\nsk-2",
            "must be printable ASCII without spaces, as it goes into an HTTP header",
        ),
        (config.llm.LLM_API_KEY, "sk-\u00e9", "must be printable ASCII without spaces, as it goes into an HTTP header"),
        (config.llm.LLM_MODEL, "caf\udce9", "must be UTF-8"),
        (config.session.NO_INPUT_REPROMPT, "caf\udce9", "must be UTF-8"),
        (config.riva.ASR_LANGUAGE, "en_US", "must be a BCP-47 code, like en-US"),
    ],
    ids=lambda value: value.name if isinstance(value, Setting) else None,
)
def test_what_cannot_be_meant_is_refused_in_words(setting: Setting[Any], raw: str, said: str) -> None:
    """The line says what the value must be, so that nobody has to look it up."""
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        setting.parse(raw)


def test_a_file_that_cannot_be_read_is_refused_by_name(tmp_path: Path) -> None:
    """A certificate that is not mounted is found before the server starts."""
    there = tmp_path / "there.pem"
    there.write_text("x")
    assert config.server.GRPC_TLS_CERT.parse(str(there)) == there
    with pytest.raises(ValueError, match=r"^must be a file that can be read: No such file or directory: .*gone\.pem$"):
        config.server.GRPC_TLS_CERT.parse(str(tmp_path / "gone.pem"))
