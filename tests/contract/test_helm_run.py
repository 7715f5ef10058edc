"""The container as the chart renders it, run without a cluster: command, files, probes.

What the image and the kubelet would do is done here: the volumes become folders, `$(NAME)` is
expanded, the process can write to no file, and it is the chart's user where the tests run as root
and that user may read the checkout. Paths differ, since nothing is put under /etc.
"""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.contract.helm_chart import Manifest, container, only, pod, rendered
from tests.functional.callers import Caller
from tests.functional.exchange import DEMO, QUIET, Exchange
from tests.functional.ordering import accepted
from tests.functional.service import TRADE, Member
from tests.processes import eventually, free_port
from tests.valkey import ValkeyServer, die_with_parent

ETC = "/etc/narkasa-gateway"
PROGRAMS = Path(sys.executable).parent
IMAGE_COMMAND = ("narkasa-gateway", "serve")
"""The image's entry point, as the Dockerfile has it: the chart gives none."""
APP = Member("desk-app", (("market:read",), TRADE, ("account:read",)))
[KEYS] = DEMO.keys
SECRETS = {
    "demo": {"api-key": KEYS.api_key, "api-secret": KEYS.api_secret},
    "token": {"token": APP.token},
}


def read_only() -> None:
    """In the child: no file can be written, as on a read-only file system."""
    die_with_parent()
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def identity(security: Manifest) -> dict[str, object]:
    """The chart's user, where that can be: it must be ours to become, and reach the interpreter."""
    if os.getuid() != 0:
        return {}
    chosen: dict[str, object] = {
        "user": security["runAsUser"],
        "group": security["runAsGroup"],
        "extra_groups": [security["fsGroup"]],
    }
    try:
        subprocess.run([sys.executable, "-c", "import gateway.cli"], check=True, **chosen)  # type: ignore[call-overload]
    except (PermissionError, subprocess.CalledProcessError):
        return {}
    return chosen


@dataclass(frozen=True)
class Pod:
    """A pod that runs: how it is probed, and what asks it in the test of a release."""

    process: subprocess.Popen[str]
    made: list[Manifest]
    url: str
    folder: Path

    def probe(self, kind: str) -> int:
        """Do as the kubelet; 0 while nothing answers."""
        path = container(self.made)[f"{kind}Probe"]["httpGet"]["path"]
        try:
            return httpx.get(self.url + path, trust_env=False).status_code
        except httpx.TransportError:
            return 0


def variables(of: Manifest, instead: dict[str, str]) -> dict[str, str]:
    """The environment as the kubelet makes it, with other paths and ports."""
    made: dict[str, str] = {}
    for each in of["env"]:
        text = each.get("value")
        if text is None:
            reference = each["valueFrom"]["secretKeyRef"]
            text = SECRETS[reference["name"]][reference["key"]]
        for name, value in made.items():
            text = text.replace(f"$({name})", value)
        made[each["name"]] = instead.get(each["name"], text)
    return made


def mounted(made: list[Manifest], folder: Path) -> None:
    """Write every volume as the kubelet does: readable by the pod's group, writable by nobody."""
    group = pod(made)["securityContext"]["fsGroup"]
    mounts = {each["name"]: each["mountPath"] for each in container(made)["volumeMounts"]}
    for volume in pod(made)["volumes"]:
        place = folder / mounts[volume["name"]].removeprefix("/")
        for path, text in contents(made, volume):
            file = place / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            file.chmod(0o440)
            if os.getuid() == 0:
                os.chown(file, 0, group)


def contents(made: list[Manifest], volume: Manifest) -> Iterator[tuple[str, str]]:
    """The files of a volume and what is in them."""
    if "configMap" in volume:
        [config_map] = [
            each
            for each in made
            if each["kind"] == "ConfigMap"
            and each["metadata"]["name"] == volume["configMap"]["name"]
        ]
        yield from config_map["data"].items()
    for source in volume.get("projected", {}).get("sources", []):
        secret = source["secret"]
        for item in secret["items"]:
            yield item["path"], SECRETS[secret["name"]][item["key"]]


def values(exchange: Exchange, valkey: ValkeyServer) -> dict[str, object]:
    """What an operator would say of these servers."""
    policy = {"version": 1, "accounts": ["demo"], "principals": [APP.entry()]}
    return {
        "keysFile.existingSecret": "",
        "keyEncryptionKey.existingSecret": "",
        "accounts": [{"id": "demo", "existingSecret": "demo"}],
        "policy.existingConfigMap": "",
        "policy.document": policy,
        "redis.cache.url": f"{valkey.tcp_url}/0",
        "redis.state.url": f"{valkey.tcp_url}/1",
        "exchange.restUrl": exchange.url,
        "exchange.wsUrl": exchange.stream_url,
        "test.tokenSecret": "token",
    }


