from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count

import pytest

from gateway.sandbox.assets import Asset, default_assets
from gateway.sandbox.codes import Refusal
from gateway.sandbox.ledger import Ledger
from gateway.sandbox.transfers import Deposit, Ending, NotUnderWay, Transfers, Withdrawal
from tests.unit.sandbox.clients import NOW

BTC, TRY = default_assets()["BTC"], default_assets()["TRY"]
STEP_MS = 1000


@pytest.fixture
def ledger() -> Ledger:
    ledger = Ledger()
    for account in ("ann", "bob"):
        ledger.open_account(account, {"BTC": Decimal(10), "TRY": Decimal(1000)})
    return ledger


@pytest.fixture
def transfers(ledger: Ledger) -> Transfers:
    return Transfers(ledger, STEP_MS, ids())


def ids() -> Callable[[], str]:
    numbers = count(1)
    return lambda: f"{next(numbers):072d}"


def withdrawal(transfer_id: str = "w", asset: Asset = BTC, time: int = NOW) -> Withdrawal:
    return Withdrawal(
        transfer_id=transfer_id,
        account_id="ann",
        asset=asset,
        quantity=Decimal(2),
        fee=Decimal("0.5"),
        channel="main",
        address="somewhere",
        tag=None,
        time=time,
    )


def funds(ledger: Ledger, asset: str = "BTC") -> tuple[str, str]:
    balance = ledger.balance("ann", asset)
    return str(balance.available), str(balance.held)


def states(transfers: Transfers, *seconds: float) -> list[int]:
    """The states of the newest withdrawal, seen at these times after NOW."""
    seen = []
    for second in seconds:
        transfers.advance(NOW + int(second * 1000))
        seen.append(int(transfers.withdrawals("ann")[0].state))
    return seen


def test_a_withdrawal_of_a_coin_goes_through_the_documents_states(transfers: Transfers) -> None:
    transfers.withdraw(withdrawal())
    assert states(transfers, 0, 0.999, 1, 2, 3, 60) == [21, 21, 22, 23, 24, 24]


def test_a_withdrawal_of_money_goes_through_the_documents_states(transfers: Transfers) -> None:
    transfers.withdraw(withdrawal(asset=TRY))
    assert states(transfers, 0, 1, 2, 60) == [11, 13, 14, 14]


def test_a_withdrawal_holds_quantity_and_fee_until_both_leave(
    transfers: Transfers, ledger: Ledger
) -> None:
    transfers.withdraw(withdrawal())
    assert funds(ledger) == ("7.5", "2.5")
    transfers.advance(NOW + 2999)
    assert (funds(ledger), ledger.withdrawn) == (("7.5", "2.5"), {})
    transfers.advance(NOW + 3000)
    assert (funds(ledger), ledger.withdrawn) == (("7.5", "0.0"), {"BTC": Decimal("2.5")})


def test_a_withdrawal_leaves_the_ledger_once(transfers: Transfers, ledger: Ledger) -> None:
    transfers.withdraw(withdrawal())
    for _ in range(3):
        transfers.advance(NOW + 60_000)
    assert ledger.withdrawn == {"BTC": Decimal("2.5")}


def test_a_withdrawal_beyond_the_balance_is_refused_and_not_kept(transfers: Transfers) -> None:
    with pytest.raises(Refusal, match="10031"):
        transfers.withdraw(replace(withdrawal(), quantity=Decimal("9.6")))
    assert transfers.withdrawals("ann") == []


def test_a_withdrawal_is_named_on_its_network_once_it_is_sent_there(transfers: Transfers) -> None:
    transfers.withdraw(withdrawal())
    names = []
    for second in range(4):
        transfers.advance(NOW + second * 1000)
        names.append(transfers.withdrawals("ann")[0].txid)
    assert names[:2] == ["", ""]
    assert len(names[2]) == 64
    assert names[2] == names[3]


def test_money_has_no_network_to_be_named_on(transfers: Transfers) -> None:
    transfers.withdraw(withdrawal(asset=TRY))
    transfers.deposit("ann", TRY, Decimal(5), NOW)
    transfers.advance(NOW + 60_000)
    assert {transfers.withdrawals("ann")[0].txid, transfers.deposits("ann")[0].txid} == {""}


@pytest.mark.parametrize(("ending", "state"), [(Ending.REJECTED, 98), (Ending.CANCELLED, 99)])
def test_a_withdrawal_that_ends_early_frees_what_it_held(
    transfers: Transfers, ledger: Ledger, ending: Ending, state: int
) -> None:
    transfers.withdraw(withdrawal())
    transfers.advance(NOW + 2000)
    assert transfers.end("w", ending).state == state
    assert states(transfers, 60) == [state]
    assert (funds(ledger), ledger.withdrawn) == (("10.0", "0.0"), {})


@pytest.mark.parametrize("transfer_id", ["w", "nowhere"])
def test_what_is_not_under_way_cannot_be_ended(
    transfers: Transfers, ledger: Ledger, transfer_id: str
) -> None:
    transfers.withdraw(withdrawal())
    transfers.advance(NOW + 60_000)
    with pytest.raises(NotUnderWay, match=transfer_id):
        transfers.end(transfer_id, Ending.REJECTED)
    assert funds(ledger) == ("7.5", "0.0")


