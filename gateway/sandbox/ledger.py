"""Balances of all accounts. What comes in and goes out is tallied, so that it can be conserved.

At every moment, by asset: all balances + fees + withdrawn = opening balances + deposited.
"""

from collections.abc import Mapping
from decimal import Decimal

from gateway.sandbox.codes import Code, Refusal
from gateway.sandbox.events import Balance, BalanceChanged


class Ledger:
    """Available and held quantities by account and asset; fees and transfers by asset."""

    def __init__(self) -> None:
        self._accounts: dict[str, dict[str, Balance]] = {}
        self._before: dict[tuple[str, str], Balance] = {}
        self.fees: dict[str, Decimal] = {}
        self.deposited: dict[str, Decimal] = {}
        self.withdrawn: dict[str, Decimal] = {}

    def open_account(self, account_id: str, balances: Mapping[str, Decimal]) -> None:
        """Add an account with these available quantities."""
        self._accounts[account_id] = {asset: Balance(value) for asset, value in balances.items()}

    def balances(self, account_id: str) -> Mapping[str, Balance]:
        """All balances of an account by asset."""
        return self._accounts[account_id]

    def balance(self, account_id: str, asset: str) -> Balance:
        """One balance of an account; zero when it never had any."""
        return self._accounts[account_id].get(asset, Balance())

    def require(self, account_id: str, asset: str, quantity: Decimal) -> None:
        """Raise Refusal 10031 unless so much is available."""
        if quantity > self.balance(account_id, asset).available:
            raise Refusal(Code.INSUFFICIENT_BALANCE)

    def hold(self, account_id: str, asset: str, quantity: Decimal) -> None:
        """Bind an available quantity. Raises Refusal 10031 when there is too little."""
        self.require(account_id, asset, quantity)
        balance = self.balance(account_id, asset)
        self._set(account_id, asset, balance.available - quantity, balance.held + quantity)

    def release(self, account_id: str, asset: str, quantity: Decimal) -> None:
        """Give a held quantity back."""
        balance = self.balance(account_id, asset)
        self._set(account_id, asset, balance.available + quantity, balance.held - quantity)

    def pay(self, payer: str, receiver: str, asset: str, quantity: Decimal, fee: Decimal) -> None:
        """Move a held quantity of the payer to the receiver, who gets it less the fee."""
        source = self.balance(payer, asset)
        self._set(payer, asset, source.available, source.held - quantity)
        target = self.balance(receiver, asset)
        self._set(receiver, asset, target.available + quantity - fee, target.held)
        self.fees[asset] = self.fees.get(asset, Decimal(0)) + fee

    def deposit(self, account_id: str, asset: str, quantity: Decimal) -> None:
        """Add a quantity from outside to what is available."""
        balance = self.balance(account_id, asset)
        self._set(account_id, asset, balance.available + quantity, balance.held)
        self.deposited[asset] = self.deposited.get(asset, Decimal(0)) + quantity

    def withdraw(self, account_id: str, asset: str, quantity: Decimal) -> None:
        """Let a held quantity leave for the outside."""
        balance = self.balance(account_id, asset)
        self._set(account_id, asset, balance.available, balance.held - quantity)
        self.withdrawn[asset] = self.withdrawn.get(asset, Decimal(0)) + quantity

    def take_changes(self) -> list[BalanceChanged]:
        """Each balance that differs from the last call, once."""
        changes = [
            BalanceChanged(account_id, asset, before, after)
            for (account_id, asset), before in self._before.items()
            if (after := self.balance(account_id, asset)) != before
        ]
        self._before.clear()
        return changes

    def _set(self, account_id: str, asset: str, available: Decimal, held: Decimal) -> None:
        self._before.setdefault((account_id, asset), self.balance(account_id, asset))
        self._accounts[account_id][asset] = Balance(available, held)
