"""Deposits and withdrawals on their way ("Get Last 5 Deposit", "Get Last 5 Withdraw").

Pure: time (epoch ms) is handed in. A withdrawal holds its quantity and its fee from the start;
both leave the ledger when it is completed, and are free again when it is rejected or cancelled.
A deposit enters the ledger when it is completed.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import IntEnum
from itertools import islice
from typing import NamedTuple, TypeVar

from gateway.sandbox.assets import Asset
from gateway.sandbox.ledger import Ledger

_TXID_DIGITS = 64
_DEPOSIT_PATH = (11, 12, 13, 14)
_NETWORK_PATH = (21, 22, 23, 24)
_BANK_PATH = (11, 13, 14)


class Ending(IntEnum):
    """How a withdrawal may end but for completion; the numbers are the document's."""

    REJECTED = 98
    CANCELLED = 99


class NotUnderWay(Exception):
    """There is no such withdrawal, or it has ended."""

    def __init__(self, transfer_id: str) -> None:
        super().__init__(transfer_id)
        self.transfer_id = transfer_id

    def __str__(self) -> str:
        return f"no withdrawal {self.transfer_id} is under way"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deposit:
    """A deposit that began at ``time`` and is ``step`` states on."""

    transfer_id: str
    account_id: str
    asset: Asset
    quantity: Decimal
    time: int
    txid: str
    step: int = 0

    @property
    def steps(self) -> int:
        """How many steps it takes from the first state to the last."""
        return len(_DEPOSIT_PATH) - 1

    @property
    def state(self) -> int:
        """The document's number of its state."""
        return _DEPOSIT_PATH[self.step]

    @property
    def confirmations(self) -> int:
        """How many of the asset's confirmations it has."""
        return self.asset.deposit.confirmations * self.step // self.steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """A withdrawal that began at ``time`` and is ``step`` states on, unless it has an ``ending``.

    ``txid`` names it on its network once it is sent there.
    """

    transfer_id: str
    account_id: str
    asset: Asset
    quantity: Decimal
    fee: Decimal
    channel: str
    address: str
    tag: str | None
    time: int
    txid: str = ""
    step: int = 0
    ending: Ending | None = None

    @property
    def total(self) -> Decimal:
        """What it takes from the account."""
        return self.quantity + self.fee

    @property
    def steps(self) -> int:
        """How many steps it takes from the first state to the last."""
        return len(self._path) - 1

    @property
    def state(self) -> int:
        """The document's number of its state."""
        return self._path[self.step] if self.ending is None else self.ending

    @property
    def _path(self) -> tuple[int, ...]:
        return _BANK_PATH if self.asset.fiat else _NETWORK_PATH


class _Month(NamedTuple):
    """What an account withdraws of an asset is added up by month, and therein by channel."""

    account_id: str
    asset: str
    first_day: date


_Transfer = TypeVar("_Transfer", Deposit, Withdrawal)


