"""What an exchange account holds."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Balance:
    """One asset of an account; `held` is reserved by open orders; `precision` in decimals."""

    asset: str
    total: Decimal
    available: Decimal
    held: Decimal
    precision: int | None = None
