"""The document's reply bodies about assets and transfers. Pure."""

import hashlib
from collections.abc import Iterable

from gateway.sandbox.assets import Asset
from gateway.sandbox.config import Account
from gateway.sandbox.replies import Body, plain
from gateway.sandbox.transfers import Deposit, Withdrawal
from gateway.sandbox.treasury import deposit_address

_ID_DIGITS = 72


def currency(asset: Asset) -> Body:
    """A row of "Get All Currencies"."""
    return {"id": _id_of("currency", asset.symbol), "symbol": asset.symbol, "name": asset.name}


def deposit_options(asset: Asset, account_id: str) -> Body:
    """The ``currency`` of "Get Deposit Addresses"."""
    channels = [
        {
            "name": channel.name,
            "address": deposit_address(account_id, asset, channel.name, channel.address_prefix),
            "enable": channel.enabled,
        }
        for channel in asset.deposit.channels
    ]
    return {
        **currency(asset),
        "enable": asset.deposit.enabled,
        "minimumDepositAmount": plain(asset.deposit.minimum),
        "maxLength": asset.precision,
        "channels": channels,
    }


def withdrawal_options(asset: Asset, account: Account) -> Body:
    """The ``currency`` of "Get Withdraw Addresses"."""
    channels = [
        {
            "name": channel.name,
            "enable": channel.enabled,
            "commission": plain(channel.fee),
            "addressList": _addresses(account, asset.symbol, channel.name),
        }
        for channel in asset.withdraw.channels
    ]
    return {
        **currency(asset),
        "enable": asset.withdraw.enabled,
        "minimumWithdrawAmount": plain(asset.withdraw.minimum),
        "maxLength": asset.precision,
        "channels": channels,
    }


def deposits(history: Iterable[Deposit]) -> list[Body]:
    """The rows of "Get Last 5 Deposit"."""
    return [
        {
            "id": one.transfer_id,
            "symbol": one.asset.symbol,
            "maxLength": one.asset.precision,
            "totalConfirmation": one.asset.deposit.confirmations,
            "activeConfirmation": one.confirmations,
            "amount": plain(one.quantity),
            "time": one.time,
            "state": one.state,
            **_on_network(one),
        }
        for one in history
    ]


def withdrawals(history: Iterable[Withdrawal]) -> list[Body]:
    """The rows of "Get Last 5 Withdraw"."""
    return [
        {
            "id": one.transfer_id,
            "symbol": one.asset.symbol,
            "maxLength": one.asset.precision,
            "amount": plain(one.quantity),
            "time": one.time,
            "state": int(one.state),
            **_on_network(one),
        }
        for one in history
    ]


def _on_network(transfer: Deposit | Withdrawal) -> Body:
    return {
        "real": False,
        "information": "",
        "txid": transfer.txid,
        "explorer": transfer.asset.explorer,
    }


def _addresses(account: Account, asset: str, channel: str) -> list[Body]:
    return [
        {
            "id": _id_of("address", account.account_id, asset, channel, one.address),
            "name": one.name,
            "address": one.address,
        }
        for one in account.withdrawal_addresses
        if (one.asset, one.channel) == (asset, channel)
    ]


def _id_of(*names: str) -> str:
    """An id that is the same at every start."""
    return hashlib.sha512("/".join(names).encode()).hexdigest()[:_ID_DIGITS]
