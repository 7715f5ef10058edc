"""The sandbox's fifteen markets and their trading rules ("Get Symbol Detailed Info")."""

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

DEFAULT_FEE_PERCENT = Decimal("0.2")
DEFAULT_MIN_TOTAL = Decimal(10)
MAX_SELL_OF_LAST = Decimal("2.5")
MIN_BUY_OF_LAST = Decimal("0.4")

ASSET_NAMES = {
    "BTC": "Bitcoin",
    "ETH": "Ethereum",
    "XRP": "Ripple",
    "USDT": "Tether",
    "LINK": "ChainLink",
    "UNI": "Uniswap",
    "HOT": "Holo",
    "1INCH": "1inch",
}

ASSETS = (*ASSET_NAMES, "TRY")

_QUANTITY_PRECISIONS = {
    "BTC": 6,
    "ETH": 5,
    "XRP": 2,
    "USDT": 2,
    "LINK": 3,
    "UNI": 3,
    "HOT": 0,
    "1INCH": 2,
}

_OPENING_PRICES = {
    ("BTC", "TRY"): "434497",
    ("ETH", "TRY"): "13368.03",
    ("XRP", "TRY"): "4.446",
    ("USDT", "TRY"): "8.014",
    ("LINK", "TRY"): "218.778",
    ("UNI", "TRY"): "231.006",
    ("HOT", "TRY"): "0.07097",
    ("1INCH", "TRY"): "31.972",
    ("BTC", "USDT"): "53963.13",
    ("ETH", "USDT"): "1661.87",
    ("XRP", "USDT"): "0.56017",
    ("LINK", "USDT"): "27.1938",
    ("UNI", "USDT"): "28.4298",
    ("HOT", "USDT"): "0.0087709",
    ("1INCH", "USDT"): "3.9373",
}


# Without slots, so that what every order asks for is computed once.
@dataclass(frozen=True, kw_only=True)
class Market:
    """One market's rules.

    name: the base asset's. Precisions are numbers of decimals. min_quantity is of the base asset
    and no finer than its precision, min_total of the quote asset, fees are percent of what is
    received. A market that is not ``enabled`` or not ``order_enabled`` takes no orders, one that
    is not ``cancel_enabled`` lets none go; ``market_orders`` and ``fast_orders`` tell whether it
    takes these types.
    """

    base: str
    quote: str
    name: str
    opening_price: Decimal
    price_precision: int
    quantity_precision: int
    min_quantity: Decimal
    min_total: Decimal = DEFAULT_MIN_TOTAL
    maker_fee_percent: Decimal = DEFAULT_FEE_PERCENT
    taker_fee_percent: Decimal = DEFAULT_FEE_PERCENT
    enabled: bool = True
    order_enabled: bool = True
    cancel_enabled: bool = True
    market_orders: bool = True
    fast_orders: bool = True

    @cached_property
    def symbol(self) -> str:
        """Base and quote asset in one word, as in BTCTRY."""
        return self.base + self.quote

    @cached_property
    def total_precision(self) -> int:
        """Two decimals, or none where prices have none, as in the document's BTCTRY."""
        return min(self.price_precision, 2)

    @cached_property
    def total_step(self) -> Decimal:
        """The smallest step of a total that a fast order may spend."""
        return Decimal(1).scaleb(-self.total_precision)

    @cached_property
    def tick(self) -> Decimal:
        """The smallest step of a price."""
        return Decimal(1).scaleb(-self.price_precision)

    @cached_property
    def quantity_step(self) -> Decimal:
        """The smallest step of a quantity."""
        return Decimal(1).scaleb(-self.quantity_precision)


def default_markets() -> dict[str, Market]:
    """Build the fifteen markets by symbol, with the document's trading rules."""
    markets = {}
    for (base, quote), price in _OPENING_PRICES.items():
        markets[base + quote] = Market(
            base=base,
            quote=quote,
            name=ASSET_NAMES[base],
            opening_price=Decimal(price),
            price_precision=len(price.partition(".")[2]),
            quantity_precision=_QUANTITY_PRECISIONS[base],
            min_quantity=Decimal(1).scaleb(-_QUANTITY_PRECISIONS[base]),
        )
    return markets
