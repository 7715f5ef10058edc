"""How money is written: as a JSON number in plain notation, with every digit that counts."""

from decimal import Decimal

from msgspec import Raw

from gateway.domain.money import shortest


def number(value: Decimal) -> Raw:
    """A bounded decimal as a JSON number: 0.00000094 for 9.40E-7, equal values alike."""
    return Raw(shortest(value).encode())


def number_if_known(value: Decimal | None) -> Raw | None:
    """The same, or null where there is nothing."""
    return None if value is None else number(value)
