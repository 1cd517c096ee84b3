"""What a rule of Prometheus is here. Texts may hold what Helm fills in: `WHERE` and thresholds by `value`."""

import re
from dataclasses import dataclass
from typing import Literal

WHERE = " {{- $job -}} "
"""Matchers of the release, once Helm has filled them in; it takes away the spaces."""


def value(name: str) -> str:
    """A number of `metrics.prometheusRule` in the chart's values."""
    return f'{{{{ include "voice-gateway.number" $rule.{name} }}}}'


@dataclass(frozen=True, slots=True)
class Recording:
    """A series that is computed once, because alerts and dashboards need it."""

    record: str
    expr: str


@dataclass(frozen=True, slots=True)
class Alert:
    """Who is told what, and when."""

    name: str
    expr: str
    wait: str
    """How long it must hold."""
    severity: Literal["critical", "warning"]
    """critical: callers suffer now, wake somebody. warning: look at it on this working day."""
    summary: str
    """May name labels of the result, as `<label>`, and their value by Prometheus's own template."""
    page: str = ""
    """Its runbook in docs/runbooks/; by default it is called as the alert."""

    def __post_init__(self) -> None:
        """Name the page."""
        words = re.findall("[A-Z][a-z]+", self.name)
        object.__setattr__(self, "page", self.page or "-".join(words).lower() + ".md")
