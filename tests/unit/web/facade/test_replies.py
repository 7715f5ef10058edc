"""Every sample reply of the document on markets, orders and fills, read, and written again."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from gateway.domain.market import (
    CandleInterval,
    Market,
    MarketRules,
    OrderBook,
    OrderSide,
    PriceLevel,
    Ticker,
    TopOfBook,
)
from gateway.domain.orders import Order, OrderSpec, OrderStatus, OrderType, PlaceOrder
from gateway.exchange import readers
from gateway.web.facade import replies
from gateway.web.facade.requests import Body
from tests.unit.sandbox.clients import Json
from tests.unit.web.facade.written import sample, sample_text, written

BTCTRY = Market("BTCTRY", "Bitcoin", "BTC", "TRY")
D = Decimal
PRICE, QUANTITY = D(9500), D("0.001")
MARKET, FAST = OrderType.MARKET, OrderType.FAST
SPECS = {
    "limit-buy": OrderSpec(price=PRICE, quantity=QUANTITY),
    "limit-sell": OrderSpec(price=PRICE, quantity=QUANTITY),
    "market-buy": OrderSpec(type=MARKET, quantity=QUANTITY),
    "market-sell": OrderSpec(type=MARKET, quantity=QUANTITY),
    "stop-limit-buy": OrderSpec(
        type=OrderType.STOP_LIMIT, price=PRICE, stop_price=D(9525), quantity=QUANTITY
    ),
    "stop-limit-sell": OrderSpec(
        type=OrderType.STOP_LIMIT, price=D(9305), stop_price=D(9300), quantity=QUANTITY
    ),
    "fast-buy": OrderSpec(type=FAST, quote_total=D(100)),
    "fast-sell": OrderSpec(type=FAST, quantity=QUANTITY),
}


def markets(text: bytes) -> Body:
    listing, tickers = readers.read_markets(text)
    return replies.markets(zip(listing.markets, tickers, strict=True))


REPLIES: dict[str, Callable[[bytes], Body]] = {
    "markets": markets,
    "24h": lambda text: replies.statistics(readers.read_ticker(text, "BTCTRY")),
    "info": lambda text: replies.rules(readers.read_rules(text, "BTCTRY"), BTCTRY),
    "orderbook": lambda text: replies.top_of_book(readers.read_top_of_book(text, "BTCTRY")),
    "depth": lambda text: replies.depth(readers.read_order_book(text, "BTCTRY")),
    "trades": lambda text: replies.trades(readers.read_trades(text, "BTCTRY")),
    "user-orders": lambda text: replies.open_orders(readers.read_orders(text)),
    "user-trades": lambda text: replies.user_trades(readers.read_fills(text)),
}


def told_in(name: str) -> Json:
    """The document's sample of a reply without its code."""
    members = sample(f"rest/{name}")
    del members["code"]
    return members


@pytest.mark.parametrize("name", REPLIES)
def test_a_reply_of_the_document_is_written_as_it_was_read(name: str) -> None:
    assert written(REPLIES[name](sample_text(f"rest/{name}"))) == told_in(name)


def test_a_candle_is_written_on_the_grid_of_its_interval() -> None:
    members = told_in("candles")
    (row,) = members["candles"]
    row["openTime"], row["closetime"] = 1577738760000, 1577738820000  # the sample's lie 5 ms off
    series = readers.read_candles(sample_text("rest/candles"), "BTCTRY", CandleInterval.M1)
    assert written(replies.candles(series)) == members


@pytest.mark.parametrize("name", SPECS)
def test_a_new_order_of_the_document_is_written_as_it_was_read(name: str) -> None:
    side = OrderSide.BUY if name.endswith("-buy") else OrderSide.SELL
    command = PlaceOrder("demo", "a-1", "BTCUSDT", side, SPECS[name])
    order = readers.read_placed(sample_text(f"rest/{name}"), command)
    assert written(replies.placed_order(order)) == told_in(name)


@pytest.mark.parametrize("render", [replies.statistics, lambda t: replies.markets([(BTCTRY, t)])])
def test_an_empty_side_has_no_best_price_and_what_nobody_told_is_left_out(
    render: Callable[[Ticker], Body],
) -> None:
    (members,) = written(render(Ticker("BTCTRY", D(60000)))).values()
    (row,) = members if isinstance(members, list) else [members]
    names = {"name": "Bitcoin", "firstSymbol": "BTC", "secondSymbol": "TRY"}
    told = {"symbol": "BTCTRY", "last": D(60000), "firstBid": None, "firstAsk": None}
    assert row in (told, told | names)


@pytest.mark.parametrize(
    ("ticker", "volumes"),
    [
        (Ticker("BTCTRY", D(1), base_volume=D(2), quote_volume=D(3)), (3, 2)),
        (Ticker("BTCTRY", D(1), base_volume=D(2)), (2, None)),
    ],
    ids=["both", "base alone"],
)
def test_a_volume_is_of_the_quote_asset_where_that_of_the_base_stands_beside_it(
    ticker: Ticker, volumes: tuple[int, int | None]
) -> None:
    members = written(replies.statistics(ticker))["market"]
    assert (members["volume"], members.get("volumeQty")) == volumes


