"""Who reaches the gateway, whom it reaches, and which of its paths lead outside."""

import pytest

from tests.contract.helm_chart import (
    Manifest,
    each_case,
    environment,
    manifests,
    network_policy,
    only,
    pods,
    rendered,
)

WATCHED = {"/metrics", "/healthz", "/startupz", "/readyz"}
"""These ask for no token."""


def labels_of(kind: str, case: str, ending: str = "") -> dict[str, str]:
    """The labels of the pods that something is or makes."""
    [(labels, _spec)] = pods((only(kind, manifests(case), ending),))
    return labels


def targets(rule: Manifest) -> list[tuple[object, str]]:
    """The ports of a rule."""
    return [(port["port"], port["protocol"]) for port in rule["ports"]]


@each_case
def test_the_network_policy_is_on_and_lets_in_and_out_only_what_is_named(case: str) -> None:
    spec = network_policy(manifests(case))
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    for rule in spec["ingress"]:
        assert rule["from"]
        assert targets(rule) == [("http", "TCP")]
    for rule in spec["egress"]:
        assert rule["to"]
        assert rule["ports"]


@each_case
def test_no_rule_reaches_a_private_network_or_the_nodes_metadata_unless_it_is_named(
    case: str,
) -> None:
    for rule in network_policy(manifests(case))["egress"]:
        for peer in rule["to"]:
            if peer.get("ipBlock", {}).get("cidr") == "0.0.0.0/0":
                assert {"10.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"} <= set(
                    peer["ipBlock"]["except"]
                )


def test_it_lets_in_who_is_named_and_the_test_of_the_release() -> None:
    [rule] = network_policy(manifests("production"))["ingress"]
    test, *named = rule["from"]
    assert test["podSelector"]["matchLabels"].items() <= labels_of("Pod", "production").items()
    assert named == [
        {"namespaceSelector": {"matchLabels": {"team": "trading"}}},
        {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}},
            "podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}},
        },
    ]


def test_by_default_the_pods_of_the_namespace_are_named() -> None:
    [rule] = network_policy(manifests("minimal"))["ingress"]
    assert rule["from"][1:] == [{"podSelector": {}}]


def test_an_empty_list_of_peers_is_nobody() -> None:
    """In Kubernetes' own words it would be everybody."""
    spec = network_policy(rendered("minimal", {"networkPolicy.from": []}))
    assert [len(rule["from"]) for rule in spec["ingress"]] == [1]
    without_dns = network_policy(rendered("minimal", {"networkPolicy.dns.to": []}))
    ports = [port for rule in without_dns["egress"] for port, _protocol in targets(rule)]
    assert 53 not in ports


def test_it_goes_out_for_names_the_exchange_redis_and_what_else_is_named() -> None:
    dns, exchange, redis, issuer, telemetry = network_policy(manifests("production"))["egress"]
    assert targets(dns) == [(53, "UDP"), (53, "TCP")]
    assert targets(exchange) == [(443, "TCP")]
    assert redis["to"] == [{"ipBlock": {"cidr": "10.20.0.0/24"}}]
    assert targets(redis) == [(6380, "TCP")]
    assert issuer["to"] == [{"ipBlock": {"cidr": "10.30.0.10/32"}}]
    assert targets(telemetry) == [(4318, "TCP")]
    assert len(network_policy(manifests("minimal"))["egress"]) == len([dns, exchange, redis])


@pytest.mark.parametrize(
    ("rest", "stream", "ports"),
    [
        ("https://x.example", "wss://x.example/v3", {443}),
        ("https://x.example:8443", "wss://x.example/v3", {8443, 443}),
        ("http://x.example", "ws://x.example:9001/v3", {80, 9001}),
    ],
)
def test_the_exchange_is_reached_at_the_ports_of_its_addresses(
    rest: str, stream: str, ports: set[int]
) -> None:
    made = rendered("minimal", {"exchange.restUrl": rest, "exchange.wsUrl": stream})
    exchange = network_policy(made)["egress"][1]
    assert {port for port, _protocol in targets(exchange)} == ports


