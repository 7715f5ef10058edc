"""One value of a reply at a time: bounded, of a sign that makes sense, of a name with a meaning.

Each function raises `ValueError` (`Unparsable` or `NotADecimal`) on what has no meaning here:
corrupt data is worse than none.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TypeVar

from gateway.domain.money import bounded
from gateway.exchange.wire import Named, Unparsable

T = TypeVar("T")
V = TypeVar("V")


def meaning(names: Mapping[str, T], name: Named) -> T:
    """Read a name that the document gives as a word or as a number."""
    try:
        return names[str(name)]
    except KeyError:
        raise Unparsable from None


def positive(value: Decimal) -> Decimal:
    """Read a price, or the quantity of something that rests or happened."""
    if bounded(value) <= 0:
        raise Unparsable
    return value


def not_negative(value: Decimal) -> Decimal:
    """Read a minimum, a volume, or a quantity that may be nothing."""
    if bounded(value) < 0:
        raise Unparsable
    return value


def if_given(read: Callable[[V], T], value: V | None) -> T | None:
    """Read what may be left out."""
    return None if value is None else read(value)


def unless_zero(value: Decimal | None) -> Decimal | None:
    """Read what may be left out or be 0, which stands for none: a market order's price is 0."""
    return if_given(not_negative, value) or None
