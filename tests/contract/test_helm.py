"""The chart, rendered by the real Helm: it installs what is safe and refuses what is not."""

import json
import os
import re
import subprocess
import textwrap
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]  # it ships without types
import pytest
import yaml

from gateway.access.policy_text import parse_policy
from gateway.custody import KeyPlaces, configured_sources, read_keys
from gateway.settings import Settings, load_settings

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "narkasa-gateway"
VALUES = Path(__file__).parent / "helm-values"
OLDEST, NEWEST = "1.30", "1.37"
PROBES = {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}

_STANDARD_OUTPUT = ("NGW_AUDIT_FILE", "NGW_JOURNAL_EXPORT_FILE")

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


def one(kind: str, values: str, name: str = "") -> Manifest:
    """The one manifest of a kind, or of those the one whose name ends with `name`."""
    [manifest] = [
        each
        for each in manifests(values)
        if each["kind"] == kind and each["metadata"]["name"].endswith(name)
    ]
    return manifest


def pod(values: str) -> Manifest:
    spec: Manifest = one("Deployment", values)["spec"]["template"]["spec"]
    return spec


def volume(values: str, name: str) -> Manifest:
    [only] = [each for each in pod(values)["volumes"] if each["name"] == name]
    assert isinstance(only, dict)
    return only


def container(values: str) -> Manifest:
    [only] = pod(values)["containers"]
    assert isinstance(only, dict)
    return only


def principal_with_limits(limits: dict[str, object]) -> dict[str, object]:
    """Part of a policy whose numbers would come out of the chart as other ones."""
    return {"principals": [{"grants": [{"limits": limits}]}]}


def as_written(text: str) -> object:
    """A document whose scalars are all texts, digit by digit, whether they are in quotes or not."""
    return yaml.load(text, yaml.BaseLoader)  # noqa: S506  # it makes no objects


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
    for missing in ("keys: ", "policy: ", "redis.cache: ", "redis.state: "):
        assert missing in run.stderr


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ({"accounts": []}, "keys: name the exchange's keys"),
        ({"accounts": [{"id": "a"}]}, "accounts: a needs a Secret for read, trade or withdraw"),
        (
            {"accounts": [{"id": "a", "existingSecret": "x", "trade": "y"}]},
            "accounts: a has existingSecret, which is for reading and trading, and a Secret for",
        ),
        ({"keysFile__existingSecret": "x"}, "and encryptionKeySecret (the keys that open it) go"),
        ({"keysFile__encryptionKeySecret": "x"}, "keysFile: existingSecret (the sealed file) and"),
        (
            {"keysFile__existingSecret": "x", "keysFile__encryptionKeySecret": "x"},
            "into different Secrets, or whoever reads one has both",
        ),
        ({"keysVolume": {"csi": {"driver": "x"}}}, "either this volume or accounts, not both"),
        (
            {"accounts": [{"id": "a", "existingSecret": "x"}, {"id": "a", "existingSecret": "y"}]},
            "accounts: a stands there twice",
        ),
        ({"policy__document": {"accounts": []}}, "policy: give either existingConfigMap or"),
        ({"policy__existingConfigMap": ""}, "without a policy nobody may do anything"),
        (
            {"policy__candidate": {"existingConfigMap": "x", "document": {"version": 1}}},
            "policy.candidate: give either existingConfigMap or document",
        ),
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
        ({"settings": {"NGW_AUDIT_FILE": "a"}}, "NGW_AUDIT_FILE is set by a value of its own"),
        (
            {"settings": {"NGW_JOURNAL_EXPORT_FILE": "a"}},
            "NGW_JOURNAL_EXPORT_FILE is set by a value of its own",
        ),
        ({"settings": {"NGW_KEYS_FILE": "k"}}, "NGW_KEYS_FILE is set by a value of its own"),
        ({"settings": {"NGW_CREDENTIALS": "{}"}}, "NGW_CREDENTIALS is a secret"),
        ({"settings": {"NGW_KEY_ENCRYPTION_KEY": "k"}}, "NGW_KEY_ENCRYPTION_KEY is a secret"),
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
        {"keysFile": {"key": "of whoever writes it here"}},
        {"policy__candidate": {"enforce": True}},
        {"policy__document": {"principals": [{"tokens": [{"sha256": 10}]}]}},
        {"policy__document": principal_with_limits({"order_notional": {"TRY": 1_000_000}})},
        {"policy__candidate__document": principal_with_limits({"day_notional": {"TRY": 0.1}})},
        {"policy__document": principal_with_limits({"collar_percent": 5})},
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
    assert not environment(values).keys() & {"NGW_CREDENTIALS", "NGW_KEY_ENCRYPTION_KEY"}


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
def test_the_audit_log_and_what_the_journal_drops_go_to_standard_output(values: str) -> None:
    """The pod's file system is read-only, and the cluster's log collector ships the rest."""
    variables = environment(values)
    assert {variables[name]["value"] for name in _STANDARD_OUTPUT} == {"-"}


