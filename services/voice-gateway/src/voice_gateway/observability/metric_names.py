"""Every metric, declared once: its name, unit, labels and meaning. Alerts, scalers and the docs read them here.

Labels have closed sets of values, or are addresses of backends; none is a session, and none holds a word.
"""

from dataclasses import dataclass
from enum import Enum


class MetricKind(Enum):
    """What Prometheus does with it."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric."""

    name: str
    kind: MetricKind
    doc: str
    labels: tuple[str, ...] = ()
    unit: str = ""
    buckets: tuple[float, ...] = ()
    """Upper bounds of a histogram, in its unit."""


LATENCY_BUCKETS_S = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
"""Fine where a conversation feels the difference: below 200 ms people feel no wait, above 1 s they speak again."""
LAG_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0)
"""20 ms is one frame of audio: beyond it speech stutters."""

SESSIONS_IN_PROGRESS = Metric("voicegateway_sessions_in_progress", MetricKind.GAUGE, "sessions that run now")
SESSIONS_STARTED = Metric(
    "voicegateway_sessions_started_total", MetricKind.COUNTER, "sessions that were admitted", ("transport",)
)
SESSIONS_CAPACITY = Metric(
    "voicegateway_sessions_capacity", MetricKind.GAUGE, "sessions that the process admits at the same time"
)
FULLNESS = Metric(
    "voicegateway_fullness_ratio",
    MetricKind.GAUGE,
    "how full the process is, 0 to 1: sessions, CPU or added latency, whatever is nearest to its limit; 1 while "
    "newcomers are refused",
)
SESSIONS_REFUSED = Metric(
    "voicegateway_sessions_refused_total",
    MetricKind.COUNTER,
    "calls that were refused before a session began, by the reason that they were told, and by which limit of "
    "admission, if it was one; callers who may not call at all are counted whatever they called",
    ("reason", "limit"),
)
SESSIONS_ENDED = Metric(
    "voicegateway_sessions_ended_total",
    MetricKind.COUNTER,
    "sessions that are over, by why: a cause of ended, a reason of error, or CLIENT_VANISHED",
    ("transport", "reason"),
)
TURNS = Metric("voicegateway_turns_total", MetricKind.COUNTER, "replies that came to an end", ("kind", "outcome"))
VOICE_TO_VOICE = Metric(
    "voicegateway_voice_to_voice_seconds",
    MetricKind.HISTOGRAM,
    "from the last word of a turn to the first sound of its reply, without the time until a client asked for the reply",
    unit="s",
    buckets=LATENCY_BUCKETS_S,
)
TURN_SPAN = Metric(
    "voicegateway_turn_span_seconds",
    MetricKind.HISTOGRAM,
    "parts of voice to voice, which add up to it, and reply_request beside them: the time until a client asked",
    ("span",),
    unit="s",
    buckets=LATENCY_BUCKETS_S,
)
BACKEND_ERRORS = Metric(
    "voicegateway_backend_errors_total",
    MetricKind.COUNTER,
    "calls and health checks that failed by the fault of an address",
    ("backend", "address"),
)
BACKEND_ODDITIES = Metric(
    "voicegateway_backend_oddities_total",
    MetricKind.COUNTER,
    "replies of the language model in which something unknown was skipped, by its kind; the log names it once",
    ("backend", "kind"),
)
BACKEND_ADDRESSES = Metric(
    "voicegateway_backend_addresses",
    MetricKind.GAUGE,
    "addresses of a backend by what is known of them: new, healthy or ejected",
    ("backend", "state"),
)
LOOP_LAG = Metric(
    "voicegateway_loop_lag_seconds",
    MetricKind.HISTOGRAM,
    "how late the event loop wakes what is due",
    unit="s",
    buckets=LAG_BUCKETS_S,
)
SPANS = Metric(
    "voicegateway_spans_total",
    MetricKind.COUNTER,
    "spans of traces by what became of them: sent, failed (the collector did not take them) or dropped (too many "
    "waited)",
    ("fate",),
)
METRICS = (
    SESSIONS_IN_PROGRESS,
    SESSIONS_CAPACITY,
    FULLNESS,
    SESSIONS_STARTED,
    SESSIONS_REFUSED,
    SESSIONS_ENDED,
    TURNS,
    VOICE_TO_VOICE,
    TURN_SPAN,
    BACKEND_ERRORS,
    BACKEND_ODDITIES,
    BACKEND_ADDRESSES,
    LOOP_LAG,
    SPANS,
)
