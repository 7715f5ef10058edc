"""Read your writes: what is read of a market after an order went out is not from before it."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.domain.errors import NotSent, SourceUnavailable
from gateway.domain.market import DataSource, MarketKey, MarketKind, MarketValue
from gateway.domain.streams import Broken, Started, Topic, TopicKind, Update, Withheld
from gateway.services.loops import kept_up
from gateway.services.market_memory import MarketMemory
from tests.unit.services.examples import (
    BOOK,
    BTC,
    CANDLES,
    ETH,
    HARD_MS,
    SOFT_MS,
    TICKER,
    TOP,
    TRADES,
    Clock,
    book,
    history,
    lifetime,
    listing,
    series,
    ticker,
    top,
    turns,
    until,
)
from tests.unit.services.test_market_data import Desk, desk_of, shared_cache
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

TOP_TOPIC = Topic(TopicKind.TOP_OF_BOOK, BTC)
RULES = MarketKey(MarketKind.RULES, BTC)
LISTING = MarketKey(MarketKind.LISTING)
ETH_TOP = MarketKey(MarketKind.TOP_OF_BOOK, ETH)
AWAY = NotSent("market/orderbook", "connect")
VALUES: dict[MarketKey, MarketValue] = {
    TICKER: ticker(),
    TOP: top(),
    BOOK: book(),
    TRADES: history(1),
    CANDLES: series(1),
    replace(CANDLES, start=60_000): series(1),
}


def memory_of(clock: Clock) -> MarketMemory:
    return MarketMemory(lifetime=lifetime, now=clock, capacity=100)


@pytest.mark.parametrize("key", VALUES)
def test_prices_are_outdated_until_an_answer_that_was_asked_for_later(key: MarketKey) -> None:
    clock = Clock()
    memory = memory_of(clock)
    memory.offer(key, VALUES[key], begun=memory.mark(), source=DataSource.REST)
    asked_before = memory.mark()
    memory.outdate(BTC)
    assert memory.is_outdated(key)
    memory.offer(key, VALUES[key], begun=asked_before, source=DataSource.REST)
    assert memory.is_outdated(key)
    clock.now += SOFT_MS
    memory.recall(key, VALUES[key], clock.now)
    assert memory.is_outdated(key)
    memory.offer(key, VALUES[key], begun=memory.mark(), source=DataSource.REST)
    assert not memory.is_outdated(key)


@pytest.mark.parametrize("key", [RULES, LISTING, ETH_TOP, replace(BOOK, symbol=ETH)])
def test_rules_listings_and_other_markets_are_not_moved_by_an_order(key: MarketKey) -> None:
    memory = memory_of(Clock())
    memory.outdate(BTC)
    assert not memory.is_outdated(key)


def test_a_live_topic_makes_nothing_current_before_it_tells_something() -> None:
    memory = memory_of(Clock())
    memory.started(TOP_TOPIC)
    memory.receive(Update(TOP_TOPIC, top(1), 1))
    memory.outdate(BTC)
    assert memory.is_whole(TOP)
    assert memory.is_outdated(TOP)
    memory.withheld(TOP_TOPIC, BTC)
    assert memory.is_outdated(TOP)
    memory.receive(Update(TOP_TOPIC, top(2), 1))
    assert not memory.is_outdated(TOP)


async def test_after_an_order_a_read_waits_for_an_answer_though_a_live_topic_told_nothing() -> None:
    desk = desk_of()
    desk.market_data.receive(Started(TOP_TOPIC, 1))
    desk.market_data.receive(Update(TOP_TOPIC, top(1), desk.clock.now))
    desk.exchange.answers[f"top {BTC}"] = top(2)
    desk.market_data.outdate(BTC)
    read = await desk.market_data.read(TOP)
    assert (read.value, read.stale) == (top(2), False)
    desk.clock.now += 10 * HARD_MS
    assert await desk.market_data.read(TOP) is read
    assert desk.exchange.asked == [f"top {BTC}"]


async def test_after_an_order_what_the_topic_told_since_is_read_without_a_request() -> None:
    desk = desk_of()
    desk.market_data.receive(Started(TOP_TOPIC, 1))
    desk.market_data.outdate(BTC)
    desk.market_data.receive(Update(TOP_TOPIC, top(2), desk.clock.now))
    assert (await desk.market_data.read(TOP)).value == top(2)
    assert desk.exchange.asked == []


async def test_after_an_order_no_answer_is_read_that_was_asked_for_before_it() -> None:
    desk = desk_of()
    desk.exchange.hold()
    early = asyncio.create_task(desk.market_data.read(TOP))
    await turns()
    desk.exchange.answers[f"top {BTC}"] = top(2)
    desk.market_data.outdate(BTC)
    late = [asyncio.create_task(desk.market_data.read(TOP)) for _ in range(10)]
    await turns()
    desk.exchange.release()
    assert (await early).value == top(1)
    assert {(await read).value for read in late} == {top(2)}
    assert desk.exchange.asked == [f"top {BTC}"] * 2


async def test_after_an_order_the_last_value_is_stale_while_the_exchange_is_away() -> None:
    desk = desk_of()
    await desk.market_data.read(TOP)
    desk.market_data.outdate(BTC)
    desk.exchange.answers[f"top {BTC}"] = AWAY
    for _ in range(3):
        shown = await desk.market_data.read(TOP)
        assert (shown.value, shown.stale) == (top(1), True)
    assert desk.exchange.asked == [f"top {BTC}"] * 2
    desk.clock.now += HARD_MS + 1
    with pytest.raises(SourceUnavailable):
        await desk.market_data.read(TOP)


async def test_after_an_order_nothing_is_recalled_that_another_replica_wrote(
    valkey: ValkeyServer,
) -> None:
    clock = Clock()
    async with shared_cache(valkey) as cache:
        one, other = desk_of(cache, clock), desk_of(cache, clock)
        async with kept_up({"one": one.market_data.run}):
            await one.market_data.read(TOP)
            await until(lambda: b":top_of_book" in valkey.command("KEYS", "ngw:1:market:top*"))
        other.exchange.answers[f"top {BTC}"] = top(2)
        other.market_data.outdate(BTC)
        assert (await other.market_data.read(TOP)).value == top(2)


async def test_after_orders_in_many_markets_their_tickers_come_with_one_request() -> None:
    desk = desk_of()
    desk.exchange.answers["markets"] = (listing(BTC, ETH), (ticker(1, BTC), ticker(2, ETH)))
    await desk.market_data.every_ticker([BTC, ETH])
    desk.exchange.answers["markets"] = (listing(BTC, ETH), (ticker(3, BTC), ticker(4, ETH)))
    for symbol in (BTC, ETH):
        desk.market_data.outdate(symbol)
    await desk.market_data.every_ticker([BTC, ETH])
    read = await desk.market_data.read(TICKER)
    assert (read.value, read.stale) == (ticker(3), False)
    assert desk.exchange.asked == ["markets"] * 2


async def test_orders_are_still_measured_against_what_is_fresh() -> None:
    """A check of the price must not be left out because an order went out just before."""
    desk = desk_of()
    read = await desk.market_data.read(TOP)
    desk.market_data.outdate(BTC)
    assert desk.market_data.fresh(TOP) is read
    assert desk.market_data.current(TOP) is None


class Market:
    """A top of book that counts its changes; some are orders that went out from here."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.version = self.ordered = 1
        self.live = False

    def change(self) -> None:
        self.version += 1
        self.desk.exchange.answers[f"top {BTC}"] = top(self.version)

    def tell(self) -> None:
        if self.live:
            frame = Update(TOP_TOPIC, top(self.version), self.desk.clock.now)
            self.desk.market_data.receive(frame)

    def act(self, step: str) -> None:
        market_data = self.desk.market_data
        match step:
            case "order":
                self.change()
                market_data.outdate(BTC)
                self.ordered = self.version
            case "move":
                self.change()
                self.tell()
            case "late frame":
                self.tell()
            case "withheld":
                market_data.receive(Withheld(TOP_TOPIC, BTC))
            case "start":
                self.live = True
                market_data.receive(Started(TOP_TOPIC, 1))
            case "cut":
                self.live = False
                market_data.receive(Broken(self.desk.clock.now, "cut"))
            case "age":
                self.desk.clock.now += SOFT_MS
            case "hold":
                self.desk.exchange.hold()
            case "release":
                self.desk.exchange.release()

    async def read(self, at_least: int) -> None:
        value = (await self.desk.market_data.read(TOP)).value
        assert value.bid.price >= at_least


STEPS = ["order", "move", "late frame", "withheld", "start", "cut", "age", "hold", "release"]


@given(st.lists(st.sampled_from([*STEPS, "read", "read", "turn"]), max_size=40))
@settings(max_examples=200)
async def test_whatever_happens_a_read_shows_every_order_before_it(steps: list[str]) -> None:
    market = Market(desk_of())
    reads = []
    for step in steps:
        if step == "read":
            reads.append(asyncio.create_task(market.read(at_least=market.ordered)))
        elif step == "turn":
            await turns()
        else:
            market.act(step)
    await turns()
    market.desk.exchange.release()
    await asyncio.gather(*reads)
