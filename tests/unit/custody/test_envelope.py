"""An envelope opens beside the words that it was sealed with, and with no others."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.custody.encryption_keys import EncryptionKeys
from gateway.custody.envelope import NotOpened, disclose, enclose

KEYS = EncryptionKeys("a", {"a": b"a" * 32})
WORDS = st.lists(st.text(max_size=5) | st.integers(-9, 9), max_size=4)


@given(st.binary(max_size=50), WORDS)
def test_what_was_enclosed_is_disclosed(content: bytes, said: list[str | int]) -> None:
    assert disclose(enclose(content, said, KEYS, os.urandom), said, KEYS) == content


@given(WORDS, WORDS)
def test_beside_other_words_it_does_not_open(said: list[str | int], other: list[str | int]) -> None:
    sealed = enclose(b"content", said, KEYS, os.urandom)
    if said != other:
        with pytest.raises(NotOpened, match="edited, moved or cut"):
            disclose(sealed, other, KEYS)


def test_its_repr_shows_nothing_of_what_it_holds() -> None:
    assert repr(enclose(b"content", (), KEYS, os.urandom)) == "Envelope(encryption_key='a')"
