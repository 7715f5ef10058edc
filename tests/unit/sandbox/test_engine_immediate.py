"""Market and fast orders: they take what the book holds, and leave nothing behind."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import partial

import pytest

from gateway.sandbox.codes import Code, Refusal
from gateway.sandbox.engine import Engine
from gateway.sandbox.events import (
    Balance,
    Order,
    OrderChanged,
    OrderStatus,
    OrderType,
    Side,
    Trade,
)
from gateway.sandbox.markets import Market, default_markets
from gateway.sandbox.order_requests import FastBuy, FastSell, ImmediateOrder, MarketOrder
from tests.unit.sandbox.clients import ANN, BOB, NOW, build_engine, place

MARKET_BUY = MarketOrder("BTCUSDT", Side.BUY, Decimal(1))
MARKET_SELL = MarketOrder("BTCUSDT", Side.SELL, Decimal(1))
FAST_BUY = FastBuy("BTCUSDT", Decimal(50_000))
FAST_SELL = FastSell("BTCUSDT", Decimal(1))
EVERY_REQUEST = [
    (MARKET_BUY, Code.MARKET_ORDER_NOT_AVAILABLE),
    (MARKET_SELL, Code.MARKET_ORDER_NOT_AVAILABLE),
    (FAST_BUY, Code.FAST_ORDER_NOT_AVAILABLE),
    (FAST_SELL, Code.FAST_ORDER_NOT_AVAILABLE),
]


def market_order(engine: Engine, side: Side, quantity: str) -> Order:
    return engine.place("bob", MarketOrder("BTCUSDT", side, Decimal(quantity)), NOW)


def fast_buy(engine: Engine, total: str) -> Order:
    return engine.place("bob", FastBuy("BTCUSDT", Decimal(total)), NOW)


def refused(engine: Engine, request: ImmediateOrder) -> Code:
    engine.take_events()
    with pytest.raises(Refusal) as caught:
        engine.place("bob", request, NOW)
    assert engine.take_events() == []
    return caught.value.code


BTCUSDT = default_markets()["BTCUSDT"]


def two_clients(market: Market) -> Engine:
    return build_engine(ANN, BOB, markets={market.symbol: market})


def test_a_market_order_takes_the_best_prices_one_after_the_other(engine: Engine) -> None:
    place(engine, "ann", Side.SELL, "50010", "1")
    place(engine, "ann", Side.SELL, "50000", "1")
    order = market_order(engine, Side.BUY, "1.5")
    assert (order.type, order.status) == (OrderType.MARKET, OrderStatus.FILLED)
    assert (order.filled, order.filled_total) == (Decimal("1.5"), Decimal(75_005))
    assert [trade.price for trade in engine.user_trades("bob")] == [50_010, 50_000]


def test_a_market_buy_costs_what_was_traded_and_holds_nothing(engine: Engine) -> None:
    place(engine, "ann", Side.SELL, "50000", "2")
    market_order(engine, Side.BUY, "1")
    assert engine.ledger.balance("bob", "USDT") == Balance(Decimal(950_000))
    assert engine.ledger.balance("bob", "BTC") == Balance(Decimal("50.998"))


def test_a_market_sell_is_paid_what_the_book_offers_less_the_fee(engine: Engine) -> None:
    place(engine, "ann", Side.BUY, "50000", "2")
    market_order(engine, Side.SELL, "1")
    assert engine.ledger.balance("bob", "BTC") == Balance(Decimal(49))
    assert engine.ledger.balance("bob", "USDT") == Balance(Decimal(1_049_900))


def test_what_a_market_order_does_not_find_in_the_book_is_dropped(engine: Engine) -> None:
    place(engine, "ann", Side.SELL, "50000", "1")
    engine.take_events()
    order = market_order(engine, Side.BUY, "3")
    assert (order.status, order.filled) == (OrderStatus.PARTIALLY_FILLED, Decimal(1))
    states = [
        event.order.status
        for event in engine.take_events()
        if isinstance(event, OrderChanged) and event.order.account_id == "bob"
    ]
    assert states == [OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED, OrderStatus.CANCELLED]
    assert engine.open_orders("bob") == []
    assert engine.books["BTCUSDT"].bids.best() is None


@pytest.mark.parametrize(
    ("request_", "affordable", "dearer"),
    [
        # Bob has 50 BTC and 1 000 000 USDT; the book buys and sells 0.01 BTC.
        (partial(MarketOrder, "BTCUSDT", Side.SELL), "50", "50.000001"),
        (partial(FastSell, "BTCUSDT"), "50", "50.000001"),
        (partial(FastBuy, "BTCUSDT"), "1000000", "1000000.01"),
        # The first half at 40 000, and all the rest at the 50 000 of the other half.
        (partial(MarketOrder, "BTCUSDT", Side.BUY), "20.001", "20.001001"),
    ],
)
def test_an_account_must_have_the_funds_for_all_it_asks_for_however_thin_the_book(
    request_: Callable[[Decimal], ImmediateOrder], affordable: str, dearer: str
) -> None:
    engine = two_clients(BTCUSDT)
    place(engine, "ann", Side.SELL, "40000", "0.005")
    place(engine, "ann", Side.SELL, "50000", "0.005")
    place(engine, "ann", Side.BUY, "39000", "0.01")
    assert refused(engine, request_(Decimal(dearer))) is Code.INSUFFICIENT_BALANCE
    order = engine.place("bob", request_(Decimal(affordable)), NOW)
    assert (order.status, order.filled) == (OrderStatus.PARTIALLY_FILLED, Decimal("0.01"))
    assert all(not balance.held for balance in engine.ledger.balances("bob").values())


def test_a_fast_buy_spends_its_total_to_the_last_whole_step(engine: Engine) -> None:
    place(engine, "ann", Side.SELL, "50000", "1")
    place(engine, "ann", Side.SELL, "60000", "1")
    order = fast_buy(engine, "62345.67")
    assert (order.type, order.status) == (OrderType.FAST, OrderStatus.FILLED)
    assert order.filled == Decimal("1.205761")
    assert order.filled_total == Decimal("62345.66")
    assert order.total == Decimal("62345.67")
    assert engine.ledger.balance("bob", "USDT") == Balance(Decimal("937654.34"))


def test_a_fast_buy_that_empties_the_book_says_how_little_it_spent(engine: Engine) -> None:
    place(engine, "ann", Side.SELL, "50000", "1")
    order = fast_buy(engine, "75000")
    assert (order.status, order.filled_total) == (OrderStatus.PARTIALLY_FILLED, Decimal(50_000))
    # The rest counts at the last price, so that the quantity is what the total stood for.
    assert (order.quantity, order.filled) == (Decimal("1.5"), Decimal(1))
    assert engine.open_orders("bob") == []


def test_a_fast_sell_sells_its_quantity(engine: Engine) -> None:
    place(engine, "ann", Side.BUY, "50000", "2")
    order = engine.place("bob", FAST_SELL, NOW)
    assert (order.type, order.status) == (OrderType.FAST, OrderStatus.FILLED)
    assert order.filled == 1


def test_the_taker_and_the_maker_pay_the_fee_of_their_part() -> None:
    maker, taker = Decimal("0.1"), Decimal("0.4")
    engine = two_clients(replace(BTCUSDT, maker_fee_percent=maker, taker_fee_percent=taker))
    place(engine, "ann", Side.SELL, "50000", "1")
    place(engine, "ann", Side.BUY, "40000", "1")
    engine.place("bob", MARKET_BUY, NOW)
    engine.place("bob", MARKET_SELL, NOW)
    trades = [event for event in engine.take_events() if isinstance(event, Trade)]
    assert [(trade.buyer_fee, trade.seller_fee) for trade in trades] == [
        (Decimal("0.004"), Decimal(50)),
        (Decimal("0.001"), Decimal(160)),
    ]


@pytest.mark.parametrize(("request_", "code"), EVERY_REQUEST)
def test_without_anybody_on_the_other_side_there_is_no_order(
    engine: Engine, request_: ImmediateOrder, code: Code
) -> None:
    assert refused(engine, request_) is code


@pytest.mark.parametrize(("request_", "code"), EVERY_REQUEST)
def test_a_market_may_take_no_orders_of_a_type(request_: ImmediateOrder, code: Code) -> None:
    engine = two_clients(replace(BTCUSDT, market_orders=False, fast_orders=False))
    place(engine, "ann", Side.SELL, "50000", "2")
    place(engine, "ann", Side.BUY, "49000", "2")
    assert refused(engine, request_) is code


@pytest.mark.parametrize("request_", [MARKET_BUY, MARKET_SELL, FAST_BUY, FAST_SELL])
def test_a_market_closed_to_orders_takes_none(request_: ImmediateOrder) -> None:
    engine = two_clients(replace(BTCUSDT, order_enabled=False))
    assert refused(engine, request_) is Code.MARKET_DISABLED


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (MarketOrder("BTCUSDT", Side.BUY, Decimal("0.0000001")), Code.QUANTITY_UNDER_LIMIT),
        (MarketOrder("BTCUSDT", Side.BUY, Decimal("1.0000001")), Code.INVALID_QUANTITY),
        (MarketOrder("BTCUSDT", Side.BUY, Decimal("0.0001")), Code.TOTAL_UNDER_LIMIT),
        (MarketOrder("BTCUSDT", Side.BUY, Decimal(30)), Code.INSUFFICIENT_BALANCE),
        (MarketOrder("BTCUSDT", Side.SELL, Decimal(51)), Code.INSUFFICIENT_BALANCE),
        (FastBuy("BTCUSDT", Decimal("9.99")), Code.TOTAL_UNDER_LIMIT),
        (FastBuy("BTCUSDT", Decimal("50.001")), Code.INVALID_TOTAL),
        (FastBuy("BTCUSDT", Decimal(1_000_001)), Code.INSUFFICIENT_BALANCE),
        (FastSell("BTCUSDT", Decimal("0.0001")), Code.TOTAL_UNDER_LIMIT),
        (FastSell("BTCUSDT", Decimal("0.0000001")), Code.QUANTITY_UNDER_LIMIT),
        (MarketOrder("BTCEUR", Side.BUY, Decimal(1)), Code.INVALID_SYMBOL),
    ],
)
def test_an_immediate_order_against_the_rules_is_refused_by_its_code(
    engine: Engine, request_: ImmediateOrder, code: Code
) -> None:
    place(engine, "ann", Side.SELL, "50000", "40")
    engine.ledger.deposit("ann", "USDT", Decimal(2_000_000))
    place(engine, "ann", Side.BUY, "49000", "60")
    assert refused(engine, request_) is code


def test_a_fast_buy_must_afford_the_smallest_quantity() -> None:
    engine = two_clients(replace(BTCUSDT, min_quantity=Decimal("0.01")))
    place(engine, "ann", Side.SELL, "50000", "1")
    assert refused(engine, FastBuy("BTCUSDT", Decimal("499.99"))) is Code.QUANTITY_UNDER_LIMIT
    assert fast_buy(engine, "500").status is OrderStatus.FILLED


@pytest.mark.parametrize("request_", [MARKET_BUY, FAST_BUY])
def test_an_immediate_order_that_would_meet_an_own_order_is_refused_as_a_whole(
    engine: Engine, request_: ImmediateOrder
) -> None:
    place(engine, "ann", Side.SELL, "50000", "0.5")
    place(engine, "bob", Side.SELL, "50001", "1")
    assert refused(engine, request_) is Code.WASH_TRADING


def test_the_trades_of_an_account_are_kept_to_the_last_thousand(engine: Engine) -> None:
    place(engine, "ann", Side.SELL, "50000", "2")
    for count in range(1001):
        engine.place("bob", MarketOrder("BTCUSDT", Side.BUY, Decimal("0.001")), NOW + count)
    trades = engine.user_trades("bob")
    assert len(trades) == 1000
    assert (trades[0].time, trades[-1].time) == (NOW + 1000, NOW + 1)
