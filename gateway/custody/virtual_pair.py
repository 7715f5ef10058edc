"""A pair that the gateway issued, opened: it proves who holds its secret, and signs nothing."""

import hmac
from collections.abc import Callable
from hashlib import sha256
from string import ascii_letters, digits
from typing import Never

from gateway.domain.virtual_keys import VirtualKey

_LENGTH = 64
_LETTERS = ascii_letters + digits
_KEY_BEGINS, _SECRET_BEGINS = "ngwvk", "ngwvs"
"""Whoever finds one, a scanner of repositories among them, knows at once what it is."""


class VirtualPair:
    """The API key and the secret of `key`, in the clear in this process's memory.

    Like a `Credential` it prints as nothing but its type, and refuses to be pickled or copied.
    """

    __slots__ = ("_api_key", "_api_secret", "key")

    def __init__(self, key: VirtualKey, api_key: str, api_secret: str) -> None:
        self.key = key
        self._api_key = api_key
        self._api_secret = api_secret.encode()

    def verify(self, text: bytes, signature: str) -> bool:
        """Whether `signature` is the HMAC-SHA256 of exactly `text`, in lower-case hex."""
        given = signature.encode("utf-8", "surrogatepass")
        return hmac.compare_digest(self._signature(text).encode(), given)

    def secrets(self) -> frozenset[str]:
        """Everything of it that must never be printed, in the clear: for the redaction layer only.

        The login of a stream is among it: no time is signed there, so it is good for ever.
        """
        login = self._signature(self._api_key.encode())
        return frozenset((self._api_key, self._api_secret.decode(), login))

    def _signature(self, text: bytes) -> str:
        return hmac.digest(self._api_secret, text, "sha256").hex()

    def __repr__(self) -> str:
        return "VirtualPair(hidden)"

    def __format__(self, _specification: str) -> str:
        return repr(self)

    def __reduce_ex__(self, _protocol: object) -> Never:
        message = "a virtual pair is neither pickled nor copied"
        raise TypeError(message)


def new_virtual_pair(random_bytes: Callable[[int], bytes]) -> tuple[str, str]:
    """Make an API key and a secret, each of 64 letters and digits as the exchange's are."""
    return _made(_KEY_BEGINS, random_bytes), _made(_SECRET_BEGINS, random_bytes)


def key_digest(api_key: str) -> str:
    """The SHA-256 (hex) of an API key, by which a pair is found. Takes any text."""
    return sha256(api_key.encode("utf-8", "surrogatepass")).hexdigest()


def _made(begins: str, random_bytes: Callable[[int], bytes]) -> str:
    # Of the 256 values of a byte, those of the last, incomplete round would favour some letters.
    fair = 256 - 256 % len(_LETTERS)
    text = begins
    while len(text) < _LENGTH:
        drawn = random_bytes(_LENGTH)
        text += "".join(_LETTERS[byte % len(_LETTERS)] for byte in drawn if byte < fair)
    return text[:_LENGTH]
