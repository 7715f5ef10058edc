"""An account at one moment, by its stream and a reading of its fills together."""

from dataclasses import dataclass

from gateway.domain.account import Balance, Fill
from gateway.domain.orders import Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The last fills, and what was known of orders and balances when they were asked for.

    `at` is that moment, in ms by the exchange's clock at the most. `orders` were open, `ended` were
    over, of those placed in the `FRAMES_LATE_MS` before. Orders and balances never tell of a fill
    that `fills` lack; the other way round they may, for frames take their time.
    """

    at: int
    orders: tuple[Order, ...]
    balances: tuple[Balance, ...]
    fills: tuple[Fill, ...]
    ended: tuple[Order, ...] = ()
