"""Reads the keyring once, at the start."""

from dataclasses import dataclass
from pathlib import Path

from gateway.custody.configured import KeyPlaces, configured_sources
from gateway.custody.keyring import Keyring
from gateway.custody.sources import read_keys


@dataclass(frozen=True, slots=True)
class LoadedKeyring:
    """A keyring, and sentences about what could be safer."""

    keyring: Keyring
    warnings: tuple[str, ...]


def load_keyring(folder: Path | None = None, text: str | None = None) -> LoadedKeyring:
    """Read a folder and a JSON text; raise `FaultyCredentials`."""
    found = read_keys(configured_sources(KeyPlaces(folder=folder, text=text)))
    return LoadedKeyring(Keyring(found.keys), found.warnings)
