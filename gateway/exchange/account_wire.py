"""The shapes of what the exchange says about one account, as leniently read as in `wire`."""

from decimal import Decimal

from msgspec import Struct

from gateway.exchange.wire import Count, Decimals, Milliseconds, Named, Numbered


class OrderRow(Struct, kw_only=True, rename="camel"):
    """An order: headings 'New Limit Buy Order', 'Get User Active Orders', 'User Order Update …'.

    Placing a stop order answers `target`, lists and the stream say `targetPrice`.
    """

    market: str
    order_type: Named
    side: Named
    time: Milliseconds
    order_id: str | None = None
    status: str | None = None
    price: Decimal | None = None
    amount: Decimal | None = None
    total: Decimal | None = None
    filled_amount: Decimal | None = None
    filled_total: Decimal | None = None
    stop_type: Named | None = None
    target: Decimal | None = None
    target_price: Decimal | None = None


class FillRow(Struct, kw_only=True, rename="camel"):
    """Heading 'Get User Trades'."""

    symbol: str
    price: Decimal
    amount: Decimal
    side: Named
    order_type: Named
    commission: Decimal
    commission_symbol: str
    time: Milliseconds


class BalanceRow(Struct, kw_only=True, rename="camel"):
    """Heading 'Get User Wallet'; the live exchange adds `maxLength`."""

    symbol: str
    total: Decimal
    available: Decimal
    reserved: Decimal
    max_length: Decimals | None = None


class CurrencyRow(Struct):
    """Heading 'Get All Currencies'."""

    id: str
    symbol: str
    name: str


class DepositChannelRow(Struct):
    """A channel of 'Get Deposit Addresses'."""

    name: str
    enable: bool
    address: str | None = None


class DepositOptionsRow(Struct, kw_only=True, rename="camel"):
    """Heading 'Get Deposit Addresses'."""

    symbol: str
    name: str
    enable: bool
    minimum_deposit_amount: Decimal
    channels: list[DepositChannelRow]
    max_length: Decimals | None = None
    id: str | None = None


class AddressRow(Struct):
    """An address of 'Get Withdraw Addresses'."""

    id: str
    name: str
    address: str


class WithdrawalChannelRow(Struct, kw_only=True, rename="camel"):
    """A channel of 'Get Withdraw Addresses'; `commission` in the asset."""

    name: str
    enable: bool
    commission: Decimal
    address_list: list[AddressRow]


class WithdrawalOptionsRow(Struct, kw_only=True, rename="camel"):
    """Heading 'Get Withdraw Addresses'."""

    symbol: str
    name: str
    enable: bool
    minimum_withdraw_amount: Decimal
    channels: list[WithdrawalChannelRow]
    max_length: Decimals | None = None
    id: str | None = None


class TransferRow(Struct, kw_only=True, rename="camel"):
    """Headings 'Get Last 5 Withdraw' and 'Get Last 5 Deposit'; only deposits have confirmations."""

    id: str
    symbol: str
    amount: Decimal
    time: Milliseconds
    state: Numbered
    txid: str | None = None
    explorer: str | None = None
    information: str | None = None
    real: bool | None = None
    max_length: Decimals | None = None
    active_confirmation: Count | None = None
    total_confirmation: Count | None = None


class WalletReply(Struct):
    """Heading 'Get User Wallet'."""

    wallet: list[BalanceRow]


class OrdersReply(Struct):
    """Heading 'Get User Active Orders'."""

    orders: list[OrderRow]


class OrderReply(Struct):
    """Headings 'New Limit Buy Order' and its kin."""

    order: OrderRow


class CancelReply(Struct):
    """Heading 'Cancel An Active Order'; the live exchange adds the order."""

    order: OrderRow | None = None


class FillsReply(Struct):
    """Heading 'Get User Trades'."""

    trades: list[FillRow]


class CurrenciesReply(Struct):
    """Heading 'Get All Currencies'."""

    currencies: list[CurrencyRow]


class DepositOptionsReply(Struct):
    """Heading 'Get Deposit Addresses'."""

    currency: DepositOptionsRow


class WithdrawalOptionsReply(Struct):
    """Heading 'Get Withdraw Addresses'."""

    currency: WithdrawalOptionsRow


class TransfersReply(Struct):
    """Headings 'Get Last 5 Withdraw' and 'Get Last 5 Deposit'."""

    history: list[TransferRow]
