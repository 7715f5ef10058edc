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


NO_CIDR = ("10.0.0.300/8", "10.0.0.0/33", "10.0.0/8", "fc00::/129", "10.0.0.0")


def principal_with_limits(limits: dict[str, object]) -> dict[str, object]:
    """Part of a policy whose numbers would come out of the chart as other ones."""
    return {"principals": [{"grants": [{"limits": limits}]}]}


def variable(name: str) -> dict[str, str]:
    """An entry of `extraEnv`."""
    return {"name": name, "value": "x"}


def mount(*paths: str, volume: str = "x") -> dict[str, object]:
    """Values that mount a volume at each of the paths."""
    return {
        "extraVolumes": [{"name": "x", "configMap": {"name": "x"}}],
        "extraVolumeMounts": [{"name": volume, "mountPath": path} for path in paths],
    }


def account(**secrets: str) -> list[dict[str, str]]:
    """The value `accounts` with one account."""
    return [{"id": "a", **secrets}]


def test_without_values_it_names_everything_that_is_missing_at_once() -> None:
    run = render(None)
    assert run.returncode != 0
    for missing in (
        "image.repository: ",
        "keys: ",
        "policy: ",
        "redis.cache: ",
        "redis.state: ",
        "redis.to: ",
    ):
        assert missing in run.stderr


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ({"image.repository": ""}, "image.repository: say where the image is pulled from"),
        ({"image.tag": "latest"}, "image.tag: name a version"),
        ({"redis.trial.image.tag": "latest"}, "redis.trial.image.tag: name a version"),
        ({"startWaitSeconds": 300}, "startWaitSeconds: must be greater than progressDeadline"),
        ({"minReadySeconds": 300}, "minReadySeconds: must be less than progressDeadlineSeconds"),
        ({"podAnnotations": {"checksum/policy": "x"}}, "podAnnotations: checksum/policy is the"),
        (
            {"podLabels": {"app.kubernetes.io/name": "x"}},
            "podLabels: app.kubernetes.io/name is the chart's own",
        ),
        ({"resources.limits.memory": "128Mi"}, "resources.limits.memory: is less than what is"),
        ({"resources.limits.memory": 268435455}, "resources.limits.memory: is less than what is"),
        ({"resources.limits.cpu": "0.2"}, "resources.limits.cpu: is less than what is"),
        ({"redis.trial.resources.limits.memory": "1M"}, "redis.trial.resources.limits.memory: is"),
        (
            {"extraEnv": [variable("NGW_LOG_LEVEL")]},
            "extraEnv: NGW_LOG_LEVEL belongs into settings",
        ),
        (
            {"extraEnv": [variable("STATE_REDIS_SENTINEL_PASSWORD")]},
            "extraEnv: STATE_REDIS_SENTINEL_PASSWORD is a variable of the chart's own",
        ),
        ({"extraEnv": [variable("A")] * 2}, "extraEnv: A stands there twice"),
        (
            {"extraVolumes": [{"name": "policy", "configMap": {"name": "other"}}]},
            "extraVolumes: policy is a volume of the chart's own",
        ),
        (
            {"extraVolumes": [{"name": "x", "configMap": {"name": "y"}}] * 2},
            "extraVolumes: x stands there twice",
        ),
        (mount("/opt/x", volume="y"), "extraVolumeMounts: y is none of extraVolumes"),
        (mount("/etc/narkasa-gateway/policy"), "would hide the policy and the keys"),
        (mount("/etc//narkasa-gateway/"), "would hide the policy and the keys"),
        (mount("/etc"), "would hide the policy and the keys"),
        (mount("/opt/x", "/opt/x/"), "extraVolumeMounts: /opt/x/ stands there twice"),
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
        (
            {"externalSecrets.store.name": "vault"},
            "externalSecrets.store.name: names a store of which no secret is read",
        ),
        (
            {
                "externalSecrets.store.name": "vault",
                "externalSecrets.secrets": [
                    {"name": "narkasa-kek", "entries": {"a": {"key": "b"}}}
                ],
            },
            "externalSecrets: narkasa-kek lacks the entry kek, which the pods wait for",
        ),
        (
            {
                "accounts": account(read="x"),
                "policy.existingConfigMap": "",
                "policy.document": {"accounts": ["b"]},
            },
            "accounts: a is no account of policy.document",
        ),
        (
            {"policy.candidate.existingConfigMap": "narkasa-policy"},
            "policy.candidate: is the policy in force",
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
            {"redis.state.sentinelPasswordSecret": "x"},
            "redis.state.sentinelPasswordSecret: the password goes into a url of Sentinels",
        ),
        (
            {"redis.state.url": "redis://$(HOST):6379"},
            "redis.state.url holds a $, which would stand for a variable",
        ),
        (
            {"redis.state.url": "redis+sentinel://a:26379"},
            "redis.state.url: say which master the Sentinels are asked for",
        ),
        ({"settings": {"NGW_PORT": "9000"}}, "NGW_PORT is set by a value of its own"),
        ({"settings": {"NGW_KEYS_FILE": "k"}}, "NGW_KEYS_FILE is set by a value of its own"),
        ({"settings": {"NGW_CREDENTIALS": "{}"}}, "NGW_CREDENTIALS is a secret"),
        ({"settings": {"NGW_KEY_ENCRYPTION_KEY": "k"}}, "NGW_KEY_ENCRYPTION_KEY is a secret"),
        (
            {
                "settings": {"NGW_OTLP_ENDPOINT": "http://me:pw@collector:4318"},
                "networkPolicy.enabled": False,
            },
            "settings: NGW_OTLP_ENDPOINT takes no user and no password",
        ),
        ({"exchange.restUrl": "https://x.example/v3/api/"}, "exchange.restUrl: leave /v3/api away"),
        (
            {"settings": {"NGW_OTLP_ENDPOINT": "http://collector:4318"}},
            "networkPolicy.telemetry.to: say where the collector",
        ),
        (
            {"redis.state.url": "redis+sentinel://a:26379/primary/0"},
            "networkPolicy.redis.ports: redis.state does not tell the ports",
        ),
        (
            {"redis.cache.url": "", "redis.cache.existingSecret": "x"},
            "networkPolicy.redis.ports: redis.cache does not tell the ports",
        ),
        (
            {
                "networkPolicy.from": [
                    {"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {"matchLabels": {"a": "b"}}}
                ]
            },
            "networkPolicy: a peer has ipBlock 10.0.0.0/8 and a selector",
        ),
        (
            {"networkPolicy.from": [{"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}]},
            "networkPolicy: a peer has ipBlock 10.0.0.0/8 and a selector",
        ),
        ({"exposedPaths": ["/"]}, "exposedPaths: / leads to what asks for no token"),
        (
            {"exposedPaths": ["/startupz"]},
            "exposedPaths: /startupz leads to what asks for no token",
        ),
        ({"exposedPaths": ["/v3/..//metrics/"]}, "exposedPaths: /v3/..//metrics/ leads to"),
        (
            {"ingress.enabled": True, "ingress.host": "gateway.example.com"},
            "ingress.tlsSecret: name the Secret of the certificate",
        ),
        (
            {"ingress.tlsSecret": "x", "ingress.insecure": True},
            "ingress: give either tlsSecret or insecure",
        ),
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
        {"image.repository": "registry.example.com/gateway:1.2.3"},
        {"image.digest": "sha256:abc"},
        {"redis.cache.password": "pw"},
        {"redis.cache.url": "http://cache"},
        {"redis.cache.url": "redis+cluster://a:6379,b:6379"},
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
        {"settings": {"NGW_PRINCIPLE_RATE": "10/s"}},
        {"exchange.restUrl": "https://me:pw@x.example"},
        {"exchange.wsUrl": "wss://x.example/v3?token=x"},
        {"podLabels": {"a": "not a label"}},
        {"whenUnsatisfiable": "Never"},
        {"affinity": {"podAfinity": {}}},
        {"extraEnv": [{"name": "A", "value": "b", "valueFrom": {"fieldRef": {"fieldPath": "c"}}}]},
        {"extraVolumes": [{"name": "host", "hostPath": {"path": "/"}}]},
        {"resources.limits.memory": "plenty"},
        {"exposedPaths": ["/%6detrics"]},
        {"networkPolicy.from": [{}]},
        *({"networkPolicy.from": [{"ipBlock": {"cidr": cidr}}]} for cidr in NO_CIDR),
        {"networkPolicy.redis.ports": ["redis"]},
        {"networkPolicy.egress": []},
        {"terminationGracePeriodSeconds": 1},
    ],
)
def test_values_outside_the_schema_are_refused(overrides: dict[str, object]) -> None:
    run = render("minimal", overrides)
    assert run.returncode != 0
    assert "don't meet the specifications of the schema" in run.stderr


@pytest.mark.parametrize(
    "path",
    ["image", "image.repository", "policy", "networkPolicy", "networkPolicy.dns", "redis.state"],
)
def test_a_value_that_was_taken_away_is_missed_by_its_name(path: str) -> None:
    run = render("minimal", {path: None})
    assert run.returncode != 0
    assert f"missing property '{path.rpartition('.')[2]}'" in run.stderr


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
NOT_LISTED = ("keysVolume.csi.", "settings.", "affinity.")
"""What Helm itself gives, and what has no default to show."""


def test_every_value_has_a_default_and_a_place_in_the_schema() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    missing = {
        path
        for path, known in named(values, SCHEMA)
        if not known
        and not path.startswith(NOT_LISTED)
        and not path.endswith("ephemeral-storage")
        and not path.endswith("limits.cpu")
    }
    assert missing == OPTIONAL
