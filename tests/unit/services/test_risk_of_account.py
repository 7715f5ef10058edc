from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from gateway.domain.market import Market, OrderSide
from gateway.domain.order_errors import AgainstRules
from gateway.domain.orders import Order, OrderType, PlaceOrder
from gateway.services.risk_of_account import check_account, check_balance, check_self_cross
from tests.unit.services.examples import BTC, ETH, balance
from tests.unit.services.examples import order as open_order
from tests.unit.services.test_risk_of_market import BUY, SELL, limit, order, refused

MARKET = Market(BTC, "Bitcoin", "BTC", "USDT")
PLENTY = {"BTC": balance("BTC", 1000, 0), "USDT": balance("USDT", 100_000, 0)}


def resting(price: int, side: OrderSide = SELL, kind: OrderType = OrderType.LIMIT) -> Order:
    """An open order at this price; it says nowhere whose it is."""
    return replace(open_order("o-1"), side=side, type=kind, price=Decimal(price))


@pytest.mark.parametrize(
    ("command", "standing", "figures"),
    [
        (limit("100"), resting(100), "at 100 it would meet an open sell at 100"),
        (limit("101"), resting(100), "at 101 it would meet an open sell at 100"),
        (limit("99", side=SELL), resting(100, BUY), "at 99 it would meet an open buy at 100"),
    ],
)
def test_a_limit_order_that_would_meet_one_of_its_own_account_is_refused(
    command: PlaceOrder, standing: Order, figures: str
) -> None:
    with refused("account.self_cross", "10041", figures):
        check_self_cross(command, command.spec.price, [resting(500), resting(1, BUY), standing])


def test_a_refusal_does_not_tell_the_id_of_an_order_that_may_be_another_app_s() -> None:
    with pytest.raises(AgainstRules, check=lambda error: "o-1" not in str(error)):
        check_self_cross(limit(), Decimal(100), [resting(100)])


@pytest.mark.parametrize(
    "standing",
    [
        resting(101),
        resting(99, BUY),
        replace(resting(100), symbol=ETH),
        resting(100, kind=OrderType.STOP_LIMIT),
    ],
)
def test_an_order_meets_none_beyond_its_price_of_its_side_of_another_market_or_not_in_the_book(
    standing: Order,
) -> None:
    check_self_cross(limit("100"), Decimal(100), [standing])


def test_a_stop_that_has_traded_is_in_the_book() -> None:
    reached = replace(resting(100, kind=OrderType.STOP_LIMIT), filled_quantity=Decimal(1))
    with refused("account.self_cross", "10041", "100"):
        check_self_cross(limit("100"), Decimal(100), [reached])


def test_a_stop_waits_outside_the_book_and_meets_nothing_yet() -> None:
    stop = order(OrderType.STOP_LIMIT, stop_price="120", price="130", quantity="1")
    check_self_cross(stop, Decimal(130), [resting(100)])


@pytest.mark.parametrize("best", ["100", "101"])
def test_an_order_at_the_market_is_refused_while_an_own_one_is_the_best_it_would_meet(
    best: str,
) -> None:
    with refused("account.self_cross", "10041", "100"):
        check_self_cross(order(OrderType.MARKET, quantity="1"), Decimal(best), [resting(100)])


@pytest.mark.parametrize("best", [Decimal(99), None])
def test_an_order_at_the_market_passes_while_others_are_better_or_nobody_knows(
    best: Decimal | None,
) -> None:
    check_self_cross(order(OrderType.FAST, quote_total="50"), best, [resting(100)])


@pytest.mark.parametrize(
    ("command", "price", "figures"),
    [
        (limit("100", "2"), 100, "takes 200 USDT; 150 are available"),
        (limit("100", "4", SELL), 100, "takes 4 BTC; 3 are available"),
        (order(OrderType.MARKET, quantity="2"), 100, "takes 200 USDT; 150 are available"),
        (order(OrderType.MARKET, SELL, quantity="4"), None, "takes 4 BTC; 3 are available"),
        (order(OrderType.FAST, quote_total="151"), None, "takes 151 USDT; 150 are available"),
        (order(OrderType.FAST, SELL, quantity="4"), None, "takes 4 BTC; 3 are available"),
        (
            order(OrderType.STOP_LIMIT, stop_price="90", price="100", quantity="2"),
            100,
            "takes 200 USDT; 150 are available",
        ),
    ],
)
def test_an_order_that_takes_more_than_is_available_is_refused(
    command: PlaceOrder, price: int | None, figures: str
) -> None:
    held = {"BTC": balance("BTC", 3, 50), "USDT": balance("USDT", 150, 1000)}
    known = None if price is None else Decimal(price)
    with refused("account.balance", "10031", figures):
        check_balance(command, known, MARKET, held)


def test_what_the_wallet_does_not_list_the_account_does_not_have() -> None:
    with refused("account.balance", "10031", "takes 100 USDT; 0 are available"):
        check_balance(limit(), Decimal(100), MARKET, {})


def test_an_order_that_takes_all_that_is_available_passes() -> None:
    check_balance(limit("100", "2"), Decimal(100), MARKET, {"USDT": balance("USDT", 200, 0)})


def test_a_market_buy_whose_price_nobody_knows_is_left_to_the_exchange() -> None:
    check_balance(order(OrderType.MARKET, quantity="2"), None, MARKET, {})


@pytest.mark.parametrize(
    ("standing", "balances", "told"),
    [
        ([resting(100)], PLENTY, lambda error: error.rule == "account.self_cross"),
        ([], {}, lambda error: error.rule == "account.balance"),
    ],
)
def test_an_account_is_checked_for_both(
    standing: list[Order], balances: dict[str, object], told: Callable[[AgainstRules], bool]
) -> None:
    with pytest.raises(AgainstRules, check=told):
        check_account(limit(), Decimal(100), MARKET, standing, balances)  # type: ignore[arg-type]
