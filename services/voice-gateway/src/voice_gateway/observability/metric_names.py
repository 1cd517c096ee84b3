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


class Across(Enum):
    """What the gauges of several workers are together. Counters and histograms are summed."""

    SUM = "sum"
    MAX = "max"
    MIN = "min"


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
    across: Across = Across.SUM
    """Of a gauge: what those of several workers are together."""


LATENCY_BUCKETS_S = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
"""Fine where a conversation feels the difference: below 200 ms people feel no wait, above 1 s they speak again."""
LAG_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0)
"""20 ms is one frame of audio: beyond it speech stutters."""

SILENCE_BUCKETS_S = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.6, 1.0, 2.0, 5.0)
"""156 ms is the target for a real interruption: the onset of speech (96 ms) and three frames."""
LEAD_BUCKETS_S = (0.0, 0.02, 0.04, 0.08, 0.12, 0.16, 0.2, 0.3, 0.5, 1.0)
"""`lead_ms` is 200 by default; near 0 the client is about to hear a gap."""
BATCH_BUCKETS_S = (0.0001, 0.00025, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02)
"""A batch of 32 chunks takes 0.7 ms; a tick has 20."""

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
    "newcomers are refused; of several workers the fullest",
    across=Across.MAX,
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
TURNS = Metric(
    "voicegateway_turns_total",
    MetricKind.COUNTER,
    "turns for which an answer was begun, by what became of them: ANSWERED, INTERRUPTED (after the answer had begun), "
    "FAILED (a part is missing, or it was an apology), ABANDONED (the caller went on or left when none had begun in "
    "two seconds), ABANDONED_EARLY (before that), TAKEN_BACK (the caller had not ended: a part of the next turn)",
    ("outcome",),
)
REPLIES = Metric(
    "voicegateway_replies_total",
    MetricKind.COUNTER,
    "replies that came to an end, prompts among them, without those that go on once a tool has answered",
    ("kind", "outcome"),
)
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
BARGE_INS = Metric(
    "voicegateway_barge_ins_total",
    MetricKind.COUNTER,
    "words that were said over the agent, by what became of them: they interrupted it, or they were its own echo, a "
    "backchannel or a noise; one for each reply or final",
    ("outcome",),
)
REPLY_PAUSES = Metric(
    "voicegateway_reply_pauses_total",
    MetricKind.COUNTER,
    "replies that were paused because somebody might be interrupting",
)
REPLY_RESUMPTIONS = Metric(
    "voicegateway_reply_resumptions_total", MetricKind.COUNTER, "paused replies that went on: it was no interruption"
)
REPLY_INTERRUPTIONS = Metric(
    "voicegateway_reply_interruptions_total", MetricKind.COUNTER, "replies that were stopped, by what", ("cause",)
)
TIME_TO_SILENCE = Metric(
    "voicegateway_time_to_silence_seconds",
    MetricKind.HISTOGRAM,
    "from the first sound of who speaks over the agent to its pause or end, as the gateway sends it",
    unit="s",
    buckets=SILENCE_BUCKETS_S,
)
WORDS_DISREGARDED = Metric(
    "voicegateway_words_disregarded_total",
    MetricKind.COUNTER,
    "words of finals that are in no turn, by why",
    ("cause",),
)
SPECULATIONS = Metric(
    "voicegateway_speculations_total",
    MetricKind.COUNTER,
    "replies that were prepared early for turns that were answered, by what became of them",
    ("outcome",),
)
SPECULATION_WASTE = Metric(
    "voicegateway_speculation_wasted_tokens_total",
    MetricKind.COUNTER,
    "pieces that the model had written of prepared replies that were dropped",
)
NOTICES = Metric(
    "voicegateway_notices_total", MetricKind.COUNTER, "trouble that a client was told of in a call", ("reason",)
)
UNDERRUNS = Metric(
    "voicegateway_underruns_total",
    MetricKind.COUNTER,
    "times that a reply had no audio to send while it was being played: synthesis or the model did not keep up",
)
RETAKES = Metric(
    "voicegateway_retakes_total",
    MetricKind.COUNTER,
    "first sentences of replies that were synthesised in vain: they looked ended, and went on",
)
LATE_TICKS = Metric(
    "voicegateway_late_ticks_total",
    MetricKind.COUNTER,
    "ticks of the audio clock that came a frame of 20 ms late or more; clients hear it when it uses up their lead",
)
PLAYOUT_LEAD = Metric(
    "voicegateway_playout_lead_seconds",
    MetricKind.HISTOGRAM,
    "how far the audio that was sent is ahead of what is played, of each speaking agent once a second",
    unit="s",
    buckets=LEAD_BUCKETS_S,
)
TASKS = Metric(
    "voicegateway_tasks",
    MetricKind.GAUGE,
    "tasks of the event loop: some ten a session, and some fifteen without one",
)
VOICE_BATCH = Metric(
    "voicegateway_voice_batch_seconds",
    MetricKind.HISTOGRAM,
    "what one batch of voice detection takes, up to 32 sessions at once",
    unit="s",
    buckets=BATCH_BUCKETS_S,
)
BOUNDS_REACHED = Metric(
    "voicegateway_bounds_reached_total",
    MetricKind.COUNTER,
    "times that something of a session was full: input (the client was not read for a while), synthesis (the same of a "
    "backend), reports (a playback report was ignored), inbox (the session ended)",
    ("bound",),
)
BACKEND_CALLS = Metric(
    "voicegateway_backend_calls_in_progress",
    MetricKind.GAUGE,
    "calls that run now on each address",
    ("backend", "address"),
)
BACKEND_FIRST_OUTPUT = Metric(
    "voicegateway_backend_first_output_seconds",
    MetricKind.HISTOGRAM,
    "from the request to the first token (llm), and to the first audio of a sentence (tts), by address",
    ("backend", "address"),
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
    across=Across.MAX,  # every worker knows the same ones
)
LOOP_LAG = Metric(
    "voicegateway_loop_lag_seconds",
    MetricKind.HISTOGRAM,
    "how late the event loop wakes what is due",
    unit="s",
    buckets=LAG_BUCKETS_S,
)
CERTIFICATE_EXPIRY = Metric(
    "voicegateway_certificate_expiry_timestamp_seconds",
    MetricKind.GAUGE,
    "when the first certificate of the served chain ends, in seconds since 1970, UTC; absent without TLS",
    unit="s",
    across=Across.MIN,
)
SPANS = Metric(
    "voicegateway_spans_total",
    MetricKind.COUNTER,
    "spans of traces by what became of them: sent, failed (the collector did not take them) or dropped (too many "
    "waited)",
    ("fate",),
)
WORKERS = Metric(
    "voicegateway_workers",
    MetricKind.GAUGE,
    "workers by what is known of them: starting, running or silent (it does not answer, and its gauges are left out of "
    "the sums); absent without WORKERS",
    ("state",),
)
WORKER_DEATHS = Metric(
    "voicegateway_worker_deaths_total",
    MetricKind.COUNTER,
    "workers that ended unasked and were started again; absent without WORKERS",
)
OF_WORKERS = (WORKERS, WORKER_DEATHS)
"""Of the process that starts the workers, which counts these itself."""
METRICS = (
    SESSIONS_IN_PROGRESS,
    SESSIONS_CAPACITY,
    FULLNESS,
    SESSIONS_STARTED,
    SESSIONS_REFUSED,
    SESSIONS_ENDED,
    TURNS,
    REPLIES,
    VOICE_TO_VOICE,
    TURN_SPAN,
    SPECULATIONS,
    SPECULATION_WASTE,
    BARGE_INS,
    TIME_TO_SILENCE,
    REPLY_PAUSES,
    REPLY_RESUMPTIONS,
    REPLY_INTERRUPTIONS,
    WORDS_DISREGARDED,
    NOTICES,
    UNDERRUNS,
    RETAKES,
    LATE_TICKS,
    PLAYOUT_LEAD,
    VOICE_BATCH,
    TASKS,
    BOUNDS_REACHED,
    BACKEND_CALLS,
    BACKEND_FIRST_OUTPUT,
    BACKEND_ERRORS,
    BACKEND_ODDITIES,
    BACKEND_ADDRESSES,
    LOOP_LAG,
    CERTIFICATE_EXPIRY,
    SPANS,
    *OF_WORKERS,
)
