"""What custody and the exchange client hand each other: requests to sign, signed text, no key."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Literal, TypeAlias


class Purpose(StrEnum):
    """What an API key is for: each account has a key for each, so that none can do it all."""

    READ = "read"
    TRADE = "trade"
    WITHDRAW = "withdraw"


@dataclass(frozen=True, slots=True)
class KeySlot:
    """The place of one key: an account's key for one purpose."""

    account: str
    purpose: Purpose

    def __str__(self) -> str:
        """Write account and purpose, as in "desk/trade"."""
        return f"{self.account}/{self.purpose}"


@dataclass(frozen=True, slots=True)
class KeyId:
    """Which key of a slot: `version` tells two apart, and says nothing of the key itself."""

    slot: KeySlot
    version: str

    def __str__(self) -> str:
        """Write slot and version, as in "desk/trade@3"."""
        return f"{self.slot}@{self.version}"


Parameter: TypeAlias = str | int | Decimal
"""A parameter's value; a Decimal is written in plain notation."""

PostForm = Literal["query", "json"]
"""How parameters are carried: in the address, or as JSON pairs in the body."""


@dataclass(frozen=True, slots=True)
class SigningRequest:
    """One request to sign: the endpoint's path below /v3/api, and its parameters in their order.

    `form`: how the parameters will be carried, for that decides how they are written. The time and
    the window are parameters like the others.
    """

    endpoint: str
    parameters: tuple[tuple[str, Parameter], ...]
    form: PostForm = "query"


@dataclass(frozen=True, slots=True)
class SignedText:
    """A parameter string with its signature appended, and the header that names the key.

    Neither shows in a repr: together they are a request that anyone could send. `key` is the id of
    the key that signed.
    """

    text: str = field(repr=False)
    header: tuple[str, str] = field(repr=False)
    key: KeyId

    @property
    def covered(self) -> str:
        """What the signature covers: all of the text that stands before it."""
        return self.text.rpartition("&signature=")[0]


Sign = Callable[[SigningRequest], SignedText]
"""Signs one request of one account, with the account's key for the endpoint's purpose.

Raises `NoKey` and `KeyStopped` when there is no such key, or the exchange refuses it, and
`NotSignable` for a parameter that the endpoint does not have, or a value that it cannot have.
"""

LoginFrame = Callable[[], str]
"""Gives the WebSocket frame that binds an account's private stream: a permanent credential.

Raises `NoKey` and `KeyStopped`.
"""
