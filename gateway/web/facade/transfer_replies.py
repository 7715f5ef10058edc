"""The document's replies on balances, assets and transfers, made of the domain's values. Pure.

As in `replies`, each function gives the members beside `code`. A text that the exchange left empty
is empty here.
"""

from collections.abc import Iterable

from gateway.domain.account import (
    Balance,
    Currency,
    Deposit,
    DepositChannel,
    DepositOptions,
    Withdrawal,
    WithdrawalAddress,
    WithdrawalChannel,
    WithdrawalOptions,
)
from gateway.web.facade.numbers import number
from gateway.web.facade.replies import told
from gateway.web.facade.requests import Body


def wallet(balances: Iterable[Balance]) -> Body:
    """'Get User Wallet'; `maxLength` is what the live exchange adds."""
    return {"wallet": [_balance(balance) for balance in balances]}


def _balance(balance: Balance) -> Body:
    return told(
        symbol=balance.asset,
        total=number(balance.total),
        available=number(balance.available),
        reserved=number(balance.held),
        maxLength=balance.precision,
    )


def currencies(known: Iterable[Currency]) -> Body:
    """'Get All Currencies'."""
    rows = [{"id": asset.id, "symbol": asset.asset, "name": asset.name} for asset in known]
    return {"currencies": rows}


def deposit_options(options: DepositOptions) -> Body:
    """'Get Deposit Addresses'."""
    members = _offered(options)
    members["minimumDepositAmount"] = number(options.minimum)
    members["channels"] = [_deposit_channel(channel) for channel in options.channels]
    return {"currency": members}


def _deposit_channel(channel: DepositChannel) -> Body:
    return {"name": channel.name, "address": channel.address or "", "enable": channel.enabled}


def withdrawal_options(options: WithdrawalOptions) -> Body:
    """'Get Withdraw Addresses'."""
    members = _offered(options)
    members["minimumWithdrawAmount"] = number(options.minimum)
    members["channels"] = [_withdrawal_channel(channel) for channel in options.channels]
    return {"currency": members}


def _withdrawal_channel(channel: WithdrawalChannel) -> Body:
    return {
        "name": channel.name,
        "enable": channel.enabled,
        "commission": number(channel.fee),
        "addressList": [_address(address) for address in channel.addresses],
    }


def _address(address: WithdrawalAddress) -> Body:
    return {"id": address.id, "name": address.name, "address": address.address}


def _offered(options: DepositOptions | WithdrawalOptions) -> Body:
    return told(
        id=options.id,
        symbol=options.asset,
        name=options.name,
        enable=options.enabled,
        maxLength=options.precision,
    )


def deposits(history: Iterable[Deposit]) -> Body:
    """'Get Last 5 Deposit'; `state` is the exchange's own number, listed in its table or not."""
    return {"history": [_deposit(deposit) for deposit in history]}


def _deposit(deposit: Deposit) -> Body:
    confirmations = told(
        totalConfirmation=deposit.required_confirmations,
        activeConfirmation=deposit.confirmations,
    )
    return {**_transfer(deposit), **confirmations}


def withdrawals(history: Iterable[Withdrawal]) -> Body:
    """'Get Last 5 Withdraw'; `state` as in deposits."""
    return {"history": [_transfer(withdrawal) for withdrawal in history]}


def _transfer(transfer: Deposit | Withdrawal) -> Body:
    return told(
        id=transfer.id,
        symbol=transfer.asset,
        maxLength=transfer.precision,
        amount=number(transfer.quantity),
        time=transfer.time,
        state=transfer.state_code,
        real=transfer.real,
        information=transfer.information or "",
        txid=transfer.txid or "",
        explorer=transfer.explorer or "",
    )
