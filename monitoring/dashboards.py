"""All dashboards, as the JSON that Grafana takes."""

from collections.abc import Mapping

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import VariableRefresh
from voice_gateway.observability import metric_names as names

from monitoring import capacity, one_turn, service
from monitoring.panels import SOURCE, Chart

DASHBOARDS: Mapping[str, tuple[str, str, tuple[Chart, ...]]] = {
    "voice-gateway-service": ("Voice Gateway: service", "Is it good for callers?", service.CHARTS),
    "voice-gateway-one-turn": ("Voice Gateway: one turn", "Where does the time go?", one_turn.CHARTS),
    "voice-gateway-capacity": ("Voice Gateway: capacity", "How many more fit, what runs out first?", capacity.CHARTS),
}
"""Title, question and panels by UID, which is the file's name too: links to it live as long as it is called so."""
VARIABLES = {"namespace": "", "service": 'namespace="$namespace"', "pod": 'namespace="$namespace", service="$service"'}
"""What a reader chooses, each among what there is of the choice before it."""


def pages() -> dict[str, str]:
    """The JSON of each, by file name."""
    return {f"{uid}.json": _page(uid, *content) for uid, content in DASHBOARDS.items()}


def _page(uid: str, title: str, question: str, charts: tuple[Chart, ...]) -> str:
    made = dashboard.Dashboard(title).uid(uid).description(question).tags(["voice-gateway"]).time("now-1h", "now")
    made.refresh("30s").timezone("browser").readonly()
    made.with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
    for name, among in VARIABLES.items():
        query = f"label_values({names.SESSIONS_CAPACITY.name}{{{among}}}, {name})"
        variable = dashboard.QueryVariable(name).datasource(SOURCE).query(query)
        variable.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        made.with_variable(variable.multi(True).include_all(True).all_value(".*") if name == "pod" else variable)
    for place, chart in enumerate(charts):
        made.with_panel(chart.builder(place))
    return JSONEncoder(sort_keys=True, indent=2).encode(made.build()) + "\n"
