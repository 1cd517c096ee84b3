"""Settings of traces: OpenTelemetry's own, and what a client may decide."""

import math
from dataclasses import replace
from typing import TypeVar

from voice_gateway.config.reader import Reader, Section
from voice_gateway.observability.trace_settings import SAMPLERS, Protocol, TracingSettings
from voice_gateway.setting_kinds import Setting, integer, switch, web_address, word

T = TypeVar("T")
_PROTOCOLS = tuple(Protocol)
_HTTP_PATH = "/v1/traces"
"""Appended to an endpoint of all signals (OpenTelemetry Protocol Exporter, "Endpoint URLs for OTLP/HTTP")."""


def _flag(name: str, doc: str) -> Setting[bool]:
    """A boolean of OpenTelemetry: only `true`, in any case, is true (Environment Variable Specification)."""
    return Setting(name, "", lambda raw: raw.lower() == "true", doc, "", "true", "false")


def _share(name: str, doc: str) -> Setting[float]:
    def parse(raw: str) -> float:
        try:
            share = float(raw)
        except ValueError:
            share = math.nan
        if not 0 <= share <= 1:
            raise ValueError("must be 0 to 1")
        return share

    return Setting(name, "1.0", parse, doc, "", "0 to 1")


def _of_traces(name: str, every: Setting[T]) -> Setting[T | None]:
    """What stands above the setting of all signals; None: that counts."""
    return Setting(
        name,
        "",
        lambda raw: every.parse(raw) if raw else None,
        "the same for traces alone",
        every.unit,
        every.allowed,
        "that of all signals",
    )


def _endpoint(name: str, doc: str) -> Setting[str]:
    url = web_address(name, "", doc)
    return replace(url, parse=lambda raw: url.parse(raw) if raw else "", default_note="none")


ENDPOINT = _endpoint(
    "OTEL_EXPORTER_OTLP_ENDPOINT", f"collector that spans are sent to; with HTTP {_HTTP_PATH} is appended"
)
TRACES_ENDPOINT = replace(
    _of_traces("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", ENDPOINT), doc="the same for traces alone, taken as it is"
)
PROTOCOL = word("OTEL_EXPORTER_OTLP_PROTOCOL", Protocol.GRPC, _PROTOCOLS, "how spans travel")
TRACES_PROTOCOL = _of_traces("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", PROTOCOL)
EXPORTER = word("OTEL_TRACES_EXPORTER", "otlp", ("otlp", "none"), "`none`: there are no traces, whatever else is set")
DISABLED = _flag("OTEL_SDK_DISABLED", "`true`: there are no traces, whatever else is set")
TIMEOUT = integer(
    "OTEL_EXPORTER_OTLP_TIMEOUT", 10_000, (1, 600_000), "ms", "spans that the collector has not taken by then are lost"
)
TRACES_TIMEOUT = _of_traces("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", TIMEOUT)
SAMPLER = word("OTEL_TRACES_SAMPLER", "parentbased_always_on", SAMPLERS, "which calls are traced")
SAMPLER_ARG = _share("OTEL_TRACES_SAMPLER_ARG", "share of calls that are traced, for the samplers that take one")
TRUST_CLIENTS = switch(
    "TRACE_TRUST_CLIENTS",
    default=False,
    doc="any client's `traceparent` decides whether its call is traced; otherwise that of callers with an identity "
    "does, and any other is a link",
)
TEXT = switch("TRACE_TEXT", default=False, doc="spans hold what users and agent say, and what tools are told")
GENAI_TEXT = _flag("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "`true` is the same as `TRACE_TEXT` on")

SECTIONS = (
    Section(
        "Traces",
        (
            ENDPOINT,
            TRACES_ENDPOINT,
            PROTOCOL,
            TRACES_PROTOCOL,
            TIMEOUT,
            TRACES_TIMEOUT,
            EXPORTER,
            DISABLED,
            SAMPLER,
            SAMPLER_ARG,
            TRUST_CLIENTS,
            TEXT,
            GENAI_TEXT,
        ),
    ),
)


def read_tracing(reader: Reader, *, tries_exporter: bool = True) -> TracingSettings | None:
    """None: nothing is traced. What other programs read of the same variables is then no mistake."""
    is_set = reader.raw(ENDPOINT) or reader.raw(TRACES_ENDPOINT)
    if not is_set or reader.read(DISABLED) or reader.read(EXPORTER) == "none":
        return None
    mistakes = len(reader.mistakes)
    settings = _read(reader)
    if tries_exporter and len(reader.mistakes) == mistakes:
        reader.mistakes += _found_by_sdk(settings)
    return settings


def _found_by_sdk(settings: TracingSettings) -> list[str]:
    """What the SDK cannot use, of these settings or of those that it reads itself."""
    try:
        from voice_gateway.observability import tracing  # noqa: PLC0415  the SDK, which nothing else needs
    except ValueError as error:  # it reads its limits when it is imported
        if "OTEL_" not in str(error):
            raise
        return [str(error)]
    return [found] if (found := tracing.mistake(settings)) else []


def _read(reader: Reader) -> TracingSettings:
    """What stands above another setting is read alone: the other may be for other signals."""

    def above(own: Setting[T | None], every: Setting[T]) -> T:
        told = reader.read(own)
        return reader.read(every) if told is None else told

    protocol = Protocol(above(TRACES_PROTOCOL, PROTOCOL))
    endpoint = above(TRACES_ENDPOINT, ENDPOINT)
    has_path = protocol is Protocol.GRPC or bool(reader.raw(TRACES_ENDPOINT))
    sampler = reader.read(SAMPLER)
    return TracingSettings(
        endpoint=endpoint if has_path else endpoint + _HTTP_PATH,
        protocol=protocol,
        timeout_ms=above(TRACES_TIMEOUT, TIMEOUT),
        sampler=sampler,
        sampled_ratio=reader.read(SAMPLER_ARG) if sampler.endswith("ratio") else 1.0,
        trusts_clients=reader.read(TRUST_CLIENTS),
        has_text=reader.read(TEXT) or reader.read(GENAI_TEXT),
    )