RULES = MarketRules(
    symbol="BTCTRY",
    price_precision=0,
    quantity_precision=6,
    total_precision=0,
    min_total=D(10),
    min_quantity=D("0.000001"),
    maker_fee_percent=D("-0.01"),
    taker_fee_percent=D("0.2"),
    enabled=True,
    order_enabled=True,
    cancel_enabled=True,
)


@pytest.mark.parametrize(
    ("rules", "member"),
    [
        (replace(RULES, enabled=False), "enable"),
        (replace(RULES, order_enabled=False), "orderEnable"),
        (replace(RULES, cancel_enabled=False), "cancelEnable"),
    ],
)
def test_each_switch_of_a_market_is_a_word_of_its_own(rules: MarketRules, member: str) -> None:
    told = written(replies.rules(rules, BTCTRY))["info"]
    words = {name: told[name] for name in ("enable", "orderEnable", "cancelEnable")}
    assert words == dict.fromkeys(words, "true") | {member: "false"}


def test_maker_and_taker_have_fees_of_their_own() -> None:
    told = written(replies.rules(RULES, BTCTRY))["info"]
    assert (told["commissionMaker"], told["commissionTaker"]) == (D("-0.01"), D("0.2"))
    assert "commission" not in told


def test_a_side_of_a_book_on_which_nothing_rests_is_an_empty_list() -> None:
    bid = PriceLevel(D(47002), D("0.0446"), 4)
    rows = {"bids": [{"price": D(47002), "amount": D("0.0446")}], "asks": []}
    assert written(replies.top_of_book(TopOfBook("BTCTRY", bid, None)))["book"] == rows
    rows["bids"][0]["count"] = D(4)
    assert written(replies.depth(OrderBook("BTCTRY", (bid,), ())))["book"] == rows


ORDER = Order(
    "6b11",
    "BTCUSDT",
    OrderSide.BUY,
    OrderType.LIMIT,
    OrderStatus.CANCELLED,
    1_578_405_048_608,
    price=D(9500),
    quantity=D("0.001"),
    filled_quantity=D("0.0004"),
)


def test_a_cancelled_order_says_so_and_how_much_of_it_was_filled() -> None:
    order = written(replies.placed_order(ORDER))["order"]
    assert (order["status"], order["filledAmount"]) == ("CANCELLED", D("0.0004"))


def test_an_order_of_which_nobody_knows_how_it_ended_is_shown_without_a_status() -> None:
    order = replace(ORDER, status=OrderStatus.CLOSED_UNKNOWN)
    told = written(replies.placed_order(ORDER))["order"]
    del told["status"]
    assert written(replies.placed_order(order))["order"] == told


def test_one_order_of_all_that_were_cancelled_is_told_from_one_cancelled_alone() -> None:
    order = replace(ORDER, mass_cancelled=True)
    assert written(replies.placed_order(order))["order"]["status"] == "CANCELLED_ALL"


@pytest.mark.parametrize("kind", [OrderType.MARKET, OrderType.FAST])
def test_an_order_that_never_rests_shows_no_id_even_where_one_is_known(kind: OrderType) -> None:
    order = written(replies.placed_order(replace(ORDER, type=kind, price=None)))["order"]
    assert "orderId" not in order
    assert order["amount"] == D("0.001")


@pytest.mark.parametrize(
    ("kind", "number"),
    [
        (OrderType.LIMIT, 0),
        (OrderType.MARKET, 1),
        (OrderType.STOP_LIMIT, 2),
        (OrderType.FAST, 3),
    ],
)
@pytest.mark.parametrize(("side", "side_number"), [(OrderSide.BUY, 0), (OrderSide.SELL, 1)])
def test_in_lists_type_and_side_are_the_documents_numbers(
    kind: OrderType, number: int, side: OrderSide, side_number: int
) -> None:
    order = replace(ORDER, type=kind, side=side)
    (row,) = written(replies.open_orders([order]))["orders"]
    assert (row["orderType"], row["side"]) == (number, side_number)


def test_a_stop_limit_order_in_a_list_has_the_price_that_it_waits_for() -> None:
    order = replace(ORDER, type=OrderType.STOP_LIMIT, stop_price=D("9525.5"))
    (row,) = written(replies.open_orders([order]))["orders"]
    assert (row["price"], row["targetPrice"]) == (D(9500), D("9525.5"))


def test_a_price_or_a_quantity_that_an_order_has_not_is_0_in_a_list() -> None:
    order = Order(None, "BTCUSDT", OrderSide.BUY, OrderType.FAST, OrderStatus.NEW, 1)
    (row,) = written(replies.open_orders([order]))["orders"]
    assert row == {
        "market": "BTCUSDT",
        "price": 0,
        "targetPrice": 0,
        "amount": 0,
        "side": 0,
        "time": 1,
        "orderType": 3,
    }
