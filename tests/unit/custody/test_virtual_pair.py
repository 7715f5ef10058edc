"""A virtual pair tells whether its secret signed, and gives nobody the secret."""

import copy
import hashlib
import hmac
import json
import os
import pickle
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.custody.virtual_pair import VirtualPair, key_digest, new_virtual_pair
from gateway.domain.virtual_keys import VirtualKey

KEY = VirtualKey("vk-1", "desk", "demo", 1)
PAIR = VirtualPair(KEY, "the-key", "the-secret")


def signed(text: bytes, secret: str = "the-secret") -> str:
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


@given(st.binary(max_size=200))
def test_a_signature_of_exactly_the_text_verifies(text: bytes) -> None:
    assert PAIR.verify(text, signed(text))
    assert not PAIR.verify(text + b"&", signed(text))
    assert not PAIR.verify(text, signed(text, "another-secret"))


@given(st.text(st.characters(), max_size=70))
def test_anything_else_verifies_nothing_and_raises_nothing(signature: str) -> None:
    assert not PAIR.verify(b"timestamp=1", signature)


@pytest.mark.parametrize(
    "change",
    [str.upper, lambda text: text[:-1], lambda text: f"{text} ", lambda _text: "", "0x{}".format],
    ids=["upper-case", "cut", "longer", "none", "prefixed"],
)
def test_a_signature_counts_only_as_the_exchange_writes_it(change: Callable[[str], str]) -> None:
    signature = signed(b"a=1")
    assert PAIR.verify(b"a=1", signature)
    assert not PAIR.verify(b"a=1", change(signature))


def test_nothing_shows_its_secrets() -> None:
    for shown in (repr(PAIR), str(PAIR), f"{PAIR}", f"{PAIR:>40}", repr([PAIR]), repr({1: PAIR})):
        assert "the-" not in shown
    for copied in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="neither pickled nor copied"):
            copied(PAIR)
    with pytest.raises(TypeError):
        json.dumps(PAIR)
    with pytest.raises(TypeError):
        vars(PAIR)


def test_the_login_of_a_stream_is_among_its_secrets() -> None:
    assert PAIR.secrets() == {"the-key", "the-secret", signed(b"the-key")}


def test_both_halves_are_64_letters_and_digits_that_tell_what_they_are() -> None:
    key, secret = new_virtual_pair(os.urandom)
    for half, begins in ((key, "ngwvk"), (secret, "ngwvs")):
        assert half.startswith(begins)
        assert len(half) == 64
        assert half.isascii()
        assert half.isalnum()
    assert new_virtual_pair(os.urandom) != (key, secret)


def test_no_letter_is_likelier_than_another() -> None:
    def last(byte: int) -> str:
        return new_virtual_pair(lambda length: bytes([byte]) * length)[0][-1]

    assert set(Counter(map(last, range(248))).values()) == {4}
    # Eight values more than four rounds of 62 letters: these count for nothing.
    drawn = new_virtual_pair(lambda length: bytes(range(248, 256)) + bytes(length - 8))
    assert drawn == (f"ngwvk{'a' * 59}", f"ngwvs{'a' * 59}")


def test_a_digest_is_the_sha_256_of_the_key_and_takes_any_text() -> None:
    assert key_digest("the-key") == hashlib.sha256(b"the-key").hexdigest()
    assert len(key_digest("\ud800")) == 64
