"""The metrics of several workers as those of one gateway: counters and histograms are summed, gauges are put together
as each is declared. What a worker counted stays when it dies, or does not answer: a sum of counters never falls.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector
from prometheus_client.core import Exemplar, Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from voice_gateway.observability.metric_names import METRICS, WORKER_DEATHS, WORKERS, Across

MAX_PAST_ADDRESSES: Final = 1_000
"""Addresses of backends of which dead workers' counts are kept; each rollout of a backend brings new ones."""
_OF_PROCESS: Final = {
    # of the client library: https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics
    "process_virtual_memory_bytes": Across.SUM,
    "process_resident_memory_bytes": Across.SUM,
    "process_start_time_seconds": Across.MIN,
    "process_open_fds": Across.SUM,
    "process_max_fds": Across.SUM,
}
_ACROSS: Final = {metric.name: metric.across for metric in METRICS} | _OF_PROCESS
_CUMULATIVE: Final = ("counter", "histogram")
_COMBINE: Final[Mapping[Across, Callable[[float, float], float]]] = {
    Across.SUM: lambda a, b: a + b,
    Across.MAX: max,
    Across.MIN: min,
}

_log = logging.getLogger(__name__)

Registry = CollectorRegistry
"""What pages are written from."""
_Key = tuple[str, tuple[tuple[str, str], ...]]


class NoMetrics(Exception):  # noqa: N818  said as the fact it is
    """What a worker sent is no page of metrics."""


def parsed(page: bytes) -> tuple[Metric, ...]:
    """The families of a page in OpenMetrics.

    Raises:
        NoMetrics: it is none.
    """
    try:
        # the library has no type there
        return tuple(text_string_to_metric_families(page.decode()))  # type: ignore[no-untyped-call]
    except (ValueError, KeyError, IndexError) as error:
        raise NoMetrics(str(error)) from error


@dataclass(slots=True)
class _Family:
    first: Metric
    samples: dict[_Key, Sample] = field(default_factory=dict)

    def add(self, sample: Sample, across: Across) -> None:
        key = (sample.name, tuple(sorted(sample.labels.items())))
        before = self.samples.get(key)
        if before is not None:
            value = _COMBINE[across](before.value, sample.value)
            sample = sample._replace(value=value, exemplar=_newer(before.exemplar, sample.exemplar))
        self.samples[key] = sample

    def metric(self) -> Metric:
        made = Metric(self.first.name, self.first.documentation, self.first.type, self.first.unit)
        made.samples = list(self.samples.values())
        return made


def _newer(one: Exemplar | None, other: Exemplar | None) -> Exemplar | None:
    if one is None or other is None:
        return one or other
    return max(one, other, key=lambda each: float(each.timestamp or 0))


def merged(pages: Iterable[Iterable[Metric]]) -> tuple[Metric, ...]:
    """All of them as one."""
    families: dict[str, _Family] = {}
    for metric in (metric for page in pages for metric in page):
        family = families.setdefault(metric.name, _Family(metric))
        across = _ACROSS.get(metric.name, Across.SUM) if metric.type == "gauge" else Across.SUM
        for sample in metric.samples:
            family.add(sample, across)
    return tuple(family.metric() for family in families.values())


def cumulative(page: Iterable[Metric]) -> tuple[Metric, ...]:
    """What never falls."""
    return tuple(metric for metric in page if metric.type in _CUMULATIVE)


@dataclass(slots=True)
class Told:
    """What one worker told last. A worker that is started again begins anew."""

    page: tuple[Metric, ...] = ()
    is_now: bool = False
    """Whether it answered this time; if not, its gauges say nothing of now."""


class Sums:
    """The metrics of all workers, dead ones included, and of the process that has started them."""

    def __init__(self, workers: int) -> None:
        self._told = [Told() for _ in range(workers)]
        self._past: tuple[Metric, ...] = ()
        """What dead workers had counted."""
        self._own = CollectorRegistry()
        ProcessCollector(registry=self._own)
        self._states = Gauge(WORKERS.name, WORKERS.doc, WORKERS.labels, registry=self._own)
        self._deaths = Counter(WORKER_DEATHS.name, WORKER_DEATHS.doc, registry=self._own)

    def died(self, worker: int) -> None:
        """A worker ended; what it told last stays."""
        self._deaths.inc()
        past = merged((self._past, cumulative(self._told[worker].page)))
        self._told[worker] = Told()
        self._past = _bounded(past, _addresses(metric for told in self._told for metric in told.page))

    def take(self, answers: Sequence[bytes | None]) -> None:
        """Take what each worker has answered; None: nothing. What cannot be read is as good as nothing."""
        for worker, (told, answer) in enumerate(zip(self._told, answers, strict=True)):
            told.is_now = False
            try:
                if answer is not None:
                    told.page, told.is_now = parsed(answer), True
            except NoMetrics as error:
                _log.error("metrics cannot be read", extra={"of_worker": worker, "reason": str(error)})

    def count(self, states: Iterable[tuple[str, int]]) -> None:
        """Take how many workers are in each state."""
        for state, workers in states:
            self._states.labels(state).set(workers)

    def registry(self) -> CollectorRegistry:
        """All of it, for who writes pages."""
        pages = (told.page if told.is_now else cumulative(told.page) for told in self._told)
        whole = CollectorRegistry()
        whole.register(_Families(merged((*pages, self._past, tuple(self._own.collect())))))
        return whole


class _Families(Collector):
    """Families that are made already."""

    def __init__(self, families: tuple[Metric, ...]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _bounded(page: tuple[Metric, ...], in_use: Mapping[str, None]) -> tuple[Metric, ...]:
    """Without what was counted of the addresses that came first, where there are too many that nobody uses."""
    unused = [address for address in _addresses(page) if address not in in_use]
    forgotten = set(unused[:-MAX_PAST_ADDRESSES])
    for metric in page:
        metric.samples = [each for each in metric.samples if each.labels.get("address") not in forgotten]
    return page


def _addresses(page: Iterable[Metric]) -> Mapping[str, None]:
    """Those of backends, in their order."""
    samples = (sample for metric in page for sample in metric.samples)
    return dict.fromkeys(sample.labels["address"] for sample in samples if "address" in sample.labels)
