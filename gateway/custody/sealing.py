"""Seals a key pair under a key-encryption key, so that it opens in its own place only.

An envelope: a data key of its own encrypts the pair, and the key-encryption key encrypts the data
key, both with AES-256-GCM. Everything that is said of the pair beside it (the format, account,
purpose, version, state, time, and which key sealed it) is authenticated with both: an entry that is
moved, renamed or edited does not open.
"""

import json
from collections.abc import Callable

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.custody.credential import Credential
from gateway.custody.encryption_keys import KEY_BYTES, EncryptionKeys
from gateway.custody.sealed_entry import FORMAT_VERSION, EntryLabel, SealedEntry

_NONCE_BYTES = 12

RandomBytes = Callable[[int], bytes]
"""Gives that many bytes that nobody can foresee: `os.urandom`, for whoever seals in earnest."""


class NotOpened(Exception):
    """An entry does not open; `problem` says why, in a few words."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


def seal(
    label: EntryLabel, credential: Credential, keys: EncryptionKeys, random_bytes: RandomBytes
) -> SealedEntry:
    """Seal a pair with the newest of `keys`, under a data key and nonces of its own."""
    data_key, key_nonce, pair_nonce = map(random_bytes, (KEY_BYTES, _NONCE_BYTES, _NONCE_BYTES))
    pair = msgspec.json.encode([credential.api_key, credential.api_secret])
    bound = _bound(label, keys.newest)
    return SealedEntry(
        label=label,
        encryption_key=keys.newest,
        data_key=key_nonce + AESGCM(keys.by_id[keys.newest]).encrypt(key_nonce, data_key, bound),
        pair=pair_nonce + AESGCM(data_key).encrypt(pair_nonce, pair, bound),
    )


def unseal(entry: SealedEntry, keys: EncryptionKeys) -> Credential:
    """Open an entry; raise `NotOpened` without its key-encryption key, or if it was tampered with.

    Nothing of what it holds is in any exception.
    """
    key = keys.by_id.get(entry.encryption_key)
    if key is None:
        problem = f"the key-encryption key {entry.encryption_key!r} is not among those given"
        raise NotOpened(problem)
    bound = _bound(entry.label, entry.encryption_key)
    try:
        data_key = _decrypt(key, entry.data_key, bound)
        pair = _decrypt(data_key, entry.pair, bound)
        api_key, api_secret = msgspec.json.decode(pair, type=tuple[str, str])
    except (InvalidTag, ValueError):
        problem = "it was edited, moved or cut, or sealed with another key of the same id"
        raise NotOpened(problem) from None
    return Credential(api_key, api_secret)


def _decrypt(key: bytes, sealed: bytes, bound: bytes) -> bytes:
    return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound)


def _bound(label: EntryLabel, encryption_key: str) -> bytes:
    slot = label.slot
    return json.dumps(
        [
            FORMAT_VERSION,
            slot.account,
            slot.purpose,
            label.version,
            label.state,
            label.created,
            encryption_key,
        ]
    ).encode()
