from decimal import Decimal

import pytest

from gateway.sandbox.codes import Refusal
from gateway.sandbox.events import Balance, BalanceChanged
from gateway.sandbox.ledger import Ledger

ONE, TWO = Decimal(1), Decimal(2)


@pytest.fixture
def ledger() -> Ledger:
    made = Ledger()
    made.open_account("ann", {"BTC": Decimal(5)})
    made.open_account("bob", {})
    return made


def test_what_is_held_is_not_available_until_it_is_released(ledger: Ledger) -> None:
    ledger.hold("ann", "BTC", TWO)
    assert ledger.balance("ann", "BTC") == Balance(Decimal(3), TWO)
    ledger.release("ann", "BTC", ONE)
    assert ledger.balance("ann", "BTC") == Balance(Decimal(4), ONE)


def test_more_than_is_available_cannot_be_held(ledger: Ledger) -> None:
    ledger.hold("ann", "BTC", Decimal(4))
    with pytest.raises(Refusal, match="10031"):
        ledger.hold("ann", "BTC", TWO)
    assert ledger.balance("ann", "BTC") == Balance(ONE, Decimal(4))


def test_a_payment_moves_what_was_held_less_the_fee(ledger: Ledger) -> None:
    ledger.hold("ann", "BTC", TWO)
    ledger.pay("ann", "bob", "BTC", TWO, Decimal("0.5"))
    assert ledger.balance("ann", "BTC") == Balance(Decimal(3))
    assert ledger.balance("bob", "BTC") == Balance(Decimal("1.5"))
    assert ledger.fees == {"BTC": Decimal("0.5")}


def test_what_comes_in_is_available_and_tallied(ledger: Ledger) -> None:
    ledger.deposit("bob", "XRP", ONE)
    ledger.deposit("ann", "XRP", TWO)
    assert ledger.balance("bob", "XRP") == Balance(ONE)
    assert ledger.deposited == {"XRP": Decimal(3)}


def test_what_goes_out_leaves_what_was_held_and_is_tallied(ledger: Ledger) -> None:
    ledger.hold("ann", "BTC", TWO)
    ledger.withdraw("ann", "BTC", ONE)
    assert ledger.balance("ann", "BTC") == Balance(Decimal(3), ONE)
    ledger.withdraw("ann", "BTC", ONE)
    assert ledger.withdrawn == {"BTC": TWO}


def test_each_balance_that_changed_is_told_once_from_before_to_after(ledger: Ledger) -> None:
    ledger.hold("ann", "BTC", ONE)
    ledger.hold("ann", "BTC", ONE)
    before, after = Balance(Decimal(5)), Balance(Decimal(3), TWO)
    assert ledger.take_changes() == [BalanceChanged("ann", "BTC", before, after)]
    assert ledger.take_changes() == []


def test_a_balance_that_is_what_it_was_is_not_told(ledger: Ledger) -> None:
    ledger.hold("ann", "BTC", ONE)
    ledger.release("ann", "BTC", ONE)
    assert ledger.take_changes() == []
