"""The sources of keys that settings can name, and what opens the gateway's own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from gateway.custody.encryption_keys import (
    EncryptionKeys,
    parse_encryption_keys,
    read_encryption_keys,
)
from gateway.custody.envelope import NotOpened
from gateway.custody.environment import read_text
from gateway.custody.folder import read_folder
from gateway.custody.sealed import read_sealed
from gateway.custody.sources import FaultyCredentials, FoundKeys, KeySource
from gateway.custody.virtual_pair import VirtualPair
from gateway.custody.virtual_sealing import open_virtual
from gateway.settings import PREFIX

_TEXT_SETTING = f"{PREFIX}KEY_ENCRYPTION_KEY"

OpenVirtual = Callable[[str, bytes], VirtualPair]
"""Opens the entry that stands at a digest; raises `NotOpened`. It may block: on a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPlaces:
    """Where to look for keys: any of a folder, a JSON text, and a sealed file.

    A sealed file comes with the file of its key-encryption keys, or their text; these open the
    virtual keys too.
    """

    folder: Path | None = None
    text: str | None = field(default=None, repr=False)
    sealed_file: Path | None = None
    encryption_key_file: Path | None = None
    encryption_key_text: str | None = field(default=None, repr=False)

    def encryption_keys(self) -> EncryptionKeys:
        """Read the key-encryption keys; raise `FaultyCredentials`."""
        if self.encryption_key_file is not None:
            return read_encryption_keys(self.encryption_key_file)
        if self.encryption_key_text is not None:
            return parse_encryption_keys(self.encryption_key_text, _TEXT_SETTING)
        needed_by = self.sealed_file or "virtual keys"
        raise FaultyCredentials((f"{needed_by}: needs {_TEXT_SETTING}_FILE or {_TEXT_SETTING}.",))


def configured_sources(places: KeyPlaces) -> tuple[KeySource, ...]:
    """Make a source of each of `places` that is given."""
    return tuple(_sources(places))


def virtual_key_opener(places: KeyPlaces) -> OpenVirtual | None:
    """Make what opens virtual keys; None where `places` have no key-encryption key.

    Raises `FaultyCredentials`. They are read anew for each entry: a file of them may change.
    """
    if places.encryption_key_file is None and places.encryption_key_text is None:
        return None
    places.encryption_keys()

    def open_entry(digest: str, entry: bytes) -> VirtualPair:
        try:
            keys = places.encryption_keys()
        except FaultyCredentials as faulty:
            raise NotOpened(str(faulty)) from None
        return open_virtual(digest, entry, keys)

    return open_entry


def _sources(places: KeyPlaces) -> Iterator[KeySource]:
    if places.folder is not None:
        yield partial(read_folder, places.folder)
    if places.text is not None:
        yield partial(read_text, places.text)
    if places.sealed_file is not None:
        yield partial(_read_sealed, places.sealed_file, places)


def _read_sealed(path: Path, places: KeyPlaces) -> FoundKeys:
    return read_sealed(path, places.encryption_keys())
