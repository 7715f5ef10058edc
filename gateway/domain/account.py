"""What an exchange account holds, has traded, and has moved in and out."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from gateway.domain.market import OrderSide
from gateway.domain.orders import OrderType


@dataclass(frozen=True, slots=True)
class Balance:
    """One asset of an account; `held` is reserved by open orders; `precision` in decimals."""

    asset: str
    total: Decimal
    available: Decimal
    held: Decimal
    precision: int | None = None


@dataclass(frozen=True, slots=True)
class BalanceChange:
    """What a stream tells of one asset: the part that changed, as it now is; the other is None."""

    asset: str
    available: Decimal | None = None
    held: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution of an order of the account; the exchange gives it no id. `time` in ms."""

    symbol: str
    price: Decimal
    quantity: Decimal
    side: OrderSide
    type: OrderType
    fee: Decimal
    fee_asset: str
    time: int


@dataclass(frozen=True, slots=True)
class Currency:
    """An asset that the exchange knows; `id` is the exchange's."""

    id: str
    asset: str
    name: str


@dataclass(frozen=True, slots=True)
class DepositChannel:
    """A way to pay an asset in, with the account's own `address` there."""

    name: str
    address: str | None
    enabled: bool


@dataclass(frozen=True, slots=True)
class DepositOptions:
    """How an asset may be paid in; `minimum` in the asset, `precision` in decimals.

    `id` is the exchange's for the asset, as in `Currency`.
    """

    asset: str
    name: str
    enabled: bool
    minimum: Decimal
    precision: int | None
    channels: tuple[DepositChannel, ...]
    id: str | None = None


@dataclass(frozen=True, slots=True)
class WithdrawalAddress:
    """An address that the account holder registered at the exchange."""

    id: str
    name: str
    address: str


@dataclass(frozen=True, slots=True)
class WithdrawalChannel:
    """A way to pay an asset out; `fee` in the asset."""

    name: str
    enabled: bool
    fee: Decimal
    addresses: tuple[WithdrawalAddress, ...]


@dataclass(frozen=True, slots=True)
class WithdrawalOptions:
    """How an asset may be paid out; `minimum` in the asset, `precision` in decimals.

    `id` is the exchange's for the asset, as in `Currency`.
    """

    asset: str
    name: str
    enabled: bool
    minimum: Decimal
    precision: int | None
    channels: tuple[WithdrawalChannel, ...]
    id: str | None = None


class TransferState(StrEnum):
    """Where a deposit or withdrawal stands; UNKNOWN for a number that the exchange's tables lack.

    Headings 'Get Last 5 Withdraw' and 'Get Last 5 Deposit'.
    """

    PENDING = "PENDING"
    VALIDATING = "VALIDATING"
    RESUMING = "RESUMING"
    COMPLETED = "COMPLETED"
    REJECTED = "REJECTED"
    CANCELLED = "CANCELLED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Deposit:
    """A deposit; `time` in ms, `state_code` the exchange's number behind `state`.

    `information` and `real` are the exchange's own words on it, which the document does not
    explain; `precision` is the asset's, in decimals.
    """

    id: str
    asset: str
    quantity: Decimal
    time: int
    state: TransferState
    state_code: int
    confirmations: int | None
    required_confirmations: int | None
    txid: str | None
    explorer: str | None
    information: str | None = None
    precision: int | None = None
    real: bool | None = None


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A withdrawal; `time` in ms, `state_code` the exchange's number behind `state`.

    `information` and `real` are the exchange's own words on it, which the document does not
    explain; `precision` is the asset's, in decimals.
    """

    id: str
    asset: str
    quantity: Decimal
    time: int
    state: TransferState
    state_code: int
    txid: str | None
    explorer: str | None
    information: str | None = None
    precision: int | None = None
    real: bool | None = None


@dataclass(frozen=True, slots=True)
class Withdraw:
    """The command to pay `quantity` of an asset out to an address over a channel.

    `tag`: the second part of an address that some assets need.
    """

    account: str
    asset: str
    quantity: Decimal
    channel: str
    address: str
    tag: str | None = None


class TradingState(StrEnum):
    """Whether orders of an account are sent: all, only cancels, or nothing at all."""

    ACTIVE = "ACTIVE"
    CANCEL_ONLY = "CANCEL_ONLY"
    HALTED = "HALTED"
