"""What an image must be, as far as its Dockerfile says it: `make image` builds and runs it."""

import json
import re

import pytest

from tests.contract.helm_chart import ROOT, container, manifests, pod
from tests.contract.helm_pod import IMAGE_COMMAND

DOCKERFILE = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"))
INSTRUCTIONS: list[tuple[str, str]] = re.findall(r"^([A-Z]+) (.*)$", DOCKERFILE, re.MULTILINE)


def of(instruction: str) -> list[str]:
    """What stands behind an instruction, wherever it is given."""
    return [words for name, words in INSTRUCTIONS if name == instruction]


def test_both_stages_have_the_base_that_who_builds_it_names() -> None:
    [base] = of("ARG")
    assert re.fullmatch(r"BASE=python:3\.\d+-slim", base)
    assert [words.partition(" AS ")[0] for words in of("FROM")] == ["${BASE}", "${BASE}"]


def test_every_wheel_is_locked_by_its_hash_but_for_our_own() -> None:
    commands = [command for words in of("RUN") for command in words.split(" && ")]
    installs = [command for command in commands if "pip" in command and " install " in command]
    assert len(installs) == 3
    for words in installs:
        assert "--no-cache-dir --no-deps" in words
        assert ("--require-hashes" in words) != words.endswith("dist/*.whl")


def test_nothing_is_fetched_into_it_by_address() -> None:
    assert not of("ADD")
    assert "://" not in DOCKERFILE


def test_the_charts_user_port_and_command_are_those_of_the_image() -> None:
    user = pod(manifests("minimal"))["securityContext"]
    [port] = container(manifests("minimal"))["ports"]
    assert of("USER") == [f"{user['runAsUser']}:{user['runAsGroup']}"]
    assert of("EXPOSE") == [str(port["containerPort"])]
    [entry], [arguments] = of("ENTRYPOINT"), of("CMD")
    assert (*json.loads(entry), *json.loads(arguments)) == IMAGE_COMMAND


@pytest.mark.parametrize(
    "left_out", ["gateway/sandbox", "gateway/cli/dev", "gateway/cli/sandbox.py"]
)
def test_what_only_developers_run_stays_outside(left_out: str) -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert left_out in ignored[ignored.index("!gateway") :]
    assert (ROOT / left_out).exists()
