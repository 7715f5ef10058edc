"""Custody of the exchange's API keys: the only place where a secret is in the clear."""

from gateway.custody.configured import (
    KeyPlaces,
    OpenVirtual,
    configured_sources,
    virtual_key_opener,
)
from gateway.custody.credential import Credential, Key
from gateway.custody.envelope import NotOpened
from gateway.custody.keyring import Keyring, SlotStatus
from gateway.custody.signing import secrets
from gateway.custody.sources import FaultyCredentials, FoundKeys, KeySource, read_keys
from gateway.custody.virtual_pair import VirtualPair, key_digest
from gateway.custody.virtual_sealing import shown_entry, shown_place
from gateway.custody.whitelist import NotSignable

__all__ = [
    "Credential",
    "FaultyCredentials",
    "FoundKeys",
    "Key",
    "KeyPlaces",
    "KeySource",
    "Keyring",
    "NotOpened",
    "NotSignable",
    "OpenVirtual",
    "SlotStatus",
    "VirtualPair",
    "configured_sources",
    "key_digest",
    "read_keys",
    "secrets",
    "shown_entry",
    "shown_place",
    "virtual_key_opener",
]
