"""The sandbox's assets, and the rules by which they come in and go out.

Minima, fees and limits are quantities of the asset itself.
"""

from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class DepositChannel:
    """A way in. Each account has an address of its own there, which begins with the prefix."""

    name: str
    enabled: bool = True
    address_prefix: str = ""


@dataclass(frozen=True, slots=True)
class DepositRules:
    """How an asset comes in; ``confirmations`` of its network complete a deposit."""

    enabled: bool = True
    minimum: Decimal = Decimal(0)
    confirmations: int = 6
    blocked_countries: frozenset[str] = frozenset()
    channels: tuple[DepositChannel, ...] = ()


@dataclass(frozen=True, slots=True)
class WithdrawalChannel:
    """A way out.

    ``monthly_limit`` is of one account. The patterns are regular expressions for the whole
    address and, where the channel wants a tag (memo, second address part), the whole tag.
    """

    name: str
    enabled: bool = True
    fee: Decimal = Decimal(0)
    monthly_limit: Decimal | None = None
    address_pattern: str = r"\S+"
    tag_pattern: str | None = None


@dataclass(frozen=True, slots=True)
class WithdrawalRules:
    """How an asset goes out; the monthly limits are those of an account verified in that step."""

    enabled: bool = True
    minimum: Decimal = Decimal(0)
    blocked_countries: frozenset[str] = frozenset()
    step_one_monthly_limit: Decimal | None = None
    step_two_monthly_limit: Decimal | None = None
    channels: tuple[WithdrawalChannel, ...] = ()


@dataclass(frozen=True, slots=True)
class Asset:
    """An asset: ``precision`` in decimals; ``fiat`` moves through banks and has no network."""

    symbol: str
    name: str
    precision: int = 8
    fiat: bool = False
    explorer: str = ""
    deposit: DepositRules = field(default_factory=DepositRules)
    withdraw: WithdrawalRules = field(default_factory=WithdrawalRules)

    @property
    def step(self) -> Decimal:
        """The smallest step of a quantity."""
        return Decimal(1).scaleb(-self.precision)


_BITCOIN_ADDRESS = r"bc1[0-9a-z]{11,71}|[13][1-9A-HJ-NP-Za-km-z]{25,34}"
_ETHEREUM_ADDRESS = r"0x[0-9a-fA-F]{40}"
_RIPPLE_ADDRESS = r"r[1-9A-HJ-NP-Za-km-z]{24,34}"
_TRON_ADDRESS = r"T[1-9A-HJ-NP-Za-km-z]{33}"
_TURKISH_IBAN = r"TR[0-9]{24}"
_ETHERSCAN = "https://etherscan.io"


def default_assets() -> dict[str, Asset]:
    """Build the nine assets of the default markets by symbol."""
    assets = (
        Asset(
            "BTC",
            "Bitcoin",
            explorer="https://www.blockchain.com/en/explorer",
            deposit=_deposit("0.0001", DepositChannel("BTC", address_prefix="bc1q")),
            withdraw=_withdraw("0.0001", _channel("BTC", "0.0005", _BITCOIN_ADDRESS)),
        ),
        _token("ETH", "Ethereum", "ETH", minimum="0.01", fee="0.005"),
        Asset(
            "XRP",
            "Ripple",
            precision=6,
            explorer="https://xrpscan.com",
            deposit=_deposit("1", DepositChannel("XRP", address_prefix="r")),
            withdraw=_withdraw("20", _channel("XRP", "0.25", _RIPPLE_ADDRESS, r"[0-9]{1,10}")),
        ),
        _tether(),
        _token("LINK", "ChainLink", "ERC20", minimum="1", fee="0.3"),
        _token("UNI", "Uniswap", "ERC20", minimum="1", fee="0.3"),
        _token("HOT", "Holo", "ERC20", minimum="1000", fee="500"),
        _token("1INCH", "1inch", "ERC20", minimum="5", fee="2"),
        _lira(),
    )
    return {asset.symbol: asset for asset in assets}


def _tether() -> Asset:
    return Asset(
        "USDT",
        "Tether",
        explorer=_ETHERSCAN,
        deposit=_deposit(
            "5",
            DepositChannel("ERC20", address_prefix="0x"),
            DepositChannel("TRC20", address_prefix="T"),
        ),
        withdraw=_withdraw(
            "10",
            _channel("ERC20", "5", _ETHEREUM_ADDRESS),
            _channel("TRC20", "1", _TRON_ADDRESS),
        ),
    )


def _lira() -> Asset:
    return Asset(
        "TRY",
        "Türk Lirası",  # noqa: RUF001 - as the document writes it
        precision=2,
        fiat=True,
        deposit=DepositRules(
            minimum=Decimal(10),
            confirmations=0,
            channels=(DepositChannel("VAKIFBANK", address_prefix="TR"),),
        ),
        withdraw=_withdraw("10", _channel("VAKIFBANK", "2", _TURKISH_IBAN)),
    )


def _token(symbol: str, name: str, channel: str, *, minimum: str, fee: str) -> Asset:
    return Asset(
        symbol,
        name,
        explorer=_ETHERSCAN,
        deposit=_deposit(minimum, DepositChannel(channel, address_prefix="0x")),
        withdraw=_withdraw(minimum, _channel(channel, fee, _ETHEREUM_ADDRESS)),
    )


def _deposit(minimum: str, *channels: DepositChannel) -> DepositRules:
    return DepositRules(minimum=Decimal(minimum), channels=channels)


def _withdraw(minimum: str, *channels: WithdrawalChannel) -> WithdrawalRules:
    return WithdrawalRules(minimum=Decimal(minimum), channels=channels)


def _channel(
    name: str, fee: str, address_pattern: str, tag_pattern: str | None = None
) -> WithdrawalChannel:
    return WithdrawalChannel(
        name, fee=Decimal(fee), address_pattern=address_pattern, tag_pattern=tag_pattern
    )
