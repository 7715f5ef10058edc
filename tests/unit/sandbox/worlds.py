"""Markets to trade in at random: an everyday one, and one with all that a scenario may ask for."""

from dataclasses import dataclass, replace
from decimal import Decimal

from gateway.sandbox.markets import Market, default_markets

SYMBOL = "BTCUSDT"


@dataclass(frozen=True)
class World:
    """A market and what each account begins with; prices and quantities count ticks and lots."""

    market: Market
    floor: Decimal
    lot: Decimal
    start: dict[str, Decimal]

    def price(self, ticks: int) -> Decimal:
        return self.floor + ticks * self.market.tick

    def quantity(self, lots: int) -> Decimal:
        return lots * self.lot

    def total(self, lots: int) -> Decimal:
        return (self.quantity(lots) * self.floor).quantize(self.market.total_step)


PLAIN = World(
    replace(
        default_markets()[SYMBOL],
        opening_price=Decimal("53900.04"),
        maker_fee_percent=Decimal("0.1"),
        taker_fee_percent=Decimal("0.25"),
    ),
    floor=Decimal(53_900),
    lot=Decimal("0.000001"),
    start={"USDT": Decimal(30_000), "BTC": Decimal(1)},
)
# All that a scenario may have: decimals, digits of fees, balances.
MOST = Decimal(10) ** 12 - Decimal("0.00000001")
EXTREME = World(
    replace(
        PLAIN.market,
        price_precision=8,
        quantity_precision=8,
        min_quantity=Decimal("0.00000001"),
        opening_price=Decimal("987.65432109"),
        maker_fee_percent=Decimal("0.123457"),
        taker_fee_percent=Decimal("98.765433"),
    ),
    floor=Decimal("987.65432101"),
    lot=Decimal("33333.33333333"),
    start={"USDT": MOST, "BTC": MOST},
)
