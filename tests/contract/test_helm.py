"""The chart, rendered by the real Helm: it installs what is safe and refuses what is not."""

import json
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]  # it ships without types
import pytest
import yaml

from gateway.access.policy_text import parse_policy
from gateway.settings import Settings, load_settings

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "narkasa-gateway"
VALUES = Path(__file__).parent / "helm-values"
OLDEST, NEWEST = "1.30", "1.37"
PROBES = {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}

Manifest = dict[str, Any]

each_values_file = pytest.mark.parametrize("values", ["minimal", "full"])


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / ".tools" / "bin" / "helm", *arguments],
        capture_output=True,
        check=False,
        text=True,
        timeout=30,
        env={"PATH": os.defpath},
    )


def render(values: str | None, **overrides: object) -> subprocess.CompletedProcess[str]:
    files = [f"--values={VALUES / values}.yaml"] if values else []
    changes = [
        f"--set-json={name.replace('__', '.')}={json.dumps(value)}"
        for name, value in overrides.items()
    ]
    return helm("template", "ngw", str(CHART), *files, *changes)


@cache
def manifests(values: str) -> tuple[Manifest, ...]:
    run = render(values)
    assert run.returncode == 0, run.stderr
    return tuple(document for document in yaml.safe_load_all(run.stdout) if document)


def one(kind: str, values: str) -> Manifest:
    [manifest] = [each for each in manifests(values) if each["kind"] == kind]
    return manifest


def pod(values: str) -> Manifest:
    spec: Manifest = one("Deployment", values)["spec"]["template"]["spec"]
    return spec


def container(values: str) -> Manifest:
    [only] = pod(values)["containers"]
    assert isinstance(only, dict)
    return only


def environment(values: str) -> dict[str, Manifest]:
    variables = container(values)["env"]
    by_name = {variable["name"]: variable for variable in variables}
    assert len(by_name) == len(variables)
    return by_name


@each_values_file
def test_helm_finds_nothing_to_complain_about(values: str) -> None:
    run = helm("lint", "--strict", str(CHART), f"--values={VALUES / values}.yaml")
    assert run.returncode == 0, run.stdout + run.stderr


@each_values_file
@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_every_manifest_is_one_that_kubernetes_knows(values: str, version: str) -> None:
    """The validator falls back to an older version when it lacks the one asked for: not here."""
    for manifest in manifests(values):
        used = kubernetes_validate.validate(manifest, desired_version=version, strict=True)
        assert used == version


def test_the_chart_states_the_oldest_version_that_it_is_checked_against() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["kubeVersion"] == f">={OLDEST}.0-0"


def test_without_values_it_names_everything_that_is_missing_at_once() -> None:
    run = render(None)
    assert run.returncode != 0
    for missing in ("accounts: ", "policy: ", "redis.cache: ", "redis.state: "):
        assert missing in run.stderr


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ({"accounts": []}, "name at least one exchange account and the existing Secret"),
        (
            {"accounts": [{"id": "a", "existingSecret": "x"}, {"id": "a", "existingSecret": "y"}]},
            "accounts: a stands there twice",
        ),
        ({"policy__document": {"accounts": []}}, "policy: give either existingConfigMap or"),
        ({"policy__existingConfigMap": ""}, "without a policy nobody may do anything"),
        ({"redis__state__existingSecret": "x"}, "redis.state: give either url or existingSecret"),
        ({"redis__cache__url": ""}, "redis.cache: give url, or existingSecret"),
        (
            {"redis__state__url": "redis://:pw@state:6379/0"},
            "redis.state.url holds a password: put the address in a Secret",
        ),
        ({"terminationGracePeriodSeconds": 19}, "or what is under way is killed"),
        ({"settings": {"NGW_PORT": "9000"}}, "NGW_PORT is set by a value of its own"),
        (
            {"settings": {"NGW_STATE_REDIS_URL": "redis://other"}},
            "NGW_STATE_REDIS_URL is set by a value of its own",
        ),
        ({"settings": {"NGW_CREDENTIALS": "{}"}}, "NGW_CREDENTIALS is a secret"),
        ({"networkPolicy__enabled": True}, "say where Redis and the exchange are"),
    ],
)
def test_contradictory_values_are_refused_with_a_sentence(
    overrides: dict[str, object], sentence: str
) -> None:
    run = render("minimal", **overrides)
    assert run.returncode != 0
    assert sentence in run.stderr


@pytest.mark.parametrize(
    "overrides",
    [
        {"replica": 3},
        {"redis__cache__password": "pw"},
        {"redis__queue": {"url": "redis://q"}},
        {"accounts": [{"id": "a", "existingSecret": "x", "apiSecret": "y"}]},
        {"settings": {"LOG_LEVEL": "DEBUG"}},
        {"settings": {"NGW_MAX_QUERY_DEPTH": 10}},
        {"replicas": 0},
    ],
)
def test_values_outside_the_schema_are_refused(overrides: dict[str, object]) -> None:
    run = render("minimal", **overrides)
    assert run.returncode != 0
    assert "don't meet the specifications of the schema" in run.stderr


@each_values_file
def test_no_manifest_carries_a_secret(values: str) -> None:
    assert {each["kind"] for each in manifests(values)} <= {
        "ConfigMap",
        "Deployment",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Service",
        "ServiceAccount",
    }
    assert "NGW_CREDENTIALS" not in environment(values)


def test_redis_addresses_of_a_secret_are_handed_over_by_reference() -> None:
    for name in ("NGW_CACHE_REDIS_URL", "NGW_STATE_REDIS_URL"):
        assert environment("full")[name].keys() == {"name", "valueFrom"}


