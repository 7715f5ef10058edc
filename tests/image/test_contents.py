"""What is in the image, and what is not."""

import re
import stat
import tarfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.contract.helm_chart import container, manifests, pod
from tests.contract.helm_pod import IMAGE_COMMAND
from tests.image.built import STRAY, STRAY_FILES, TREE, Image, files

# It covers the making of the image.
pytestmark = pytest.mark.timeout(900)

PACKAGES = TREE / "opt/gateway/lib/python3.13/site-packages"
LEFT_OUT = ("sandbox", "cli/dev", "cli/sandbox.py")
BUILDERS = {"cc", "c++", "gcc", "g++", "clang", "ld", "as", "make", "cargo", "rustc", "uv"}
BUILDERS |= {"hatchling", "git", "pytest", "ruff", "mypy", "valkey-server", "redis-server"}
NOT_FOR_AN_IMAGE = re.compile(r"(^|/)(\.cache|\.git)/|^src/|site-packages/(tests|gateway/tests)/")
PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{40}")
SECRET_VALUE = re.compile(r"KEY|SECRET|TOKEN|PASSWORD|CREDENTIAL|URL")


@pytest.fixture(scope="module")
def entries(image: Image) -> list[tarfile.TarInfo]:
    return [entry for entry, _content in files(image.layers)]


@pytest.fixture(scope="module")
def installed(image: Image) -> dict[str, str]:
    """The version of each distribution in the gateway's environment."""
    assert image.layers
    names = [folder.name.removesuffix(".dist-info") for folder in PACKAGES.glob("*.dist-info")]
    return {canonicalize_name(name): version for name, version in (n.split("-") for n in names)}


def sources(folder: Path) -> set[str]:
    """What stands in a folder, by its path from there, but for what Python keeps beside it."""
    found = (file for file in folder.rglob("*") if file.is_file() and file.suffix != ".pyc")
    return {str(file.relative_to(folder)) for file in found}


def test_the_dockerfile_adds_one_layer_to_its_base(
    image: Image, entries: list[tarfile.TarInfo]
) -> None:
    packed = [layer.stat().st_size / 1e6 for layer in image.layers]
    unpacked = sum(entry.size for entry in entries) / 1e6
    print(
        f"\nImage: {sum(packed):.0f} MB, the gateway's: {packed[-1]:.0f}; unpacked {unpacked:.0f}"
    )
    assert len(image.own_layers) == 1


def test_its_configuration_is_what_the_chart_takes_for_granted(image: Image) -> None:
    made = manifests("minimal")
    user = pod(made)["securityContext"]
    [port] = container(made)["ports"]
    assert image.config["User"] == f"{user['runAsUser']}:{user['runAsGroup']}"
    assert (*image.config["Entrypoint"], *image.config["Cmd"]) == IMAGE_COMMAND
    assert list(image.config["ExposedPorts"]) == [f"{port['containerPort']}/tcp"]
    assert "Volumes" not in image.config
    assert image.config["Labels"]["org.opencontainers.image.title"] == "narkasa-gateway"


def test_its_environment_names_no_secret(image: Image) -> None:
    names = [variable.partition("=")[0] for variable in image.config["Env"]]
    assert [name for name in names if name.startswith("NGW_")] == ["NGW_HOST"]
    assert not [name for name in names if SECRET_VALUE.search(name)]


def test_it_has_the_locked_packages_and_no_others(image: Image, installed: dict[str, str]) -> None:
    lock = (image.checkout / "requirements" / "run.txt").read_text(encoding="utf-8")
    wanted = [Requirement(line) for line in re.findall(r"^([a-z].*?) \\$", lock, re.MULTILINE)]
    environment = {"python_full_version": "3.13.5", "python_version": "3.13"}
    locked = {
        canonicalize_name(each.name): str(each.specifier).removeprefix("==")
        for each in wanted
        if each.marker is None or each.marker.evaluate(environment)
    }
    assert installed == locked | {"narkasa-gateway": installed["narkasa-gateway"]}


def test_it_has_every_source_of_the_gateway_but_the_sandbox_and_dev(image: Image) -> None:
    wanted = {
        name
        for name in sources(image.checkout / "gateway")
        if not name.startswith(LEFT_OUT) and f"gateway/{name}" not in STRAY_FILES
    }
    operations = {
        f"cli/operations/{name}" for name in sources(image.checkout / "graphql" / "operations")
    }
    assert sources(PACKAGES / "gateway") == wanted | operations


def test_it_has_nothing_to_build_and_test_with(entries: list[tarfile.TarInfo]) -> None:
    programs = {entry.name for entry in entries if re.search(r"(^|/)s?bin/", entry.name)}
    assert not {name for name in programs if Path(name).name in BUILDERS}
    assert not [entry.name for entry in entries if NOT_FOR_AN_IMAGE.search(entry.name)]


def test_no_layer_has_a_secret(image: Image) -> None:
    found = [
        entry.name
        for entry, content in files(image.layers)
        if STRAY.encode() in content or PRIVATE_KEY.search(content)
    ]
    assert not found


def test_its_user_owns_nothing_and_may_write_only_where_everybody_may(
    entries: list[tarfile.TarInfo], image: Image
) -> None:
    user = int(image.config["User"].partition(":")[0])
    assert not [entry.name for entry in entries if user in {entry.uid, entry.gid}]
    for entry in entries:
        if not entry.issym() and entry.mode & stat.S_IWOTH:
            assert entry.isdir(), entry.name
            assert entry.mode & stat.S_ISVTX, entry.name


def test_all_that_is_the_gateways_belongs_to_root(image: Image) -> None:
    for entry, _content in files(image.own_layers):
        assert (entry.uid, entry.gid) == (0, 0), entry.name
        assert entry.issym() or not entry.mode & (stat.S_IWGRP | stat.S_IWOTH), entry.name
