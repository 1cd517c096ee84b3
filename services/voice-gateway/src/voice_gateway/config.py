"""Every setting, and the only reader of the environment.

A setting is one row of a table: its environment name, default, range and meaning. Values are read once, checked all
together, and handed to each room as that room's own frozen settings. An empty value counts as unset.
"""

import difflib
import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from voice_gateway.backends.http_tools.codec import ToolsFileError, parse_tools
from voice_gateway.backends.http_tools.settings import HttpTool
from voice_gateway.backends.openai_chat.settings import OpenAiChatSettings
from voice_gateway.backends.riva.settings import RivaSettings, RivaTtsSettings
from voice_gateway.domain.audio import INPUT_RATES_HZ, OUTPUT_RATES_HZ
from voice_gateway.domain.chat import NO_TOOLS
from voice_gateway.domain.errors import ClientError
from voice_gateway.domain.persona import Persona
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.session.negotiation import SessionSettings
from voice_gateway.setting_kinds import (
    MAX_PORT,
    Setting,
    addresses,
    choice,
    decimal,
    file,
    folder,
    integer,
    key,
    keys,
    language,
    metadata,
    rate,
    sentence,
    switch,
    text,
    web_address,
)

T = TypeVar("T")
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_TURN_NAME = re.compile(r"TURN_[A-Z_]+_MS")
_DEFAULT_LLM_URL = "http://localhost:8061/v1"
_POLICY = TurnPolicy()
_LLM = OpenAiChatSettings(_DEFAULT_LLM_URL)
_TTS = RivaTtsSettings(RivaSettings(("localhost:50061",)))
SPOKEN_REPLIES = (
    "You are a voice assistant. Your answer is read aloud, so write plain spoken sentences: no lists, headings, "
    "code, links or emoji. Keep it to one to three short sentences unless asked for more. "
    "If you did not understand, ask one short question."
)


