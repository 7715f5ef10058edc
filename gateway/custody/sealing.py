"""Seals a key pair under a key-encryption key, so that it opens in its own place only.

What is said of the pair beside it is sealed with it: the format, account, purpose, version, state,
time, and which key sealed it (`envelope`). An entry that is moved, renamed or edited does not open.
"""

import msgspec

from gateway.custody.credential import Credential
from gateway.custody.encryption_keys import EncryptionKeys
from gateway.custody.envelope import Envelope, RandomBytes, Said, disclose, enclose
from gateway.custody.sealed_entry import FORMAT_VERSION, EntryLabel, SealedEntry


def seal(
    label: EntryLabel, credential: Credential, keys: EncryptionKeys, random_bytes: RandomBytes
) -> SealedEntry:
    """Seal a pair with the newest of `keys`, under a data key and nonces of its own."""
    pair = msgspec.json.encode([credential.api_key, credential.api_secret])
    sealed = enclose(pair, _said(label), keys, random_bytes)
    return SealedEntry(
        label=label,
        encryption_key=sealed.encryption_key,
        data_key=sealed.data_key,
        pair=sealed.content,
    )


def unseal(entry: SealedEntry, keys: EncryptionKeys) -> Credential:
    """Open an entry; raise `NotOpened` without its key-encryption key, or if it was tampered with.

    Nothing of what it holds is in any exception.
    """
    sealed = Envelope(entry.encryption_key, entry.data_key, entry.pair)
    pair = disclose(sealed, _said(entry.label), keys)
    api_key, api_secret = msgspec.json.decode(pair, type=tuple[str, str])
    return Credential(api_key, api_secret)


def _said(label: EntryLabel) -> Said:
    slot = label.slot
    return (
        FORMAT_VERSION,
        slot.account,
        slot.purpose,
        label.version,
        label.state,
        label.created,
    )
