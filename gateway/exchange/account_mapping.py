"""What an account holds and moves in and out, from the exchange's terms to the domain's.

Headings 'Signed Balance Endpoints', 'User Available Balance Update' and 'User Reserved …'.
"""

from gateway.domain.account import (
    Balance,
    Currency,
    Deposit,
    DepositChannel,
    DepositOptions,
    TransferState,
    Withdraw,
    Withdrawal,
    WithdrawalAddress,
    WithdrawalChannel,
    WithdrawalOptions,
)
from gateway.domain.money import bounded
from gateway.exchange.account_wire import (
    BalanceRow,
    CurrencyRow,
    DepositOptionsRow,
    TransferRow,
    WithdrawalChannelRow,
    WithdrawalOptionsRow,
)
from gateway.exchange.parameters import Parameters, above_zero
from gateway.exchange.values import not_negative

_WITHDRAWAL_STATES = {
    11: TransferState.PENDING,
    13: TransferState.RESUMING,
    14: TransferState.COMPLETED,
    21: TransferState.PENDING,
    22: TransferState.VALIDATING,
    23: TransferState.RESUMING,
    24: TransferState.COMPLETED,
    98: TransferState.REJECTED,
    99: TransferState.CANCELLED,
}
_DEPOSIT_STATES = {
    11: TransferState.PENDING,
    12: TransferState.VALIDATING,
    13: TransferState.RESUMING,
    14: TransferState.COMPLETED,
}


def map_balance(row: BalanceRow) -> Balance:
    """Map one asset of the wallet; the exchange's 'reserved' is what open orders hold.

    Total and available may be below 0: an exchange can book a debt.
    """
    return Balance(
        asset=row.symbol,
        total=bounded(row.total),
        available=bounded(row.available),
        held=not_negative(row.reserved),
        precision=row.max_length,
    )


def map_currency(row: CurrencyRow) -> Currency:
    """Map one asset of the exchange."""
    return Currency(row.id, row.symbol, row.name)


def map_deposit_options(row: DepositOptionsRow) -> DepositOptions:
    """Map how an asset is paid in."""
    return DepositOptions(
        asset=row.symbol,
        name=row.name,
        enabled=row.enable,
        minimum=not_negative(row.minimum_deposit_amount),
        precision=row.max_length,
        channels=tuple(
            DepositChannel(channel.name, channel.address or None, channel.enable)
            for channel in row.channels
        ),
        id=row.id,
    )


def map_withdrawal_options(row: WithdrawalOptionsRow) -> WithdrawalOptions:
    """Map how an asset is paid out."""
    return WithdrawalOptions(
        asset=row.symbol,
        name=row.name,
        enabled=row.enable,
        minimum=not_negative(row.minimum_withdraw_amount),
        precision=row.max_length,
        channels=tuple(map(_withdrawal_channel, row.channels)),
        id=row.id,
    )


def _withdrawal_channel(row: WithdrawalChannelRow) -> WithdrawalChannel:
    return WithdrawalChannel(
        name=row.name,
        enabled=row.enable,
        fee=not_negative(row.commission),
        addresses=tuple(
            WithdrawalAddress(address.id, address.name, address.address)
            for address in row.address_list
        ),
    )


def map_deposit(row: TransferRow) -> Deposit:
    """Map a deposit; a state that the document does not list is UNKNOWN."""
    return Deposit(
        id=row.id,
        asset=row.symbol,
        quantity=not_negative(row.amount),
        time=row.time,
        state=_DEPOSIT_STATES.get(row.state, TransferState.UNKNOWN),
        state_code=row.state,
        confirmations=row.active_confirmation,
        required_confirmations=row.total_confirmation,
        txid=row.txid or None,
        explorer=_web_address(row.explorer),
        information=row.information or None,
        precision=row.max_length,
        real=row.real,
    )


def map_withdrawal(row: TransferRow) -> Withdrawal:
    """Map a withdrawal; a state that the document does not list is UNKNOWN."""
    return Withdrawal(
        id=row.id,
        asset=row.symbol,
        quantity=not_negative(row.amount),
        time=row.time,
        state=_WITHDRAWAL_STATES.get(row.state, TransferState.UNKNOWN),
        state_code=row.state,
        txid=row.txid or None,
        explorer=_web_address(row.explorer),
        information=row.information or None,
        precision=row.max_length,
        real=row.real,
    )


def _web_address(text: str | None) -> str | None:
    # It ends as a link on somebody's page: nothing but the web may stand there.
    return text if text and text.lower().startswith(("https://", "http://")) else None


def withdraw_parameters(command: Withdraw) -> Parameters:
    """A withdrawal's parameters ('Create Withdraw'), in the order of the document's table.

    Raise `BadUserInput` for a quantity that is not above zero or too long.
    """
    tag = () if command.tag is None else (("secondParameter", command.tag),)
    return (
        ("symbol", command.asset),
        ("amount", above_zero("quantity", command.quantity)),
        ("address", command.address),
        *tag,
        ("node", command.channel),
    )
