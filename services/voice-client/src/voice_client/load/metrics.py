"""What a server tells of itself in the text format of Prometheus, and what a run made of it. Pure."""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Final

from voice_client.load.scores import ServerCost

Samples = Mapping[str, Mapping[str, float]]
"""By name, then by labels as they are written."""

CPU_S: Final = "process_cpu_seconds_total"
RESIDENT_BYTES: Final = "process_resident_memory_bytes"
CAPACITY: Final = "voicegateway_sessions_capacity"
FULLNESS: Final = "voicegateway_fullness_ratio"
REFUSED: Final = "voicegateway_sessions_refused_total"
LOOP_LAG: Final = "voicegateway_loop_lag_seconds_bucket"
BYTES_PER_MIB: Final = 2**20
_TYPE: Final = re.compile(r"# TYPE (\S+)")
_LINE: Final = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?\s+(\S+)")
_LE: Final = re.compile(r'le="([^"]+)"')


def parse(text: str) -> Samples:
    """The samples of an exposition.

    Raises:
        ValueError: a line of it is none.
    """
    found: dict[str, dict[str, float]] = {}
    for line in text.splitlines():
        if typed := _TYPE.match(line):
            found.setdefault(typed[1], {})  # one that has labels and has counted nothing has no sample either
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.match(line)
        if match is None:
            raise ValueError(f"not a metric: {line[:80]}")
        name, labels, value = match.groups()
        found.setdefault(name, {})[labels or ""] = float(value)
    return found


def total(samples: Samples, name: str) -> float | None:
    """The sum over all labels; None if there is no such metric."""
    return sum(samples[name].values()) if name in samples else None


def increase(before: Samples, after: Samples, name: str) -> float | None:
    """By how much a counter grew; one that came into being meanwhile, or fell with its server, began at 0."""
    now, then = total(after, name), total(before, name) or 0.0
    return None if now is None else now - (then if then <= now else 0.0)


def quantile_ms(before: Samples, after: Samples, name: str, share: float) -> float | None:
    """A quantile of what a histogram of seconds counted meanwhile, as Prometheus reckons it: linear within a bucket.

    None if nothing was counted. In the last, endless bucket it is that bucket's lower bound.
    """
    counts = sorted(_buckets(before, after, name))
    wanted = share * counts[-1][1] if counts else 0.0
    if wanted <= 0:
        return None
    below_s, below_count = 0.0, 0.0
    for upper_s, count in counts:
        if count >= wanted:
            if math.isinf(upper_s):
                break
            return (below_s + (upper_s - below_s) * (wanted - below_count) / (count - below_count)) * 1_000
        below_s, below_count = upper_s, count
    return below_s * 1_000


def cost(before: Samples, after: Samples, calls: int, minutes: float) -> ServerCost:
    """What `calls` calls cost the server in the time between."""
    cpu_s = increase(before, after, CPU_S) if CPU_S in before else None
    resident_bytes = total(after, RESIDENT_BYTES)
    return ServerCost(
        cpu_s_per_call_minute=None if cpu_s is None or not calls else cpu_s / calls / minutes,
        resident_mib=None if resident_bytes is None else resident_bytes / BYTES_PER_MIB,
        capacity_sessions=total(after, CAPACITY),
        fullness_ratio=total(after, FULLNESS),
        loop_lag_p99_ms=quantile_ms(before, after, LOOP_LAG, 0.99),
    )


def _buckets(before: Samples, after: Samples, name: str) -> Iterator[tuple[float, float]]:
    """Upper bounds in seconds, and how much was counted up to each."""
    for labels, count in after.get(name, {}).items():
        if (bound := _LE.search(labels)) is not None:
            yield float(bound[1]), count - before.get(name, {}).get(labels, 0.0)
