"""The one text of a request's parameters: built once, signed as it is, sent as it is."""

from collections.abc import Sequence
from decimal import Decimal
from urllib.parse import parse_qsl, quote, urlencode

import msgspec

from gateway.domain.errors import BadUserInput
from gateway.domain.money import NotADecimal, bounded, plain

_LEFT_ALONE = "!$'()*,/:?@"
"""Beside letters, digits and "-._~": what RFC 3986 allows in a query and that separates nothing.

Escaping these would be legal, but yarl, underneath the transport, undoes it, and the exchange
would then verify another text than the one signed. Escaping all else is what yarl leaves alone.
"""

Pairs = Sequence[tuple[str, str]]


def above_zero(field: str, value: Decimal) -> str:
    """Write the price or quantity of a command, in plain notation.

    Raise `BadUserInput` for `field` when it is not above zero, or has no such notation of a length
    that can be sent.
    """
    try:
        if bounded(value) > 0:
            return plain(value)
    except NotADecimal as fault:
        raise BadUserInput(field, str(fault)) from None
    raise BadUserInput(field, "must be above zero")


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


def as_json(text: str) -> bytes:
    """Carry the pairs of an encoded text as a JSON object of strings, in the same order."""
    return msgspec.json.encode(dict(parse_qsl(text, keep_blank_values=True)))
