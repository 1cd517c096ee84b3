"""What a server tells of itself: read by hand-made expositions."""

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
    """6 CPU-seconds of 20 calls in half a minute are 0.6 each and minute; 4 were refused; the 99th of 100 loop lags is
    halfway between 1 and 10 ms.
    """
    found = metrics.cost(metrics.parse(BEFORE), metrics.parse(AFTER), calls=20, minutes=0.5)
    assert found.cpu_s_per_call_minute == pytest.approx(0.6)
    assert found.resident_mib == pytest.approx(120.0)
    assert (found.capacity_sessions, found.fullness_ratio, found.refused_sessions) == (80, 0.25, 4)
    assert found.loop_lag_p99_ms == pytest.approx(5.5)


def test_client_load_metrics_what_is_not_told_is_not_nought() -> None:
    """A server without the metric has no CPU; a counter that has counted nothing yet is 0."""
    nothing = metrics.cost({}, {}, 1, 1.0)
    assert (nothing.cpu_s_per_call_minute, nothing.loop_lag_p99_ms, nothing.refused_sessions) == (None, None, None)
    refused = metrics.parse(BEFORE)
    assert metrics.increase(refused, refused, metrics.REFUSED) == 0


def test_client_load_metrics_refuse_what_is_none() -> None:
    """A web page at that address is said to be none."""
    with pytest.raises(ValueError, match="not a metric: <html>"):
        metrics.parse("<html>")


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
