"""What a schema cannot see of the pods: selectors, ports, probes, rights, and how they stop."""

import pytest

from tests.contract.helm_chart import (
    Manifest,
    container,
    each_case,
    environment,
    every_mapping,
    manifests,
    only,
    pod,
    pods,
    rendered,
)

PROBES = {"startup": "/startupz", "liveness": "/healthz", "readiness": "/readyz"}
MARGIN_S = 5
RESTRICTED_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}


def found_by(selector: Manifest, among: tuple[Manifest, ...]) -> list[Manifest]:
    """The specifications of the pods that a selector finds."""
    assert selector
    return [spec for labels, spec in pods(among) if selector.items() <= labels.items()]


@each_case
def test_the_gateway_is_found_by_all_that_is_about_it_and_no_other_pod_is(case: str) -> None:
    made = manifests(case)
    deployment = only("Deployment", made)["spec"]
    selectors = [
        deployment["selector"]["matchLabels"],
        only("Service", made, "gateway")["spec"]["selector"],
        only("PodDisruptionBudget", made)["spec"]["selector"]["matchLabels"],
        only("NetworkPolicy", made, "gateway")["spec"]["podSelector"]["matchLabels"],
        *(each["labelSelector"]["matchLabels"] for each in pod(made)["topologySpreadConstraints"]),
        *(
            each["spec"]["selector"]["matchLabels"]
            for each in made
            if each["kind"] == "ServiceMonitor"
        ),
    ]
    assert all(found_by(selector, made) == [pod(made)] for selector in selectors)


def test_the_service_monitor_finds_the_service_of_the_gateway() -> None:
    made = manifests("production")
    monitor = only("ServiceMonitor", made)["spec"]
    service = only("Service", made)
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    [endpoint] = monitor["endpoints"]
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert endpoint["path"] == "/metrics"


@each_case
def test_all_ports_are_the_one_that_the_gateway_listens_on(case: str) -> None:
    made = manifests(case)
    [port] = container(made)["ports"]
    assert str(port["containerPort"]) == environment(made)["NGW_PORT"]["value"]
    named = [
        *(each["targetPort"] for each in only("Service", made, "gateway")["spec"]["ports"]),
        *(container(made)[f"{kind}Probe"]["httpGet"]["port"] for kind in PROBES),
    ]
    assert set(named) == {port["name"]}


@each_case
def test_a_pod_that_is_merely_not_ready_is_not_restarted(case: str) -> None:
    gateway = container(manifests(case))
    paths = {kind: gateway[f"{kind}Probe"]["httpGet"]["path"] for kind in PROBES}
    assert paths == PROBES


