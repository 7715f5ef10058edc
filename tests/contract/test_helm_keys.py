"""Keys reach the pod as files of Secrets that exist; no secret is in any manifest."""

from pathlib import Path

import pytest

from gateway.custody import KeyPlaces, configured_sources, read_keys
from tests.contract.helm_chart import (
    container,
    each_case,
    environment,
    every_mapping,
    manifests,
    only,
    pod,
    rendered,
    volume,
)

STANDARD_OUTPUT = ("NGW_AUDIT_FILE", "NGW_JOURNAL_EXPORT_FILE")
SECRET_SETTINGS = {"NGW_CREDENTIALS", "NGW_KEY_ENCRYPTION_KEY"}


@each_case
def test_no_manifest_carries_a_secret(case: str) -> None:
    made = manifests(case)
    assert "Secret" not in {each["kind"] for each in made}
    assert not environment(made).keys() & SECRET_SETTINGS


@each_case
def test_a_config_map_holds_a_policy_or_a_dashboard_and_nothing_else(case: str) -> None:
    held = [each["data"].keys() for each in manifests(case) if each["kind"] == "ConfigMap"]
    assert {name for names in held for name in names} <= {"policy.yaml", "narkasa-gateway.json"}


@pytest.mark.parametrize(
    ("case", "files"),
    [
        (
            "minimal",
            {"NGW_KEYS_FILE": "keys", "NGW_KEY_ENCRYPTION_KEY_FILE": "key-encryption-keys"},
        ),
        ("trial", {"NGW_CREDENTIALS_DIR": "credentials"}),
        ("ingress", {"NGW_CREDENTIALS_DIR": "credentials"}),
        (
            "production",
            {
                "NGW_CREDENTIALS_DIR": "credentials",
                "NGW_KEYS_FILE": "keys",
                "NGW_KEY_ENCRYPTION_KEY_FILE": "key-encryption-keys",
            },
        ),
    ],
)
def test_the_keys_that_the_settings_name_are_mounted_there(
    case: str, files: dict[str, str]
) -> None:
    made = manifests(case)
    mounts = {mount["name"]: mount for mount in container(made)["volumeMounts"]}
    assert mounts.keys() == {each["name"] for each in pod(made)["volumes"]}
    assert all(mount["readOnly"] and "subPath" not in mount for mount in mounts.values())
    variables = environment(made)
    for setting, name in files.items():
        place = Path(variables[setting]["value"])
        folder = place if setting.endswith("_DIR") else place.parent
        assert str(folder) == mounts[name]["mountPath"]
    keys = {"NGW_CREDENTIALS_DIR", "NGW_KEYS_FILE", "NGW_KEY_ENCRYPTION_KEY_FILE"}
    assert variables.keys() & keys == files.keys()


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
    made = manifests("production")
    path = Path(environment(made)[setting]["value"]).name
    assert volume(made, name)["secret"] == {
        "secretName": secret,
        "defaultMode": 0o440,
        "items": [{"key": key, "path": path}],
    }


def test_key_encryption_keys_stand_without_a_sealed_file() -> None:
    """Virtual keys need them, wherever the exchange's keys come from."""
    made = rendered("trial", {"keyEncryptionKey.existingSecret": "narkasa-kek"})
    assert "NGW_KEYS_FILE" not in environment(made)
    assert "NGW_KEY_ENCRYPTION_KEY_FILE" in environment(made)
    assert volume(made, "key-encryption-keys")["secret"]["secretName"] == "narkasa-kek"


@pytest.mark.parametrize(
    ("case", "pairs"),
    [
        ("trial", {"treasury/read": "narkasa-treasury", "treasury/trade": "narkasa-treasury"}),
        (
            "production",
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
    case: str, pairs: dict[str, str], tmp_path: Path
) -> None:
    projected = volume(manifests(case), "credentials")["projected"]
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
    assert volume(manifests("ingress"), "credentials")["csi"] == {
        "driver": "secrets-store.csi.k8s.io",
        "readOnly": True,
        "volumeAttributes": {"secretProviderClass": "narkasa-keys"},
    }


def test_the_operator_makes_each_secret_that_the_pods_name() -> None:
    made = manifests("external-secrets")
    held = {
        each["spec"]["target"]["name"]: {entry["secretKey"] for entry in each["spec"]["data"]}
        for each in made
        if each["kind"] == "ExternalSecret"
    }
    asked: dict[str, set[str]] = {}
    for mapping in every_mapping(only("Deployment", made)):
        if "secretKeyRef" in mapping:
            reference = mapping["secretKeyRef"]
            asked.setdefault(reference["name"], set()).add(reference["key"])
        elif "secretName" in mapping:
            keys = {item["key"] for item in mapping["items"]}
            asked.setdefault(mapping["secretName"], set()).update(keys)
    assert asked == held


def test_an_external_secret_says_where_each_entry_stands() -> None:
    spec = only("ExternalSecret", manifests("external-secrets"), "narkasa-kek")["spec"]
    assert spec["secretStoreRef"] == {"kind": "ClusterSecretStore", "name": "vault"}
    assert spec["data"] == [
        {
            "secretKey": "kek",
            "remoteRef": {"key": "narkasa/key-encryption-keys", "property": "newest"},
        }
    ]
