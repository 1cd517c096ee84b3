"""Spans on their way to a collector: sent, not taken, or too many; and nobody waits for that."""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from voice_gateway.config import ConfigError, load
from voice_gateway.observability import tracing
from voice_gateway.observability.trace_settings import SAMPLERS, Protocol, SpanFate, TracingSettings
from voice_gateway.observability.tracing import Traces
from voicegateway_testkit.fakes.collector import FakeCollector

NOWHERE = TracingSettings("http://127.0.0.1:1")


class Stuck(SpanExporter):
    """Sends nothing until it may, then what it is told."""

    def __init__(self, result: SpanExportResult | Exception = SpanExportResult.SUCCESS) -> None:
        self.may_go = threading.Event()
        self.begun = threading.Event()
        self._result = result

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Wait."""
        del spans
        self.begun.set()
        self.may_go.wait()
        if isinstance(self._result, Exception):
            raise self._result
        return self._result

    def shutdown(self) -> None:
        """Nothing."""


@contextmanager
def traces(exporter: SpanExporter, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Traces, Counter[SpanFate]]]:
    """Traces that go to this exporter, and what became of them."""
    fates: Counter[SpanFate] = Counter()

    def count(fate: SpanFate, spans: int) -> None:
        fates[fate] += spans

    monkeypatch.setattr(tracing, "_otlp", lambda _: exporter)
    made = Traces(NOWHERE, "1.2.3", count)
    try:
        yield made, fates
    finally:
        if isinstance(exporter, Stuck):
            exporter.may_go.set()


def spans(made: Traces, count: int) -> None:
    """So many spans."""
    for _ in range(count):
        made.tracer.start_span("x").end()


async def test_what_does_not_fit_is_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A collector that stands still costs memory for QUEUED_SPANS and no more; every span beyond is counted, once."""
    monkeypatch.setattr(tracing, "QUEUED_SPANS", 600)
    monkeypatch.setattr(tracing, "LAST_SPANS_S", 60)
    exporter = Stuck()
    with traces(exporter, monkeypatch) as (made, fates):
        spans(made, 600)
        assert exporter.begun.wait(60)  # a batch of 512 is on its way, and counts as long as it is not there
        spans(made, 7)
        assert fates == {SpanFate.DROPPED: 7}
        exporter.may_go.set()
        await made.close()
        assert fates == {SpanFate.DROPPED: 7, SpanFate.SENT: 600}


@pytest.mark.parametrize("result", [SpanExportResult.FAILURE, ValueError("a fault of the library")])
async def test_what_the_collector_does_not_take_is_counted(
    result: SpanExportResult | Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether it refuses or the exporter breaks, room for new spans is made."""
    exporter = Stuck(result)
    exporter.may_go.set()
    with traces(exporter, monkeypatch) as (made, fates):
        spans(made, 3)
        await made.close()
        assert fates == {SpanFate.FAILED: 3}


async def test_a_collector_that_stands_still_does_not_keep_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the end the last spans have their time, and then are left; and counted, as is what comes after."""
    monkeypatch.setattr(tracing, "LAST_SPANS_S", 0.01)
    with traces(Stuck(), monkeypatch) as (made, fates):
        spans(made, 3)
        await made.close()
        spans(made, 2)
        assert fates == {SpanFate.DROPPED: 5}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10000"),
        ("OTEL_BSP_SCHEDULE_DELAY", "-1"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "abc"),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "-1"),
    ],
)
def test_what_the_sdk_cannot_use_is_told_in_words(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that only the library reads is a mistake like any other, before anything is served."""
    assert tracing.mistake(NOWHERE) == ""
    monkeypatch.setenv(name, value)
    assert tracing.mistake(NOWHERE).startswith("a variable of OpenTelemetry cannot be used: ")
    with pytest.raises(ConfigError):
        load({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"})


async def test_the_scheme_says_whether_spans_travel_by_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    """OTEL_EXPORTER_OTLP_INSECURE is for endpoints without a scheme, and those there are not."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_INSECURE", "false")
    async with FakeCollector() as collector:
        made = Traces(TracingSettings(f"http://{collector.address}"), "1", lambda _, __: None)
        spans(made, 1)
        await made.close()
        assert len(collector.spans) == 1