@each_case
def test_every_pod_is_one_that_the_restricted_standard_admits(case: str) -> None:
    admitted = list(pods(manifests(case)))
    assert len(admitted) >= len(("gateway", "test"))
    for _labels, spec in admitted:
        context = spec["securityContext"]
        assert context["runAsNonRoot"] is True
        assert context["runAsUser"] >= 10_000
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not spec.keys() & {"hostNetwork", "hostPID", "hostIPC", "initContainers"}
        for volume in spec.get("volumes", []):
            assert volume.keys() - {"name"} <= RESTRICTED_VOLUMES
        for each in spec["containers"]:
            assert each["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert all("hostPort" not in port for port in each.get("ports", []))


@each_case
def test_every_pod_says_what_it_needs_and_where_it_ends(case: str) -> None:
    for _labels, spec in pods(manifests(case)):
        for each in spec["containers"]:
            assert {"cpu", "memory"} <= each["resources"]["requests"].keys()
            assert "memory" in each["resources"]["limits"]


@each_case
def test_no_pod_gets_the_token_of_its_service_account_unasked(case: str) -> None:
    made = manifests(case)
    assert only("ServiceAccount", made)["automountServiceAccountToken"] is False
    mounted = [spec["automountServiceAccountToken"] for _labels, spec in pods(made)]
    assert sum(mounted) == (case == "ingress")
    assert pod(made)["automountServiceAccountToken"] is (case == "ingress")


@each_case
def test_a_service_of_another_name_adds_nothing_to_the_environment(case: str) -> None:
    """Kubernetes would make NGW_SERVICE_HOST of a service called ngw: a setting there is not."""
    assert all(spec["enableServiceLinks"] is False for _labels, spec in pods(manifests(case)))


@pytest.mark.parametrize(("pre_stop", "grace"), [(5, 10), (1, 1), (30, 600)])
def test_the_pod_is_killed_only_after_its_own_grace_is_over(pre_stop: int, grace: int) -> None:
    values = {"preStopSeconds": pre_stop, "shutdownGraceSeconds": grace}
    made = rendered("minimal", dict(values))
    assert container(made)["lifecycle"]["preStop"]["sleep"]["seconds"] == pre_stop
    assert environment(made)["NGW_SHUTDOWN_GRACE_S"]["value"] == str(grace)
    assert pod(made)["terminationGracePeriodSeconds"] == pre_stop + grace + MARGIN_S


@each_case
def test_a_release_takes_no_pod_away_before_another_is_ready(case: str) -> None:
    strategy = only("Deployment", manifests(case))["spec"]["strategy"]
    assert strategy["type"] == "RollingUpdate"
    assert strategy["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


@each_case
def test_a_new_pod_may_wait_for_what_it_needs_until_the_release_has_failed(case: str) -> None:
    """Then it comes up by itself, before the kubelet begins it anew."""
    made = manifests(case)
    waits = float(environment(made)["NGW_START_WAIT_S"]["value"])
    probe = container(made)["startupProbe"]
    assert only("Deployment", made)["spec"]["progressDeadlineSeconds"] < waits
    assert waits < probe["failureThreshold"] * probe["periodSeconds"]


@each_case
def test_a_node_can_always_be_drained(case: str) -> None:
    budget = only("PodDisruptionBudget", manifests(case))["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_pods_are_spread_over_zones_and_nodes() -> None:
    constraints = pod(manifests("minimal"))["topologySpreadConstraints"]
    assert [each["topologyKey"] for each in constraints] == [
        "topology.kubernetes.io/zone",
        "kubernetes.io/hostname",
    ]


def test_a_digest_wins_over_the_tag() -> None:
    made = rendered("production", {"image.tag": "1.2.3"})
    images = {each["image"] for each in every_mapping(made) if "image" in each}
    [image] = images
    assert "@sha256:" in image
    assert container(rendered("minimal", {"image.tag": "1.2.3"}))["image"].endswith(":1.2.3")


def test_where_the_pods_run_is_what_the_values_say() -> None:
    spec = pod(manifests("production"))
    assert spec["nodeSelector"] == {"kubernetes.io/arch": "amd64"}
    assert spec["tolerations"] == [
        {"key": "trading", "operator": "Exists", "effect": "NoSchedule"},
    ]
    assert spec["priorityClassName"] == "trading"
    assert spec["imagePullSecrets"] == [{"name": "pull"}]
    assert spec["affinity"].keys() == {"podAffinity"}
    spread = [each["whenUnsatisfiable"] for each in spec["topologySpreadConstraints"]]
    assert spread == ["DoNotSchedule", "DoNotSchedule"]
    deployment = only("Deployment", manifests("production"))["spec"]
    assert deployment["template"]["metadata"]["labels"]["cost-centre"] == "trading"
    assert deployment["minReadySeconds"] == 10
    assert deployment["progressDeadlineSeconds"] == 600


def test_the_test_of_the_release_and_the_trials_redis_run_where_the_gateway_does() -> None:
    where: dict[str, object] = {
        "nodeSelector": {"kubernetes.io/arch": "amd64"},
        "tolerations": [{"key": "trading", "operator": "Exists"}],
        "priorityClassName": "trading",
    }
    found = [spec for _labels, spec in pods(tuple(rendered("trial", where)))]
    assert len(found) == len(("gateway", "redis", "test"))
    for spec in found:
        assert {name: spec[name] for name in where} == where


def test_further_variables_and_volumes_come_beside_the_charts_own() -> None:
    made = manifests("production")
    assert environment(made)["NODE_NAME"]["valueFrom"] == {
        "fieldRef": {"fieldPath": "spec.nodeName"}
    }
    mounts = {each["name"]: each["mountPath"] for each in container(made)["volumeMounts"]}
    assert mounts["redis-authority"] == "/etc/redis-authority"
    assert mounts.keys() == {each["name"] for each in pod(made)["volumes"]}