@contextmanager
def installed(valkey: ValkeyServer) -> Iterator[Pod]:
    """A pod that runs, with an exchange of its own."""
    folder = Path(tempfile.mkdtemp(prefix="ngw-"))
    folder.chmod(0o755)
    with closing(Exchange(QUIET)) as exchange:
        made = rendered("minimal", values(exchange, valkey))
        mounted(made, folder)
        with started(made, folder) as running:
            assert eventually(lambda: running.probe("readiness") == httpx.codes.OK)
            yield running
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def running(valkey_server: ValkeyServer) -> Iterator[Pod]:
    """The pod that most tests ask."""
    with installed(valkey_server) as pod_:
        yield pod_


@contextmanager
def started(made: list[Manifest], folder: Path) -> Iterator[Pod]:
    """The container's process, from its start to its end."""
    port = str(free_port())
    told = variables(container(made), {"NGW_PORT": port, "NGW_HOST": "127.0.0.1"})
    told = {name: text.replace(ETC, f"{folder}{ETC}") for name, text in told.items()}
    program, *arguments = IMAGE_COMMAND
    with subprocess.Popen(
        [PROGRAMS / program, *arguments],
        cwd="/",
        env={"PATH": f"{PROGRAMS}:/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", **told},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=read_only,  # noqa: PLW1509 - two system calls, nothing of Python's
        **identity(pod(made)["securityContext"]),  # type: ignore[call-overload]
    ) as process:
        try:
            yield Pod(process, made, f"http://127.0.0.1:{port}", folder)
        finally:
            process.terminate()
            process.wait(timeout=30)


@pytest.mark.parametrize("kind", ["startup", "liveness", "readiness"])
def test_the_container_passes_its_probes(running: Pod, kind: str) -> None:
    assert running.probe(kind) == httpx.codes.OK


def test_nothing_is_the_matter_with_what_the_chart_tells_it(running: Pod) -> None:
    def ready() -> bool:
        told = httpx.get(f"{running.url}/readyz", trust_env=False).json()
        return bool(told == {"status": "ready", "problems": {}})

    assert eventually(ready)


def test_it_trades_with_the_keys_and_the_policy_of_its_volumes(running: Pod) -> None:
    with httpx.Client(base_url=running.url, trust_env=False, timeout=30) as http:
        accepted(Caller(http, APP.token), "of-a-pod")


def test_it_wrote_nothing_into_its_volumes(running: Pod) -> None:
    files = sorted(path.name for path in running.folder.rglob("*") if path.is_file())
    assert files == ["api-key", "api-secret", "policy.yaml"]


@pytest.mark.parametrize("token", [APP.token, ""], ids=["with-token", "without"])
def test_the_test_of_the_release_passes(running: Pod, token: str) -> None:
    """Without a token it is enough to be asked for one."""
    run = asked(running, {"GATEWAY_TOKEN": token})
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_test_of_the_release_fails_with_a_token_that_proves_nothing(running: Pod) -> None:
    run = asked(running, {"GATEWAY_TOKEN": "wrong"})
    assert run.returncode == 1
    assert "UNAUTHENTICATED" in run.stdout


def test_the_test_of_the_release_fails_where_nothing_answers(running: Pod) -> None:
    run = asked(running, {"GATEWAY_URL": f"http://127.0.0.1:{free_port()}"})
    assert run.returncode != 0


def asked(running: Pod, instead: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the container of the release's test, command and all."""
    [ask] = only("Pod", running.made)["spec"]["containers"]
    program, option = ask["command"]
    return subprocess.run(
        [PROGRAMS / program, option, *ask["args"]],
        env=variables(ask, {"GATEWAY_URL": running.url} | instead),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        preexec_fn=read_only,
    )


def test_it_ends_within_its_grace_period(valkey_server: ValkeyServer) -> None:
    """The kubelet sends SIGTERM after the hook, and SIGKILL when the grace period is over."""
    with installed(valkey_server) as running:
        running.process.send_signal(signal.SIGTERM)
        hook = container(running.made)["lifecycle"]["preStop"]["sleep"]["seconds"]
        left = pod(running.made)["terminationGracePeriodSeconds"] - hook
        log, _ = running.process.communicate(timeout=left)
        assert running.process.returncode == 0
    assert "gateway.stopping" in [json.loads(line).get("event") for line in log.splitlines()]
