"""One API key pair of the exchange, hard to show by accident."""

import hmac
from dataclasses import dataclass
from typing import Never

_VERSION_DIGITS = 8


class Credential:
    """An account's API key and secret, in the clear in this process's memory.

    It prints as nothing but its type, and refuses to be pickled or copied. It is no dataclass on
    purpose: those are turned into dictionaries, and so into JSON, by whoever comes across one.
    """

    __slots__ = ("_api_key", "_api_secret")

    def __init__(self, api_key: str, api_secret: str) -> None:
        self._api_key = api_key
        self._api_secret = api_secret

    @property
    def api_key(self) -> str:
        """The public half, sent as a header; with a signature beside it, it is a credential."""
        return self._api_key

    @property
    def api_secret(self) -> str:
        """The half that signs."""
        return self._api_secret

    def __repr__(self) -> str:
        return "Credential(hidden)"

    def __format__(self, _specification: str) -> str:
        return repr(self)

    def __reduce_ex__(self, _protocol: object) -> Never:
        message = "a credential is neither pickled nor copied"
        raise TypeError(message)


@dataclass(frozen=True, slots=True)
class Key:
    """A credential, and the version that tells it from others of its slot."""

    version: str
    credential: Credential


def fingerprinted(credential: Credential) -> Key:
    """Give a version to a credential whose source has none: eight digits that tell two apart.

    They are the same in every process, and cut from a digest that nobody can compute without the
    secret. The exchange would take it for no signature: no request's text has a space in it.
    """
    text = f"version of {credential.api_key}".encode()
    digest = hmac.digest(credential.api_secret.encode(), text, "sha256").hex()
    return Key(digest[:_VERSION_DIGITS], credential)
