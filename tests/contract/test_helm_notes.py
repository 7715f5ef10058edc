"""What Helm tells whoever has installed the chart."""

import pytest

from tests.contract.helm_chart import CHART, each_case, helm, values_file

OTHERS = "It names the pods of this namespace alone"


def notes(case: str, *values: str) -> str:
    """The notes of a release as they are shown, with some values replaced."""
    run = helm(
        "install",
        "ngw",
        str(CHART),
        "--dry-run=client",
        "--namespace=trading",
        f"--values={values_file(case)}",
        *(f"--set={value}" for value in values),
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.partition("\nNOTES:\n")[2]


@each_case
def test_they_name_the_test_of_the_release_and_what_it_is_to_print(case: str) -> None:
    text = notes(case)
    assert "helm test ngw --namespace trading --logs" in text
    assert '{"status": "ready", "problems": {}}' in text


@pytest.mark.parametrize(
    ("value", "who"),
    [
        ("serviceMonitor.enabled=true", "if Prometheus is in another"),
        ("httpRoute.enabled=true,httpRoute.parentRefs[0].name=x", "if the ingress controller is"),
    ],
)
def test_they_say_whom_the_network_policy_as_it_is_by_default_may_keep_out(
    value: str, who: str
) -> None:
    assert f"{OTHERS}: {who}" in notes("minimal", value)
    assert OTHERS not in notes("minimal")
    named = "networkPolicy.from[0].namespaceSelector.matchLabels.team=x"
    assert OTHERS not in notes("minimal", value, named)
