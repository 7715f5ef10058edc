"""The container as the chart renders it, run without a cluster: it is probed, and it serves."""

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import httpx
import pytest

from tests.contract.helm_chart import ROOT, container, only, pod
from tests.contract.helm_pod import APP, ETC, OPERATOR, Pod, installed, variables
from tests.functional.callers import Caller
from tests.functional.ordering import accepted
from tests.processes import eventually, free_port
from tests.valkey import ValkeyServer

WRITES = """
import os
for place in os.environ["PLACES"].split(":"):
    try:
        with open(place, "a") as file:
            file.write("x")
    except OSError:
        continue
    print(place)
print(os.getuid())
"""


@pytest.fixture(scope="module")
def running(valkey_server: ValkeyServer) -> Iterator[Pod]:
    """The pod that most tests ask."""
    with installed(valkey_server) as pod_:
        yield pod_


def finished(process: "subprocess.Popen[str]") -> tuple[int, str]:
    """The exit code and the output of one that ends by itself."""
    with process:
        output, _ = process.communicate(timeout=30)
    return process.returncode, output


@pytest.mark.parametrize("kind", ["startup", "liveness", "readiness"])
def test_the_container_passes_its_probes(running: Pod, kind: str) -> None:
    assert eventually(lambda: running.probe(kind) == httpx.codes.OK)


def test_it_trades_with_the_keys_and_the_policy_of_its_volumes(running: Pod) -> None:
    with httpx.Client(base_url=running.url, trust_env=False, timeout=30) as http:
        accepted(Caller(http, APP.token), "of-a-pod")


def test_what_runs_there_is_the_charts_user_and_can_write_nowhere(running: Pod) -> None:
    places = [f"{ETC}/policy/policy.yaml"]
    if running.ground.own_tree:
        places += ["/x", "/usr/x", f"{ROOT}/x", "/dev/shm/x", f"{ETC}/x"]  # noqa: S108
    environ = {"PLACES": ":".join(places)}
    code, output = finished(running.ground.run(["python", "-c", WRITES], environ))
    assert code == 0, output
    assert output == f"{running.ground.user}\n"


def test_it_wrote_nothing_into_its_volumes(running: Pod) -> None:
    files = Path(f"{running.ground.folder}{ETC}").rglob("*")
    assert {path.name for path in files if path.is_file()} == {
        "api-key",
        "api-secret",
        "policy.yaml",
    }


@pytest.mark.parametrize("token", [APP.token, ""], ids=["with-token", "without"])
def test_the_test_of_the_release_passes(running: Pod, token: str) -> None:
    """Without a token it is enough to be asked for one."""
    code, output = asked(running, {"GATEWAY_TOKEN": token})
    assert code == 0, output
    assert output.endswith('/readyz {"status": "ready", "problems": {}}\n')


def test_the_test_of_the_release_fails_with_a_token_that_proves_nothing(running: Pod) -> None:
    code, output = asked(running, {"GATEWAY_TOKEN": "wrong", "PATIENCE_S": "0"})
    assert code == 1
    assert "UNAUTHENTICATED" in output


def test_the_test_of_the_release_fails_where_nothing_answers(running: Pod) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    code, output = asked(running, {"GATEWAY_URL": nowhere, "PATIENCE_S": "0"})
    assert code == 1
    assert "no answer" in output


def test_the_test_of_the_release_survives_an_answer_that_breaks_off(running: Pod) -> None:
    """A pod that is taken away in the middle of it; the next one may be well."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = Thread(target=break_off, args=[server])
        thread.start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        code, output = asked(running, {"GATEWAY_URL": address, "PATIENCE_S": "0"})
        thread.join()
    assert code == 1
    assert "no answer: IncompleteRead" in output


def break_off(server: socket.socket) -> None:
    """Promise a hundred bytes, and send one."""
    peer, _address = server.accept()
    with peer:
        peer.recv(65536)
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")


def test_the_test_of_the_release_fails_where_a_part_is_away(valkey_server: ValkeyServer) -> None:
    """Such a pod is ready and serves what it can, so a rollout alone does not tell."""
    with installed(valkey_server) as degraded:
        degraded.exchange.stop()
        ready = f"{degraded.url}/readyz"
        assert eventually(lambda: "feed" in httpx.get(ready, trust_env=False).text)
        assert degraded.probe("readiness") == httpx.codes.OK
        code, output = asked(degraded, {"PATIENCE_S": "0"})
        assert code == 1
        assert "the exchange's stream is not connected" in output


def test_an_operator_of_the_policy_sees_the_switches_and_an_app_does_not(running: Pod) -> None:
    """The command that docs/install.md names as the proof."""
    show = ["narkasa-gateway", "trading", "show"]
    environ = {"GATEWAY_URL": running.url, "OPERATOR_TOKEN": OPERATOR.token}
    code, output = finished(running.ground.run(show, environ))
    assert code == 0, output
    code, output = finished(running.ground.run(show, environ | {"OPERATOR_TOKEN": APP.token}))
    assert code == 1
    assert "FORBIDDEN" in output


def asked(running: Pod, instead: dict[str, str]) -> tuple[int, str]:
    """Run the container of the release's test, command and all."""
    [ask] = only("Pod", running.made)["spec"]["containers"]
    told = variables(ask, {"GATEWAY_URL": running.url} | instead)
    return finished(running.ground.run([*ask["command"], *ask["args"]], told))


def test_it_ends_within_its_grace_period(valkey_server: ValkeyServer) -> None:
    """The kubelet sends SIGTERM after the hook, and SIGKILL when the grace period is over."""
    with installed(valkey_server) as running:
        running.process.send_signal(signal.SIGTERM)
        hook = container(running.made)["lifecycle"]["preStop"]["sleep"]["seconds"]
        left = pod(running.made)["terminationGracePeriodSeconds"] - hook
        log, _ = running.process.communicate(timeout=left)
        assert running.process.returncode == 0
    assert "gateway.stopping" in [json.loads(line).get("event") for line in log.splitlines()]