class Transfers:
    """Deposits and withdrawals over one ledger; each state but the last lasts ``step_ms``.

    The latest ``kept`` of either kind are shown, and all that are under way.
    """

    def __init__(
        self, ledger: Ledger, step_ms: int, new_id: Callable[[], str], kept: int = 20_000
    ) -> None:
        self._ledger = ledger
        self._step_ms = step_ms
        self._new_id = new_id
        self._kept = kept
        self._expected: list[Deposit] = []
        self._deposits: dict[str, Deposit] = {}
        self._withdrawals: dict[str, Withdrawal] = {}
        self._under_way: dict[str, None] = {}
        self._monthly: dict[_Month, dict[str, Decimal]] = {}

    def deposits(self, account_id: str) -> list[Deposit]:
        """The account's deposits, newest first."""
        return [one for one in reversed(self._deposits.values()) if one.account_id == account_id]

    def withdrawals(self, account_id: str) -> list[Withdrawal]:
        """The account's withdrawals, newest first."""
        return [one for one in reversed(self._withdrawals.values()) if one.account_id == account_id]

    def deposit(self, account_id: str, asset: Asset, quantity: Decimal, now: int) -> Deposit:
        """Let a deposit turn up."""
        deposit = self._new_deposit(account_id, asset, quantity, now)
        self._begin(deposit)
        return deposit

    def expect(self, account_id: str, asset: Asset, quantity: Decimal, due: int) -> None:
        """Let a deposit turn up when its time has come."""
        self._expected.append(self._new_deposit(account_id, asset, quantity, due))

    def withdraw(self, withdrawal: Withdrawal) -> None:
        """Hold what a withdrawal takes, and send it on its way. Raises Refusal 10031."""
        self._ledger.hold(withdrawal.account_id, withdrawal.asset.symbol, withdrawal.total)
        self._withdrawals[withdrawal.transfer_id] = withdrawal
        self._under_way[withdrawal.transfer_id] = None
        self._count(withdrawal, withdrawal.quantity)
        self._make_room(self._withdrawals)

    def end(self, transfer_id: str, ending: Ending) -> Withdrawal:
        """Reject or cancel a withdrawal under way, and free what it holds. Raises NotUnderWay."""
        withdrawal = self._withdrawals.get(transfer_id)
        if withdrawal is None or transfer_id not in self._under_way:
            raise NotUnderWay(transfer_id)
        del self._under_way[transfer_id]
        self._ledger.release(withdrawal.account_id, withdrawal.asset.symbol, withdrawal.total)
        self._count(withdrawal, -withdrawal.quantity)
        ended = replace(withdrawal, ending=ending)
        self._withdrawals[transfer_id] = ended
        return ended

    def advance(self, now: int) -> None:
        """Bring everything to the state that it has at this time; nothing ever goes back."""
        for deposit in [one for one in self._expected if one.time <= now]:
            self._expected.remove(deposit)
            self._begin(deposit)
        for transfer_id in list(self._under_way):
            if transfer_id in self._deposits:
                self._advance_deposit(self._deposits[transfer_id], now)
            else:
                self._advance_withdrawal(self._withdrawals[transfer_id], now)

    def withdrawn(self, account_id: str, asset: Asset, now: int, channel: str | None) -> Decimal:
        """What an account has withdrawn in this month, over one channel or (None) over all.

        Without fees; what is under way counts, what was rejected or cancelled does not. Months are
        of the calendar, UTC.
        """
        by_channel = self._monthly.get(_Month(account_id, asset.symbol, _first_day(now)), {})
        if channel is None:
            return sum(by_channel.values(), Decimal(0))
        return by_channel.get(channel, Decimal(0))

    def _count(self, withdrawal: Withdrawal, quantity: Decimal) -> None:
        first_day = _first_day(withdrawal.time)
        month = _Month(withdrawal.account_id, withdrawal.asset.symbol, first_day)
        by_channel = self._monthly.setdefault(month, {})
        by_channel[withdrawal.channel] = by_channel.get(withdrawal.channel, Decimal(0)) + quantity

    def _make_room(self, shown: dict[str, _Transfer]) -> None:
        ended = (transfer_id for transfer_id in shown if transfer_id not in self._under_way)
        for transfer_id in list(islice(ended, max(0, len(shown) - self._kept))):
            del shown[transfer_id]

    def _new_deposit(self, account_id: str, asset: Asset, quantity: Decimal, time: int) -> Deposit:
        return Deposit(
            transfer_id=self._new_id(),
            account_id=account_id,
            asset=asset,
            quantity=quantity,
            time=time,
            txid="" if asset.fiat else self._new_txid(),
        )

    def _begin(self, deposit: Deposit) -> None:
        self._deposits[deposit.transfer_id] = deposit
        self._under_way[deposit.transfer_id] = None
        self._make_room(self._deposits)

    def _advance_deposit(self, deposit: Deposit, now: int) -> None:
        moved = self._deposits[deposit.transfer_id] = self._moved(deposit, now)
        if moved.step == moved.steps:
            del self._under_way[moved.transfer_id]
            self._ledger.deposit(moved.account_id, moved.asset.symbol, moved.quantity)

    def _advance_withdrawal(self, withdrawal: Withdrawal, now: int) -> None:
        moved = self._moved(withdrawal, now)
        if not (moved.txid or moved.asset.fiat) and moved.step >= moved.steps - 1:
            moved = replace(moved, txid=self._new_txid())
        self._withdrawals[moved.transfer_id] = moved
        if moved.step == moved.steps:
            del self._under_way[moved.transfer_id]
            self._ledger.withdraw(moved.account_id, moved.asset.symbol, moved.total)

    def _moved(self, transfer: _Transfer, now: int) -> _Transfer:
        steps = transfer.steps
        due = (now - transfer.time) // self._step_ms if self._step_ms else steps
        return replace(transfer, step=max(transfer.step, min(due, steps)))

    def _new_txid(self) -> str:
        return self._new_id()[:_TXID_DIGITS]


def _first_day(now: int) -> date:
    return datetime.fromtimestamp(now // 1000, UTC).date().replace(day=1)
