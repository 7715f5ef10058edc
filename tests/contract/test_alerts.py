"""The chart's alerts: they are sound, each fires when it should and then only, and has a page."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.metrics import Metrics
from tests.contract.promql import metrics_in

ROOT = Path(__file__).parents[2]
RULES = ROOT / "helm" / "narkasa-gateway" / "files" / "alerts.yaml"
CASES = sorted((ROOT / "tests" / "contract" / "alerts").glob("*.yaml"))
RUNBOOK = ROOT / "docs" / "runbook"
HEADINGS = ["What it means", "How to confirm", "What to do"]
ALERTS: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
]

each_alert = pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])


def promtool(*arguments: str | Path) -> str:
    done = subprocess.run(
        ["promtool", *map(str, arguments)],  # noqa: S607 - it is where the distribution puts it
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def tried() -> dict[str, list[dict[str, Any]]]:
    """What is expected by each test: it has the alert's name, or that and what it claims of it."""
    tests = [test for file in CASES for test in yaml.safe_load(file.read_text())["tests"]]
    assert len({test["name"] for test in tests}) == len(tests)
    return {test["name"]: test["promql_expr_test"] for test in tests}


def alert_of(test: str) -> str:
    return test.partition(":")[0]


def test_promtool_finds_the_rules_sound() -> None:
    assert f"{len(ALERTS)} rules found" in promtool("check", "rules", RULES)


@pytest.mark.parametrize("cases", CASES, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should_and_not_before(cases: Path) -> None:
    promtool("test", "rules", cases)


@each_alert
def test_each_alert_is_seen_silent_and_then_firing(alert: dict[str, Any]) -> None:
    expected = tried()[alert["alert"]]
    assert [bool(each["exp_samples"]) for each in expected] == [
        *(len(expected) - 1) * [False],
        True,
    ]
    assert len(expected) == (3 if "for" in alert else 2)


def test_each_test_asks_for_the_alert_of_its_name_and_nothing_else_is_tried() -> None:
    for test, expected in tried().items():
        assert expected
        assert all(f'alertname="{alert_of(test)}"' in each["expr"] for each in expected)
    assert set(map(alert_of, tried())) == {alert["alert"] for alert in ALERTS}


@each_alert
def test_each_alert_says_how_urgent_it_is_what_is_wrong_and_where_to_read_on(
    alert: dict[str, Any],
) -> None:
    assert alert["alert"].startswith("Narkasa")
    assert alert["labels"]["severity"] in {"critical", "warning"}
    assert alert["annotations"].keys() == {"summary", "runbook_url"}
    assert alert["annotations"]["runbook_url"] == f"docs/runbook/{alert['alert']}.md"


@each_alert
def test_each_alert_asks_for_metrics_that_there_are(alert: dict[str, Any]) -> None:
    assert metrics_in(alert["expr"])
    assert metrics_in(alert["expr"]) <= {"up", *exposed()}


def exposed() -> set[str]:
    """The names of all samples, also of metrics that nothing was counted in yet."""
    names: set[str] = set()
    for family in Metrics().registry.collect():
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
        names |= {f"{family.name}{suffix}" for suffix in suffixes.get(family.type, [""])}
    return names


@each_alert
def test_each_alert_has_its_page(alert: dict[str, Any]) -> None:
    page = (RUNBOOK / f"{alert['alert']}.md").read_text()
    assert page.startswith(f"# {alert['alert']}\n")
    when = f"after {alert['for']}" if "for" in alert else "at once"
    assert f"\nSeverity {alert['labels']['severity']}, {when}.\n" in page
    assert re.findall(r"^## (.*)$", page, re.MULTILINE) == HEADINGS


def test_each_page_has_its_alert_and_stands_in_the_index() -> None:
    pages = {path.stem for path in RUNBOOK.glob("*.md")} - {"README"}
    assert pages == {alert["alert"] for alert in ALERTS}
    index = re.findall(
        r"^\| \[(\w+)\]\((\w+)\.md\) \| (\w+) \|", (RUNBOOK / "README.md").read_text(), re.MULTILINE
    )
    assert index == [
        (alert["alert"], alert["alert"], alert["labels"]["severity"]) for alert in ALERTS
    ]