@pytest.mark.parametrize(
    ("cache", "state", "further", "ports"),
    [
        ("redis://a", "redis://b:6379/0", [], {6379}),
        ("rediss://a:6380/0", "redis://user@b:6381/0?ssl_ca_certs=/x:1", [], {6380, 6381}),
        ("redis://[::1]/0", "redis://[fc00::1]:6390/0", [7000], {6379, 6390, 7000}),
        ("redis://a", "redis+sentinel://b,c:26380/primary/0", [6400], {6379, 26379, 26380, 6400}),
    ],
)
def test_redis_is_reached_at_the_ports_of_its_addresses_and_those_named_besides(
    cache: str, state: str, further: list[int], ports: set[int]
) -> None:
    named: dict[str, object] = {"redis.cache.url": cache, "redis.state.url": state}
    made = rendered("minimal", named | {"networkPolicy.redis.ports": further})
    redis = network_policy(made)["egress"][2]
    assert {port for port, _protocol in targets(redis)} == ports


def test_the_collector_is_reached_at_the_port_of_its_address() -> None:
    named: dict[str, object] = {
        "settings": {"NGW_OTLP_ENDPOINT": "https://collector"},
        "networkPolicy.telemetry": {"to": [{"podSelector": {}}], "ports": [4318]},
    }
    telemetry = network_policy(rendered("minimal", named))["egress"][3]
    assert targets(telemetry) == [(443, "TCP"), (4318, "TCP")]


def test_where_no_port_is_known_no_rule_opens_all_of_them() -> None:
    named: dict[str, object] = {"networkPolicy.telemetry.to": [{"podSelector": {}}]}
    assert len(network_policy(rendered("minimal", named))["egress"]) == 3


def test_the_policy_can_be_turned_off() -> None:
    made = rendered("trial", {"networkPolicy.enabled": False})
    assert "NetworkPolicy" not in {each["kind"] for each in made}


def test_the_trials_redis_is_reached_by_the_gateway_alone() -> None:
    spec = only("NetworkPolicy", manifests("trial"), "redis")["spec"]
    labels = labels_of("StatefulSet", "trial").items()
    assert spec["podSelector"]["matchLabels"].items() <= labels
    [rule] = spec["ingress"]
    [peer] = rule["from"]
    gateway = labels_of("Deployment", "trial").items()
    assert peer["podSelector"]["matchLabels"].items() <= gateway
    assert spec["egress"] == []
    out = network_policy(manifests("trial"))["egress"][-1]
    assert out["to"][0]["podSelector"]["matchLabels"].items() <= labels
    [(_labels, pod)] = pods((only("StatefulSet", manifests("trial")),))
    [port] = pod["containers"][0]["ports"]
    assert targets(out) == targets(rule) == [(port["name"], "TCP")]


def test_ingress_and_route_lead_to_the_service_and_leave_out_what_asks_for_no_token() -> None:
    made = manifests("ingress")
    service = only("Service", made)
    [port] = service["spec"]["ports"]
    [rule] = only("Ingress", made)["spec"]["rules"]
    paths = [each["path"] for each in rule["http"]["paths"]]
    for each in rule["http"]["paths"]:
        backend = each["backend"]["service"]
        assert backend["name"] == service["metadata"]["name"]
        assert backend["port"]["name"] == port["name"]
    [route] = only("HTTPRoute", made)["spec"]["rules"]
    assert [each["path"]["value"] for each in route["matches"]] == paths
    assert route["backendRefs"] == [{"name": service["metadata"]["name"], "port": port["port"]}]
    assert {"/graphql", "/v3"} <= set(paths)
    assert not WATCHED & set(paths)


def test_the_ingress_has_the_certificate_of_its_name() -> None:
    spec = only("Ingress", manifests("ingress"))["spec"]
    [rule] = spec["rules"]
    assert spec["tls"] == [{"hosts": [rule["host"]], "secretName": "gateway-certificate"}]
    assert spec["ingressClassName"] == "haproxy"


def test_an_ingress_without_a_certificate_is_one_that_says_so() -> None:
    insecure: dict[str, object] = {"ingress.tlsSecret": "", "ingress.insecure": True}
    assert "tls" not in only("Ingress", rendered("ingress", insecure))["spec"]


def test_the_test_of_a_release_asks_at_the_service() -> None:
    made = manifests("production")
    service = only("Service", made)
    [ask] = only("Pod", made)["spec"]["containers"]
    variables = {each["name"]: each for each in ask["env"]}
    [port] = service["spec"]["ports"]
    address = f"http://{service['metadata']['name']}:{port['port']}"
    assert variables["GATEWAY_URL"]["value"] == address
    assert variables["GATEWAY_TOKEN"]["valueFrom"]["secretKeyRef"] == {
        "name": "narkasa-test-token",
        "key": "token",
    }
    assert (
        ask["image"]
        == only("Deployment", made)["spec"]["template"]["spec"]["containers"][0]["image"]
    )
    assert only("Pod", made)["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert not environment(made).keys() & variables.keys()
