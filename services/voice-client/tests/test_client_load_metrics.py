"""What a server tells of itself: read by hand-made expositions."""

import asyncio
import http.client

import pytest
from voice_client.load import metrics, server
from voice_client.load.server import MeterError, Reading, ServerMeter

BEFORE = """\
# HELP voicegateway_sessions_capacity sessions
# TYPE voicegateway_sessions_capacity gauge
voicegateway_sessions_capacity 80.0
# TYPE voicegateway_sessions_refused_total counter
process_cpu_seconds_total 10.0
process_resident_memory_bytes 1.048576e+08
voicegateway_loop_lag_seconds_bucket{le="0.001"} 100.0
voicegateway_loop_lag_seconds_bucket{le="0.01"} 100.0
voicegateway_loop_lag_seconds_bucket{le="+Inf"} 100.0
"""
AFTER = """\
voicegateway_sessions_capacity 80.0
voicegateway_fullness_ratio 0.25
voicegateway_sessions_refused_total{reason="AT_CAPACITY",transport="grpc_v1"} 3.0
voicegateway_sessions_refused_total{reason="OVERLOADED",transport="grpc_v1"} 1.0
process_cpu_seconds_total 16.0
process_resident_memory_bytes 1.258291e+08
voicegateway_loop_lag_seconds_bucket{le="0.001"} 198.0
voicegateway_loop_lag_seconds_bucket{le="0.01"} 200.0
voicegateway_loop_lag_seconds_bucket{le="+Inf"} 200.0
"""


def test_client_load_metrics_of_a_run() -> None:
    """6 CPU-seconds of 20 calls in half a minute are 0.6 each and minute; the 99th of 100 loop lags is
    halfway between 1 and 10 ms.
    """
    found = metrics.cost(metrics.parse(BEFORE), metrics.parse(AFTER), calls=20, minutes=0.5)
    assert found.cpu_s_per_call_minute == pytest.approx(0.6)
    assert found.resident_mib == pytest.approx(120.0)
    assert (found.capacity_sessions, found.fullness_ratio) == (80, 0.25)
    assert found.loop_lag_p99_ms == pytest.approx(5.5)


def test_client_load_metrics_what_is_not_told_is_not_nought() -> None:
    """A server without the metric has no CPU; a counter that has counted nothing yet is 0."""
    nothing = metrics.cost({}, {}, 1, 1.0)
    assert (nothing.cpu_s_per_call_minute, nothing.loop_lag_p99_ms) == (None, None)
    assert server.cost(Reading({}), Reading({}), Reading({}), 1, 1.0).refused_sessions is None
    refused = metrics.parse(BEFORE)
    assert metrics.increase(refused, refused, metrics.REFUSED) == 0
    assert metrics.increase(refused, metrics.parse(AFTER), metrics.REFUSED) == 4


def test_client_load_metrics_refuse_what_is_none() -> None:
    """A web page at that address is said to be none."""
    with pytest.raises(ValueError, match="not a metric: <html>"):
        metrics.parse("<html>")
    assert metrics.parse("# TYPE \n# TYPE") == {}


def test_client_load_metrics_prefer_the_process() -> None:
    """A process on this machine tells more exactly; memory is told above that of the idle server."""
    idle = Reading({}, cpu_s=1.0, resident_bytes=100 * 2**20)
    before, after = (
        Reading({}, cpu_s=2.0, resident_bytes=105 * 2**20),
        Reading({}, cpu_s=5.0, resident_bytes=110 * 2**20),
    )
    found = server.cost(idle, before, after, calls=10, minutes=0.5)
    assert found.cpu_s_per_call_minute == pytest.approx(0.6)
    assert (found.resident_mib, found.resident_mib_per_call) == (110, 1)


async def test_client_load_metrics_say_who_cannot_be_looked_at() -> None:
    """A port that nobody listens on, or a process that is not there, is one plain line before any call is made."""
    with pytest.raises(MeterError, match=r"^no metrics from http://127\.0\.0\.1:1/metrics: Connection refused$"):
        await ServerMeter("http://127.0.0.1:1/metrics").read()
    with pytest.raises(MeterError, match=r"^there is no process 4194305 on this machine$"):
        await ServerMeter(pid=4_194_305).read()


def test_client_load_metrics_count_refusals_from_before_the_first_call() -> None:
    """Callers are refused as they are opened: 5 before the run, 25 at the first look at the load, 25 after it: 20."""
    idle, loaded = (Reading(metrics.parse(f"voicegateway_sessions_refused_total {count}\n")) for count in (5, 25))
    assert server.cost(idle, loaded, loaded, calls=10, minutes=0.5).refused_sessions == 20


def test_client_load_metrics_know_a_server_that_began_anew() -> None:
    """A counter that fell from 100 to 7 has counted 7 since its server was started again."""
    before, after = metrics.parse("process_cpu_seconds_total 100\n"), metrics.parse("process_cpu_seconds_total 7\n")
    assert metrics.increase(before, after, metrics.CPU_S) == 7


async def answered_with(answer: bytes) -> str:
    """What the meter says of a port that answers so, and keeps the connection open after it."""

    async def answers(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await is_over.wait()
        writer.close()

    is_over = asyncio.Event()
    async with await asyncio.start_server(answers, "127.0.0.1", 0) as port:
        try:
            number = port.sockets[0].getsockname()[1]
            with pytest.raises(MeterError) as told:
                await ServerMeter(f"http://127.0.0.1:{number}/metrics").read()
        finally:
            is_over.set()
    return str(told.value).partition("/metrics: ")[2]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH-2.0"),
        (b"HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n", "Not Found"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n\xff\xfe\xfd", "invalid start byte"),
        (b"HTTP/1.0 200 OK\r\n\r\n" + b"# " * 40, "more than 0 MiB"),
        (b"HTTP/1.0 200 OK\r\n\r\n# ", "timed out"),
        (b"", "timed out"),
    ],
)
async def test_client_load_metrics_port_says_anything(answer: bytes, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another protocol, an error, garbage, an endless answer, one that stops or never begins: each one plain line."""
    monkeypatch.setattr(server, "FETCH_S", 0.05)
    monkeypatch.setattr(server, "MAX_BYTES", 64)
    assert why in await answered_with(answer)


async def test_client_load_metrics_port_that_trickles_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte in time, and the whole never: the limit is on all of it."""
    monkeypatch.setattr(server, "FETCH_S", 0.0)
    with pytest.raises(TimeoutError, match="not sent within 0 s"):
        server._whole(Trickle())


class Trickle(http.client.HTTPResponse):
    """A byte at a time, for ever."""

    def __init__(self) -> None: ...

    def read1(self, n: int = -1) -> bytes:
        return b"#"[:n]

    def close(self) -> None: ...
