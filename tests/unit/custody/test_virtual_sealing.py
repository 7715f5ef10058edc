"""An entry of a virtual key opens where it was put, as it was written, and nowhere else."""

import hashlib
import hmac
import json
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.custody.encryption_keys import EncryptionKeys
from gateway.custody.envelope import NotOpened
from gateway.custody.virtual_pair import key_digest
from gateway.custody.virtual_sealing import (
    open_virtual,
    read_virtual,
    reseal_virtual,
    seal_virtual,
    shown_entry,
)
from gateway.domain.virtual_keys import VirtualKey

KEYS = EncryptionKeys("a", {"a": b"a" * 32, "b": b"a" * 32})
NEWER = EncryptionKeys("c", {"c": b"c" * 32, "a": b"a" * 32})
KEY = VirtualKey("vk-1", "desk", "demo", 1_700_000_000_000)
DIGEST = key_digest("the-key")
ENTRY = seal_virtual(KEY, DIGEST, ("the-key", "the-secret"), KEYS, os.urandom)
OTHER = json.loads(seal_virtual(KEY, key_digest("other"), ("other", "other"), KEYS, os.urandom))


def changed(**members: object) -> bytes:
    row: dict[str, Any] = json.loads(ENTRY)
    assert row.keys() >= members.keys()
    return json.dumps(row | members).encode()


def test_what_was_sealed_verifies_what_its_secret_signed() -> None:
    pair = open_virtual(DIGEST, ENTRY, KEYS)
    assert pair.key == read_virtual(ENTRY).key == KEY
    assert pair.verify(b"a=1", hmac.new(b"the-secret", b"a=1", hashlib.sha256).hexdigest())


def test_an_entry_shows_neither_key_nor_secret() -> None:
    assert b"the-" not in ENTRY
    assert "the-" not in repr(read_virtual(ENTRY))
    assert open_virtual(DIGEST, changed(), KEYS).key == KEY


TAMPERED: dict[str, dict[str, object]] = {
    "another id": {"id": "vk-2"},
    "another principal": {"principal": "operator"},
    "another account": {"account": "vault"},
    "another time": {"created": KEY.created + 1},
    "another encryption key": {"encryption_key": "b"},
    "the pair of another entry": {"pair": OTHER["pair"]},
    "the data key of another entry": {"data_key": OTHER["data_key"]},
    "both of another entry": {"pair": OTHER["pair"], "data_key": OTHER["data_key"]},
    "an empty pair": {"pair": ""},
    "an empty data key": {"data_key": ""},
}


@pytest.mark.parametrize("members", TAMPERED.values(), ids=TAMPERED)
def test_an_entry_opens_only_as_it_was_written(members: dict[str, object]) -> None:
    with pytest.raises(NotOpened, match="edited, moved or cut") as refusal:
        open_virtual(DIGEST, changed(**members), KEYS)
    assert refusal.value.__cause__ is None


def test_an_entry_that_was_moved_to_another_key_does_not_open() -> None:
    with pytest.raises(NotOpened, match="moved"):
        open_virtual(key_digest("a-key-that-an-attacker-knows"), ENTRY, KEYS)


def test_an_entry_does_not_open_without_its_encryption_key() -> None:
    with pytest.raises(NotOpened, match="'a' is not among those given"):
        open_virtual(DIGEST, ENTRY, EncryptionKeys("z", {"z": b"z" * 32}))


def test_resealed_it_opens_with_the_newest_key_and_says_the_same() -> None:
    fresh = reseal_virtual(DIGEST, ENTRY, NEWER, os.urandom)
    newest_alone = EncryptionKeys("c", {"c": b"c" * 32})
    assert open_virtual(DIGEST, fresh, newest_alone).key == KEY
    with pytest.raises(NotOpened):
        reseal_virtual(DIGEST, ENTRY, newest_alone, os.urandom)


@given(st.binary(max_size=60) | st.just(ENTRY[:-1]))
def test_what_is_no_entry_is_called_so_whatever_it_is(content: bytes) -> None:
    with pytest.raises(NotOpened, match="no entry"):
        read_virtual(content)
    assert shown_entry(DIGEST, content).startswith("the entry '")


@pytest.mark.parametrize(
    "members",
    [{"format": "narkasa-gateway virtual key 2"}, {"created": -1}, {"created": 10**18}],
    ids=["format", "before", "after"],
)
def test_an_entry_of_another_format_or_of_no_time_is_none(members: dict[str, object]) -> None:
    with pytest.raises(NotOpened, match="another version"):
        open_virtual(DIGEST, changed(**members), KEYS)


def test_an_entry_is_named_by_the_id_that_it_says_it_has() -> None:
    assert shown_entry(DIGEST, ENTRY) == "virtual key 'vk-1'"
