"""The metrics that the chart asks for."""

from chart_kit import GATEWAY, HPA, KEDA, merged, objects
from voice_gateway.observability.metric_names import METRICS


def test_the_metrics_that_the_chart_asks_for_are_the_gateways() -> None:
    """A scaler that asks for a metric which nobody counts is silent for ever."""
    known = {metric.name for metric in METRICS}
    asked = [
        objects(GATEWAY, KEDA)["ScaledObject"]["spec"]["triggers"][0]["metadata"]["query"],
        objects(GATEWAY, merged(HPA, {"autoscaling": {"targetSessions": 1}}))["HorizontalPodAutoscaler"]["spec"][
            "metrics"
        ][1]["pods"]["metric"]["name"],
    ]
    full = objects(GATEWAY, merged(KEDA, {"autoscaling": {"targetSessions": 0, "targetFullnessPercent": 5}}))
    (trigger,) = full["ScaledObject"]["spec"]["triggers"]
    assert trigger["metadata"]["threshold"] == "0.05"
    asked.append(trigger["metadata"]["query"])
    hpa = objects(GATEWAY, merged(HPA, {"autoscaling": {"targetFullnessPercent": 5}}))["HorizontalPodAutoscaler"]
    asked.append(hpa["spec"]["metrics"][1]["pods"]["metric"]["name"])
    for expression in asked:
        name = next(word for word in expression.replace("(", " ").replace("{", " ").split() if "voicegateway_" in word)
        assert name in known
