"""The one text of a request's parameters: written once, signed as it is, sent as it is."""

from collections.abc import Sequence
from urllib.parse import quote, urlencode

_LEFT_ALONE = "!$'()*,/:?@"
"""Beside letters, digits and "-._~": what RFC 3986 allows in a query and that separates nothing.

Escaping these would be legal, but yarl, underneath the transport, undoes it, and the exchange
would then verify another text than the one signed. Escaping all else is what yarl leaves alone.
"""

Pairs = Sequence[tuple[str, str]]


def encode(pairs: Pairs) -> str:
    """Write name=value pairs, percent-encoded, in the order given; '+' and ' ' are escaped too."""
    return "&".join(
        f"{quote(name, safe=_LEFT_ALONE)}={quote(value, safe=_LEFT_ALONE)}" for name, value in pairs
    )


def encode_form(pairs: Pairs) -> str:
    """Write the pairs as a form does, ' ' as '+'.

    Of pairs in a JSON body the exchange writes this text itself to verify the signature: so it has
    to be the common one, in which all is escaped but letters, digits and "_.-~".
    """
    return urlencode(pairs)
