"""When there are traces, and where they go: OpenTelemetry's own variables."""

import pytest
from voice_gateway.config import ConfigError, load
from voice_gateway.observability.trace_settings import Protocol, TracingSettings

EVERY, OWN = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
URL = "http://collector:4317"


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_TRACES_SAMPLER": "always_on", "TRACE_TEXT": "on"},
        {EVERY: ""},
        {EVERY: URL, "OTEL_SDK_DISABLED": "TRUE"},
        {EVERY: URL, "OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_without_a_collector_there_are_no_traces(environment: dict[str, str]) -> None:
    """They are off by default, and off where the standard says so, whatever else is set."""
    assert load(environment).tracing is None


def test_what_other_programs_read_is_no_mistake_while_there_are_no_traces() -> None:
    """A cluster may set variables of OpenTelemetry for everybody, with values that others understand."""
    assert load({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json", "OTEL_TRACES_SAMPLER": "xray"}).tracing is None


@pytest.mark.parametrize(
    ("environment", "endpoint", "protocol"),
    [
        ({EVERY: URL}, URL, Protocol.GRPC),
        ({EVERY: URL, "OTEL_SDK_DISABLED": "1"}, URL, Protocol.GRPC),
        (
            {EVERY: "http://c:4318/", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
            "http://c:4318/v1/traces",
            Protocol.HTTP,
        ),
        ({OWN: "http://c/x", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"}, "http://c/x", Protocol.HTTP),
        ({EVERY: "http://other:1", OWN: URL}, URL, Protocol.GRPC),
        (
            {
                EVERY: URL,
                "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc",
            },
            URL,
            Protocol.GRPC,
        ),
    ],
)
def test_where_spans_go(environment: dict[str, str], endpoint: str, protocol: Protocol) -> None:
    """As the standard says: a variable of traces stands above that of all signals, whose path HTTP appends."""
    assert load(environment).tracing == TracingSettings(endpoint, protocol)


def test_what_is_for_other_signals_or_samplers_is_not_read() -> None:
    """A cluster's endpoint for metrics, and a share that no sampler takes, are nobody's mistake here."""
    others = {EVERY: "collector:4317", "OTEL_EXPORTER_OTLP_TIMEOUT": "x", "OTEL_TRACES_SAMPLER_ARG": "x"}
    own = {OWN: URL, "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "500", "OTEL_TRACES_SAMPLER": "always_on"}
    assert load(others | own).tracing == TracingSettings(URL, timeout_ms=500, sampler="always_on")


def test_what_spans_hold_and_which_there_are() -> None:
    """Nothing that was said and everything sampled, unless it is wished otherwise."""
    told = load(
        {
            EVERY: URL,
            "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": "0.1",
            "TRACE_TRUST_CLIENTS": "on",
            "TRACE_TEXT": "on",
        }
    ).tracing
    assert told == TracingSettings(
        URL, sampler="parentbased_traceidratio", sampled_ratio=0.1, trusts_clients=True, has_text=True
    )
    by_convention = load({EVERY: URL, "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "true"}).tracing
    assert by_convention == TracingSettings(URL, has_text=True)


@pytest.mark.parametrize("share", ["nan", "1.1", "-0.1", "inf", "some"])
def test_a_share_is_between_nothing_and_all(share: str) -> None:
    """For a sampler that takes one."""
    sampler = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": share}
    with pytest.raises(ConfigError) as caught:
        load({EVERY: URL} | sampler)
    assert [mistake.split()[0] for mistake in caught.value.mistakes] == ["OTEL_TRACES_SAMPLER_ARG"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (EVERY, "collector:4317"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        ("OTEL_TRACES_SAMPLER", "xray"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "0"),
        ("TRACE_TRUST_CLIENTS", "maybe"),
    ],
)
def test_a_value_that_cannot_be_used_is_a_mistake(name: str, value: str) -> None:
    """The SDK would go on with something else, and say so in one line among thousands."""
    with pytest.raises(ConfigError) as caught:
        load({EVERY: URL} | {name: value})
    assert [mistake.split()[0] for mistake in caught.value.mistakes] == [name]
