import json
import os
from pathlib import Path

import pytest

from gateway.custody.configured import KeyPlaces, configured_sources, virtual_key_opener
from gateway.custody.encryption_keys import new_encryption_key, parse_encryption_keys
from gateway.custody.envelope import NotOpened
from gateway.custody.sealed import create, open_sealed
from gateway.custody.sources import FaultyCredentials, read_keys
from gateway.custody.virtual_sealing import seal_virtual
from gateway.domain.virtual_keys import VirtualKey
from tests.unit.custody.examples import put, slot

KEY = new_encryption_key("a", os.urandom)
TEXT = json.dumps({"vault": {"read": {"api_key": "the-key", "api_secret": "the-secret"}}})


def sealed(folder: Path) -> Path:
    path = folder / "sealed"
    create(path)
    keys = parse_encryption_keys(KEY, "here")
    file = open_sealed(path, keys, wall_ms=lambda: 0, random_bytes=os.urandom)
    file.add(slot("desk/trade"), "the-key", "the-secret")
    return path


def names(places: KeyPlaces) -> set[str]:
    return {str(slot) for slot in read_keys(configured_sources(places)).keys}


def test_every_place_that_is_given_is_read(tmp_path: Path) -> None:
    put(tmp_path / "folder" / "demo" / "read")
    places = KeyPlaces(
        folder=tmp_path / "folder",
        text=TEXT,
        sealed_file=sealed(tmp_path),
        encryption_key_text=KEY,
    )
    assert names(places) == {"demo/read", "vault/read", "desk/trade"}
    assert names(KeyPlaces(text=TEXT)) == {"vault/read"}
    assert configured_sources(KeyPlaces()) == ()


def test_a_file_of_encryption_keys_is_read_anew_each_time(tmp_path: Path) -> None:
    file = tmp_path / "encryption-keys"
    places = KeyPlaces(sealed_file=sealed(tmp_path), encryption_key_file=file)
    with pytest.raises(FaultyCredentials, match="encryption-keys: cannot be read"):
        names(places)
    file.write_text(KEY, encoding="ascii")
    file.chmod(0o600)
    assert names(places) == {"desk/trade"}


def test_a_sealed_file_without_its_encryption_keys_is_a_fault(tmp_path: Path) -> None:
    with pytest.raises(FaultyCredentials, match="NGW_KEY_ENCRYPTION_KEY_FILE"):
        names(KeyPlaces(sealed_file=sealed(tmp_path)))


def test_places_show_no_secret() -> None:
    shown = repr(KeyPlaces(text=TEXT, encryption_key_text=KEY))
    assert "the-" not in shown
    assert KEY.split()[1] not in shown


VIRTUAL = VirtualKey("vk-1", "desk", "demo", 1)
ENTRY = seal_virtual(VIRTUAL, "d", ("k", "s"), parse_encryption_keys(KEY, "here"), os.urandom)


def test_without_a_key_encryption_key_nothing_opens_virtual_keys() -> None:
    assert virtual_key_opener(KeyPlaces(text=TEXT)) is None


def test_a_key_encryption_key_opens_virtual_keys_without_a_sealed_file() -> None:
    opener = virtual_key_opener(KeyPlaces(encryption_key_text=KEY))
    assert opener is not None
    assert opener("d", ENTRY).key == VIRTUAL


def test_a_faulty_key_encryption_key_is_told_when_the_opener_is_made(tmp_path: Path) -> None:
    with pytest.raises(FaultyCredentials, match="cannot be read"):
        virtual_key_opener(KeyPlaces(encryption_key_file=tmp_path / "none"))


def test_an_opener_follows_the_file_of_key_encryption_keys(tmp_path: Path) -> None:
    file = tmp_path / "kek"
    file.write_text(new_encryption_key("b", os.urandom), encoding="ascii")
    file.chmod(0o600)
    opener = virtual_key_opener(KeyPlaces(encryption_key_file=file))
    assert opener is not None
    with pytest.raises(NotOpened, match="'a' is not among those given"):
        opener("d", ENTRY)
    file.write_text(KEY, encoding="ascii")
    assert opener("d", ENTRY).key == VIRTUAL
    file.unlink()
    with pytest.raises(NotOpened, match="kek: cannot be read"):
        opener("d", ENTRY)
