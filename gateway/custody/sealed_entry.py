"""What a sealed file holds, as it stands there: one entry for each version of a key."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

import msgspec

from gateway.domain.signing import KeyId, KeySlot, Purpose

FORMAT_VERSION: Literal[1] = 1


class EntryState(StrEnum):
    """PENDING: held, and not used. ACTIVE: the one key of its slot in use. RETIRED: used up."""

    PENDING = "pending"
    ACTIVE = "active"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class EntryLabel:
    """What is said of a sealed pair in the clear; `version` from 1, `created` in ms."""

    slot: KeySlot
    version: int
    state: EntryState
    created: int

    @property
    def key_id(self) -> KeyId:
        """The key's id, as logs and the audit log name it."""
        return KeyId(self.slot, str(self.version))


@dataclass(frozen=True, slots=True)
class SealedEntry:
    """A sealed pair: `data_key` under the key-encryption key of that id, `pair` under the data key.

    Both are a nonce and what AES-256-GCM made of it.
    """

    label: EntryLabel
    encryption_key: str
    data_key: bytes = field(repr=False)
    pair: bytes = field(repr=False)


class _Row(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    account: str
    purpose: Purpose
    version: int
    state: EntryState
    created: int
    encryption_key: str
    data_key: bytes
    pair: bytes


class _Content(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    format: Literal["narkasa-gateway sealed keys"]
    version: Literal[1]
    entries: list[_Row]


def write_entries(entries: tuple[SealedEntry, ...]) -> bytes:
    """Write a sealed file's content: JSON, bytes in base64."""
    rows = [
        _Row(
            account=entry.label.slot.account,
            purpose=entry.label.slot.purpose,
            version=entry.label.version,
            state=entry.label.state,
            created=entry.label.created,
            encryption_key=entry.encryption_key,
            data_key=entry.data_key,
            pair=entry.pair,
        )
        for entry in entries
    ]
    content = _Content("narkasa-gateway sealed keys", FORMAT_VERSION, rows)
    return msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n"


def read_entries(content: bytes) -> tuple[SealedEntry, ...]:
    """Read a sealed file's content; raise ValueError for any other."""
    return tuple(
        SealedEntry(
            EntryLabel(KeySlot(row.account, row.purpose), row.version, row.state, row.created),
            row.encryption_key,
            row.data_key,
            row.pair,
        )
        for row in msgspec.json.decode(content, type=_Content).entries
    )