def test_no_span_waits_for_the_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten times what fits, to a collector that takes nothing: whoever makes spans is never held up, or this hangs."""
    monkeypatch.setattr(tracing, "QUEUED_SPANS", 600)
    with traces(Stuck(), monkeypatch) as (made, fates):
        spans(made, 6_000)
        assert fates[SpanFate.DROPPED] == 5_400


@pytest.mark.parametrize("protocol", list(Protocol))
async def test_spans_reach_a_collector(protocol: Protocol) -> None:
    """By either protocol, with what names the service; a refusal is a failure."""
    fates: Counter[SpanFate] = Counter()

    def count(fate: SpanFate, spans: int) -> None:
        fates[fate] += spans

    async with FakeCollector() as collector:
        by_http = f"{collector.base_url}/v1/traces"
        endpoint = by_http if protocol is Protocol.HTTP else f"http://{collector.address}"
        for refuses in (False, True):
            collector.refuses = refuses
            made = Traces(TracingSettings(endpoint, protocol), "1.2.3", count)
            spans(made, 2)
            await made.close()
        assert [span.name for span in collector.spans] == ["x", "x"]
        resource = collector.spans[0].resource
        assert (resource["service.name"], resource["service.version"]) == ("voice-gateway", "1.2.3")
        assert fates == {SpanFate.SENT: 2, SpanFate.FAILED: 2}


def test_the_environment_names_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES stand above our own names."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "front-desk")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name=gw-1")
    exporter = Stuck()
    with traces(exporter, monkeypatch) as (made, _):
        span = made.tracer.start_span("x")
        resource = dict(span.resource.attributes)  # type: ignore[attr-defined]
        assert (resource["service.name"], resource["k8s.pod.name"]) == ("front-desk", "gw-1")
        assert resource["service.version"] == "1.2.3"


def instance_ids(attributes: str, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """`service.instance.id` of two workers and of a process that is alone."""
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", attributes)
    return [tracing._resource("1.2.3", worker).attributes.get("service.instance.id") for worker in (0, 1, None)]


def test_each_worker_is_an_instance_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """They share an environment, and what it calls the instance; a process that is alone is called what it is told."""
    assert instance_ids("service.instance.id=here", monkeypatch) == ["here-0", "here-1", "here"]
    one, other, _ = instance_ids("", monkeypatch)
    assert one != other
    assert len(str(one)) == len(str(other)) == 36


@pytest.mark.parametrize(
    ("sampler", "share"),
    [
        ("always_on", 1.0),
        ("always_off", 0.0),
        ("traceidratio", 0.25),
        ("parentbased_always_on", 1.0),
        ("parentbased_always_off", 0.0),
        ("parentbased_traceidratio", 0.25),
    ],
)
async def test_a_sampler_takes_its_share(sampler: str, share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 2,000 traces without a parent a quarter, all or none is recorded, as the standard's name says."""
    monkeypatch.setattr(tracing, "_otlp", lambda _: Stuck())
    made = Traces(TracingSettings("http://127.0.0.1:1", sampler=sampler, sampled_ratio=0.25), "1", lambda _, __: None)
    recorded = sum(made.tracer.start_span("x").is_recording() for _ in range(2_000))
    await made.close()
    # 7 standard deviations of a share of 0.25: sqrt(2000 * 0.25 * 0.75) = 19.4
    assert abs(recorded - 2_000 * share) <= (136 if 0 < share < 1 else 0)


def test_every_sampler_has_a_name_in_the_settings() -> None:
    """What the settings allow is what can be made."""
    assert set(SAMPLERS) == set(tracing._SAMPLERS)
