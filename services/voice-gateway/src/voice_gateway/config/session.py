"""Settings of a conversation: languages, voices, words of the agent, and the turn policy."""

import difflib
import re
from dataclasses import fields
from typing import Any

from voice_gateway.config.llm import LLM_APOLOGY, LLM_FILLER, LLM_SYSTEM_PROMPT, TOOL_TIMEOUT_MS
from voice_gateway.config.reader import Reader, Section
from voice_gateway.config.riva import (
    ASR_APOLOGY,
    ASR_LANGUAGE,
    ASR_SAMPLE_RATE,
    BACKEND_PATIENCE_MS,
    TTS_SAMPLE_RATE,
    TTS_VOICE,
)
from voice_gateway.domain.errors import ClientError
from voice_gateway.domain.persona import Persona
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.session.negotiation import SessionSettings
from voice_gateway.setting_kinds import Setting, integer, sentence, switch

_TURN_NAME = re.compile(r"TURN_[A-Z_]+_MS")
_POLICY = TurnPolicy()


NO_INPUT_REPROMPT = sentence(
    "NO_INPUT_REPROMPT", "Are you still there?", "what is said when nobody has spoken for `TURN_NO_INPUT_MS`"
)
NO_INPUT_GOODBYE = sentence("NO_INPUT_GOODBYE", "Goodbye.", "what is said when again nobody has; then the session ends")

IDLE_TIMEOUT_MS = integer(
    "IDLE_TIMEOUT_MS",
    3_600_000,
    (0, 86_400_000),
    "ms",
    "a session ends with `ended{IDLE}` after this time without audio, text, keys, tool results or reply; 0: never",
)


def _turn_settings() -> tuple[Setting[Any], ...]:
    """One setting per field of TurnPolicy: environment TURN_LEAD_MS is proto and policy lead_ms."""
    rows: list[Setting[Any]] = []
    for spec in fields(TurnPolicy):
        bounds = (spec.metadata["low"], spec.metadata["high"])
        default = getattr(_POLICY, spec.name)
        if isinstance(default, bool):
            rows.append(switch(_turn_name(spec.name), default=default, doc=spec.metadata["doc"]))
            continue
        rows.append(integer(_turn_name(spec.name), default, bounds, spec.metadata["unit"], spec.metadata["doc"]))
    return tuple(rows)


def _turn_name(field_name: str) -> str:
    return f"TURN_{field_name.upper()}"


TURN_SETTINGS = _turn_settings()

SECTIONS = (Section("Turn-taking", (*TURN_SETTINGS, NO_INPUT_REPROMPT, NO_INPUT_GOODBYE, IDLE_TIMEOUT_MS)),)


def read_policy(reader: Reader) -> TurnPolicy:
    """The policy; settings that contradict one another are a mistake."""
    values = {setting.name.removeprefix("TURN_").lower(): reader.read(setting) for setting in TURN_SETTINGS}
    try:
        return TurnPolicy(**values)
    except ClientError as error:
        reader.mistakes.append(re.sub(r"[a-z]+(_[a-z]+)*_ms", lambda name: _turn_name(name[0]), error.message))
        return TurnPolicy()


def note_unknown(reader: Reader) -> None:
    """A misspelt policy name would be silently without effect; other prefixes are shared with other programs."""
    known = [setting.name for setting in TURN_SETTINGS]
    for name in sorted(reader.environment):
        if _TURN_NAME.fullmatch(name) and name not in known:
            close = difflib.get_close_matches(name, known, 1)
            reader.mistakes.append(f"{name} is not a setting" + (f"; did you mean {close[0]}?" if close else ""))


def read_session(reader: Reader) -> SessionSettings:
    return SessionSettings(
        language_code=reader.read(ASR_LANGUAGE),
        voice=reader.read(TTS_VOICE),
        asr_rate_hz=reader.read(ASR_SAMPLE_RATE),
        output_rate_hz=reader.read(TTS_SAMPLE_RATE),
        persona=Persona(
            system_prompt=reader.read(LLM_SYSTEM_PROMPT),
            apology=reader.read(LLM_APOLOGY),
            reprompt=reader.read(NO_INPUT_REPROMPT),
            goodbye=reader.read(NO_INPUT_GOODBYE),
            filler=reader.read(LLM_FILLER),
            unheard=reader.read(ASR_APOLOGY),
        ),
        backend_patience_ms=reader.read(BACKEND_PATIENCE_MS),
        tool_timeout_ms=reader.read(TOOL_TIMEOUT_MS),
        idle_timeout_ms=reader.read(IDLE_TIMEOUT_MS),
    )
