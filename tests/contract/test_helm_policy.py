"""The policy reaches the pod word for word, and a changed one replaces the pods."""

import re
import textwrap
from pathlib import Path

import pytest
import yaml

from gateway.access.policy_text import parse_policy
from tests.contract.helm_chart import (
    CHART,
    ROOT,
    environment,
    helm,
    manifests,
    only,
    rendered,
    values_file,
    volume,
)


def as_written(text: str) -> object:
    """A document whose scalars are all texts, digit by digit, whether they are in quotes or not."""
    return yaml.load(text, yaml.BaseLoader)  # noqa: S506  # it makes no objects


@pytest.mark.parametrize("name", ["policy", "candidate"])
def test_a_policy_document_is_the_mounted_config_map_word_for_word(name: str) -> None:
    made = manifests("production")
    config_map = only("ConfigMap", made, name)
    assert volume(made, name)["configMap"]["name"] == config_map["metadata"]["name"]
    values = yaml.safe_load(values_file("production").read_text())["policy"]
    given = values["document"] if name == "policy" else values["candidate"]["document"]
    assert yaml.safe_load(config_map["data"]["policy.yaml"]) == given
    policy = parse_policy(config_map["data"]["policy.yaml"].encode(), lambda: 0)
    assert policy.accounts == ("treasury", "desk-2")


@pytest.mark.parametrize(
    ("name", "setting", "config_map"),
    [
        ("policy", "NGW_POLICY_FILE", "narkasa-policy"),
        ("candidate", "NGW_POLICY_CANDIDATE_FILE", "narkasa-candidate"),
    ],
)
def test_an_existing_config_map_is_mounted_where_the_setting_looks(
    name: str, setting: str, config_map: str
) -> None:
    made = manifests("ingress")
    assert volume(made, name)["configMap"]["name"] == config_map
    assert environment(made)[setting]["value"] == f"/etc/narkasa-gateway/{name}/policy.yaml"


def test_a_policy_that_uses_the_whole_format_comes_through_unchanged(tmp_path: Path) -> None:
    """The order of grants too: the first that matches decides."""
    example = ROOT.joinpath("docs", "examples", "policy.yaml").read_text()
    example = re.sub(r"sha256: (\d+)", r'sha256: "\1"', example)
    values = tmp_path / "values.yaml"
    document = textwrap.indent(example, "    ")
    values.write_text(f'policy:\n  existingConfigMap: ""\n  document:\n{document}')
    minimal = f"--values={values_file('minimal')}"
    run = helm("template", "ngw", str(CHART), minimal, f"--values={values}")
    assert run.returncode == 0, run.stderr
    made = [document for document in yaml.safe_load_all(run.stdout) if document]
    written = only("ConfigMap", made)["data"]["policy.yaml"]
    assert as_written(written) == as_written(example)
    assert parse_policy(written.encode(), lambda: 0).accounts == ("treasury", "vault")


@pytest.mark.parametrize("name", ["policy", "candidate"])
def test_a_changed_document_changes_the_pods_and_nothing_else_does(name: str) -> None:
    place = "policy.document" if name == "policy" else "policy.candidate.document"

    def annotations(overrides: dict[str, object]) -> dict[str, str]:
        template = only("Deployment", rendered("production", overrides))["spec"]["template"]
        found: dict[str, str] = template["metadata"]["annotations"]
        return found

    before = annotations({})
    assert before == annotations({"replicas": 5})
    after = annotations({f"{place}.version": 2})
    changed = {key for key, value in after.items() if value != before[key]}
    assert changed == {f"checksum/{name}"}
    assert before["example.com/owner"] == "trading"
