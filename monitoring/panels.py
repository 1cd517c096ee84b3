"""Families of panels. A panel says in its description what a reader should do with it."""

from dataclasses import dataclass
from enum import StrEnum

from grafana_foundation_sdk.builders import bargauge, common, prometheus, timeseries
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    TooltipDisplayMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import DataSourceRef, GridPos
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
WHERE = 'namespace="$namespace", service="$service", pod=~"$pod"'
"""Matchers that the variables of every dashboard fill in."""
OF_RELEASE = 'namespace="$namespace", service="$service"'
"""Those of recorded series, which are of all pods."""
WINDOW = "$__rate_interval"
WIDTH, HEIGHT, COLUMNS = 12, 8, 2
"""In Grafana's grid, which is 24 wide."""
Panel = timeseries.Panel | bargauge.Panel


class Unit(StrEnum):
    """As Grafana calls it."""

    SECONDS = "s"
    SHARE = "percentunit"
    PER_SECOND = "ops"
    NUMBER = "short"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked, and what a line of the answer is called, with its labels in double braces."""

    expr: str
    legend: str


@dataclass(frozen=True, slots=True)
class Chart:
    """One panel: lines over time, or one bar for each series as it is now."""

    title: str
    doc: str
    unit: Unit
    queries: tuple[Query, ...]
    is_now: bool = False

    def builder(self, place: int) -> Panel:
        """The panel at that place of the dashboard, counted from the top left."""
        made = self._bars() if self.is_now else self._lines()
        row, column = divmod(place, COLUMNS)
        made.id(place + 1).title(self.title).description(self.doc).unit(self.unit).datasource(SOURCE)
        made.grid_pos(GridPos(h=HEIGHT, w=WIDTH, x=column * WIDTH, y=row * HEIGHT)).min(0)
        for letter, query in zip("ABCDEF", self.queries, strict=False):
            target = prometheus.Dataquery().ref_id(letter).expr(query.expr).legend_format(query.legend)
            target.format(PromQueryFormat.TIME_SERIES).datasource(SOURCE)
            made.with_target(target.instant() if self.is_now else target.range())
        return made

    def _lines(self) -> timeseries.Panel:
        legend = common.VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
        tooltip = common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)
        return timeseries.Panel().fill_opacity(10).line_width(2).tooltip(tooltip).legend(legend.show_legend(True))

    def _bars(self) -> bargauge.Panel:
        last = common.ReduceDataOptions().calcs(["lastNotNull"])
        made = bargauge.Panel().orientation(VizOrientation.HORIZONTAL).reduce_options(last)
        return made.display_mode(BarGaugeDisplayMode.BASIC)
