"""An envelope: a data key of its own encrypts the content, a key-encryption key the data key.

Both with AES-256-GCM, and with both everything that is said of the content beside it is
authenticated: who changes a word of that, or moves an envelope to where other words stand, has one
that does not open.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.custody.encryption_keys import KEY_BYTES, EncryptionKeys

_NONCE_BYTES = 12

RandomBytes = Callable[[int], bytes]
"""Gives that many bytes that nobody can foresee: `os.urandom`, for whoever seals in earnest."""

Said = Sequence[str | int]
"""What is said of the content in the clear, in a fixed order."""


class NotOpened(Exception):
    """An envelope does not open; `problem` says why, in a few words."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Envelope:
    """`data_key` under the key-encryption key of that id, `content` under the data key.

    Both are a nonce and what AES-256-GCM made of it.
    """

    encryption_key: str
    data_key: bytes = field(repr=False)
    content: bytes = field(repr=False)


def enclose(
    content: bytes, said: Said, keys: EncryptionKeys, random_bytes: RandomBytes
) -> Envelope:
    """Seal with the newest of `keys`, under a data key and nonces of its own."""
    data_key, key_nonce, nonce = map(random_bytes, (KEY_BYTES, _NONCE_BYTES, _NONCE_BYTES))
    bound = _bound(said, keys.newest)
    return Envelope(
        encryption_key=keys.newest,
        data_key=key_nonce + AESGCM(keys.by_id[keys.newest]).encrypt(key_nonce, data_key, bound),
        content=nonce + AESGCM(data_key).encrypt(nonce, content, bound),
    )


def disclose(envelope: Envelope, said: Said, keys: EncryptionKeys) -> bytes:
    """Open it; raise `NotOpened` without its key-encryption key, or if it was tampered with.

    Nothing of what it holds is in any exception.
    """
    key = keys.by_id.get(envelope.encryption_key)
    if key is None:
        problem = f"the key-encryption key {envelope.encryption_key!r} is not among those given"
        raise NotOpened(problem)
    bound = _bound(said, envelope.encryption_key)
    try:
        return _decrypt(_decrypt(key, envelope.data_key, bound), envelope.content, bound)
    except (InvalidTag, ValueError):
        problem = "it was edited, moved or cut, or sealed with another key of the same id"
        raise NotOpened(problem) from None


def _decrypt(key: bytes, sealed: bytes, bound: bytes) -> bytes:
    return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound)


def _bound(said: Said, encryption_key: str) -> bytes:
    return json.dumps([*said, encryption_key]).encode()
