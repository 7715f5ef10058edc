from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import pytest

from gateway.domain.market import (
    Candle,
    CandleInterval,
    Market,
    MarketRules,
    OrderSide,
    PriceLevel,
    Ticker,
    TopOfBook,
    Trade,
)
from gateway.domain.money import NotADecimal
from gateway.exchange import mapping, wire

D = Decimal
T = TypeVar("T")
SAMPLES = Path(__file__).parents[2] / "payloads" / "rest"


def sample(name: str, shape: type[T]) -> T:
    return wire.parse((SAMPLES / f"{name}.json").read_bytes(), shape)


def row(shape: type[T], text: str) -> T:
    return wire.parse(text, shape)


def test_the_listing_keeps_the_exchanges_order() -> None:
    (first,) = sample("markets", wire.MarketsReply).markets
    second = row(
        wire.MarketRow,
        '{"symbol":"AB","name":"a","firstSymbol":"A","secondSymbol":"B","last":1}',
    )
    assert mapping.map_listing([first, second]).markets == (
        Market("BTCTRY", "Bitcoin", "BTC", "TRY"),
        Market("AB", "a", "A", "B"),
    )


TICKER = Ticker(
    symbol="BTCTRY",
    last=D(60000),
    bid=D(59999),
    ask=D(60001),
    open=D(59502),
    high=D(61000),
    low=D(59000),
    average=D(60002),
    change=D(498),
    change_percent=D("0.83"),
    base_volume=D(2),
    quote_volume=D(120004),
    trade_count=23,
    open_time=1577738760005,
)


def test_volume_is_in_the_quote_asset_where_the_base_quantity_stands_beside_it() -> None:
    assert mapping.map_ticker(sample("24h", wire.TickerReply).market) == TICKER


def test_volume_is_in_the_base_asset_where_it_stands_alone() -> None:
    (market,) = sample("markets", wire.MarketsReply).markets
    ticker = mapping.map_ticker(market)
    assert (ticker.base_volume, ticker.quote_volume) == (D(2), None)


def test_what_a_ticker_leaves_out_stays_as_it_was_last_known() -> None:
    bare = row(wire.TickerRow, '{"symbol":"BTCTRY","last":7}')
    assert mapping.map_ticker(bare).change_percent is None
    kept = mapping.map_ticker(bare, TICKER)
    assert kept == Ticker(
        "BTCTRY", D(7), change_percent=TICKER.change_percent, open_time=TICKER.open_time
    )


def test_what_a_ticker_says_replaces_what_was_known() -> None:
    said = row(wire.TickerRow, '{"symbol":"BTCTRY","last":7,"changePercent":0,"openTime":0}')
    ticker = mapping.map_ticker(said, TICKER)
    assert (ticker.change_percent, ticker.open_time) == (D(0), 0)


def test_rules_are_what_orders_must_obey() -> None:
    assert mapping.map_rules(sample("info", wire.RulesReply).info) == MarketRules(
        symbol="BTCTRY",
        price_precision=0,
        quantity_precision=6,
        total_precision=0,
        min_total=D(10),
        min_quantity=D("0.000001"),
        maker_fee_percent=D("0.2"),
        taker_fee_percent=D("0.2"),
        enabled=True,
        order_enabled=True,
        cancel_enabled=True,
        base_precision=6,
        quote_precision=0,
        fee_percent=D("0.2"),
        fees_in_percent=True,
        fees_by_tier=False,
    )


def test_the_one_commission_stands_for_maker_and_taker_when_these_are_missing() -> None:
    info = sample("info", wire.RulesReply).info
    info.commission, info.commission_maker, info.commission_taker = D("0.3"), None, D(0)
    rules = mapping.map_rules(info)
    assert (rules.maker_fee_percent, rules.taker_fee_percent) == (D("0.3"), D(0))


def test_a_candle_lies_on_the_grid_of_its_interval() -> None:
    (candle,) = sample("candles", wire.CandlesReply).candles
    assert mapping.map_candle(candle, CandleInterval.M5) == Candle(
        open_time=1577738700000,
        close_time=1577739000000,
        open=D(48657),
        high=D(48999),
        low=D(48000),
        close=D(48980),
        volume=D(2),
    )


def test_candles_run_from_the_oldest_to_the_newest_each_time_once() -> None:
    rows = [
        row(
            wire.CandleRow,
            f'{{"openTime":{time},"open":1,"high":9,"low":1,"close":{close},"volume":0}}',
        )
        for time, close in ((120_005, 3), (60_000, 1), (120_000, 4))
    ]
    series = mapping.map_candles("BTCTRY", CandleInterval.M1, rows)
    assert [(one.open_time, one.close) for one in series.candles] == [
        (60_000, D(1)),
        (120_000, D(4)),
    ]


@pytest.mark.parametrize("interval", CandleInterval)
def test_an_interval_has_one_name_at_the_exchange(interval: CandleInterval) -> None:
    name = mapping.interval_name(interval)
    assert name in {"m1", "m3", "m5", "m15", "m30", "h1", "h2", "h4", "d1"}
    assert mapping.map_interval(name) is interval


def test_a_book_has_its_best_prices_first_whatever_order_they_came_in() -> None:
    book = sample("depth", wire.BookReply).book
    book.bids.reverse()
    book.asks.reverse()
    mapped = mapping.map_order_book("BTCTRY", book)
    assert [level.price for level in mapped.bids] == [47002, 47001, 47000]
    assert [level.price for level in mapped.asks] == [47003, 47004, 47005]
    assert mapped.bids[0] == PriceLevel(D(47002), D("0.0446"), 4)


