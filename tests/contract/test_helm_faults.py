"""The chart refuses values that are missing, contradict each other, or are none of its own."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.contract.helm_chart import CHART, every_mapping, render

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
POLICY = ("policy", "limits")
"""Of a policy the schema holds only what would lose digits; the gateway checks the rest."""


def principal_with_limits(limits: dict[str, object]) -> dict[str, object]:
    """Part of a policy whose numbers would come out of the chart as other ones."""
    return {"principals": [{"grants": [{"limits": limits}]}]}


def account(**secrets: str) -> list[dict[str, str]]:
    """The value `accounts` with one account."""
    return [{"id": "a", **secrets}]


def test_without_values_it_names_everything_that_is_missing_at_once() -> None:
    run = render(None)
    assert run.returncode != 0
    for missing in ("keys: ", "policy: ", "redis.cache: ", "redis.state: ", "redis.to: "):
        assert missing in run.stderr


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ({"keysFile.existingSecret": ""}, "keys: name the exchange's keys"),
        ({"accounts": account()}, "accounts: a needs a Secret for read, trade or withdraw"),
        (
            {"accounts": account(existingSecret="x", trade="y")},
            "accounts: a has existingSecret, which is for reading and trading, and a Secret for",
        ),
        ({"accounts": account(read="x") * 2}, "accounts: a stands there twice"),
        ({"keyEncryptionKey.existingSecret": ""}, "keyEncryptionKey.existingSecret: keysFile is"),
        (
            {"keyEncryptionKey.existingSecret": "narkasa-keys"},
            "into different Secrets, or whoever reads one has both",
        ),
        (
            {"accounts": account(read="x"), "keysVolume": {"csi": {"driver": "x"}}},
            "either this volume or accounts, not both",
        ),
        (
            {"externalSecrets.secrets": [{"name": "x", "entries": {"a": {"key": "b"}}}]},
            "externalSecrets.store.name: say which store",
        ),
        (
            {"externalSecrets.secrets": [{"name": "x", "entries": {"a": {"key": "b"}}}] * 2},
            "externalSecrets: x stands there twice",
        ),
        ({"policy.document": {"accounts": []}}, "policy: give either existingConfigMap or"),
        ({"policy.existingConfigMap": ""}, "without a policy nobody may do anything"),
        (
            {"policy.candidate": {"existingConfigMap": "x", "document": {"version": 1}}},
            "policy.candidate: give either existingConfigMap or document",
        ),
        ({"redis.state.existingSecret": "x"}, "redis.state: give either url or existingSecret"),
        ({"redis.cache.url": ""}, "redis.cache: give url, or existingSecret"),
        ({"redis.trial.enabled": True}, "redis.cache: redis.trial takes its place; give either"),
        (
            {
                "redis.cache.url": "",
                "redis.cache.existingSecret": "x",
                "redis.cache.passwordSecret": "y",
            },
            "redis.cache.passwordSecret: the password goes into url",
        ),
        (
            {"redis.state.url": "redis://:pw@state:6379/0"},
            "redis.state.url holds a password: name a Secret",
        ),
        (
            {"redis.state.url": "rediss://state:6379/0?password=pw"},
            "redis.state.url holds a password: name a Secret",
        ),
        (
            {"redis.state.url": "redis://$(HOST):6379", "redis.state.passwordSecret": "x"},
            "redis.state.url holds a $, which would stand for a variable",
        ),
        ({"settings": {"NGW_PORT": "9000"}}, "NGW_PORT is set by a value of its own"),
        ({"settings": {"NGW_KEYS_FILE": "k"}}, "NGW_KEYS_FILE is set by a value of its own"),
        ({"settings": {"NGW_CREDENTIALS": "{}"}}, "NGW_CREDENTIALS is a secret"),
        ({"settings": {"NGW_KEY_ENCRYPTION_KEY": "k"}}, "NGW_KEY_ENCRYPTION_KEY is a secret"),
        ({"networkPolicy.redis.to": []}, "networkPolicy.redis.to: say where Redis is"),
        ({"networkPolicy.exchange.to": []}, "networkPolicy.exchange.to: say where the exchange is"),
        ({"ingress.enabled": True}, "ingress.host: say under which name"),
        ({"httpRoute.enabled": True}, "httpRoute.parentRefs: say which Gateway"),
        (
            {"autoscaling.enabled": True, "autoscaling.minReplicas": 7},
            "autoscaling: minReplicas is greater than maxReplicas",
        ),
        (
            {"autoscaling.enabled": True, "autoscaling.cpuPercent": 0},
            "autoscaling: give cpuPercent or subscriptionsPerPod",
        ),
        (
            {"autoscaling.enabled": True, "resources.requests.cpu": None},
            "autoscaling.cpuPercent: is a share of resources.requests.cpu",
        ),
    ],
)
def test_contradictory_values_are_refused_with_a_sentence(
    overrides: dict[str, object], sentence: str
) -> None:
    run = render("minimal", overrides)
    assert run.returncode != 0
    assert sentence in run.stderr


@pytest.mark.parametrize(
    "overrides",
    [
        {"replica": 3},
        {"replicas": 0},
        {"image.tag": "latest"},
        {"image.digest": "sha256:abc"},
        {"redis.cache.password": "pw"},
        {"redis.cache.url": "http://cache"},
        {"redis.queue": {"url": "redis://q"}},
        {"accounts": [{"id": "a", "existingSecret": "x", "apiSecret": "y"}]},
        {"keysFile": {"key": "of whoever writes it here"}},
        {"keysVolume": {"hostPath": {"path": "/etc/keys"}}},
        {"policy.candidate": {"enforce": True}},
        {"policy.document": {"principals": [{"tokens": [{"sha256": 10}]}]}},
        {"policy.document": principal_with_limits({"order_notional": {"TRY": 1_000_000}})},
        {"policy.candidate.document": principal_with_limits({"day_notional": {"TRY": 0.1}})},
        {"policy.document": principal_with_limits({"collar_percent": 5})},
        {"settings": {"LOG_LEVEL": "DEBUG"}},
        {"settings": {"NGW_MAX_QUERY_DEPTH": 10}},
        {"extraEnv": [{"name": "NGW_LOG_LEVEL", "value": "DEBUG"}]},
        {"extraEnv": [{"name": "STATE_REDIS_PASSWORD", "value": "pw"}]},
        {"extraEnv": [{"name": "A", "value": "b", "valueFrom": {"fieldRef": {"fieldPath": "c"}}}]},
        {"extraVolumes": [{"name": "policy", "configMap": {"name": "other"}}]},
        {"extraVolumes": [{"name": "host", "hostPath": {"path": "/"}}]},
        {"resources.limits.memory": "plenty"},
        {"exposedPaths": ["/"]},
        {"exposedPaths": ["/metrics"]},
        {"networkPolicy.from": [{}]},
        {"networkPolicy.redis.ports": ["redis"]},
        {"networkPolicy.egress": []},
        {"terminationGracePeriodSeconds": 1},
    ],
)
def test_values_outside_the_schema_are_refused(overrides: dict[str, object]) -> None:
    run = render("minimal", overrides)
    assert run.returncode != 0
    assert "don't meet the specifications of the schema" in run.stderr


def test_a_quantity_may_be_a_whole_number() -> None:
    run = render("minimal", {"resources.requests.cpu": 2})
    assert run.returncode == 0, run.stderr


def shapes(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every part of a schema that has properties, but for those of a policy."""
    definitions = {name: of for name, of in schema["definitions"].items() if name not in POLICY}
    for each in every_mapping({**schema, "definitions": definitions}):
        if isinstance(each.get("properties"), dict) and "type" in each:
            yield each


def test_the_schema_takes_no_value_that_it_does_not_name() -> None:
    found = list(shapes(SCHEMA))
    assert found
    assert all(shape["additionalProperties"] is False for shape in found)


def named(values: object, schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, bool]]:
    """Each value by its path, and whether the schema and the values both have it."""
    while "$ref" in schema:
        schema = SCHEMA["definitions"][schema["$ref"].rpartition("/")[2]]
    if path in {"policy.document", "policy.candidate.document"} or "properties" not in schema:
        return
    given = values if isinstance(values, dict) else {}
    for name in schema["properties"].keys() | given.keys():
        place = f"{path}.{name}".removeprefix(".")
        yield place, name in schema["properties"] and name in given
        if name in schema["properties"]:
            yield from named(given.get(name), schema["properties"][name], place)


OPTIONAL = {"global", "keysVolume.csi"}
"""What Helm itself gives, and what has no default to show."""


def test_every_value_has_a_default_and_a_place_in_the_schema() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    missing = {
        path
        for path, known in named(values, SCHEMA)
        if not known
        and not path.startswith("keysVolume.csi.")
        and not path.endswith("ephemeral-storage")
        and not path.endswith("limits.cpu")
    }
    assert missing == OPTIONAL
