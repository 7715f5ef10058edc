import pytest

from gateway.domain.account import BalanceChange
from gateway.domain.orders import Order, OrderStatus
from gateway.services.account_mirror import AccountMirror
from tests.unit.services.examples import available, balance, held, order


def test_an_orders_frame_ends_the_wait_of_a_balance_before_it() -> None:
    mirror = AccountMirror()
    mirror.balances.reconcile([balance("BTC", 1, 9)], mirror.balances.mark())
    assert tuple(mirror.apply(held("BTC", 4))) == ()
    assert tuple(mirror.apply(order())) == (balance("BTC", 1, 4), order())
    assert tuple(mirror.apply(available("BTC", 0))) == ()
    assert tuple(mirror.apply(held("BTC", 5))) == (balance("BTC", 0, 5),)


def test_an_orders_frame_of_an_earlier_time_is_not_news() -> None:
    mirror = AccountMirror()
    mirror.apply(order(filled=5, status=OrderStatus.PARTIALLY_FILLED))
    assert tuple(mirror.apply(order())) == ()


@pytest.mark.parametrize("frame", [order(), available("BTC", 1), held("BTC", 1)])
def test_whatever_is_told_outdates_the_fills(frame: Order | BalanceChange) -> None:
    mirror = AccountMirror()
    mirror.fills.take((), mirror.fills.mark())
    assert mirror.fills.current
    mirror.apply(frame)
    assert not mirror.fills.current
