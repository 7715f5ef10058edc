"""The chart's dashboard: its queries are sound, and together they show all that is measured."""

import json
import re
import subprocess
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.metrics import Metrics
from tests.contract.promql import metrics_in

ROOT = Path(__file__).parents[2]
DASHBOARD = json.loads((ROOT / "helm" / "narkasa-gateway" / "files" / "dashboard.json").read_text())
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
SHOWN = [panel for panel in PANELS if panel["type"] != "row"]
QUERIES: list[str] = [target["expr"] for panel in SHOWN for target in panel["targets"]]
OF_THE_PROCESS = {"gateway_process_virtual_memory_bytes", "gateway_process_max_fds"}
"""What the client library tells besides, and nobody has to look at."""


def families(names: set[str]) -> set[str]:
    return {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in names}


def test_each_query_asks_for_metrics_that_there_are_and_each_metric_is_shown() -> None:
    shown = families(set().union(*map(metrics_in, QUERIES)))
    there_are = {re.sub(r"_total$", "", each.name) for each in Metrics().registry.collect()}
    assert shown == {re.sub(r"_total$", "", name) for name in there_are} - OF_THE_PROCESS


def test_each_query_is_promql_and_keeps_to_the_installation_that_was_chosen(
    tmp_path: Path,
) -> None:
    chosen = '{namespace=~"$namespace", job=~"$job"'
    assert all(query.count("{") == query.count(chosen) for query in QUERIES)
    plain = [re.sub(r"\$__(rate_interval|range)", "5m", query) for query in QUERIES]
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(plain)]
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    done = subprocess.run(
        ["promtool", "check", "rules", file],  # noqa: S607 - it is where the distribution puts it
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("panel", SHOWN, ids=lambda panel: panel["title"])
def test_each_legend_names_labels_that_its_query_keeps(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        kept = {
            label
            for labels in re.findall(r"by \(([^)]*)\)", target["expr"])
            for label in re.findall(r"\w+", labels)
        }
        assert named <= kept | {"instance"}
        assert named >= kept - {"le", "part"}


def test_panels_have_numbers_of_their_own_and_do_not_lie_on_each_other() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    for one, other in combinations([panel["gridPos"] for panel in PANELS], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in PANELS)
