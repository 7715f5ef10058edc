"""What may stand in a scenario file: shapes, bounds, and nothing unknown.

A member that is not given is not set, so that it leaves a default as it is.
"""

import re
from decimal import Decimal
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator
from pydantic.alias_generators import to_camel

from gateway.sandbox.config import Network, StreamOrderIds
from gateway.sandbox.permissions import Permission


class Shape(BaseModel):
    """A mapping of the file, whose keys are in camel case there."""

    # Shapes are made by validation alone, never by a constructor that the aliases would rename.
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)  # type: ignore[pydantic-alias]


def _network(value: object) -> Network:
    try:
        return ip_network(str(value))
    except ValueError:
        message = "expected an address or a network such as 10.0.0.0/8"
        raise ValueError(message) from None


def _switch(value: object) -> object:
    """Read a plain true or false as the one member ``enabled``."""
    return {"enabled": value} if isinstance(value, str) else value


def _expression(value: str) -> str:
    try:
        re.compile(value)
    except re.error:
        message = "expected a regular expression"
        raise ValueError(message) from None
    return value


_Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=100)]
_Key: TypeAlias = Annotated[str, Field(min_length=1, max_length=256, repr=False)]
_AssetSymbol: TypeAlias = Annotated[str, Field(pattern=r"^[A-Z0-9]{2,10}$")]
_MarketSymbol: TypeAlias = Annotated[str, Field(pattern=r"^[A-Z0-9]{4,20}$")]
_Country: TypeAlias = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
# Within these bounds the sandbox reckons exactly; they are those of the parameters of requests.
_Quantity: TypeAlias = Annotated[Decimal, Field(ge=0, lt=10**12, decimal_places=8)]
_Positive: TypeAlias = Annotated[Decimal, Field(gt=0, lt=10**12, decimal_places=8)]
_Percent: TypeAlias = Annotated[Decimal, Field(ge=0, lt=100, decimal_places=6)]
_Precision: TypeAlias = Annotated[int, Field(ge=0, le=8)]
_Seconds: TypeAlias = Annotated[Decimal, Field(ge=0, le=86_400, decimal_places=3)]
_Pause: TypeAlias = Annotated[Decimal, Field(ge=Decimal("0.01"), le=86_400, decimal_places=3)]
_Expression: TypeAlias = Annotated[str, Field(max_length=500), AfterValidator(_expression)]
_Network: TypeAlias = Annotated[IPv4Network | IPv6Network, PlainValidator(_network)]


class KeyShape(Shape):
    """A key pair of an account."""

    api_key: _Key
    api_secret: _Key
    permissions: frozenset[Permission] = frozenset(Permission)
    addresses: tuple[_Network, ...] = ()


class WithdrawalAddressShape(Shape):
    """An address that an account has registered."""

    asset: _AssetSymbol
    channel: _Name
    name: _Name
    address: _Name


class DepositShape(Shape):
    """A deposit that will turn up."""

    asset: _AssetSymbol
    quantity: _Positive
    after_seconds: _Seconds = Decimal(0)


class AccountShape(Shape):
    """A client of the exchange."""

    id: _Name
    keys: tuple[KeyShape, ...] = ()
    balances: dict[str, _Quantity] = {}
    registered: bool = True
    verification: Annotated[int, Field(ge=0, le=2)] = 2
    country: _Country = "TR"
    withdrawal_addresses: tuple[WithdrawalAddressShape, ...] = ()
    deposits: tuple[DepositShape, ...] = ()


class MarketShape(Shape):
    """A market, or what is different about one of the defaults."""

    symbol: _MarketSymbol
    name: _Name | None = None
    opening_price: _Positive | None = None
    price_precision: _Precision | None = None
    quantity_precision: _Precision | None = None
    min_quantity: _Positive | None = None
    min_total: _Quantity | None = None
    maker_fee_percent: _Percent | None = None
    taker_fee_percent: _Percent | None = None
    enabled: bool | None = None
    order_enabled: bool | None = None
    cancel_enabled: bool | None = None
    market_orders: bool | None = None
    fast_orders: bool | None = None


class DepositChannelShape(Shape):
    """A way in for an asset."""

    name: _Name
    enabled: bool = True
    address_prefix: Annotated[str, Field(max_length=20)] = ""


class WithdrawalChannelShape(Shape):
    """A way out for an asset."""

    name: _Name
    enabled: bool = True
    fee: _Quantity = Decimal(0)
    monthly_limit: _Quantity | None = None
    address_pattern: _Expression = r"\S+"
    tag_pattern: _Expression | None = None


class DepositRulesShape(Shape):
    """How an asset comes in."""

    enabled: bool | None = None
    minimum: _Quantity | None = None
    confirmations: Annotated[int, Field(ge=0, le=1000)] | None = None
    blocked_countries: frozenset[_Country] | None = None
    channels: tuple[DepositChannelShape, ...] | None = None


class WithdrawalRulesShape(Shape):
    """How an asset goes out."""

    enabled: bool | None = None
    minimum: _Quantity | None = None
    blocked_countries: frozenset[_Country] | None = None
    step_one_monthly_limit: _Quantity | None = None
    step_two_monthly_limit: _Quantity | None = None
    channels: tuple[WithdrawalChannelShape, ...] | None = None


class AssetShape(Shape):
    """An asset, or what is different about one of the defaults."""

    symbol: _AssetSymbol
    name: _Name | None = None
    precision: _Precision | None = None
    fiat: bool | None = None
    explorer: Annotated[str, Field(max_length=200)] | None = None
    deposit: DepositRulesShape | None = None
    withdraw: WithdrawalRulesShape | None = None


class MarketMakerShape(Shape):
    """Whether prices move by themselves, and how often."""

    enabled: bool = True
    tick_seconds: _Pause = Decimal("0.5")


class TransfersShape(Shape):
    """How deposits and withdrawals go their way."""

    step_seconds: _Seconds = Decimal(2)
    registered_addresses_only: bool = True


class ScenarioShape(Shape):
    """A whole file."""

    seed: int = 0
    market_maker: Annotated[MarketMakerShape, BeforeValidator(_switch)] = MarketMakerShape()
    history: bool = True
    stream_order_ids: StreamOrderIds = StreamOrderIds.SAME
    transfers: TransfersShape = TransfersShape()
    assets: tuple[AssetShape, ...] = ()
    markets: tuple[MarketShape, ...] = ()
    accounts: tuple[AccountShape, ...] = ()