def test_the_top_of_the_book_is_its_best_prices() -> None:
    assert mapping.map_top_of_book("BTCTRY", sample("orderbook", wire.BookReply).book) == TopOfBook(
        "BTCTRY", PriceLevel(D(47002), D("0.0446")), PriceLevel(D(47003), D("0.23"))
    )


def test_an_empty_side_of_a_book_has_no_top() -> None:
    empty = wire.BookRow(bids=[], asks=[])
    assert mapping.map_top_of_book("BTCTRY", empty) == TopOfBook("BTCTRY", None, None)


def test_the_taker_sold_when_the_buyer_was_the_maker() -> None:
    rows = sample("trades", wire.TradesReply).trades
    assert mapping.map_trades("BTCTRY", rows).trades == (
        Trade("BTCTRY", D(47003), D("0.23"), OrderSide.SELL, 1577891201415),
    )
    assert mapping.map_taker_side(1) is OrderSide.BUY


def test_trades_run_from_the_newest_to_the_oldest() -> None:
    rows = [wire.TradeRow(D(1), D(1), time, 0) for time in (2, 3, 1)]
    assert [trade.time for trade in mapping.map_trades("BTCTRY", rows).trades] == [3, 2, 1]


@pytest.mark.parametrize("text", ["1E+999999999", "1E-99", '"NaN"', '"-Infinity"', "1" * 37])
def test_no_decimal_passes_that_could_not_be_written_out(text: str) -> None:
    level = row(wire.LevelRow, f'{{"price":{text},"amount":1}}')
    with pytest.raises(NotADecimal):
        mapping.map_level(level)


def ticker(**fields: object) -> Ticker:
    found = sample("24h", wire.TickerReply).market
    for name, value in fields.items():
        setattr(found, name, value)
    return mapping.map_ticker(found)


def test_a_change_may_be_below_zero_and_a_volume_nothing() -> None:
    fell = ticker(change_amount=D(-1), change_percent=D("-0.1"), volume=D(0), volume_qty=D(0))
    assert (fell.change, fell.change_percent) == (D(-1), D("-0.1"))
    assert (fell.base_volume, fell.quote_volume) == (D(0), D(0))


def test_a_best_price_of_zero_is_an_empty_side() -> None:
    one_sided = ticker(first_bid=D(0))
    assert (one_sided.bid, one_sided.ask) == (None, D(60001))


@pytest.mark.parametrize(
    "field",
    ["last", "first_bid", "first_ask", "open", "high", "low", "avg", "volume", "volume_qty"],
)
def test_a_price_or_volume_below_zero_has_no_meaning(field: str) -> None:
    with pytest.raises(wire.Unparsable):
        ticker(**{field: D(-1)})


@pytest.mark.parametrize(
    "fields",
    [
        {"open": D(0)},
        {"low": D(-1)},
        {"volume": D(-1)},
        {"high": D(48979)},
        {"low": D(48658)},
        {"high": D(47999), "open": D(48000), "close": D(48000)},
    ],
    ids=str,
)
def test_a_candle_that_contradicts_itself_has_no_meaning(fields: dict[str, Decimal]) -> None:
    (candle,) = sample("candles", wire.CandlesReply).candles
    for name, value in fields.items():
        setattr(candle, name, value)
    with pytest.raises(wire.Unparsable):
        mapping.map_candle(candle, CandleInterval.M5)


def test_a_candle_without_a_trade_has_no_volume() -> None:
    (candle,) = sample("candles", wire.CandlesReply).candles
    candle.volume = D(0)
    assert mapping.map_candle(candle, CandleInterval.M5).volume == 0


@pytest.mark.parametrize("field", ["price", "amount"])
@pytest.mark.parametrize("value", [D(0), D(-1)], ids=str)
def test_nothing_rests_or_trades_for_nothing(field: str, value: Decimal) -> None:
    (level, *_) = sample("depth", wire.BookReply).book.bids
    (trade,) = sample("trades", wire.TradesReply).trades
    setattr(level, field, value)
    setattr(trade, field, value)
    with pytest.raises(wire.Unparsable):
        mapping.map_level(level)
    with pytest.raises(wire.Unparsable):
        mapping.map_trades("BTCTRY", [trade])


@pytest.mark.parametrize("bid", [D(47003), D(47004)], ids=str)
def test_a_crossed_book_is_no_book(bid: Decimal) -> None:
    book = sample("depth", wire.BookReply).book
    book.bids.append(wire.LevelRow(bid, D(1)))
    for read in (mapping.map_order_book, mapping.map_top_of_book):
        with pytest.raises(wire.CrossedBook):
            read("BTCTRY", book)


@pytest.mark.parametrize("side", ["bids", "asks"])
def test_a_book_with_a_price_twice_on_a_side_is_no_book(side: str) -> None:
    book = sample("depth", wire.BookReply).book
    levels: list[wire.LevelRow] = getattr(book, side)
    levels.append(wire.LevelRow(levels[-1].price + D("0.00"), D(7)))
    for read in (mapping.map_order_book, mapping.map_top_of_book):
        with pytest.raises(wire.Unparsable):
            read("BTCTRY", book)


def test_a_minimum_below_zero_has_no_meaning_and_a_fee_below_zero_is_paid_out() -> None:
    info = sample("info", wire.RulesReply).info
    info.commission_maker = D("-0.01")
    assert mapping.map_rules(info).maker_fee_percent == D("-0.01")
    info.min_amount = D(-1)
    with pytest.raises(wire.Unparsable):
        mapping.map_rules(info)
