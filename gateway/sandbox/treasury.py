"""What comes into the exchange and goes out of it: for whom, by which rules ("Create Withdraw")."""

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal

from gateway.sandbox.assets import Asset, WithdrawalChannel
from gateway.sandbox.codes import Code, Refusal
from gateway.sandbox.config import Account, SandboxConfig
from gateway.sandbox.ledger import Ledger
from gateway.sandbox.transfers import Transfers, Withdrawal


@dataclass(frozen=True, slots=True)
class WithdrawalOrder:
    """What an account asks for; ``channel`` is a name, ``tag`` the second part of an address."""

    asset: Asset
    quantity: Decimal
    channel: str
    address: str
    tag: str | None


class Treasury:
    """The exchange's assets and accounts, the rules between them, and all transfers.

    The accounts' deposits that are still to come are reckoned from ``now``, in epoch ms.
    """

    def __init__(
        self, config: SandboxConfig, ledger: Ledger, new_id: Callable[[], str], now: int
    ) -> None:
        self.assets = config.assets
        self.accounts = {account.account_id: account for account in config.accounts}
        self.transfers = Transfers(ledger, config.transfer_step_ms, new_id)
        self._new_id = new_id
        self._registered_addresses_only = config.registered_addresses_only
        for account in config.accounts:
            for one in account.deposits:
                asset, due = self.assets[one.asset], now + one.after_ms
                self.transfers.expect(account.account_id, asset, one.quantity, due)

    def asset(self, symbol: str) -> Asset:
        """Look an asset up. Raises Refusal 10037."""
        try:
            return self.assets[symbol]
        except KeyError:
            raise Refusal(Code.INVALID_SYMBOL) from None

    def check_deposit(self, account_id: str, asset: Asset) -> None:
        """Raise Refusal 10027, 10051 or 10026, in this order, where an account may not pay in."""
        account = self.accounts[account_id]
        if not asset.deposit.enabled:
            raise Refusal(Code.DEPOSIT_DISABLED)
        if account.country in asset.deposit.blocked_countries:
            raise Refusal(Code.COUNTRY_NOT_SERVED)
        if not account.verification:
            raise Refusal(Code.VERIFICATION_REQUIRED)

    def withdraw(self, account_id: str, order: WithdrawalOrder, now: int) -> Withdrawal:
        """Begin a withdrawal.

        Refused, in this order: asset (10028), country (10051), verification (10026), channel
        (10029), minimum (10030), address (10063), tag (10064), monthly limit of the account's
        verification step (10054, 10055), of the channel (10035), balance (10031).
        """
        account, rules = self.accounts[account_id], order.asset.withdraw
        if not rules.enabled:
            raise Refusal(Code.WITHDRAW_DISABLED)
        if account.country in rules.blocked_countries:
            raise Refusal(Code.COUNTRY_NOT_SERVED)
        if not account.verification:
            raise Refusal(Code.VERIFICATION_REQUIRED)
        channel = _channel(rules.channels, order.channel)
        if order.quantity < rules.minimum:
            raise Refusal(Code.UNDER_WITHDRAW_MINIMUM)
        self._check_address(account, channel, order)
        self._check_limits(account, channel, order, now)
        withdrawal = Withdrawal(
            transfer_id=self._new_id(),
            account_id=account_id,
            asset=order.asset,
            quantity=order.quantity,
            fee=channel.fee,
            channel=channel.name,
            address=order.address,
            tag=order.tag,
            time=now,
        )
        self.transfers.withdraw(withdrawal)
        return withdrawal

    def _check_address(
        self, account: Account, channel: WithdrawalChannel, order: WithdrawalOrder
    ) -> None:
        if not re.fullmatch(channel.address_pattern, order.address):
            raise Refusal(Code.INVALID_ADDRESS)
        registered = {
            one.address
            for one in account.withdrawal_addresses
            if (one.asset, one.channel) == (order.asset.symbol, channel.name)
        }
        if self._registered_addresses_only and order.address not in registered:
            raise Refusal(Code.INVALID_ADDRESS)
        if channel.tag_pattern is None:
            if order.tag:
                raise Refusal(Code.INVALID_SECOND_PARAMETER)
        elif not re.fullmatch(channel.tag_pattern, order.tag or ""):
            raise Refusal(Code.INVALID_SECOND_PARAMETER)

    def _check_limits(
        self, account: Account, channel: WithdrawalChannel, order: WithdrawalOrder, now: int
    ) -> None:
        def exceeds(limit: Decimal | None, channel_name: str | None) -> bool:
            if limit is None:
                return False
            withdrawn = self.transfers.withdrawn(account.account_id, order.asset, now, channel_name)
            return withdrawn + order.quantity > limit

        rules = order.asset.withdraw
        if account.verification == 1 and exceeds(rules.step_one_monthly_limit, None):
            raise Refusal(Code.STEP_1_LIMIT_EXCEEDED)
        if account.verification > 1 and exceeds(rules.step_two_monthly_limit, None):
            raise Refusal(Code.STEP_2_LIMIT_EXCEEDED)
        if exceeds(channel.monthly_limit, channel.name):
            raise Refusal(Code.CHANNEL_LIMIT_EXCEEDED)


def deposit_address(account_id: str, asset: Asset, channel: str, prefix: str) -> str:
    """The address that is an account's own on a channel; the same at every start."""
    digest = hashlib.sha256(f"{account_id}/{asset.symbol}/{channel}".encode())
    if asset.fiat:
        return prefix + str(int(digest.hexdigest(), 16))[:24]
    return prefix + digest.hexdigest()[:40]


def _channel(channels: Iterable[WithdrawalChannel], name: str) -> WithdrawalChannel:
    for channel in channels:
        if channel.name == name and channel.enabled:
            return channel
    raise Refusal(Code.INVALID_CHANNEL)
