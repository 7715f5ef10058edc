"""Every sample frame of the document, read, and written again."""

from dataclasses import replace
from decimal import Decimal

import pytest

from gateway.domain.market import (
    Candle,
    CandleInterval,
    CandleUpdate,
    OrderSide,
    PriceLevel,
    Ticker,
    TopOfBook,
    Trade,
)
from gateway.domain.orders import Order, OrderStatus, OrderType, StopDirection
from gateway.web.facade import frames
from tests.unit.web.facade.written import frame_of, read_frame, sample, sample_text, written

D = Decimal


@pytest.mark.parametrize(
    "name",
    [
        "all-tickers",
        "ticker",
        "candles",
        "order-book",
        "depth",
        "trade",
        "order-update",
        "balance-update",
        "reserved-update",
    ],
)
def test_a_frame_of_the_document_is_written_as_it_was_read(name: str) -> None:
    told = read_frame(sample_text(f"stream/{name}").decode())
    assert written(frame_of(told)) == sample(f"stream/{name}")


def test_a_market_alone_is_told_of_without_what_only_all_tickers_have() -> None:
    value = read_frame(sample_text("stream/all-tickers").decode()).value
    assert isinstance(value, Ticker)
    members = written(frames.ticker(value))
    assert members.keys() == sample("stream/ticker").keys()


def test_a_candle_of_which_nobody_told_the_last_update_closes_at_its_end() -> None:
    candle = Candle(300_000, 600_000, D(1), D(4), D("0.5"), D(2), D(9))
    frame = written(frames.candle(CandleUpdate("BTCTRY", CandleInterval.M5, candle)))
    assert frame["kline"]["closeTime"] == 600_000


INTERVALS = ["m1", "m3", "m5", "m15", "m30", "h1", "h2", "h4", "d1"]


@pytest.mark.parametrize(("interval", "name"), [*zip(CandleInterval, INTERVALS, strict=True)])
def test_an_interval_has_the_name_that_the_document_gives_it(
    interval: CandleInterval, name: str
) -> None:
    candle = Candle(0, interval.milliseconds, D(1), D(1), D(1), D(1), D(0))
    assert written(frames.candle(CandleUpdate("BTCTRY", interval, candle)))["interval"] == name


def test_of_a_side_on_which_nothing_rests_price_and_quantity_are_null() -> None:
    frame = written(frames.top_of_book(TopOfBook("BTCTRY", None, PriceLevel(D(2), D(3)))))
    assert (frame["bidPrice"], frame["bidAmount"]) == (None, None)
    assert (frame["askPrice"], frame["askAmount"]) == (2, 3)


@pytest.mark.parametrize(("side", "number"), [(OrderSide.SELL, 0), (OrderSide.BUY, 1)])
def test_a_trade_says_whether_the_buyer_took(side: OrderSide, number: int) -> None:
    frame = written(frames.trade(Trade("BTCTRY", D(1), D(2), side, 3)))
    assert frame["tradeType"] == number


STOP = Order(
    "6b11",
    "BTCUSDT",
    OrderSide.BUY,
    OrderType.STOP_LIMIT,
    OrderStatus.NEW,
    1_578_405_048_608,
    price=D(9500),
    quantity=D("0.001"),
    filled_quantity=D(0),
    stop_price=D(9525),
    stop_direction=StopDirection.GREATER,
)


@pytest.mark.parametrize(
    ("direction", "number"), [(StopDirection.LESS, 0), (StopDirection.GREATER, 1)]
)
def test_a_stop_limit_order_says_on_which_side_it_waits(
    direction: StopDirection, number: int
) -> None:
    order = written(frames.order(replace(STOP, stop_direction=direction)))["order"]
    assert (order["stopType"], order["targetPrice"]) == (number, 9525)


@pytest.mark.parametrize("kind", [OrderType.LIMIT, OrderType.MARKET, OrderType.FAST])
def test_the_stop_type_of_an_order_that_waits_for_no_price_is_0(kind: OrderType) -> None:
    order = replace(STOP, type=kind, stop_price=None, stop_direction=None)
    told = written(frames.order(order))["order"]
    assert (told["stopType"], told["targetPrice"]) == (0, 0)


def test_what_nobody_told_of_an_order_is_left_out() -> None:
    order = replace(STOP, stop_direction=None, filled_quantity=None)
    told = written(frames.order(STOP))["order"]
    del told["stopType"], told["filledAmount"]
    assert written(frames.order(order))["order"] == told


@pytest.mark.parametrize(
    ("order", "word"),
    [
        (replace(STOP, status=OrderStatus.PARTIALLY_FILLED), "PARTIALLY_FILLED"),
        (replace(STOP, status=OrderStatus.CANCELLED), "CANCELLED"),
        (replace(STOP, status=OrderStatus.CANCELLED, mass_cancelled=True), "CANCELLED_ALL"),
        (replace(STOP, status=OrderStatus.CLOSED_UNKNOWN), None),
    ],
)
def test_an_order_stands_where_the_exchange_has_a_word_for_it(
    order: Order, word: str | None
) -> None:
    assert written(frames.order(order))["order"].get("status") == word
