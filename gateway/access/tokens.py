"""Bearer tokens: random enough that their plain SHA-256 may stand in a file."""

from base64 import urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256

_RANDOM_BYTES = 32


def new_token(random_bytes: Callable[[int], bytes]) -> str:
    """A fresh token: `ngw_` and 256 random bits."""
    return "ngw_" + urlsafe_b64encode(random_bytes(_RANDOM_BYTES)).rstrip(b"=").decode()


def hash_token(token: str) -> str:
    """The SHA-256 of a token, in hex, as the policy file keeps it.

    Takes any text, for it may come from anyone: a JSON string can hold half a surrogate pair,
    which plain UTF-8 refuses.
    """
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
