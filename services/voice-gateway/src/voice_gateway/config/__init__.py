"""Every setting, and the only reader of the environment.

A setting is one row of a table: its environment name, default, range and meaning. Values are read once, checked all
together, and handed to each room as that room's own frozen settings. An empty value counts as unset. The rows and how
they are read are in one module for each subject, which lists its rows in its SECTIONS.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from voice_gateway.backends.http_tools.settings import HttpTool
from voice_gateway.backends.openai_chat.settings import OpenAiChatSettings
from voice_gateway.backends.riva.settings import RivaSettings, RivaTtsSettings
from voice_gateway.config import admission, identity, llm, riva, server, session, traces
from voice_gateway.config.reader import ConfigError, Reader
from voice_gateway.config.server import ServerSettings
from voice_gateway.domain.policy import TurnPolicy
from voice_gateway.identity.settings import IdentitySettings
from voice_gateway.observability.trace_settings import TracingSettings
from voice_gateway.session.admission.gate import AdmissionSettings
from voice_gateway.session.admission.shares import Share
from voice_gateway.session.negotiation import SessionSettings

__all__ = [
    "SECTIONS",
    "ConfigError",
    "ServerSettings",
    "Settings",
    "admin_port",
    "describe",
    "load",
    "metrics_port",
    "workers",
]

SECTIONS = (
    *server.SECTIONS,
    *identity.SECTIONS,
    *admission.SECTIONS,
    *riva.SECTIONS,
    *llm.SECTIONS,
    *session.SECTIONS,
    *traces.SECTIONS,
)
"""Every setting, as the documentation lists them."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Each room's settings."""

    server: ServerSettings
    identity: IdentitySettings
    admission: AdmissionSettings
    asr: RivaSettings
    tts: RivaTtsSettings
    llm: OpenAiChatSettings
    tools: tuple[HttpTool, ...]
    session: SessionSettings
    policy: TurnPolicy
    tracing: TracingSettings | None
    """None: nothing is traced."""


def load(
    environment: Mapping[str, str] = os.environ,
    overrides: Mapping[str, str] | None = None,
    *,
    share: Share | None = None,
    tries_exporter: bool = True,
) -> Settings:
    """Read everything; `overrides` are what the command line says instead.

    Args:
        environment: what is set.
        overrides: what the command line says instead.
        share: which of several workers reads; None: whoever serves alone, or starts workers.
        tries_exporter: whether what sends spans is made, for a trial; it needs gRPC.

    Raises:
        ConfigError: with every mistake, not only the first.
    """
    reader = Reader({**environment, **(overrides or {})})
    serving = server.read_server(reader, None if share is None else share.index)
    settings = Settings(
        server=serving,
        identity=identity.read_identity(reader, serving.tls),
        admission=admission.read_admission(reader, serving.workers, share),
        asr=riva.read_asr(reader),
        tts=riva.read_tts(reader),
        llm=llm.read_llm(reader),
        tools=llm.read_tools(reader),
        session=session.read_session(reader),
        policy=session.read_policy(reader),
        tracing=traces.read_tracing(reader, tries_exporter=tries_exporter),
    )
    session.note_unknown(reader)
    if reader.mistakes:
        raise ConfigError(tuple(dict.fromkeys(reader.mistakes)))
    return settings


def workers(environment: Mapping[str, str] = os.environ, overrides: Mapping[str, str] | None = None) -> int:
    """How many processes are to serve; 1 where that cannot be read, which whoever serves says."""
    return Reader({**environment, **(overrides or {})}).read(server.WORKERS)


def metrics_port(environment: Mapping[str, str] = os.environ) -> int:
    """The port of the metrics and the health page, which nothing else need be right for.

    Raises:
        ConfigError: it is wrong, or left to the system.
    """
    reader = Reader(environment)
    port = reader.read(server.METRICS_PORT)
    if reader.mistakes or not port:
        raise ConfigError(
            tuple(reader.mistakes) or (f"{server.METRICS_PORT.name} is 0: which port was picked must be said",)
        )
    return port


def admin_port(environment: Mapping[str, str] = os.environ) -> int:
    """The port of the admin service, which nothing else need be right for; DEFAULT_ADMIN_PORT if there is none here.

    Raises:
        ConfigError: it is wrong.
    """
    reader = Reader(environment)
    port = reader.read(server.ADMIN_PORT)
    if reader.mistakes:
        raise ConfigError(tuple(reader.mistakes))
    return port or server.DEFAULT_ADMIN_PORT


def describe(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """A line per setting with the value in force, secrets hidden."""
    reader = Reader(environment)
    lines = []
    for setting in (setting for section in SECTIONS for setting in section.settings):
        raw = reader.raw(setting).replace("\n", "\\n")
        lines.append(f"{setting.name}={'(secret)' if setting.is_secret and raw else raw}")
    return tuple(lines)
