"""PromQL of the gateway's metrics. Names come from the gateway itself: a metric that is renamed breaks the build.

`where` is a list of matchers without braces, such as `namespace="voice"`.
"""

from voice_gateway.domain.backend_status import AddressState
from voice_gateway.domain.errors import Reason
from voice_gateway.domain.events import TurnOutcome
from voice_gateway.observability import metric_names as names
from voice_gateway.observability.metric_names import Metric

ANSWERED = (TurnOutcome.ANSWERED, TurnOutcome.INTERRUPTED)
UNANSWERED = (TurnOutcome.FAILED, TurnOutcome.ABANDONED)
"""The other two say nothing of the service: a turn that was taken back is a part of the next one, and who goes on early
might have left an answer that was on its way."""
RELEASE = ("namespace", "service")
"""Labels of one release: the Prometheus operator takes them from the Service that it found the pods by."""


def select(metric: Metric, where: str, *matchers: str, part: str = "") -> str:
    """A selector of a metric, or of a histogram's `part`: `_bucket`, `_count` or `_sum`."""
    assert bool(metric.buckets) is bool(part), metric.name  # noqa: S101  a histogram has parts, and nothing else has
    return f"{metric.name}{part}{{{', '.join((*matchers, where))}}}"


def one_of(label: str, *values: str) -> str:
    """A matcher of any of these values."""
    return f'{label}=~"{"|".join(values)}"'


def rate(selector: str, window: str) -> str:
    """How fast a counter rises, a second."""
    return f"rate({selector}[{window}])"


def summed(expr: str, *by: str) -> str:
    """The sum, by labels."""
    return f"sum by ({', '.join(by)}) ({expr})" if by else f"sum({expr})"


def quantile(share: float, metric: Metric, where: str, window: str, *by: str) -> str:
    """A quantile of a histogram, by labels."""
    parts = rate(select(metric, where, part="_bucket"), window)
    return f"histogram_quantile({share:g}, {summed(parts, 'le', *by)})"


def mean(metric: Metric, where: str, window: str, *by: str) -> str:
    """The mean of what a histogram was told, by labels."""
    told, times = (rate(select(metric, where, part=part), window) for part in ("_sum", "_count"))
    return f"{summed(told, *by)} / {summed(times, *by)}"


def turns(where: str) -> str:
    """Turns that got an answer, and those that should have got one."""
    return select(names.TURNS, where, one_of("outcome", *ANSWERED, *UNANSWERED))


def answered(where: str) -> str:
    """Those that got one, or the beginning of one."""
    return select(names.TURNS, where, one_of("outcome", *ANSWERED))


def refused(where: str, *reasons: Reason) -> str:
    """Calls that were refused for one of these reasons."""
    return select(names.SESSIONS_REFUSED, where, one_of("reason", *reasons))


def replies(where: str) -> str:
    """Replies whose time from voice to voice was measured."""
    return select(names.VOICE_TO_VOICE, where, part="_count")


def prompt_replies(where: str, within_s: str) -> str:
    """Those that began within a bound of LATENCY_BUCKETS_S; a whole number of seconds may be written `1` or `1.0`."""
    return select(names.VOICE_TO_VOICE, where, f'le=~"{within_s}([.]0)?"', part="_bucket")


def missed_share(good: str, valid: str, window: str, *by: str) -> str:
    """Which share of `valid` is not `good`; no number where nothing happened."""
    return f"1 - {summed(rate(good, window), *by)} / {summed(rate(valid, window), *by)}"


def addresses(where: str, state: AddressState) -> str:
    """How many addresses of a backend are in that state."""
    return select(names.BACKEND_ADDRESSES, where, f'state="{state}"')
