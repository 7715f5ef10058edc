"""What custody hands to the exchange client: signed text, never a key."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SignedText:
    """A parameter string with its signature appended, and the header that names the key.

    Neither shows in a repr: together they are a request that anyone could send.
    """

    text: str = field(repr=False)
    header: tuple[str, str] = field(repr=False)


Sign = Callable[[str], SignedText]
"""Signs the exact parameter string of one request with one account's secret."""

LoginFrame = Callable[[], str]
"""Gives the WebSocket frame that binds an account's private stream: a permanent credential."""