def test_a_deposit_under_way_cannot_be_ended(transfers: Transfers) -> None:
    deposit = transfers.deposit("ann", BTC, Decimal(1), NOW)
    with pytest.raises(NotUnderWay):
        transfers.end(deposit.transfer_id, Ending.CANCELLED)


def test_a_deposit_gathers_confirmations_and_is_credited_when_complete(
    transfers: Transfers, ledger: Ledger
) -> None:
    transfers.deposit("ann", BTC, Decimal(3), NOW)
    seen = []
    for second in (0, 1, 2, 3, 60):
        transfers.advance(NOW + second * 1000)
        (deposit,) = transfers.deposits("ann")
        available = ledger.balance("ann", "BTC").available
        seen.append((deposit.state, deposit.confirmations, int(available)))
    assert seen == [(11, 0, 10), (12, 2, 10), (13, 4, 10), (14, 6, 13), (14, 6, 13)]
    assert ledger.deposited == {"BTC": Decimal(3)}


def test_an_expected_deposit_turns_up_when_its_time_has_come(transfers: Transfers) -> None:
    transfers.expect("ann", BTC, Decimal(1), NOW + 5000)
    transfers.advance(NOW + 4999)
    assert transfers.deposits("ann") == []
    transfers.advance(NOW + 6500)
    (deposit,) = transfers.deposits("ann")
    assert (deposit.time, deposit.state) == (NOW + 5000, 12)


def test_nothing_goes_back_when_the_clock_does(transfers: Transfers, ledger: Ledger) -> None:
    transfers.withdraw(withdrawal())
    assert states(transfers, 2, 0, 1, 3, 0) == [23, 23, 23, 24, 24]
    assert ledger.withdrawn == {"BTC": Decimal("2.5")}


def test_without_a_step_everything_is_complete_at_once(ledger: Ledger) -> None:
    hasty = Transfers(ledger, 0, ids())
    hasty.withdraw(withdrawal())
    assert states(hasty, 0) == [24]


def test_each_account_sees_its_own_newest_first(transfers: Transfers) -> None:
    transfers.withdraw(withdrawal("first"))
    transfers.withdraw(withdrawal("second"))
    transfers.deposit("bob", BTC, Decimal(1), NOW)
    transfers.deposit("bob", TRY, Decimal(2), NOW)
    assert [one.transfer_id for one in transfers.withdrawals("ann")] == ["second", "first"]
    assert [one.asset for one in transfers.deposits("bob")] == [TRY, BTC]
    assert (transfers.withdrawals("bob"), transfers.deposits("ann")) == ([], [])


def test_what_was_withdrawn_counts_by_asset_channel_and_month_unless_it_came_back(
    transfers: Transfers,
) -> None:
    for name, time in (("old", "2019-12-31T23:59:59.999"), ("later", "2020-02-01T00:00")):
        transfers.withdraw(withdrawal(name, time=at(time)))
    transfers.withdraw(withdrawal("other asset", asset=TRY))
    transfers.withdraw(replace(withdrawal("other channel"), channel="side"))
    transfers.withdraw(withdrawal("rejected"))
    transfers.end("rejected", Ending.REJECTED)

    def withdrawn(channel: str | None) -> str:
        return str(transfers.withdrawn("ann", BTC, NOW, channel))

    assert (withdrawn(None), withdrawn("main"), withdrawn("side")) == ("2", "0", "2")
    transfers.withdraw(replace(withdrawal("counts"), quantity=Decimal(1)))
    at_first = replace(withdrawal("at first", time=at("2020-01-01")), fee=Decimal(0))
    transfers.withdraw(replace(at_first, quantity=Decimal(1)))
    assert (withdrawn(None), withdrawn("main")) == ("4", "2")


def at(time: str) -> int:
    """A time of UTC, in epoch ms."""
    return int(datetime.fromisoformat(time).replace(tzinfo=UTC).timestamp() * 1000)


def test_the_oldest_that_ended_go_when_there_are_too_many_and_count_all_the_same(
    ledger: Ledger,
) -> None:
    transfers = Transfers(ledger, STEP_MS, ids(), kept=2)
    for name in ("first", "second", "third"):
        transfers.withdraw(replace(withdrawal(name), quantity=Decimal(1)))
        transfers.deposit("ann", BTC, Decimal(1), NOW)
    assert len(transfers.withdrawals("ann")) == len(transfers.deposits("ann")) == 3
    transfers.end("second", Ending.CANCELLED)
    transfers.withdraw(replace(withdrawal("fourth"), quantity=Decimal(1)))
    assert [one.transfer_id for one in transfers.withdrawals("ann")] == ["fourth", "third", "first"]
    transfers.advance(NOW + 60_000)
    for name in ("fifth", "sixth"):
        transfers.withdraw(replace(withdrawal(name), quantity=Decimal(1)))
        transfers.deposit("ann", BTC, Decimal(1), NOW)
    assert [one.transfer_id for one in transfers.withdrawals("ann")] == ["sixth", "fifth"]
    assert len(transfers.deposits("ann")) == 2
    assert transfers.withdrawn("ann", BTC, NOW, "main") == 5


def test_a_deposit_needs_no_confirmation_where_the_asset_asks_for_none() -> None:
    deposit = Deposit(
        transfer_id="d", account_id="ann", asset=TRY, quantity=Decimal(1), time=NOW, txid="", step=2
    )
    assert (deposit.state, deposit.confirmations) == (13, 0)