@each_values_file
def test_the_environment_makes_a_faultless_configuration(values: str) -> None:
    variables = environment(values)
    assert {name.removeprefix("NGW_").lower() for name in variables} <= Settings.model_fields.keys()
    settings = load_settings(
        {name: each.get("value", "redis://of-a-secret") for name, each in variables.items()}
    )
    assert settings.host == "0.0.0.0"  # noqa: S104 - the pod's own network


@each_values_file
def test_credentials_and_policy_are_mounted_where_the_settings_say(values: str) -> None:
    mounts = {mount["name"]: mount for mount in container(values)["volumeMounts"]}
    assert all(mount["readOnly"] and "subPath" not in mount for mount in mounts.values())
    variables = environment(values)
    assert mounts["credentials"]["mountPath"] == variables["NGW_CREDENTIALS_DIR"]["value"]
    policy_file = Path(variables["NGW_POLICY_FILE"]["value"])
    assert str(policy_file.parent) == mounts["policy"]["mountPath"]
    assert policy_file.name == "policy.yaml"


def test_each_account_has_its_own_folder_with_key_and_secret() -> None:
    volumes = {volume["name"]: volume for volume in pod("full")["volumes"]}
    projected = volumes["credentials"]["projected"]
    assert projected["defaultMode"] == 0o440
    paths = {
        (source["secret"]["name"], item["key"], item["path"])
        for source in projected["sources"]
        for item in source["secret"]["items"]
    }
    assert paths == {
        ("narkasa-treasury", "api-key", "treasury/api-key"),
        ("narkasa-treasury", "api-secret", "treasury/api-secret"),
        ("narkasa-desk-2", "api-key", "desk-2/api-key"),
        ("narkasa-desk-2", "api-secret", "desk-2/api-secret"),
    }


def test_a_policy_document_is_the_mounted_config_map_word_for_word() -> None:
    config_map = one("ConfigMap", "full")
    volumes = {volume["name"]: volume for volume in pod("full")["volumes"]}
    assert volumes["policy"]["configMap"]["name"] == config_map["metadata"]["name"]
    given = yaml.safe_load((VALUES / "full.yaml").read_text())["policy"]["document"]
    assert yaml.safe_load(config_map["data"]["policy.yaml"]) == given
    policy = parse_policy(config_map["data"]["policy.yaml"].encode(), lambda: 0)
    assert policy.accounts == ("treasury", "desk-2")


@each_values_file
def test_every_selector_finds_the_pods(values: str) -> None:
    deployment = one("Deployment", values)["spec"]
    labels = deployment["template"]["metadata"]["labels"].items()
    [spread] = pod(values)["topologySpreadConstraints"]
    selectors = [
        deployment["selector"]["matchLabels"],
        one("Service", values)["spec"]["selector"],
        one("PodDisruptionBudget", values)["spec"]["selector"]["matchLabels"],
        spread["labelSelector"]["matchLabels"],
        *(
            each["spec"]["podSelector"]["matchLabels"]
            for each in manifests(values)
            if each["kind"] == "NetworkPolicy"
        ),
    ]
    assert all(selector and selector.items() <= labels for selector in selectors)


@each_values_file
def test_all_ports_are_the_one_that_the_gateway_listens_on(values: str) -> None:
    [port] = container(values)["ports"]
    assert str(port["containerPort"]) == environment(values)["NGW_PORT"]["value"]
    named = [
        *(each["targetPort"] for each in one("Service", values)["spec"]["ports"]),
        *(container(values)[f"{kind}Probe"]["httpGet"]["port"] for kind in PROBES),
    ]
    assert set(named) == {port["name"]}


@each_values_file
def test_a_pod_that_is_merely_not_ready_is_not_restarted(values: str) -> None:
    paths = {kind: container(values)[f"{kind}Probe"]["httpGet"]["path"] for kind in PROBES}
    assert paths == PROBES


@each_values_file
def test_the_pod_has_no_right_that_it_does_not_need(values: str) -> None:
    assert container(values)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    context = pod(values)["securityContext"]
    assert context["runAsNonRoot"] is True
    assert context["runAsUser"] >= 10_000
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod(values)["automountServiceAccountToken"] is False
    assert one("ServiceAccount", values)["automountServiceAccountToken"] is False


@each_values_file
def test_a_service_of_another_name_adds_nothing_to_the_environment(values: str) -> None:
    """Kubernetes would make NGW_SERVICE_HOST of a service called ngw: a setting there is not."""
    assert pod(values)["enableServiceLinks"] is False


@each_values_file
def test_the_pod_is_killed_only_after_its_own_grace_is_over(values: str) -> None:
    drain = container(values)["lifecycle"]["preStop"]["sleep"]["seconds"]
    grace = int(environment(values)["NGW_SHUTDOWN_GRACE_S"]["value"])
    assert pod(values)["terminationGracePeriodSeconds"] >= drain + grace + 5


@each_values_file
def test_a_node_can_always_be_drained(values: str) -> None:
    assert one("PodDisruptionBudget", values)["spec"]["maxUnavailable"] == 1


def test_a_digest_wins_over_the_tag() -> None:
    assert "@sha256:" in container("full")["image"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert container("minimal")["image"] == f"narkasa-gateway:{chart['appVersion']}"


def test_the_network_policy_lets_in_only_who_is_named() -> None:
    spec = one("NetworkPolicy", "full")["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    [ingress] = spec["ingress"]
    assert ingress["from"] == [{"namespaceSelector": {"matchLabels": {"team": "trading"}}}]
