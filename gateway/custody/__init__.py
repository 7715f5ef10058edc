"""Custody of the exchange's API keys: the only place where a secret is in the clear."""

from gateway.custody.configured import KeyPlaces, configured_sources
from gateway.custody.credential import Credential, Key
from gateway.custody.keyring import Keyring, SlotStatus
from gateway.custody.signing import secrets
from gateway.custody.sources import FaultyCredentials, FoundKeys, KeySource, read_keys
from gateway.custody.whitelist import NotSignable

__all__ = [
    "Credential",
    "FaultyCredentials",
    "FoundKeys",
    "Key",
    "KeyPlaces",
    "KeySource",
    "Keyring",
    "NotSignable",
    "SlotStatus",
    "configured_sources",
    "read_keys",
    "secrets",
]
