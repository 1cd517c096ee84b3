"""Dashboard *one turn*: where does the time go?"""

from voice_gateway.observability import metric_names as names

from monitoring import queries
from monitoring.panels import WHERE, WINDOW, Chart, Query, Unit

BY_ADDRESS = ("backend", "address")
OF_ADDRESS = "{{backend}} {{address}}"
SLOWEST = Query(
    f"sort_desc({queries.quantile(0.95, names.BACKEND_FIRST_OUTPUT, WHERE, '5m', *BY_ADDRESS)} > 0)", OF_ADDRESS
)
"""Without addresses that were not asked: they have no number."""
CHARTS = (
    Chart(
        "The slowest address first, and the parts of a turn",
        "p95 of the last 5 minutes. The first bar names the backend and address that answer last; below are the parts.",
        Unit.SECONDS,
        (SLOWEST, Query(f"sort_desc({queries.quantile(0.95, names.TURN_SPAN, WHERE, '5m', 'span')})", "{{span}}")),
        is_now=True,
    ),
    Chart(
        "First output by address",
        "p95 from the request to the first token or the first audio. One line above its neighbours is a slow replica.",
        Unit.SECONDS,
        (Query(queries.quantile(0.95, names.BACKEND_FIRST_OUTPUT, WHERE, WINDOW, *BY_ADDRESS), OF_ADDRESS),),
    ),
    Chart(
        "Parts of a turn",
        "Mean of each part, for those turns that have it.",
        Unit.SECONDS,
        (Query(queries.mean(names.TURN_SPAN, WHERE, WINDOW, "span"), "{{span}}"),),
    ),
    Chart(
        "Voice to voice",
        "Mean and p95 of the whole.",
        Unit.SECONDS,
        (
            Query(queries.mean(names.VOICE_TO_VOICE, WHERE, WINDOW), "mean"),
            Query(queries.quantile(0.95, names.VOICE_TO_VOICE, WHERE, WINDOW), "p95"),
        ),
    ),
    Chart(
        "Failures by address",
        "Calls and health checks that failed.",
        Unit.PER_SECOND,
        (
            Query(
                queries.summed(queries.rate(queries.select(names.BACKEND_ERRORS, WHERE), WINDOW), *BY_ADDRESS),
                OF_ADDRESS,
            ),
        ),
    ),
    Chart(
        "Replies prepared early",
        "What became of them. Those that are won cost the caller no wait. A first sentence is in vain if it went on.",
        Unit.PER_SECOND,
        (
            Query(
                queries.summed(queries.rate(queries.select(names.SPECULATIONS, WHERE), WINDOW), "outcome"),
                "{{outcome}}",
            ),
            Query(queries.summed(queries.rate(queries.select(names.RETAKES, WHERE), WINDOW)), "first sentence in vain"),
        ),
    ),
)
