"""Dashboard *capacity*: how many more fit, and what runs out first?"""

from voice_gateway.observability import metric_names as names

from monitoring import queries
from monitoring.panels import WHERE, WINDOW, Chart, Query, Unit

CHARTS = (
    Chart(
        "Fullness of each pod",
        "Sessions, CPU or added latency, whichever is nearest to its limit. At 100 % newcomers are refused.",
        Unit.SHARE,
        (Query(queries.summed(queries.select(names.FULLNESS, WHERE), "pod"), "{{pod}}"),),
    ),
    Chart(
        "Sessions",
        "How many run, and how many are admitted at most.",
        Unit.NUMBER,
        (
            Query(queries.summed(queries.select(names.SESSIONS_IN_PROGRESS, WHERE)), "in progress"),
            Query(queries.summed(queries.select(names.SESSIONS_CAPACITY, WHERE)), "capacity"),
        ),
    ),
    Chart(
        "Calls that are refused",
        "By reason. AT_CAPACITY, BACKEND_UNAVAILABLE and INTERNAL raise an alert; the others are the callers' own.",
        Unit.PER_SECOND,
        (
            Query(
                queries.summed(queries.rate(queries.select(names.SESSIONS_REFUSED, WHERE), WINDOW), "reason"),
                "{{reason}}",
            ),
        ),
    ),
    Chart(
        "CPU of each pod",
        "In cores. One event loop uses one core, and libraries some of a second one.",
        Unit.NUMBER,
        (Query(f"sum by (pod) (rate(process_cpu_seconds_total{{{WHERE}}}[{WINDOW}]))", "{{pod}}"),),
    ),
    Chart(
        "Memory of each pod",
        "Resident. It should not grow from day to day.",
        Unit.BYTES,
        (Query(f"sum by (pod) (process_resident_memory_bytes{{{WHERE}}})", "{{pod}}"),),
    ),
    Chart(
        "Lag of the event loop",
        "p99. Beyond 20 ms, a frame of audio, speech stutters.",
        Unit.SECONDS,
        (Query(queries.quantile(0.99, names.LOOP_LAG, WHERE, WINDOW, "pod"), "{{pod}}"),),
    ),
    Chart(
        "Audio ahead of the player",
        "p5. Near 0 callers hear gaps.",
        Unit.SECONDS,
        (Query(queries.quantile(0.05, names.PLAYOUT_LEAD, WHERE, WINDOW), "p5"),),
    ),
    Chart(
        "Calls on each address",
        "How evenly they are spread over a backend's replicas.",
        Unit.NUMBER,
        (
            Query(
                queries.summed(queries.select(names.BACKEND_CALLS, WHERE), "backend", "address"),
                "{{backend}} {{address}}",
            ),
        ),
    ),
    Chart(
        "Bounds reached",
        "Something of a session was full.",
        Unit.PER_SECOND,
        (
            Query(
                queries.summed(queries.rate(queries.select(names.BOUNDS_REACHED, WHERE), WINDOW), "bound"), "{{bound}}"
            ),
        ),
    ),
)
