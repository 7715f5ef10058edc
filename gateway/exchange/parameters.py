"""What a request's parameters may be, and how signed ones are carried in a body."""

from collections.abc import Sequence
from decimal import Decimal
from typing import TypeAlias
from urllib.parse import parse_qsl

import msgspec

from gateway.domain.errors import BadUserInput
from gateway.domain.money import NotADecimal, bounded
from gateway.domain.signing import Parameter

Parameters: TypeAlias = Sequence[tuple[str, Parameter]]
"""Names and values in the order in which they are signed."""


def above_zero(field: str, value: Decimal) -> Decimal:
    """Return the price or quantity of a command.

    Raise `BadUserInput` for `field` when it is not above zero, or has no plain notation of a length
    that can be sent.
    """
    try:
        if bounded(value) > 0:
            return value
    except NotADecimal as fault:
        raise BadUserInput(field, str(fault)) from None
    raise BadUserInput(field, "must be above zero")


def as_json(text: str) -> bytes:
    """Carry the pairs of an encoded text as a JSON object of strings, in the same order."""
    return msgspec.json.encode(dict(parse_qsl(text, keep_blank_values=True)))
