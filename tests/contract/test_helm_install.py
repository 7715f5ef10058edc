"""The walk of docs/install.md, as far as it can be taken without a cluster."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from gateway.access.policy import Action
from gateway.access.policy_file import PolicyFile
from tests.contract.helm_chart import ROOT, Manifest, every_mapping

DOCUMENT = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
BLOCKS: list[tuple[str, str]] = re.findall(
    r"^```(\w+)\n(.*?)^```$", DOCUMENT, re.DOTALL | re.MULTILINE
)
FILES: list[tuple[str, str]] = re.findall(
    r"^`([\w.]+)`:\n\n```yaml\n(.*?)^```$", DOCUMENT, re.DOTALL | re.MULTILINE
)
COMMANDS: list[str] = re.findall(r"^\$ (.*)$", DOCUMENT, re.MULTILINE)
WORDS = {
    "EXCHANGE_API_KEY": "key-of-treasury",
    "EXCHANGE_API_SECRET": "of-treasury",
    "EXCHANGE_READ_KEY": "key-that-reads",
    "EXCHANGE_READ_SECRET": "of-that",
    "RELEASE_TEST_TOKEN": "token",
    "STATE_REDIS_PASSWORD": "password",
}
PATH = f"{Path(sys.executable).parent}:{ROOT / '.tools' / 'bin'}:/usr/bin:/bin"
NOT_RUN = (
    "docker push",
    "kubectl get",
    "kubectl label",
    "kubectl logs",
    "kubectl port-forward",
    "curl",
    "export",
    "kubectl create namespace",
)
RUN_ELSEWHERE = ("helm test", "docker build", "narkasa-gateway trading show")
SECRET_FROM_STDIN = "printf "


def paste(text: str, folder: Path) -> str:
    """Run a block as a terminal in `folder` would; what it prints."""
    done = subprocess.run(
        ["/bin/sh", "-euc", text],
        cwd=folder,
        env={"PATH": PATH, "HOME": "/nonexistent", **WORDS},
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def starting(words: str) -> list[str]:
    """The commands that begin so."""
    return [command for command in COMMANDS if command.startswith(words)]


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which every block that needs no cluster has run, in order."""
    folder = tmp_path_factory.mktemp("install")
    folder.joinpath("helm").symlink_to(ROOT / "helm")
    for name, text in FILES:
        folder.joinpath(name).write_text(text)
    for language, text in BLOCKS:
        if language == "sh":
            paste(text, folder)
    return folder


@pytest.fixture(scope="module")
def created(walked: Path) -> dict[tuple[str, str], set[str]]:
    """The entries of each Secret and ConfigMap that the walk creates."""
    found = {}
    for command in (*starting("kubectl create"), *starting(SECRET_FROM_STDIN)):
        if not command.startswith(NOT_RUN):
            made = yaml.safe_load(paste(f"{command} --dry-run=client -o yaml", walked))
            assert made["metadata"]["namespace"] == "trading"
            found[made["kind"], made["metadata"]["name"]] = set(made["data"])
    return found


@pytest.fixture(scope="module")
def installed(walked: Path) -> list[Manifest]:
    """What the command that installs would make."""
    [install] = starting("helm upgrade --install")
    arguments = install.removeprefix("helm upgrade --install")
    made = yaml.safe_load_all(paste(f"helm template {arguments}", walked))
    return [document for document in made if document]


def asked(manifests: list[Manifest]) -> Iterator[tuple[tuple[str, str], str]]:
    """Each Secret and ConfigMap that a pod needs, with the entry that it needs of it."""
    for mapping in every_mapping(manifests):
        if "secretKeyRef" in mapping:
            reference = mapping["secretKeyRef"]
            yield ("Secret", reference["name"]), reference["key"]
        elif "secretName" in mapping:
            for item in mapping["items"]:
                yield ("Secret", mapping["secretName"]), item["key"]
        elif "configMap" in mapping:
            yield ("ConfigMap", mapping["configMap"]["name"]), "policy.yaml"


def test_the_walk_writes_the_two_files_that_it_speaks_of(walked: Path) -> None:
    assert [name for name, _text in FILES] == ["policy.yaml", "values.yaml"]
    assert walked.joinpath("keys", "sealed.json").exists()


def test_what_is_seen_before_is_what_is_installed(walked: Path, installed: list[Manifest]) -> None:
    seen = yaml.safe_load_all(walked.joinpath("rendered.yaml").read_text())
    assert [document for document in seen if document] == installed


def test_the_walk_creates_each_secret_and_config_map_that_the_pods_ask_for(
    created: dict[tuple[str, str], set[str]], installed: list[Manifest]
) -> None:
    needed: dict[tuple[str, str], set[str]] = {}
    for place, entry in asked(installed):
        needed.setdefault(place, set()).add(entry)
    assert needed == created


def test_the_names_that_it_speaks_of_are_those_that_are_made(installed: list[Manifest]) -> None:
    made = {each["metadata"]["name"] for each in installed if each["kind"] == "Deployment"}
    spoken_of = {name for command in COMMANDS for name in re.findall(r"deployment/(\S+)", command)}
    assert spoken_of == made
    for command in COMMANDS:
        words = shlex.split(command)
        if words[0] in {"kubectl", "helm"} and "namespace" not in words:
            assert words[words.index("--namespace") + 1] == "trading"


def test_no_secret_stands_on_a_command_line() -> None:
    assert starting(SECRET_FROM_STDIN)
    assert not [command for command in COMMANDS if "--from-literal" in command]


@pytest.mark.parametrize(
    ("action", "account"),
    [
        (Action.OPERATE, None),
        (Action.AUDIT_READ, None),
        (Action.ORDERS_READ_ALL, "treasury"),
        (Action.ORDERS_CANCEL, "treasury"),
    ],
)
def test_somebody_of_the_policy_may_run_what_was_installed(
    walked: Path, action: Action, account: str | None
) -> None:
    policy = PolicyFile(walked / "policy.yaml", lambda: 0).current
    assert policy.decide("duty", action, account).allowed
    assert not policy.decide("desk-app", Action.OPERATE, None).allowed


def test_every_command_is_run_or_said_not_to_be() -> None:
    known = (
        *NOT_RUN,
        *RUN_ELSEWHERE,
        SECRET_FROM_STDIN,
        "kubectl create",
        "helm upgrade --install",
    )
    assert [command for command in COMMANDS if not command.startswith(known)] == []
    said = DOCUMENT.partition("## What is tested")[2]
    for words in (*RUN_ELSEWHERE, *NOT_RUN):
        assert f"`{words}`" in said
