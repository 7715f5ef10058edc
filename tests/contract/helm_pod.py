"""A pod of the chart without a cluster: what the kubelet and the image would do, done here.

The volumes become folders, `$(NAME)` is expanded, and the container's process runs under its own
paths on a read-only tree, as the chart's user, without capabilities. Where the tests may not mount
(they are not root, or not on Linux), it runs as whoever they are, with other paths, and can write
to no file.
"""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.contract.helm_chart import ROOT, Manifest, container, pod, rendered
from tests.functional.exchange import DEMO, QUIET, Exchange
from tests.functional.service import TRADE, Member
from tests.processes import eventually, free_port
from tests.valkey import ValkeyServer, die_with_parent

ETC = "/etc/narkasa-gateway"
PROGRAMS = Path(sys.prefix) / "bin"
IMAGE_COMMAND = ("narkasa-gateway", "serve")
"""The image's entry point, as the Dockerfile has it: the chart gives none."""
IMAGE_ENVIRON = {"PATH": f"{PROGRAMS}:/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
APP = Member("desk-app", (("market:read",), TRADE, ("account:read",)))
OPERATOR = Member("duty", (("operate",), ("audit:read",)))
[_KEYS] = DEMO.keys
SECRETS = {
    "demo": {"api-key": _KEYS.api_key, "api-secret": _KEYS.api_secret},
    "token": {"token": APP.token},
}


def _write_nothing() -> None:
    """In the child: no file can be written to."""
    die_with_parent()
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


@dataclass(frozen=True)
class Ground:
    """Where a pod's processes run: a folder with its `etc`, and whether that is the whole tree.

    Where the programs are, and what the image says of the environment.
    """

    folder: Path
    security: Manifest
    own_tree: bool
    programs: Path = PROGRAMS
    environ: Mapping[str, str] = field(default_factory=IMAGE_ENVIRON.copy)

    @property
    def user(self) -> int:
        """Whose the processes are."""
        chosen: int = self.security["runAsUser"]
        return chosen if self.own_tree else os.getuid()

    def run(
        self, command: list[str], environ: dict[str, str], stdout: int = subprocess.PIPE
    ) -> "subprocess.Popen[str]":
        """Start one of the image's programs; `command[0]` is looked up among them."""
        program, *arguments = command
        if not self.own_tree:
            etc = f"{self.folder}{ETC}"
            environ = {name: text.replace(ETC, etc) for name, text in environ.items()}
        return subprocess.Popen(
            [*self._wrapper(), str(self.programs / program), *arguments],
            cwd="/",
            env={**self.environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=die_with_parent if self.own_tree else _write_nothing,  # noqa: PLW1509
        )

    def _wrapper(self) -> list[str]:
        if not self.own_tree:
            return []
        script = str(ROOT / "scripts" / "kubernetes-pod.sh")
        user, group = self.security["runAsUser"], self.security["runAsGroup"]
        return [script, str(self.folder), str(user), str(group)]


def _this_machine(folder: Path, security: Manifest) -> Ground:
    """The best that can be had here: a tree that is the pod's own, or the machine's."""
    own = Ground(folder, security, own_tree=True)
    with own.run(["python", "-c", "import gateway.cli"], {}) as attempt:
        attempt.communicate(timeout=30)
    return own if attempt.returncode == 0 else Ground(folder, security, own_tree=False)


@dataclass(frozen=True)
class Pod:
    """A pod that runs: its manifests, its process, where it answers, and the exchange it uses."""

    made: list[Manifest]
    ground: Ground
    process: "subprocess.Popen[str]"
    url: str
    exchange: Exchange

    def probe(self, kind: str) -> int:
        """Do as the kubelet: the status of a probe; 0 while nothing answers."""
        path = container(self.made)[f"{kind}Probe"]["httpGet"]["path"]
        try:
            return httpx.get(self.url + path, trust_env=False).status_code
        except httpx.TransportError:
            return 0


def variables(of: Manifest, instead: dict[str, str]) -> dict[str, str]:
    """A container's environment as the kubelet makes it, with some values replaced."""
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


def _mount(made: list[Manifest], folder: Path) -> None:
    """Write every volume: readable by the pod's group, writable by nobody."""
    group = pod(made)["securityContext"]["fsGroup"]
    mounts = {each["name"]: each["mountPath"] for each in container(made)["volumeMounts"]}
    for volume in pod(made)["volumes"]:
        place = folder / mounts[volume["name"]].removeprefix("/")
        for path, text in _contents(made, volume):
            file = place / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            file.chmod(0o440)
            if os.getuid() == 0:
                os.chown(file, 0, group)


def _contents(made: list[Manifest], volume: Manifest) -> Iterator[tuple[str, str]]:
    """The files of a volume and what is in them."""
    for config_map in made:
        name = (config_map["kind"], config_map["metadata"]["name"])
        if name == ("ConfigMap", volume.get("configMap", {}).get("name")):
            yield from config_map["data"].items()
    for source in volume.get("projected", {}).get("sources", []):
        secret = source["secret"]
        for item in secret["items"]:
            yield item["path"], SECRETS[secret["name"]][item["key"]]


def _values(exchange: Exchange, valkey: ValkeyServer) -> dict[str, object]:
    """What an operator would say of these servers."""
    policy = {"version": 1, "accounts": ["demo"], "principals": [APP.entry(), OPERATOR.entry()]}
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
def installed(
    valkey: ValkeyServer, ground: Callable[[Path, Manifest], Ground] = _this_machine
) -> Iterator[Pod]:
    """A pod that runs and is ready, with an exchange of its own.

    `ground` is made of the pod's folder and its security context.
    """
    folder = Path(tempfile.mkdtemp(prefix="ngw-"))
    folder.chmod(0o755)
    try:
        with closing(Exchange(QUIET)) as exchange:
            made = rendered("minimal", _values(exchange, valkey))
            _mount(made, folder)
            place = ground(folder, pod(made)["securityContext"])
            with _started(made, place, exchange) as running:
                yield running
    finally:
        shutil.rmtree(folder)


@contextmanager
def _started(made: list[Manifest], ground: Ground, exchange: Exchange) -> Iterator[Pod]:
    """The container's process, from its readiness to its end."""
    port = str(free_port())
    # The pod's own network would have the port that the chart says.
    told = variables(container(made), {"NGW_PORT": port, "NGW_HOST": "127.0.0.1"})
    with ground.run(list(IMAGE_COMMAND), told) as process:
        running = Pod(made, ground, process, f"http://127.0.0.1:{port}", exchange)
        try:
            assert eventually(lambda: running.probe("readiness") == httpx.codes.OK)
            yield running
        finally:
            process.terminate()
            process.wait(timeout=30)
