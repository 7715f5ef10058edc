"""Exact decimals within bounds, and their one text form."""

import re
from decimal import Context, Decimal, Inexact, InvalidOperation
from functools import reduce

MAX_DIGITS = 36
"""Significant digits, places before and places after the point: none may exceed this."""

# Room for the product of a few bounded decimals, and for sums of such products.
_EXACT = Context(prec=6 * MAX_DIGITS, traps=[Inexact, InvalidOperation])
_PLAIN = re.compile(r"-?[0-9]{1,72}(?:\.[0-9]{1,72})?", re.ASCII)


class NotADecimal(ValueError):
    """The value is no exact, finite decimal of at most `MAX_DIGITS` digits in plain notation."""

    def __str__(self) -> str:
        """Name the rule, never the value: it may be a megabyte."""
        return (
            f'expected a decimal in plain notation such as "0.25", finite, '
            f"with at most {MAX_DIGITS} digits"
        )


def bounded(value: Decimal) -> Decimal:
    """Return `value` if it is finite and its plain text is short; raise `NotADecimal` if not.

    The bound on the exponent matters as much as that on the digits: `1E+999999` has one digit and
    a plain form of a megabyte.
    """
    if not value.is_finite():
        raise NotADecimal
    _, digits, exponent = value.as_tuple()
    if len(digits) > MAX_DIGITS or not isinstance(exponent, int):
        raise NotADecimal
    if exponent < -MAX_DIGITS or value.adjusted() >= MAX_DIGITS:
        raise NotADecimal
    return value


def parse_plain(text: str) -> Decimal:
    """Read a decimal in plain notation ("12", "-0.50"); raise `NotADecimal` on anything else.

    No exponent, sign `+`, white space, underscore or non-ASCII digit is accepted.
    """
    if not _PLAIN.fullmatch(text):
        raise NotADecimal
    return bounded(Decimal(text))


def exact_sum(*terms: Decimal) -> Decimal:
    """Add a few decimals, bounded or exact products of such, to the last digit.

    Python's `+` rounds to 28 digits.
    """
    return reduce(_EXACT.add, terms)


def exact_product(*factors: Decimal) -> Decimal:
    """Multiply up to four bounded decimals to the last digit: Python's `*` rounds to 28 of them."""
    return reduce(_EXACT.multiply, factors)


def plain(value: Decimal) -> str:
    """Write a bounded decimal in plain notation: `Decimal("9.4E-7")` is "0.00000094"."""
    return format(abs(value) if value.is_zero() else value, "f")


def shortest(value: Decimal) -> str:
    """Write a bounded decimal in plain notation without zeros at its end: equal values alike."""
    # Not by Decimal.normalize: it rounds to the context's 28 digits.
    text = plain(value)
    return text.rstrip("0").rstrip(".") if "." in text else text
