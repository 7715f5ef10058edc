"""The image as it was built: its configuration, and every file of every layer."""

import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.contract.helm_chart import ROOT

PLACE = ROOT / ".tools" / "image"
TREE = PLACE / "root"
SOURCES = ("gateway", "graphql", "requirements")
STRAY = "a secret that lies about"
STRAY_FILES = (".env", "keys/sealed.json", "gateway/.env", "gateway/a.key", "gateway/kek/kek")
"""Where secrets may lie in a checkout, by mistake; each holds `STRAY`."""


@dataclass(frozen=True)
class Image:
    """What is pushed, the configuration and the layers from the base on, and what it is made of."""

    checkout: Path
    config: dict[str, Any]
    layers: tuple[Path, ...]

    @property
    def own_layers(self) -> tuple[Path, ...]:
        """Those that the Dockerfile adds to its base."""
        return self.layers[1:]


def _blob(digest: str) -> Path:
    return PLACE / "oci" / "blobs" / Path(*digest.split(":"))


def _read(digest: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(_blob(digest).read_text(encoding="utf-8"))
    return content


def build(checkout: Path) -> Image:
    """Build the Dockerfile of `checkout`. Raises `CalledProcessError`."""
    subprocess.run([ROOT / "scripts" / "image.sh", checkout], check=True)
    index = json.loads((PLACE / "oci" / "index.json").read_text(encoding="utf-8"))
    [entry] = index["manifests"]
    manifest = _read(entry["digest"])
    layers = tuple(_blob(each["digest"]) for each in manifest["layers"])
    return Image(checkout, _read(manifest["config"]["digest"])["config"], layers)


def littered(folder: Path) -> Path:
    """Copy what the image is made of to `folder`, and leave secrets between it."""
    for name in SOURCES:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Dockerfile", ".dockerignore", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    for name in STRAY_FILES:
        stray = folder / name
        stray.parent.mkdir(parents=True, exist_ok=True)
        stray.write_text(STRAY)
    return folder


def files(layers: tuple[Path, ...]) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """Each entry of the layers, also of what a later layer hides, with its content."""
    for layer in layers:
        with tarfile.open(layer) as archive:
            for entry in archive:
                content = archive.extractfile(entry) if entry.isfile() else None
                yield entry, content.read() if content else b""
