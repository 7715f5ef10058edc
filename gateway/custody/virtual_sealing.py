"""Virtual pairs as they are stored: sealed, each in an entry that opens in its own place only.

The place is the digest of the pair's API key, so that whoever reads the store finds no key there.
It is authenticated with all that an entry says in the clear (`envelope`).
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from gateway.custody.encryption_keys import EncryptionKeys
from gateway.custody.envelope import Envelope, NotOpened, RandomBytes, Said, disclose, enclose
from gateway.custody.virtual_pair import VirtualPair
from gateway.domain.virtual_keys import VirtualKey

_FORMAT: Literal["narkasa-gateway virtual key 1"] = "narkasa-gateway virtual key 1"
_LONGEST_PLACE = 64
_LAST_MS = 253_402_300_799_999
"""The end of the year 9999: there are no dates after it."""


class _Row(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    format: Literal["narkasa-gateway virtual key 1"]
    id: Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9._-]{1,64}\Z")]
    principal: str
    account: str
    created: Annotated[int, msgspec.Meta(ge=0, le=_LAST_MS)]
    encryption_key: str
    data_key: bytes
    pair: bytes


@dataclass(frozen=True, slots=True)
class SealedVirtualKey:
    """An entry as it stands: what it says of its pair, and the pair in its envelope."""

    key: VirtualKey
    envelope: Envelope


def seal_virtual(
    key: VirtualKey,
    digest: str,
    pair: tuple[str, str],
    keys: EncryptionKeys,
    random_bytes: RandomBytes,
) -> bytes:
    """Write the entry of a pair (API key, secret) for the place `digest`: JSON, bytes in base64."""
    content = msgspec.json.encode(pair)
    return _written(key, enclose(content, _said(key, digest), keys, random_bytes))


def reseal_virtual(
    digest: str, entry: bytes, keys: EncryptionKeys, random_bytes: RandomBytes
) -> bytes:
    """Write the entry anew with the newest of `keys`; raise `NotOpened`."""
    sealed = read_virtual(entry)
    said = _said(sealed.key, digest)
    content = disclose(sealed.envelope, said, keys)
    return _written(sealed.key, enclose(content, said, keys, random_bytes))


def open_virtual(digest: str, entry: bytes, keys: EncryptionKeys) -> VirtualPair:
    """Open an entry that stands at `digest`; raise `NotOpened`."""
    sealed = read_virtual(entry)
    content = disclose(sealed.envelope, _said(sealed.key, digest), keys)
    api_key, api_secret = msgspec.json.decode(content, type=tuple[str, str])
    return VirtualPair(sealed.key, api_key, api_secret)


def read_virtual(entry: bytes) -> SealedVirtualKey:
    """Read what an entry says, which only opening it proves; raise `NotOpened` for what is none."""
    try:
        row = msgspec.json.decode(entry, type=_Row)
    except (msgspec.MsgspecError, ValueError):
        problem = "it is no entry of a virtual key, or of another version of the gateway"
        raise NotOpened(problem) from None
    key = VirtualKey(row.id, row.principal, row.account, row.created)
    return SealedVirtualKey(key, Envelope(row.encryption_key, row.data_key, row.pair))


def shown_entry(digest: str, entry: bytes) -> str:
    """Name an entry for a person, by the id that it says it has, or by its place."""
    try:
        return f"virtual key {read_virtual(entry).key.id!r}"
    except NotOpened:
        return f"the entry '{shown_place(digest)}' among the virtual keys"


def shown_place(digest: str) -> str:
    """A place as it is shown and typed: a digest as it is; of anything else what is printable."""
    return ascii(digest[:_LONGEST_PLACE])[1:-1]


def _written(key: VirtualKey, sealed: Envelope) -> bytes:
    return msgspec.json.encode(
        _Row(
            format=_FORMAT,
            id=key.id,
            principal=key.principal,
            account=key.account,
            created=key.created,
            encryption_key=sealed.encryption_key,
            data_key=sealed.data_key,
            pair=sealed.content,
        )
    )


def _said(key: VirtualKey, digest: str) -> Said:
    return (_FORMAT, digest, key.id, key.principal, key.account, key.created)
