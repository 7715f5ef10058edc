import os
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.custody.credential import Credential
from gateway.custody.encryption_keys import EncryptionKeys
from gateway.custody.envelope import NotOpened
from gateway.custody.sealed_entry import EntryLabel, EntryState, SealedEntry
from gateway.custody.sealing import seal, unseal
from tests.unit.custody.examples import NOW, slot

KEYS = EncryptionKeys("a", {"a": b"a" * 32, "b": b"a" * 32})
LABEL = EntryLabel(slot("demo/trade"), 3, EntryState.ACTIVE, NOW)
PAIR = Credential("the-key", "the-secret")
ENTRY = seal(LABEL, PAIR, KEYS, os.urandom)
OTHER = seal(LABEL, Credential("the-other", "the-other"), KEYS, os.urandom)

Change = Callable[[SealedEntry], SealedEntry]


def relabelled(**changes: object) -> Change:
    return lambda entry: replace(entry, label=replace(entry.label, **changes))  # type: ignore[arg-type]


def flipped(text: bytes, place: int) -> bytes:
    return text[:place] + bytes([text[place] ^ 1]) + text[place + 1 :]


TAMPERED: dict[str, Change] = {
    "another account": relabelled(slot=slot("demo2/trade")),
    "another purpose": relabelled(slot=slot("demo/withdraw")),
    "another version": relabelled(version=2),
    "another state": relabelled(state=EntryState.RETIRED),
    "another time": relabelled(created=NOW + 1),
    "another encryption key": lambda entry: replace(entry, encryption_key="b"),
    "the pair of another entry": lambda entry: replace(entry, pair=OTHER.pair),
    "the data key of another entry": lambda entry: replace(entry, data_key=OTHER.data_key),
    "pair and data key changed over": lambda entry: replace(
        entry, pair=entry.data_key, data_key=entry.pair
    ),
    "an empty pair": lambda entry: replace(entry, pair=b""),
    "an empty data key": lambda entry: replace(entry, data_key=b""),
}


def test_what_was_sealed_opens_again() -> None:
    opened = unseal(ENTRY, KEYS)
    assert (opened.api_key, opened.api_secret) == ("the-key", "the-secret")


@pytest.mark.parametrize("change", TAMPERED.values(), ids=TAMPERED)
def test_an_entry_opens_only_as_it_was_sealed(change: Change) -> None:
    with pytest.raises(NotOpened, match="edited, moved or cut") as refusal:
        unseal(change(ENTRY), KEYS)
    assert refusal.value.__cause__ is None


@given(st.data())
def test_no_bit_can_be_changed_and_no_byte_cut(drawn: st.DataObject) -> None:
    part = drawn.draw(st.sampled_from(["pair", "data_key"]))
    text: bytes = getattr(ENTRY, part)
    place = drawn.draw(st.integers(0, len(text) - 1))
    for spoilt in (flipped(text, place), text[:place]):
        with pytest.raises(NotOpened):
            unseal(replace(ENTRY, **{part: spoilt}), KEYS)  # type: ignore[arg-type]


def test_an_entry_does_not_open_without_its_encryption_key() -> None:
    with pytest.raises(NotOpened, match="'a' is not among those given"):
        unseal(ENTRY, EncryptionKeys("b", {"b": b"b" * 32}))
    with pytest.raises(NotOpened, match="another key of the same id"):
        unseal(ENTRY, EncryptionKeys("a", {"a": b"b" * 32}))


def test_the_newest_key_seals_and_older_ones_open() -> None:
    newer = EncryptionKeys("b", {"b": b"b" * 32, "a": b"a" * 32})
    assert seal(LABEL, PAIR, newer, os.urandom).encryption_key == "b"
    assert unseal(ENTRY, newer).api_key == "the-key"


def test_each_seal_has_a_data_key_and_nonces_of_its_own() -> None:
    again = seal(LABEL, PAIR, KEYS, os.urandom)
    assert again.data_key[:12] != ENTRY.data_key[:12]
    assert again.pair[:12] != ENTRY.pair[:12]
    assert again.pair != ENTRY.pair


def test_a_seal_shows_neither_in_print_nor_in_its_bytes_what_is_in_it() -> None:
    assert b"the-" not in ENTRY.pair + ENTRY.data_key
    assert "pair" not in repr(ENTRY)
