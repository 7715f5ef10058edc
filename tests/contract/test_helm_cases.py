"""Each case of the chart, rendered by the real Helm, is what Kubernetes and its operators know."""

import json
import re
from collections import Counter
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]  # its stubs are a package of their own
import kubernetes_validate  # type: ignore[import-untyped]  # it ships without types
import pytest
import yaml

from tests.contract.helm_chart import (
    CASES,
    CHART,
    each_case,
    every_mapping,
    helm,
    manifests,
    rendered,
    values_file,
)

OPERATORS = Path(__file__).parent / "kubernetes"
CHART_FILE = yaml.safe_load((CHART / "Chart.yaml").read_text())
OLDEST = CHART_FILE["kubeVersion"].removeprefix(">=").removesuffix(".0-0")
NEWEST = kubernetes_validate.latest_version().removesuffix(".0")

ALWAYS = {
    "Deployment": 1,
    "NetworkPolicy": 1,
    "Pod": 1,
    "PodDisruptionBudget": 1,
    "Service": 1,
    "ServiceAccount": 1,
}
BESIDES = {
    "minimal": {},
    "production": {
        "ConfigMap": 3,
        "HorizontalPodAutoscaler": 1,
        "PrometheusRule": 1,
        "ServiceMonitor": 1,
    },
    "trial": {"ConfigMap": 1, "NetworkPolicy": 1, "Service": 1, "StatefulSet": 1},
    "external-secrets": {"ExternalSecret": 3},
    "ingress": {"HTTPRoute": 1, "Ingress": 1},
    "sentinel": {},
}
WORDS = {
    "imagePullPolicy": {"Always", "IfNotPresent", "Never"},
    "restartPolicy": {"Never"},
    "protocol": {"TCP", "UDP"},
    "pathType": {"Prefix"},
    "whenUnsatisfiable": {"DoNotSchedule", "ScheduleAnyway"},
    "unhealthyPodEvictionPolicy": {"AlwaysAllow"},
}
QUANTITY = re.compile(r"\d+(\.\d+)?(m|[KMGT]i?)?")
NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?")
NAME_MOST = 63


def test_each_values_file_of_the_chart_is_a_case() -> None:
    assert {path.name for path in (CHART / "ci").iterdir()} == {
        values_file(case).name for case in CASES
    }


@each_case
def test_helm_finds_nothing_to_complain_about(case: str) -> None:
    run = helm("lint", "--strict", str(CHART), f"--values={values_file(case)}")
    assert run.returncode == 0, run.stdout + run.stderr


@each_case
def test_a_case_makes_these_resources(case: str) -> None:
    made = Counter(each["kind"] for each in manifests(case))
    assert made == Counter(ALWAYS) + Counter(BESIDES[case])


@each_case
@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_every_manifest_is_one_that_kubernetes_knows(case: str, version: str) -> None:
    """The validator falls back to an older version when it lacks the one asked for: not here."""
    for manifest in manifests(case):
        if not OPERATORS.joinpath(f"{manifest['kind'].lower()}.json").exists():
            used = kubernetes_validate.validate(manifest, desired_version=version, strict=True)
            assert used == version


@pytest.mark.parametrize("schema", sorted(OPERATORS.iterdir()), ids=lambda path: path.stem)
def test_what_goes_to_an_operator_has_fields_that_it_knows(schema: Path) -> None:
    """Kubernetes' own schemas lack these kinds; ours hold the fields that the chart uses."""
    found = [
        each for case in CASES for each in manifests(case) if each["kind"].lower() == schema.stem
    ]
    assert found
    for manifest in found:
        jsonschema.validate(manifest, json.loads(schema.read_text()))


@each_case
def test_what_is_one_of_a_few_words_is_one_of_them(case: str) -> None:
    """The schemas of Kubernetes take any text."""
    for mapping in every_mapping(list(manifests(case))):
        for name, allowed in WORDS.items():
            assert mapping.get(name) in {None, *allowed}


@each_case
def test_every_quantity_is_one(case: str) -> None:
    for mapping in every_mapping(list(manifests(case))):
        resources = mapping.get("resources", {})
        for kind in ("requests", "limits"):
            for amount in resources.get(kind, {}).values():
                assert QUANTITY.fullmatch(str(amount)), amount


@each_case
def test_every_image_has_a_version(case: str) -> None:
    images = [each["image"] for each in every_mapping(list(manifests(case))) if "image" in each]
    assert len(images) >= len(ALWAYS.keys() & {"Deployment", "Pod"})
    for image in images:
        assert re.search(r"@sha256:[0-9a-f]{64}$|:[\w.-]+$", image)
        assert not image.endswith(":latest")


@pytest.mark.parametrize("release", ["ngw", "n" * 53])
@each_case
def test_every_name_and_label_is_one_that_kubernetes_takes(case: str, release: str) -> None:
    made = rendered(case, {}, release)
    for manifest in made:
        name = manifest["metadata"]["name"]
        assert NAME.fullmatch(name)
        assert len(name) <= NAME_MOST
        for label in manifest["metadata"]["labels"].values():
            assert LABEL.fullmatch(label)
            assert len(label) <= NAME_MOST
    kinds = Counter((each["kind"], each["metadata"]["name"]) for each in made)
    assert set(kinds.values()) == {1}