class ConfigError(Exception):
    """The environment is wrong.

    Attributes:
        mistakes: one clear line each, none of them holding a secret.
    """

    def __init__(self, mistakes: tuple[str, ...]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


# --- the table ---------------------------------------------------------------------------------------------------

GRPC_PORT = integer("GRPC_PORT", 50_051, (0, MAX_PORT), "", "port that clients call; 0 picks a free one")
GRPC_TLS_CERT = file("GRPC_TLS_CERT", "PEM certificate chain; with GRPC_TLS_KEY, clients must use TLS")
GRPC_TLS_KEY = file("GRPC_TLS_KEY", "PEM private key of GRPC_TLS_CERT")
HEALTH_PORT = integer(
    "HEALTH_PORT",
    0,
    (0, MAX_PORT),
    "",
    "a second port with the health service alone, without TLS, for probes that cannot speak it; 0: none",
)
METRICS_PORT = integer(
    "METRICS_PORT",
    8_080,
    (0, MAX_PORT),
    "",
    "port of the metrics, over HTTP at /metrics, and of /health; 0 picks a free one",
)
AUTH_TOKENS = keys("AUTH_TOKENS", "bearer tokens that open; with none, anyone may call")
MAX_CONNECTION_AGE_MS = integer(
    "MAX_CONNECTION_AGE_MS",
    600_000,
    (0, 86_400_000),
    "ms",
    "an older connection gets GOAWAY: its calls run on, new ones go elsewhere; 0: never",
)
SHUTDOWN_GRACE_PERIOD = integer(
    "SHUTDOWN_GRACE_PERIOD", 30, (0, 86_400), "s", "after SIGTERM, running turns may go on for so long"
)
LOG_LEVEL = choice("LOG_LEVEL", "INFO", _LEVELS, "least severe log lines that are written")
JOURNAL_DIR = folder("JOURNAL_DIR", "folder that gets a journal of each session, with what was said in it")
RIVA_URI = addresses("RIVA_URI", "localhost:50061", "Riva, where one address serves both ASR and TTS")
ASR_URI = addresses("ASR_URI", "", "Riva ASR; several addresses share the load", default_note="`RIVA_URI`")
TTS_URI = addresses("TTS_URI", "", "Riva TTS; several addresses share the load", default_note="`RIVA_URI`")
RIVA_TLS = switch("RIVA_TLS", default=False, doc="call Riva over TLS")
RIVA_TLS_CA = file("RIVA_TLS_CA", "PEM certificates that Riva's are checked against, instead of the system's")
RIVA_METADATA = metadata("RIVA_METADATA", "gRPC metadata sent with every call to Riva, as hosted services ask for")
ASR_LANGUAGE = language("ASR_LANGUAGE", "en-US", "language of sessions that name none, as a BCP-47 code")
ASR_SAMPLE_RATE = rate("ASR_SAMPLE_RATE", 16_000, INPUT_RATES_HZ, "rate of the audio sent to Riva ASR")
TTS_VOICE = text("TTS_VOICE", "", "voice of sessions that name none", default_note="Riva's choice")
TTS_SAMPLE_RATE = rate("TTS_SAMPLE_RATE", 22_050, OUTPUT_RATES_HZ, "rate of reply audio in sessions that name none")
LLM_SERVICE_URL = web_address("LLM_SERVICE_URL", _DEFAULT_LLM_URL, "base of an OpenAI-compatible API")
LLM_MODEL = text("LLM_MODEL", "", "model that is asked for", default_note="the first that is listed")
LLM_TEMPERATURE = decimal("LLM_TEMPERATURE", _LLM.temperature, (0, 2), "how freely the model writes")
LLM_MAX_TOKENS = integer(
    "LLM_MAX_TOKENS", _LLM.max_tokens, (1, 32_768), "count", "longest reply, in the model's tokens"
)
LLM_SYSTEM_PROMPT = text(
    "LLM_SYSTEM_PROMPT", SPOKEN_REPLIES, "instructions of sessions that bring none", default_note="see below"
)
LLM_API_KEY = key("LLM_API_KEY", "key of the API")
LLM_APOLOGY = text(
    "LLM_APOLOGY", "Sorry, I cannot answer right now. Please ask me again.", "what is said when no answer could be had"
)
LLM_FILLER = sentence("LLM_FILLER", "One moment, please.", "what is said while a tool takes long")
TOOLS_FILE = file("TOOLS_FILE", "JSON list of the tools that the gateway calls over HTTP")
TOOL_TIMEOUT_MS = integer(
    "TOOL_TIMEOUT_MS", NO_TOOLS.timeout_ms, (100, 120_000), "ms", "tools that have not returned by then have failed"
)
LLM_FIRST_TOKEN_DEADLINE_MS = integer(
    "LLM_FIRST_TOKEN_DEADLINE_MS",
    _LLM.first_token_deadline_ms,
    (100, 120_000),
    "ms",
    "longest wait for the first token",
)
LLM_TOTAL_DEADLINE_MS = integer(
    "LLM_TOTAL_DEADLINE_MS", _LLM.total_deadline_ms, (1_000, 600_000), "ms", "longest time a reply may take to write"
)
TTS_FIRST_AUDIO_DEADLINE_MS = integer(
    "TTS_FIRST_AUDIO_DEADLINE_MS",
    _TTS.first_audio_deadline_ms,
    (100, 60_000),
    "ms",
    "longest wait for the first audio of a sentence",
)
NO_INPUT_REPROMPT = sentence(
    "NO_INPUT_REPROMPT", "Are you still there?", "what is said when nobody has spoken for `TURN_NO_INPUT_MS`"
)
NO_INPUT_GOODBYE = sentence("NO_INPUT_GOODBYE", "Goodbye.", "what is said when again nobody has; then the session ends")


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


@dataclass(frozen=True, slots=True)
class Section:
    """Settings that an operator thinks of together."""

    title: str
    settings: tuple[Setting[Any], ...]


SECTIONS = (
    Section(
        "Server",
        (
            GRPC_PORT,
            GRPC_TLS_CERT,
            GRPC_TLS_KEY,
            AUTH_TOKENS,
            HEALTH_PORT,
            METRICS_PORT,
            MAX_CONNECTION_AGE_MS,
            SHUTDOWN_GRACE_PERIOD,
            LOG_LEVEL,
            JOURNAL_DIR,
        ),
    ),
    Section("Riva", (RIVA_URI, ASR_URI, TTS_URI, RIVA_TLS, RIVA_TLS_CA, RIVA_METADATA)),
    Section("Speech recognition", (ASR_LANGUAGE, ASR_SAMPLE_RATE)),
    Section("Speech synthesis", (TTS_VOICE, TTS_SAMPLE_RATE, TTS_FIRST_AUDIO_DEADLINE_MS)),
    Section(
        "Language model",
        (
            LLM_SERVICE_URL,
            LLM_MODEL,
            LLM_API_KEY,
            LLM_SYSTEM_PROMPT,
            LLM_TEMPERATURE,
            LLM_MAX_TOKENS,
            LLM_APOLOGY,
            LLM_FILLER,
            LLM_FIRST_TOKEN_DEADLINE_MS,
            LLM_TOTAL_DEADLINE_MS,
        ),
    ),
    Section("Tools", (TOOLS_FILE, TOOL_TIMEOUT_MS)),
    Section("Turn-taking", (*_turn_settings(), NO_INPUT_REPROMPT, NO_INPUT_GOODBYE)),
)


# --- reading -----------------------------------------------------------------------------------------------------


class _Reader:
    """Reads settings and collects what is wrong with them."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.mistakes: list[str] = []

    def raw(self, setting: Setting[Any]) -> str:
        """The value as written, or the default."""
        return self._environment.get(setting.name, "").strip() or setting.default

    def read(self, setting: Setting[T]) -> T:
        """The value; the default, and a mistake noted, when it cannot be read."""
        raw = self.raw(setting)
        try:
            return setting.parse(raw)
        except ValueError as error:
            # what stands before an @ in an address may be a password
            said = "" if setting.is_secret or "@" in raw else f" (it is {raw!r})"
            self.mistakes.append(f"{setting.name} {error}{said}")
            return setting.parse(setting.default)

    def turn_policy(self) -> TurnPolicy:
        """The policy; settings that contradict one another are a mistake."""
        values = {setting.name.removeprefix("TURN_").lower(): self.read(setting) for setting in _turn_settings()}
        try:
            return TurnPolicy(**values)
        except ClientError as error:
            self.mistakes.append(re.sub(r"[a-z]+(_[a-z]+)*_ms", lambda name: _turn_name(name[0]), error.message))
            return TurnPolicy()

    def note_unknown(self) -> None:
        """A misspelt policy name would be silently without effect; other prefixes are shared with other programs."""
        known = [setting.name for setting in _turn_settings()]
        for name in sorted(self._environment):
            if _TURN_NAME.fullmatch(name) and name not in known:
                close = difflib.get_close_matches(name, known, 1)
                self.mistakes.append(f"{name} is not a setting" + (f"; did you mean {close[0]}?" if close else ""))


# --- assembling --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """What the server shows its clients."""

    cert: Path
    key: Path


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """The server itself."""

    grpc_port: int
    """0: the operating system chooses."""
    tls: TlsFiles | None
    auth_tokens: tuple[str, ...]
    """Empty: anyone may call."""
    health_port: int
    """0: there is none."""
    metrics_port: int
    """0: the operating system chooses."""
    max_connection_age_ms: int
    """0: connections live as long as their clients want."""
    grace_s: int
    log_level: str
    journal_dir: Path | None
    """None: no journals are kept."""


def _server(reader: _Reader) -> ServerSettings:
    mistakes = len(reader.mistakes)
    cert, key = reader.read(GRPC_TLS_CERT), reader.read(GRPC_TLS_KEY)
    tls = None
    if cert and key:
        tls = TlsFiles(cert, key)
        reader.mistakes += _pair_mistakes(tls)
    elif (cert or key) and len(reader.mistakes) == mistakes:
        reader.mistakes.append(f"{GRPC_TLS_CERT.name} and {GRPC_TLS_KEY.name} must both be set, or neither")
    return ServerSettings(
        grpc_port=reader.read(GRPC_PORT),
        tls=tls,
        auth_tokens=reader.read(AUTH_TOKENS),
        health_port=reader.read(HEALTH_PORT),
        metrics_port=reader.read(METRICS_PORT),
        max_connection_age_ms=reader.read(MAX_CONNECTION_AGE_MS),
        grace_s=reader.read(SHUTDOWN_GRACE_PERIOD),
        log_level=reader.read(LOG_LEVEL),
        journal_dir=reader.read(JOURNAL_DIR),
    )


def _pair_mistakes(tls: TlsFiles) -> tuple[str, ...]:
    try:
        # An empty password: an encrypted key must be refused, not asked for on a terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tls.cert, tls.key, password="")
    except (ssl.SSLError, OSError) as error:
        return (f"{GRPC_TLS_CERT.name} and {GRPC_TLS_KEY.name} are not a certificate and its key: {error}",)
    return ()


def _has_certificates(ca_file: Path) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(ca_file)
    except (ssl.SSLError, OSError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class Settings:
    """Each room's settings."""

    server: ServerSettings
    asr: RivaSettings
    tts: RivaTtsSettings
    llm: OpenAiChatSettings
    tools: tuple[HttpTool, ...]
    session: SessionSettings
    policy: TurnPolicy


def load(environment: Mapping[str, str] = os.environ, overrides: Mapping[str, str] | None = None) -> Settings:
    """Read everything; `overrides` are what the command line says instead.

    Raises:
        ConfigError: with every mistake, not only the first.
    """
    reader = _Reader({**environment, **(overrides or {})})
    settings = Settings(
        server=_server(reader),
        asr=_riva(reader, ASR_URI),
        tts=RivaTtsSettings(_riva(reader, TTS_URI), reader.read(TTS_FIRST_AUDIO_DEADLINE_MS)),
        llm=_llm(reader),
        tools=_tools(reader),
        session=_session(reader),
        policy=reader.turn_policy(),
    )
    reader.note_unknown()
    if reader.mistakes:
        raise ConfigError(tuple(dict.fromkeys(reader.mistakes)))
    return settings


def metrics_port(environment: Mapping[str, str] = os.environ) -> int:
    """The port of the metrics and the health page, which nothing else need be right for.

    Raises:
        ConfigError: it is wrong, or left to the system.
    """
    reader = _Reader(environment)
    port = reader.read(METRICS_PORT)
    if reader.mistakes or not port:
        raise ConfigError(tuple(reader.mistakes) or (f"{METRICS_PORT.name} is 0: which port was picked must be said",))
    return port


def describe(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """A line per setting with the value in force, secrets hidden."""
    reader = _Reader(environment)
    lines = []
    for setting in (setting for section in SECTIONS for setting in section.settings):
        raw = reader.raw(setting).replace("\n", "\\n")
        lines.append(f"{setting.name}={'(secret)' if setting.is_secret and raw else raw}")
    return tuple(lines)


def _riva(reader: _Reader, addresses: Setting[tuple[str, ...]]) -> RivaSettings:
    is_tls, ca_file = reader.read(RIVA_TLS), reader.read(RIVA_TLS_CA)
    if ca_file and not is_tls:
        reader.mistakes.append(f"{RIVA_TLS_CA.name} is set, but {RIVA_TLS.name} is false")
    elif ca_file and not _has_certificates(ca_file):
        reader.mistakes.append(f"{RIVA_TLS_CA.name} has no PEM certificates: {ca_file}")
    return RivaSettings(
        addresses=reader.read(addresses) or reader.read(RIVA_URI),
        tls=is_tls,
        tls_ca_file=ca_file,
        metadata=reader.read(RIVA_METADATA),
    )


def _llm(reader: _Reader) -> OpenAiChatSettings:
    return OpenAiChatSettings(
        base_url=reader.read(LLM_SERVICE_URL),
        model=reader.read(LLM_MODEL),
        api_key=reader.read(LLM_API_KEY),
        temperature=reader.read(LLM_TEMPERATURE),
        max_tokens=reader.read(LLM_MAX_TOKENS),
        first_token_deadline_ms=reader.read(LLM_FIRST_TOKEN_DEADLINE_MS),
        total_deadline_ms=reader.read(LLM_TOTAL_DEADLINE_MS),
    )


def _tools(reader: _Reader) -> tuple[HttpTool, ...]:
    path = reader.read(TOOLS_FILE)
    if path is None:
        return ()
    try:
        return parse_tools(path.read_text(encoding="utf-8"))
    except (ToolsFileError, UnicodeDecodeError) as error:
        told = "must be UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        reader.mistakes.append(f"{TOOLS_FILE.name} {told}: {path}")
        return ()


def _session(reader: _Reader) -> SessionSettings:
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
        ),
        tool_timeout_ms=reader.read(TOOL_TIMEOUT_MS),
    )
