"""What scales the pods and what watches over them: all off unless asked for."""

import json
import re

import pytest
import yaml

from gateway.metrics import Metrics
from tests.contract.helm_chart import CHART, ROOT, manifests, only, render, rendered
from tests.contract.promql import metrics_in

ALERTS = CHART / "files" / "alerts.yaml"
ASKED_FOR = {
    "HorizontalPodAutoscaler": "autoscaling",
    "ServiceMonitor": "serviceMonitor",
    "PrometheusRule": "prometheusRule",
    "ConfigMap": "dashboard",
    "Ingress": "ingress",
    "HTTPRoute": "httpRoute",
    "StatefulSet": "redis.trial",
}
OF_A_TARGET = {"namespace", "service", "pod", "container", "endpoint", "job", "instance"}
"""The labels that the Prometheus operator gives to what a ServiceMonitor finds."""


def test_nothing_of_it_is_there_unless_asked_for() -> None:
    assert not {each["kind"] for each in manifests("minimal")} & ASKED_FOR.keys()


@pytest.mark.parametrize(
    ("kind", "value"),
    [(kind, value) for kind, value in ASKED_FOR.items() if value not in {"ingress", "httpRoute"}],
)
def test_each_is_there_when_asked_for(kind: str, value: str) -> None:
    overrides: dict[str, object] = {f"{value}.enabled": True}
    if value == "redis.trial":
        overrides |= {"redis.cache.url": "", "redis.state.url": ""}
    assert kind in {each["kind"] for each in rendered("minimal", overrides)}


def test_the_autoscaler_keeps_to_processor_time_and_open_subscriptions() -> None:
    spec = only("HorizontalPodAutoscaler", manifests("production"))["spec"]
    cpu, subscriptions = spec["metrics"]
    assert cpu["resource"]["target"] == {"type": "Utilization", "averageUtilization": 70}
    assert subscriptions["pods"]["target"] == {"type": "AverageValue", "averageValue": "1500"}
    assert (spec["minReplicas"], spec["maxReplicas"]) == (3, 9)


def test_the_subscriptions_that_it_counts_are_a_metric_of_the_gateway() -> None:
    spec = only("HorizontalPodAutoscaler", manifests("production"))["spec"]
    name = spec["metrics"][1]["pods"]["metric"]["name"]
    assert name in {family.name for family in Metrics().registry.collect()}


def test_the_adapter_of_the_documentation_serves_what_the_autoscaler_asks_for() -> None:
    text = (ROOT / "docs" / "observability.md").read_text()
    [block] = re.findall(r"```yaml\n(rules:\n.*?)```", text, re.DOTALL)
    [rule] = yaml.safe_load(block)["rules"]
    spec = only("HorizontalPodAutoscaler", manifests("production"))["spec"]
    assert rule["name"]["as"] == spec["metrics"][1]["pods"]["metric"]["name"]
    asked = metrics_in(re.sub(r"<<.*?>>", "pod", rule["metricsQuery"]))
    assert rule["seriesQuery"].partition("{")[0] in asked
    assert asked <= {family.name for family in Metrics().registry.collect()}


def test_the_autoscaler_scales_the_deployment_which_then_has_no_number_of_its_own() -> None:
    made = manifests("production")
    deployment = only("Deployment", made)
    target = only("HorizontalPodAutoscaler", made)["spec"]["scaleTargetRef"]
    assert target["name"] == deployment["metadata"]["name"]
    assert target["apiVersion"] == deployment["apiVersion"]
    assert "replicas" not in deployment["spec"]
    assert only("Deployment", manifests("minimal"))["spec"]["replicas"] == 2


def test_pods_are_taken_away_slowly_and_one_by_one() -> None:
    spec = only("HorizontalPodAutoscaler", manifests("production"))["spec"]
    assert spec["behavior"]["scaleDown"] == {
        "stabilizationWindowSeconds": 600,
        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 120}],
    }


@pytest.mark.parametrize("metric", [{"cpuPercent": 0, "subscriptionsPerPod": 10}, {}])
def test_each_metric_can_stand_alone(metric: dict[str, int]) -> None:
    overrides = {f"autoscaling.{name}": value for name, value in metric.items()}
    made = rendered("minimal", {"autoscaling.enabled": True, **overrides})
    [only_one] = only("HorizontalPodAutoscaler", made)["spec"]["metrics"]
    assert only_one["type"] == ("Pods" if metric else "Resource")


def test_the_rules_are_the_file_of_alerts_word_for_word() -> None:
    made = rendered("minimal", {"prometheusRule.enabled": True})
    assert only("PrometheusRule", made)["spec"] == yaml.safe_load(ALERTS.read_text())


def test_alerts_name_where_the_runbook_is_read_and_have_the_labels_of_the_values() -> None:
    given = yaml.safe_load(ALERTS.read_text())
    for group in given["groups"]:
        for rule in group["rules"]:
            page = rule["annotations"]["runbook_url"]
            rule["annotations"]["runbook_url"] = (
                f"https://git.example.com/narkasa-gateway/blob/v0.1.0/{page}"
            )
            rule["labels"]["team"] = "trading"
    assert only("PrometheusRule", manifests("production"))["spec"] == given


def test_a_label_of_the_values_does_not_change_how_urgent_an_alert_is() -> None:
    overrides = {"prometheusRule.enabled": True, "prometheusRule.alertLabels.severity": "none"}
    spec = only("PrometheusRule", rendered("minimal", overrides))["spec"]
    assert spec == yaml.safe_load(ALERTS.read_text())


@pytest.mark.parametrize("address", ["docs/", "https://git.example.com/narkasa-gateway"])
def test_where_the_runbook_is_read_is_an_address_that_ends_with_a_slash(address: str) -> None:
    overrides = {"prometheusRule.enabled": True, "prometheusRule.runbookUrl": address}
    run = render("minimal", overrides)
    assert run.returncode != 0
    assert "/prometheusRule/runbookUrl" in run.stderr


def test_the_dashboard_is_the_file_word_for_word() -> None:
    config_map = only("ConfigMap", manifests("production"), "dashboard")
    [text] = config_map["data"].values()
    assert text == (CHART / "files" / "dashboard.json").read_text()
    assert {"uid", "title", "panels"} <= json.loads(text).keys()
    assert config_map["metadata"]["labels"]["grafana_dashboard"] == "1"


@pytest.mark.parametrize("kind", ["ServiceMonitor", "PrometheusRule"])
def test_prometheus_finds_them_by_the_labels_of_the_values(kind: str) -> None:
    labels = only(kind, manifests("production"))["metadata"]["labels"]
    assert labels["release"] == "prometheus"
    assert labels["app.kubernetes.io/name"] == "narkasa-gateway"


def test_prometheus_keeps_the_metrics_own_labels() -> None:
    """One that a target has as well it would call `exported_…`, and no alert asks for that."""
    metrics = vars(Metrics()).values()
    own = {label for metric in metrics for label in getattr(metric, "_labelnames", ())}
    [endpoint] = only("ServiceMonitor", manifests("production"))["spec"]["endpoints"]
    dropped = [each["regex"] for each in endpoint["relabelings"] if each["action"] == "labeldrop"]
    assert own
    assert own & OF_A_TARGET == set(dropped)