@pytest.mark.parametrize(
    ("values", "files"),
    [
        ("minimal", {"NGW_POLICY_FILE": "policy"}),
        (
            "full",
            {
                "NGW_POLICY_FILE": "policy",
                "NGW_POLICY_CANDIDATE_FILE": "candidate",
                "NGW_KEYS_FILE": "keys",
                "NGW_KEY_ENCRYPTION_KEY_FILE": "key-encryption-keys",
            },
        ),
    ],
)
def test_what_the_settings_name_is_mounted_there(values: str, files: dict[str, str]) -> None:
    mounts = {mount["name"]: mount for mount in container(values)["volumeMounts"]}
    assert mounts.keys() == {each["name"] for each in pod(values)["volumes"]}
    assert mounts.keys() == {*files.values(), "credentials"}
    assert all(mount["readOnly"] and "subPath" not in mount for mount in mounts.values())
    variables = environment(values)
    assert mounts["credentials"]["mountPath"] == variables["NGW_CREDENTIALS_DIR"]["value"]
    for setting, name in files.items():
        assert str(Path(variables[setting]["value"]).parent) == mounts[name]["mountPath"]
    assert {name for name in variables if name.endswith("_FILE")} == {*files, *_STANDARD_OUTPUT}


@pytest.mark.parametrize(
    ("name", "setting", "secret", "key"),
    [
        ("keys", "NGW_KEYS_FILE", "narkasa-keys", "keys.json"),
        ("key-encryption-keys", "NGW_KEY_ENCRYPTION_KEY_FILE", "narkasa-kek", "newest"),
    ],
)
def test_the_sealed_file_and_its_key_come_from_a_secret_each(
    name: str, setting: str, secret: str, key: str
) -> None:
    path = Path(environment("full")[setting]["value"]).name
    assert volume("full", name)["secret"] == {
        "secretName": secret,
        "defaultMode": 0o440,
        "items": [{"key": key, "path": path}],
    }


@pytest.mark.parametrize(
    ("values", "pairs"),
    [
        (
            "minimal",
            {
                "treasury/read": "narkasa-treasury",
                "treasury/trade": "narkasa-treasury",
            },
        ),
        (
            "full",
            {
                "treasury/read": "narkasa-treasury-read",
                "treasury/trade": "narkasa-treasury-trade",
                "desk-2/read": "narkasa-desk-2",
                "desk-2/trade": "narkasa-desk-2",
                "desk-2/withdraw": "narkasa-desk-2-withdraw",
            },
        ),
    ],
)
def test_the_gateway_finds_each_key_in_the_folder_that_is_projected(
    values: str, pairs: dict[str, str], tmp_path: Path
) -> None:
    projected = volume(values, "credentials")["projected"]
    assert projected["defaultMode"] == 0o440
    for source in projected["sources"]:
        for item in source["secret"]["items"]:
            place = tmp_path / item["path"]
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(f"{item['key']}.of.{source['secret']['name']}")
            place.chmod(0o440)
    found = read_keys(configured_sources(KeyPlaces(folder=tmp_path)))
    by_slot = {f"{slot.account}/{slot.purpose}": key for slot, key in found.keys.items()}
    assert {slot: key.credential.api_key for slot, key in by_slot.items()} == {
        slot: f"api-key.of.{secret}" for slot, secret in pairs.items()
    }
    assert found.warnings == ()


def test_a_volume_of_a_driver_may_stand_in_place_of_secrets() -> None:
    source = {"csi": {"driver": "secrets-store.csi.k8s.io", "readOnly": True}}
    run = render("minimal", accounts=[], keysVolume=source)
    assert run.returncode == 0, run.stderr
    [deployment] = [
        each for each in yaml.safe_load_all(run.stdout) if each and each["kind"] == "Deployment"
    ]
    assert {"name": "credentials"} | source in deployment["spec"]["template"]["spec"]["volumes"]
    kubernetes_validate.validate(deployment, desired_version=NEWEST, strict=True)


@pytest.mark.parametrize("name", ["policy", "candidate"])
def test_a_policy_document_is_the_mounted_config_map_word_for_word(name: str) -> None:
    config_map = one("ConfigMap", "full", name)
    assert volume("full", name)["configMap"]["name"] == config_map["metadata"]["name"]
    values = yaml.safe_load((VALUES / "full.yaml").read_text())["policy"]
    given = values["document"] if name == "policy" else values["candidate"]["document"]
    assert yaml.safe_load(config_map["data"]["policy.yaml"]) == given
    policy = parse_policy(config_map["data"]["policy.yaml"].encode(), lambda: 0)
    assert policy.accounts == ("treasury", "desk-2")


def test_a_policy_that_uses_the_whole_format_comes_through_unchanged(tmp_path: Path) -> None:
    """The order of grants too: the first that matches decides."""
    example = ROOT.joinpath("docs", "examples", "policy.yaml").read_text()
    example = re.sub(r"sha256: (\d+)", r'sha256: "\1"', example)
    values = tmp_path / "values.yaml"
    document = textwrap.indent(example, "    ")
    values.write_text(f'policy:\n  existingConfigMap: ""\n  document:\n{document}')
    minimal = f"--values={VALUES / 'minimal.yaml'}"
    run = helm("template", "ngw", str(CHART), minimal, f"--values={values}")
    assert run.returncode == 0, run.stderr
    [config_map] = [
        each for each in yaml.safe_load_all(run.stdout) if each and each["kind"] == "ConfigMap"
    ]
    rendered = config_map["data"]["policy.yaml"]
    assert as_written(rendered) == as_written(example)
    assert parse_policy(rendered.encode(), lambda: 0).accounts == ("treasury", "vault")


def test_the_token_of_the_service_account_is_mounted_only_when_asked_for() -> None:
    run = render("minimal", mountServiceAccountToken=True)
    assert run.stdout.count("automountServiceAccountToken: true") == 1
    assert pod("minimal")["automountServiceAccountToken"] is False


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
