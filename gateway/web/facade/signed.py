"""Who says that they signed a request, and for how long what they signed is good ("Security").

What the exchange refuses first, it refuses first here: no key (20000), no timestamp (20003), no
signature (20005), what proves nothing (20001), and only then a timestamp or a window that is no
whole number (90001) or that has passed (20004). So a stranger learns nothing of a key.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.access.proving import Cause, NotProven
from gateway.web.facade import codes
from gateway.web.facade.parameters import Parameters
from gateway.web.facade.refusals import refusal_of

API_KEY = b"x-apnk-apikey"
DEFAULT_WINDOW_MS = 10_000
LONGEST_WINDOW_MS = 60_000
FURTHEST_AHEAD_MS = 1_000
"""A timestamp ahead of the clock would make a signature good for longer than its window."""
LONGEST_GOOD_MS = LONGEST_WINDOW_MS + FURTHEST_AHEAD_MS
"""How long after it came first a signature may still pass."""

_SIGNATURE = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Claim:
    """An API key, a text, and 64 hex digits that are said to be the text's signature by that key.

    Nothing of it is proven. None of it shows in a repr: together it may be a request.
    """

    api_key: str = field(repr=False)
    text: bytes = field(repr=False)
    signature: str = field(repr=False)


def api_key_in(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The API key among an ASGI request's headers. Raises Refusal 20005 where there are two."""
    keys = [value.decode("latin-1") for name, value in headers if name.lower() == API_KEY]
    if len(keys) > 1:
        raise refusal_of(codes.MISSING)
    return keys[0] if keys else None


def claim_in(api_key: str | None, parameters: Parameters) -> Claim:
    """What a request claims.

    Raises Refusal 20000, 20003 and 20005, and `NotProven` for what can be no signature.
    """
    if not api_key:
        raise refusal_of(codes.NO_KEY)
    if not parameters.values.get("timestamp"):
        raise refusal_of(codes.NO_TIMESTAMP)
    if parameters.signature is None:
        raise refusal_of(codes.MISSING)
    if not _SIGNATURE.fullmatch(parameters.signature):
        raise NotProven(cause=Cause.SIGNATURE)
    return Claim(api_key, parameters.signed_text, parameters.signature)


def require_open_window(parameters: Parameters, now: int) -> None:
    """See that a signed request's window is open at `now`, in ms since the epoch.

    Raises Refusal 90001 when timestamp or window are no whole numbers, 20004 when the window has
    passed by `now`, is longer than a minute, or begins more than a second after `now`.
    """
    timestamp, window = parameters.integer("timestamp"), parameters.integer("windowSize")
    if timestamp is None or window == 0:
        raise refusal_of(codes.INVALID)
    until = timestamp + (window or DEFAULT_WINDOW_MS)
    if (
        until - timestamp > LONGEST_WINDOW_MS
        or not now <= until
        or timestamp > now + FURTHEST_AHEAD_MS
    ):
        raise refusal_of(codes.WINDOW_PASSED)
