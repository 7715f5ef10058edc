from dataclasses import replace
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sandbox import Account
from gateway.sandbox.book import Book
from gateway.sandbox.engine import Engine
from gateway.sandbox.events import Event, OrderStatus, Side
from gateway.sandbox.market_maker import HOUSE_ACCOUNTS, HOUSE_BALANCE, MarketMaker
from gateway.sandbox.markets import ASSETS, Market, default_markets
from gateway.sandbox.tape import Tape
from tests.unit.sandbox.clients import ANN, NOW, build_engine, place

BTCUSDT = default_markets()["BTCUSDT"]
HOUSE = [Account(name, (), dict.fromkeys(ASSETS, HOUSE_BALANCE)) for name in HOUSE_ACCOUNTS]


@pytest.fixture
def engine() -> Engine:
    return build_engine(ANN, *HOUSE)


@pytest.fixture
def maker(engine: Engine) -> MarketMaker:
    made = MarketMaker(engine, Random(7))
    made.open(NOW)
    return made


def run(maker: MarketMaker, ticks: int) -> None:
    for number in range(ticks):
        maker.tick(NOW + number * 500)


def test_every_market_has_several_levels_on_both_sides(engine: Engine, maker: MarketMaker) -> None:
    run(maker, 10)
    for book in engine.books.values():
        assert len(book.bids.levels(20)) >= 10
        assert len(book.asks.levels(20)) >= 10


def test_prices_move_and_trades_print_in_every_market(engine: Engine, maker: MarketMaker) -> None:
    run(maker, 100)
    for symbol, tape in engine.tapes.items():
        assert len({trade.price for trade in tape.trades}) > 3
        opening = engine.markets[symbol].opening_price
        assert opening * Decimal("0.9") < tape.last < opening * Decimal("1.1")


def test_an_order_that_crosses_the_spread_fills_at_once(engine: Engine, maker: MarketMaker) -> None:
    run(maker, 5)
    assert place(engine, "ann", Side.BUY, "54200", "0.01").status is OrderStatus.FILLED
    assert place(engine, "ann", Side.SELL, "53700", "0.01").status is OrderStatus.FILLED


def test_an_order_that_rests_near_the_market_gets_filled(
    engine: Engine, maker: MarketMaker
) -> None:
    best = engine.books["BTCUSDT"].bids.best()
    assert best is not None
    order = place(engine, "ann", Side.BUY, str(best.price), "0.01")
    assert order.status is OrderStatus.NEW
    run(maker, 300)
    assert engine.open_orders("ann") == []
    assert engine.ledger.balance("ann", "BTC").total > ANN.balances["BTC"]


def test_it_finds_back_when_a_client_drove_the_price_away(
    engine: Engine, maker: MarketMaker
) -> None:
    while best := engine.books["XRPTRY"].asks.best():
        place(engine, "ann", Side.BUY, str(best.price), str(best.quantity), "XRPTRY")
    place(engine, "ann", Side.BUY, "40", "1000", "XRPTRY")
    run(maker, 5)
    assert max(trade.price for trade in engine.tapes["XRPTRY"].trades) == 40
    run(maker, 150)
    assert 4 < engine.tapes["XRPTRY"].last < 5
    assert len(engine.books["XRPTRY"].bids.levels(20)) >= 10


@pytest.mark.parametrize(
    "closed",
    [
        replace(BTCUSDT, enabled=False),
        replace(BTCUSDT, order_enabled=False),
        replace(BTCUSDT, cancel_enabled=False),
    ],
)
def test_a_market_that_does_not_take_or_give_back_orders_is_left_alone(closed: Market) -> None:
    engine = build_engine(*HOUSE, markets=default_markets() | {"BTCUSDT": closed})
    maker = MarketMaker(engine, Random(7))
    maker.open(NOW)
    run(maker, 20)
    assert engine.books["BTCUSDT"].bids.best() is None
    assert engine.books["ETHUSDT"].bids.best() is not None


def test_without_any_market_it_rests() -> None:
    engine = build_engine(*HOUSE, markets={})
    maker = MarketMaker(engine, Random(7))
    maker.open(NOW)
    run(maker, 1)
    assert engine.take_events() == []


def test_orders_may_be_limit_orders_only_and_the_smallest_quantity_a_large_one() -> None:
    market = replace(
        coarse(30_000, 6), quantity_precision=3, min_quantity=Decimal(5), market_orders=False
    )
    book, tape = traded(market)
    assert len(book.asks.levels(20)) >= 10
    assert tape.trades


@pytest.mark.parametrize("min_total", ["0", "0.00000001", "10", "1000000"])
def test_every_market_gets_levels_on_both_sides_and_trades_whatever_its_smallest_total(
    min_total: str,
) -> None:
    everywhere = {
        symbol: replace(market, min_total=Decimal(min_total))
        for symbol, market in default_markets().items()
    }
    engine = build_engine(*HOUSE, markets=everywhere)
    maker = MarketMaker(engine, Random(7))
    maker.open(NOW)
    run(maker, 100)
    for symbol, book in engine.books.items():
        assert len(book.bids.levels(20)) >= 10, symbol
        assert len(book.asks.levels(20)) >= 10, symbol
        assert engine.tapes[symbol].trades, symbol


@pytest.mark.parametrize("ticks", [1, 2, 5, 12, 13, 24])
def test_a_price_of_few_ticks_has_the_bids_that_there_is_room_for_and_stays_where_it_is(
    ticks: int,
) -> None:
    market = coarse(ticks, 0)
    book, tape = traded(market)
    assert len(book.bids.levels(20)) >= min(12, ticks) // 2 - 1
    assert tape.trades
    assert ticks / 2 < tape.last <= ticks + 1


@given(
    st.integers(1, 10**20 - 1),
    st.integers(0, 8),
    st.integers(0, 8),
    st.integers(0, 10**20 - 1),
)
def test_it_goes_on_whatever_the_rules_of_a_market(
    ticks: int, price_precision: int, quantity_precision: int, min_total: int
) -> None:
    opening = min(Decimal(ticks).scaleb(-price_precision), Decimal(10) ** 12 - 1)
    market = replace(
        coarse(1, price_precision),
        opening_price=opening,
        quantity_precision=quantity_precision,
        min_quantity=Decimal(1).scaleb(-quantity_precision),
        min_total=Decimal(min_total).scaleb(-8),
    )
    traded(market, times=3)


def coarse(ticks: int, precision: int) -> Market:
    """A market of ETH in BTC that opens at so many ticks."""
    return Market(
        base="ETH",
        quote="BTC",
        name="Ethereum",
        opening_price=Decimal(ticks).scaleb(-precision),
        price_precision=precision,
        quantity_precision=5,
        min_quantity=Decimal("0.00001"),
        min_total=Decimal("0.0001"),
    )


def traded(market: Market, times: int = 200) -> tuple[Book, Tape]:
    """The book and the tape of a market after so many ticks in it alone."""
    engine = build_engine(*HOUSE, markets={market.symbol: market})
    maker = MarketMaker(engine, Random(7))
    maker.open(NOW)
    run(maker, times)
    return engine.books[market.symbol], engine.tapes[market.symbol]


def test_the_same_seed_trades_the_same() -> None:
    def events(seed: int) -> list[Event]:
        engine = build_engine(*HOUSE)
        maker = MarketMaker(engine, Random(seed))
        maker.open(NOW)
        run(maker, 20)
        return engine.take_events()

    assert events(1) == events(1)
    assert events(1) != events(2)
