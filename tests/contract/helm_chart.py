"""The chart as the real Helm renders it, for each of its cases and for any other values."""

import json
import os
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "narkasa-gateway"
CASES = ("minimal", "production", "trial", "external-secrets", "ingress", "sentinel")

Manifest = dict[str, Any]

each_case = pytest.mark.parametrize("case", CASES)


def values_file(case: str) -> Path:
    """The values of a case."""
    return CHART / "ci" / f"{case}-values.yaml"


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the real Helm."""
    return subprocess.run(
        [ROOT / ".tools" / "bin" / "helm", *arguments],
        capture_output=True,
        check=False,
        text=True,
        timeout=30,
        env={"PATH": os.defpath},
    )


def render(
    case: str | None, overrides: dict[str, object] | None = None, release: str = "ngw"
) -> subprocess.CompletedProcess[str]:
    """Render a case, with some values replaced; `redis.state.url` names one inside others."""
    files = [f"--values={values_file(case)}"] if case else []
    changes = [f"--set-json={name}={json.dumps(to)}" for name, to in (overrides or {}).items()]
    return helm("template", release, str(CHART), *files, *changes)


def rendered(case: str, overrides: dict[str, object], release: str = "ngw") -> list[Manifest]:
    """The manifests of a case with some values replaced."""
    run = render(case, overrides, release)
    assert run.returncode == 0, run.stderr
    return [document for document in yaml.safe_load_all(run.stdout) if document]


@cache
def manifests(case: str) -> tuple[Manifest, ...]:
    """The manifests of a case."""
    return tuple(rendered(case, {}))


def only(kind: str, among: tuple[Manifest, ...] | list[Manifest], ending: str = "") -> Manifest:
    """The one manifest of a kind, or of those the one whose name ends so."""
    [manifest] = [
        each for each in among if each["kind"] == kind and each["metadata"]["name"].endswith(ending)
    ]
    return manifest


def network_policy(among: tuple[Manifest, ...] | list[Manifest]) -> Manifest:
    """The one of the gateway's pods."""
    spec: Manifest = only("NetworkPolicy", among, "gateway")["spec"]
    return spec


def pod(among: tuple[Manifest, ...] | list[Manifest]) -> Manifest:
    """What a pod of the gateway is."""
    spec: Manifest = only("Deployment", among)["spec"]["template"]["spec"]
    return spec


def container(among: tuple[Manifest, ...] | list[Manifest]) -> Manifest:
    """The gateway's container."""
    [gateway] = pod(among)["containers"]
    assert isinstance(gateway, dict)
    return gateway


def volume(among: tuple[Manifest, ...] | list[Manifest], name: str) -> Manifest:
    """One of the pod's volumes."""
    [named] = [each for each in pod(among)["volumes"] if each["name"] == name]
    assert isinstance(named, dict)
    return named


def environment(among: tuple[Manifest, ...] | list[Manifest]) -> dict[str, Manifest]:
    """The container's variables by name; none stands there twice."""
    variables = container(among)["env"]
    by_name = {variable["name"]: variable for variable in variables}
    assert len(by_name) == len(variables)
    return by_name


def pods(among: tuple[Manifest, ...]) -> Iterator[tuple[Manifest, Manifest]]:
    """Of everything that makes a pod or is one: its labels and its specification."""
    for each in among:
        if each["kind"] == "Pod":
            yield each["metadata"]["labels"], each["spec"]
        elif "template" in each.get("spec", {}):
            template = each["spec"]["template"]
            yield template["metadata"]["labels"], template["spec"]


def every_mapping(value: object) -> Iterator[Manifest]:
    """Each mapping in a document, at whatever depth."""
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from every_mapping(each)
    elif isinstance(value, list):
        for each in value:
            yield from every_mapping(each)
