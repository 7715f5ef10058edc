"""The balances of one account, as its stream and its wallet tell them together."""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from gateway.domain.account import Balance, BalanceChange


class BalanceMirror:
    """Knows what each asset's balance is; does not show a total that never was.

    The stream tells what is available and what is held apart, one right after the other when both
    changed ('User Available Balance Update', 'User Reserved Balance Update'). So a part that came
    waits: for the other part, for the next telling of the same part, or until `settle` gives up
    on the other. The total is then their sum.
    """

    def __init__(self) -> None:
        self._balances: dict[str, Balance] = {}
        self._waiting: dict[str, tuple[int, BalanceChange]] = {}
        self._available: dict[str, tuple[int, Decimal]] = {}
        self._held: dict[str, tuple[int, Decimal]] = {}
        self._counter = 0

    def balances(self) -> tuple[Balance, ...]:
        """What is held of each asset, without parts that wait."""
        return tuple(self._balances.values())

    def mark(self) -> int:
        """The count to hand to `reconcile` with a wallet that is asked for now.

        After `apply` it is what `settle` takes for the frame applied.
        """
        return self._counter

    def apply(self, change: BalanceChange) -> tuple[Balance, ...]:
        """Take a frame; return the balances that are settled by it."""
        self._counter += 1
        self._note(change)
        _, waiting = self._waiting.pop(change.asset, (0, BalanceChange(change.asset)))
        if _is_whole(both := _merged(waiting, change)):
            return self._become(both)
        self._waiting[change.asset] = (self._counter, change)
        return self._become(waiting)

    def settle(self, asset: str, mark: int) -> tuple[Balance, ...]:
        """Let the part told at `mark` wait no longer; return the balance that changed by it."""
        if self._waiting.get(asset, (0, None))[0] != mark:
            return ()
        _, waiting = self._waiting.pop(asset)
        return self._become(waiting)

    def settle_all(self) -> tuple[Balance, ...]:
        """Let no part wait any longer; return the balances that changed by it."""
        waiting, self._waiting = self._waiting, {}
        return tuple(balance for _, change in waiting.values() for balance in self._become(change))

    def reconcile(self, wallet: Iterable[Balance], begun: int) -> bool:
        """Take the wallet asked for at `begun`; an asset that it lacks is not held.

        False, with nothing taken, when it contradicts newer frames that tell a balance in part
        only: it must be asked for again.
        """
        rows = {row.asset: row for row in wallet}
        outdated = {
            asset: change
            for asset, change in self._told_since(begun).items()
            if not _shows(rows.get(asset, _nothing_of(asset)), change)
        }
        if any(asset in self._waiting or not _is_whole(outdated[asset]) for asset in outdated):
            return False
        self._waiting.clear()
        self._balances = rows
        for change in outdated.values():
            self._become(change)
        return True

    def _note(self, change: BalanceChange) -> None:
        if change.available is not None:
            self._available[change.asset] = (self._counter, change.available)
        if change.held is not None:
            self._held[change.asset] = (self._counter, change.held)

    def _told_since(self, begun: int) -> dict[str, BalanceChange]:
        available = {asset: value for asset, (at, value) in self._available.items() if at > begun}
        held = {asset: value for asset, (at, value) in self._held.items() if at > begun}
        return {
            asset: BalanceChange(asset, available.get(asset), held.get(asset))
            for asset in {**available, **held}
        }

    def _become(self, change: BalanceChange) -> tuple[Balance, ...]:
        before = self._balances.get(change.asset, _nothing_of(change.asset))
        available = before.available if change.available is None else change.available
        held = before.held if change.held is None else change.held
        if (available, held) == (before.available, before.held):
            return ()
        balance = replace(before, total=available + held, available=available, held=held)
        self._balances[change.asset] = balance
        return (balance,)


def _nothing_of(asset: str) -> Balance:
    return Balance(asset, Decimal(0), Decimal(0), Decimal(0))


def _is_whole(change: BalanceChange) -> bool:
    return change.available is not None and change.held is not None


def _merged(older: BalanceChange, newer: BalanceChange) -> BalanceChange:
    return BalanceChange(
        newer.asset,
        older.available if newer.available is None else newer.available,
        older.held if newer.held is None else newer.held,
    )


def _shows(row: Balance, change: BalanceChange) -> bool:
    return change.available in (None, row.available) and change.held in (None, row.held)
