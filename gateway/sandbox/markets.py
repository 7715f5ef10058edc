"""The sandbox's fifteen markets and their trading rules ("Get Symbol Detailed Info")."""

from dataclasses import dataclass
from decimal import Decimal

FEE_PERCENT = Decimal("0.2")
FEE_RATE = FEE_PERCENT / 100
MIN_TOTAL = Decimal(10)
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


@dataclass(frozen=True, slots=True)
class Market:
    """One market's rules. Precisions are numbers of decimals."""

    base: str
    quote: str
    opening_price: Decimal
    price_precision: int
    quantity_precision: int
    enabled: bool = True

    @property
    def symbol(self) -> str:
        """Base and quote asset in one word, as in BTCTRY."""
        return self.base + self.quote

    @property
    def name(self) -> str:
        """The base asset's name."""
        return ASSET_NAMES[self.base]

    @property
    def total_precision(self) -> int:
        """Two decimals, or none where prices have none, as in the document's BTCTRY."""
        return min(self.price_precision, 2)

    @property
    def tick(self) -> Decimal:
        """The smallest step of a price."""
        return Decimal(1).scaleb(-self.price_precision)

    @property
    def min_quantity(self) -> Decimal:
        """The smallest quantity of an order, and its smallest step."""
        return Decimal(1).scaleb(-self.quantity_precision)


def build_markets(disabled: frozenset[str]) -> dict[str, Market]:
    """Build all markets by symbol; those in ``disabled`` refuse orders."""
    markets = {}
    for (base, quote), price in _OPENING_PRICES.items():
        markets[base + quote] = Market(
            base=base,
            quote=quote,
            opening_price=Decimal(price),
            price_precision=len(price.partition(".")[2]),
            quantity_precision=_QUANTITY_PRECISIONS[base],
            enabled=base + quote not in disabled,
        )
    return markets
