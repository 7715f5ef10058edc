"""Custody of the exchange's API keys: the only place where a secret is in the clear."""

from gateway.custody.credential import Credential
from gateway.custody.keyring import Keyring
from gateway.custody.loading import FaultyCredentials, LoadedKeyring, load_keyring

__all__ = ["Credential", "FaultyCredentials", "Keyring", "LoadedKeyring", "load_keyring"]
