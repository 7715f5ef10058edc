"""The balances of one account, as its stream and its wallet tell them together."""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from gateway.domain.account import Balance, BalanceChange
from gateway.domain.money import exact_sum


class BalanceMirror:
    """Knows what each asset's balance is; does not show a total that never was.

    The stream tells what is available and what is held apart, one right after the other when both
    changed ('User Available Balance Update', 'User Reserved Balance Update'). So a part that came
    waits: for the other part, for the next telling of the same part, or until `settle` gives up
    on the other. The total then moves by what the parts moved, so that what the wallet counts in it
    besides the two stays. Where what is held changes alone, and at once both by something else, the
    two cannot be told apart: then a total may be wrong until the next part.
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
        """Take a frame; return the balance that changed by it, if one did."""
        self._counter += 1
        at, waiting = self._waiting.pop(change.asset, (0, BalanceChange(change.asset)))
        both = _merged(waiting, change)
        if both.available is not None and both.held is not None:
            return self._become(self._counter, both)
        self._waiting[change.asset] = (self._counter, change)
        return self._become(at, waiting)

    def settle(self, asset: str, mark: int) -> tuple[Balance, ...]:
        """Let the part told at `mark` wait no longer; return the balance that changed by it."""
        if self._waiting.get(asset, (0, None))[0] != mark:
            return ()
        return self._become(*self._waiting.pop(asset))

    def settle_all(self) -> tuple[Balance, ...]:
        """Let no part wait any longer; return the balances that changed by it."""
        waiting, self._waiting = self._waiting, {}
        return tuple(balance for told in waiting.values() for balance in self._become(*told))

    def reconcile(self, wallet: Iterable[Balance], begun: int) -> None:
        """Take the wallet asked for at `begun`, but the parts that frames have told since.

        An asset that it lacks is not held. Frames that were on their way when the wallet was made
        must have come: the wallet cannot be told from what they say to be newer.
        """
        self._waiting = {asset: told for asset, told in self._waiting.items() if told[0] > begun}
        self._balances = {row.asset: row for row in wallet}
        for parts, part in ((self._available, "available"), (self._held, "held")):
            for asset, (at, quantity) in parts.items():
                if at > begun:
                    self._become(at, BalanceChange(asset, **{part: quantity}))

    def _become(self, at: int, change: BalanceChange) -> tuple[Balance, ...]:
        asset, before = change.asset, self._balances.get(change.asset, _nothing_of(change.asset))
        available, held = before.available, before.held
        if change.available is not None:
            available = change.available
            self._available[asset] = (at, available)
        if change.held is not None:
            held = change.held
            self._held[asset] = (at, held)
        if (available, held) == (before.available, before.held):
            return ()
        besides = exact_sum(before.total, before.available.copy_negate(), before.held.copy_negate())
        total = exact_sum(available, held, besides)
        balance = replace(before, total=total, available=available, held=held)
        self._balances[asset] = balance
        return (balance,)


def _nothing_of(asset: str) -> Balance:
    return Balance(asset, Decimal(0), Decimal(0), Decimal(0))


def _merged(older: BalanceChange, newer: BalanceChange) -> BalanceChange:
    return BalanceChange(
        newer.asset,
        older.available if newer.available is None else newer.available,
        older.held if newer.held is None else newer.held,
    )
