"""The page of the metrics, in the format that its reader likes best."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry, Counter
from voice_gateway.observability.metrics_server import serve_metrics

PLAIN, OPEN = "text/plain", "application/openmetrics-text"
PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
"""What Prometheus 2.42 sends."""


async def scraped(*headers: str) -> tuple[str, str]:
    """Content type and body of a page that has one counter, with an exemplar."""
    registry = CollectorRegistry()
    Counter("calls_total", "calls", registry=registry).inc(1, {"trace_id": "4bf9"})
    server = await serve_metrics(registry, 0, lambda: (True, b""))
    port = server.sockets[0].getsockname()[1]
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        lines = ("GET /metrics HTTP/1.1", "Host: here", *headers, "", "")
        writer.write("\r\n".join(lines).encode("latin-1"))
        head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
        writer.close()
    finally:
        server.close()
    (kind,) = [line.partition(": ")[2] for line in head.splitlines() if line.startswith("Content-Type")]
    return kind.partition(";")[0], body


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ((), PLAIN),
        (("Accept: */*",), PLAIN),
        (("Accept: text/plain; version=0.0.4",), PLAIN),
        ((f"Accept: {PROMETHEUS}",), OPEN),
        (("accept: text/html", f"ACCEPT: {OPEN}; version=1.0.0"), OPEN),
        ((f"Accept: {OPEN}; version=banana",), PLAIN),
        (("Accept: \u00ff\u00fe;;=,",), PLAIN),
    ],
)
async def test_a_reader_gets_the_format_that_it_asks_for(headers: tuple[str, ...], kind: str) -> None:
    """Prometheus asks for OpenMetrics, which has exemplars; who asks for nothing, or nonsense, gets the text."""
    told, body = await scraped(*headers)
    assert told == kind
    assert "calls_total 1.0" in body
    assert ("trace_id" in body) is (kind == OPEN)
    assert body.endswith("# EOF\n") is (kind == OPEN)
