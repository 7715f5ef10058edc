"""The chart's README is what its values say, and leaves none of them out."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.contract.helm_chart import CHART, ROOT, Manifest

SCRIPT = ROOT / "scripts" / "chart_readme.py"


def leaves(values: Manifest, above: str = "") -> set[str]:
    """The paths of all values that are no groups of others."""
    found: set[str] = set()
    for name, value in values.items():
        path = f"{above}.{name}".removeprefix(".")
        found |= leaves(value, path) if isinstance(value, dict) and value else {path}
    return found


def checked(script: Path) -> subprocess.CompletedProcess[str]:
    """Run the script's check, as `make check` does."""
    return subprocess.run(
        [sys.executable, script, "--check"], capture_output=True, text=True, check=False, timeout=30
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The script beside a copy of the chart's own files."""
    chart = tmp_path / "helm" / CHART.name
    chart.mkdir(parents=True)
    for name in ("README.md", "values.yaml", "Chart.yaml"):
        chart.joinpath(name).write_bytes(CHART.joinpath(name).read_bytes())
    script = tmp_path / "scripts" / SCRIPT.name
    script.parent.mkdir()
    script.write_bytes(SCRIPT.read_bytes())
    return script


def test_the_readme_is_what_the_values_say() -> None:
    run = checked(SCRIPT)
    assert run.returncode == 0, run.stderr


def test_every_value_stands_in_the_readme_once() -> None:
    text = CHART.joinpath("README.md").read_text()
    for path in leaves(yaml.safe_load(CHART.joinpath("values.yaml").read_text())):
        assert text.count(f"| `{path}` |") == 1, path


def test_a_changed_default_makes_it_outdated(copy: Path) -> None:
    values = copy.parents[1] / "helm" / CHART.name / "values.yaml"
    values.write_text(values.read_text().replace("replicas: 2", "replicas: 5", 1))
    run = checked(copy)
    assert run.returncode != 0
    assert "make chart" in run.stderr


def test_a_value_without_a_comment_is_refused(copy: Path) -> None:
    values = copy.parents[1] / "helm" / CHART.name / "values.yaml"
    values.write_text(values.read_text() + "\nunsaid: 1\n")
    run = checked(copy)
    assert run.returncode != 0
    assert "unsaid" in run.stderr
