"""The image run as the chart says: read-only, as its user, with Valkey and exchange outside."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import httpx
import pytest

from tests.contract.helm_chart import Manifest, container
from tests.contract.helm_pod import APP, ETC, Ground, Pod, installed, variables
from tests.functional.callers import Caller
from tests.functional.ordering import accepted
from tests.image.built import TREE, Image
from tests.valkey import ValkeyServer

# It covers the making of the image.
pytestmark = pytest.mark.timeout(900)

PLACES = ("/x", "/tmp/x", "/var/tmp/x", "/opt/gateway/x", "/etc/x", f"{ETC}/x", "/dev/x")  # noqa: S108
WRITES = """
import os, sys
for place in sys.argv[1:]:
    try:
        open(place, "a").close()
    except OSError:
        continue
    print(place)
print(os.getuid(), os.getgid(), os.getgroups())
"""


@contextmanager
def started(image: Image, valkey: ValkeyServer) -> Iterator[Pod]:
    """A pod of the chart, whose container is the image."""
    environ = dict(variable.split("=", 1) for variable in image.config["Env"])
    [program, *_] = image.config["Entrypoint"]
    search = [PurePosixPath(place) for place in environ["PATH"].split(":")]
    [programs] = [place for place in search if (TREE / str(place)[1:] / program).is_file()]

    def ground(folder: Path, security: Manifest) -> Ground:
        folder.joinpath("image").symlink_to(TREE.resolve())
        return Ground(folder, security, own_tree=True, programs=Path(programs), environ=environ)

    with installed(valkey, ground) as pod_:
        yield pod_


@pytest.fixture(scope="module")
def running(image: Image, valkey_server: ValkeyServer) -> Iterator[Pod]:
    with started(image, valkey_server) as pod_:
        yield pod_


def finished(process: "subprocess.Popen[str]") -> tuple[int, str]:
    """The exit code and the output of one that ends by itself."""
    with process:
        output, _ = process.communicate(timeout=60)
    return process.returncode, output


def test_it_runs_the_python_of_the_image(running: Pod) -> None:
    code, output = finished(running.ground.run(["python", "--version"], {}))
    assert (code, output.startswith("Python 3.13.")) == (0, True), output


def test_it_finds_no_fault_in_what_the_chart_gives_it(running: Pod) -> None:
    told = variables(container(running.made), {})
    code, output = finished(running.ground.run(["narkasa-gateway", "check", "--connect"], told))
    assert code == 0, output


@pytest.mark.parametrize("kind", ["startup", "liveness", "readiness"])
def test_it_passes_its_probes(running: Pod, kind: str) -> None:
    assert running.probe(kind) == httpx.codes.OK


def test_it_answers_graphql_and_trades(running: Pod) -> None:
    with httpx.Client(base_url=running.url, trust_env=False, timeout=30) as http:
        accepted(Caller(http, APP.token), "of-an-image")


def test_its_user_can_write_nowhere(running: Pod) -> None:
    code, output = finished(running.ground.run(["python", "-c", WRITES, *PLACES], {}))
    assert (code, output) == (0, "65532 65532 []\n")


@pytest.mark.parametrize("command", ["dev", "sandbox"])
def test_it_has_no_command_for_what_was_left_out(running: Pod, command: str) -> None:
    code, output = finished(running.ground.run(["narkasa-gateway", command], {}))
    assert code == 2
    assert f"No such command '{command}'" in output


def test_it_ends_in_order_when_it_is_told_to(image: Image, valkey_server: ValkeyServer) -> None:
    with started(image, valkey_server) as running:
        running.process.send_signal(signal.SIGTERM)
        log, _ = running.process.communicate(timeout=60)
        assert running.process.returncode == 0, log
    assert "gateway.stopping" in [json.loads(line).get("event") for line in log.splitlines()]
