import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import pytest

from gateway.domain.errors import NotSent, RateLimited, SourceUnavailable
from gateway.domain.market import CandleInterval, CandleUpdate, DataSource, Snapshot
from gateway.domain.streams import Gap, Topic, TopicKind
from gateway.services.market_data import MarketData
from gateway.services.market_memory import key_of
from gateway.services.streams import ALL_TICKERS, StreamHub
from tests.unit.services.examples import (
    BTC,
    ETH,
    Clock,
    StandInExchange,
    StandInFeed,
    book,
    candle,
    history,
    listing,
    series,
    ticker,
    top,
    trade,
    turns,
    until,
)
from tests.unit.services.governing import StandInRates
from tests.unit.services.test_market_data import desk_of as market_desk

pytestmark = pytest.mark.anyio

TOP_TOPIC = Topic(TopicKind.TOP_OF_BOOK, BTC)
TRADES_TOPIC = Topic(TopicKind.TRADES, BTC)
CANDLES_TOPIC = Topic(TopicKind.CANDLES, BTC, CandleInterval.M1)


@dataclass
class Desk:
    hub: StreamHub
    feed: StandInFeed
    exchange: StandInExchange
    market_data: MarketData
    clock: Clock
    rates: StandInRates


@asynccontextmanager
async def desk_of(
    *,
    linger_s: float = 60,
    queue_size: int = 100,
    start_within_s: float = 0,
    mend_after_s: float = 5,
) -> AsyncIterator[Desk]:
    market, feed = market_desk(), StandInFeed()
    hub = StreamHub(
        feed=feed.feed,
        market_data=market.market_data,
        queue_size=queue_size,
        linger_s=linger_s,
        now=market.clock,
        start_within_s=start_within_s,
        mend_after_s=mend_after_s,
    )
    feed.receive = hub.receive
    try:
        yield Desk(hub, feed, market.exchange, market.market_data, market.clock, market.rates)
    finally:
        await hub.aclose()
        await turns()


class Listener:
    """Reads a stream in a task of its own."""

    def __init__(self, stream: AsyncIterator[Any]) -> None:
        self.heard: list[Any] = []
        self.task = asyncio.create_task(self._listen(stream))

    async def _listen(self, stream: AsyncIterator[Any]) -> None:
        async with aclosing(cast("Any", stream)) as events:
            async for event in events:
                self.heard.append(event)

    async def has(self, *events: object) -> None:
        await until(lambda: len(self.heard) >= len(events) or self.task.done())
        assert self.heard == list(events)

    async def values(self, *values: object) -> None:
        """As `has`, of the snapshots' values and staleness: a stale one as (value, "stale")."""
        await until(lambda: len(self.heard) >= len(values) or self.task.done())
        told = [(each.value, "stale") if each.stale else each.value for each in self.heard]
        assert told == list(values)

    async def leave(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def test_a_subscriber_gets_a_snapshot_first_and_then_each_frame() -> None:
    async with desk_of() as desk:
        listener = Listener(desk.hub.top_of_book(BTC))
        await listener.has(Snapshot(top(1), desk.clock.now, DataSource.REST, stale=True))
        assert desk.feed.wanted == [TOP_TOPIC]
        desk.feed.start(TOP_TOPIC)
        await until(lambda: len(listener.heard) == 2)
        desk.feed.tell(TOP_TOPIC, top(2), time=5)
        await until(lambda: len(listener.heard) == 3)
        assert listener.heard[2] == Snapshot(top(2), 5, DataSource.STREAM)
        await listener.leave()


async def test_a_topic_that_starts_in_time_begins_with_a_fresh_snapshot() -> None:
    async with desk_of(start_within_s=20) as desk:
        listener = Listener(desk.hub.top_of_book(BTC))
        await until(lambda: desk.feed.wanted == [TOP_TOPIC] and bool(desk.exchange.asked))
        assert listener.heard == []
        desk.feed.start(TOP_TOPIC)
        await until(lambda: bool(listener.heard))
        desk.feed.tell(TOP_TOPIC, top(2))
        await until(lambda: listener.heard[-1].value == top(2))
        assert not any(snapshot.stale for snapshot in listener.heard)
        await listener.leave()


async def test_a_break_is_shown_as_stale_at_once_and_a_start_brings_a_fresh_snapshot() -> None:
    async with desk_of() as desk:
        listener = Listener(desk.hub.top_of_book(BTC))
        await listener.values((top(1), "stale"))
        desk.feed.start(TOP_TOPIC)
        await listener.values((top(1), "stale"), top(1))
        desk.feed.tell(TOP_TOPIC, top(2))
        await listener.values((top(1), "stale"), top(1), top(2))
        listener.heard.clear()
        desk.feed.cut()
        await listener.values((top(2), "stale"))
        desk.exchange.answers[f"top {BTC}"] = top(3)
        desk.feed.start(TOP_TOPIC)
        await listener.values((top(2), "stale"), top(3))
        await listener.leave()


async def test_a_snapshot_is_fetched_again_until_it_comes() -> None:
    async with desk_of() as desk:
        listener = Listener(desk.hub.top_of_book(BTC))
        await listener.values((top(1), "stale"))
        desk.exchange.answers[f"top {BTC}"] = NotSent("market/orderbook", "connect")
        desk.feed.start(TOP_TOPIC)
        await until(lambda: len(desk.exchange.asked) == 2)
        desk.exchange.answers[f"top {BTC}"] = top(2)
        await listener.values((top(1), "stale"), top(2))
        await listener.leave()


async def test_snapshots_that_many_wait_for_come_no_faster_than_markets_may_be_read() -> None:
    async with desk_of() as desk:
        listener = Listener(desk.hub.top_of_book(BTC))
        await listener.values((top(1), "stale"))
        desk.rates.refusals["market read"] = RateLimited("reads of markets", 0.25)
        desk.exchange.answers[f"top {BTC}"] = top(2)
        asked = len(desk.exchange.asked)
        desk.feed.start(TOP_TOPIC)
        await turns()
        assert len(desk.exchange.asked) == asked
        desk.rates.refusals.clear()
        await listener.values((top(1), "stale"), top(2))
        await listener.leave()


async def test_a_snapshot_is_not_fetched_for_a_topic_that_broke() -> None:
    async with desk_of() as desk:
        listener = Listener(desk.hub.top_of_book(BTC))
        await listener.values((top(1), "stale"))
        desk.exchange.answers[f"top {BTC}"] = NotSent("market/orderbook", "connect")
        desk.feed.start(TOP_TOPIC)
        await until(lambda: len(desk.exchange.asked) == 2)
        desk.feed.cut()
        await asyncio.sleep(0.6)
        assert len(desk.exchange.asked) == 2
        await listener.leave()


async def test_a_withheld_frame_is_shown_as_stale_at_once_and_the_next_frame_mends_it() -> None:
    async with desk_of() as desk:
        listener = Listener(desk.hub.top_of_book(BTC))
        await listener.values((top(1), "stale"))
        desk.feed.start(TOP_TOPIC)
        await listener.values((top(1), "stale"), top(1))
        desk.feed.withhold(TOP_TOPIC, BTC)
        await listener.values((top(1), "stale"), top(1), (top(1), "stale"))
        desk.feed.tell(TOP_TOPIC, top(2))
        await listener.values((top(1), "stale"), top(1), (top(1), "stale"), top(2))
        await listener.leave()


async def test_withheld_frames_are_mended_by_one_answer_of_the_exchange() -> None:
    async with desk_of(mend_after_s=0.01) as desk:
        listener = Listener(desk.hub.top_of_book(BTC))
        await listener.values((top(1), "stale"))
        desk.feed.start(TOP_TOPIC)
        await listener.values((top(1), "stale"), top(1))
        listener.heard.clear()
        asked = len(desk.exchange.asked)
        desk.exchange.answers[f"top {BTC}"] = top(2)
        for _ in range(5):
            desk.feed.withhold(TOP_TOPIC, BTC)
        await listener.values((top(1), "stale"), top(2))
        assert len(desk.exchange.asked) == asked + 1
        await listener.leave()


async def test_a_slow_reader_gets_the_latest_of_each_market() -> None:
    async with desk_of() as desk:
        markets = (listing(BTC, ETH), (ticker(0, BTC), ticker(0, ETH)))
        desk.exchange.answers["markets"] = markets
        desk.hub.start()
        stream = desk.hub.tickers([BTC, ETH])
        assert (await anext(stream)).value == ticker(0, BTC)
        desk.feed.start(ALL_TICKERS)
        for last in range(1, 500):
            desk.feed.tell(ALL_TICKERS, ticker(last, BTC))
        desk.feed.tell(ALL_TICKERS, ticker(7, ETH))
        desk.feed.tell(ALL_TICKERS, ticker(7, "OTHERUSDT"))
        rest = [(await anext(stream)).value for _ in range(3)]
        assert rest == [ticker(7, ETH), ticker(499, BTC), ticker(7, ETH)]
        await cast("Any", stream).aclose()


async def test_tickers_are_asked_for_as_long_as_the_hub_lives() -> None:
    async with desk_of(linger_s=0.01) as desk:
        desk.exchange.answers["markets"] = (listing(BTC), (ticker(1),))
        desk.exchange.answers[f"ticker {BTC}"] = ticker(1)
        desk.hub.start()
        listener = Listener(desk.hub.tickers([BTC]))
        await listener.values((ticker(1), "stale"))
        await listener.leave()
        await asyncio.sleep(0.05)
        assert desk.feed.wanted == [ALL_TICKERS]


async def test_candles_tell_the_open_candle_and_survive_a_series_that_cannot_grow() -> None:
    async with desk_of() as desk:
        desk.exchange.answers[f"candles {BTC}"] = series(1, 2)
        listener = Listener(desk.hub.candles(BTC, CandleInterval.M1))

        def update(minute: int) -> CandleUpdate:
            return CandleUpdate(BTC, CandleInterval.M1, candle(minute))

        await listener.values((update(2), "stale"))
        desk.feed.start(CANDLES_TOPIC)
        await listener.values((update(2), "stale"), update(2))
        desk.feed.tell(CANDLES_TOPIC, update(3))
        await listener.values((update(2), "stale"), update(2), update(3))
        desk.feed.tell(CANDLES_TOPIC, update(9))
        await listener.values((update(2), "stale"), update(2), update(3), update(9))
        await listener.leave()


async def test_a_candle_never_goes_back_to_an_answer_that_was_begun_before_it() -> None:
    async with desk_of() as desk:
        desk.exchange.answers[f"candles {BTC}"] = series(1, 2)
        listener = Listener(desk.hub.candles(BTC, CandleInterval.M1))
        await until(lambda: listener.heard)
        listener.heard.clear()
        desk.exchange.hold()
        desk.feed.start(CANDLES_TOPIC)
        await until(lambda: desk.exchange.waiting)
        told = CandleUpdate(BTC, CandleInterval.M1, candle(9))
        desk.feed.tell(CANDLES_TOPIC, told)
        await listener.values(told)
        desk.exchange.answers[f"candles {BTC}"] = series(8, 9, close=7)
        asked = len(desk.exchange.asked)
        desk.exchange.release()
        await until(lambda: len(desk.exchange.asked) == asked + 1)
        await listener.values(told, CandleUpdate(BTC, CandleInterval.M1, candle(9, close=7)))
        await listener.leave()


async def test_a_busy_market_is_asked_for_once() -> None:
    async with desk_of() as desk:
        desk.exchange.answers[f"trades {BTC}"] = history(1, 2)
        listener = Listener(desk.hub.trades(BTC))
        await until(lambda: desk.feed.wanted)
        desk.exchange.hold()
        desk.feed.start(TRADES_TOPIC)
        await until(lambda: desk.exchange.waiting)
        desk.feed.tell(TRADES_TOPIC, trade(3))
        desk.exchange.release()
        await listener.has(trade(1), trade(2), trade(3))
        desk.feed.tell(TRADES_TOPIC, trade(4))
        asked = len(desk.exchange.asked)
        desk.clock.now += 1_500
        read = await desk.market_data.read(key_of(TRADES_TOPIC))
        assert read.value == history(1, 2, 3, 4)
        assert len(desk.exchange.asked) == asked
        await listener.leave()


async def test_trades_start_with_the_history_and_none_is_told_twice() -> None:
    async with desk_of() as desk:
        desk.exchange.answers[f"trades {BTC}"] = history(1)
        listener = Listener(desk.hub.trades(BTC))
        await until(lambda: desk.feed.wanted)
        desk.exchange.answers[f"trades {BTC}"] = history(1, 2)
        desk.exchange.hold()
        desk.feed.start(TRADES_TOPIC)
        await until(lambda: desk.exchange.waiting)
        for number in (2, 3):
            desk.feed.tell(TRADES_TOPIC, trade(number))
        desk.exchange.release()
        await listener.has(trade(1), trade(2), trade(3))
        desk.feed.tell(TRADES_TOPIC, trade(4))
        late = Listener(desk.hub.trades(BTC))
        await late.has(trade(1), trade(2), trade(3), trade(4))
        await listener.has(trade(1), trade(2), trade(3), trade(4))
        await listener.leave()
        await late.leave()


async def test_trades_after_a_break_are_a_gap_and_then_a_fresh_history() -> None:
    """The history asked for before the break does not stand for what came after it."""
    async with desk_of() as desk:
        desk.exchange.answers[f"trades {BTC}"] = history(1)
        listener = Listener(desk.hub.trades(BTC))
        await until(lambda: desk.feed.wanted)
        desk.feed.start(TRADES_TOPIC)
        await listener.has(trade(1))
        desk.exchange.hold()
        desk.feed.cut(since=7)
        desk.feed.start(TRADES_TOPIC)
        await until(lambda: desk.exchange.waiting == 1)
        desk.feed.cut(since=8)
        desk.exchange.answers[f"trades {BTC}"] = history(1, 2, 3)
        desk.feed.start(TRADES_TOPIC)
        desk.feed.tell(TRADES_TOPIC, trade(4))
        await until(lambda: desk.exchange.asked.count(f"trades {BTC}") == 4)
        desk.exchange.release()
        gaps = (Gap(7, "cut"), Gap(8, "cut"))
        await listener.has(trade(1), *gaps, trade(1), trade(2), trade(3), trade(4))
        await listener.leave()


async def test_trades_with_the_exchange_away_are_an_error_and_nothing_is_wanted() -> None:
    async with desk_of() as desk:
        desk.exchange.answers[f"trades {BTC}"] = NotSent("market/trades", "connect")
        with pytest.raises(SourceUnavailable):
            await anext(desk.hub.trades(BTC))
        assert desk.feed.wanted == []


async def test_the_last_subscriber_ends_the_topic_after_the_linger_and_it_is_not_live() -> None:
    async with desk_of(linger_s=0.01) as desk:
        first, second = (Listener(desk.hub.top_of_book(BTC)) for _ in range(2))
        await until(lambda: first.heard and second.heard)
        desk.feed.start(TOP_TOPIC)
        await first.leave()
        await asyncio.sleep(0.05)
        assert desk.feed.wanted == [TOP_TOPIC]
        await second.leave()
        await until(lambda: not desk.feed.wanted)
        assert not desk.market_data.is_live(TOP_TOPIC)


async def test_who_comes_back_within_the_linger_finds_the_topic_live() -> None:
    async with desk_of(linger_s=0.05) as desk:
        first = Listener(desk.hub.top_of_book(BTC))
        await until(lambda: first.heard)
        desk.feed.start(TOP_TOPIC)
        await until(lambda: len(first.heard) == 2)
        await first.leave()
        second = Listener(desk.hub.top_of_book(BTC))
        await until(lambda: second.heard)
        await asyncio.sleep(0.1)
        assert desk.feed.wanted == [TOP_TOPIC]
        assert desk.market_data.is_live(TOP_TOPIC)
        await second.leave()


async def test_a_reader_who_never_reads_trades_holds_no_other_up() -> None:
    async with desk_of(queue_size=3) as desk:
        desk.exchange.answers[f"trades {BTC}"] = history(1)
        deaf, quick = desk.hub.trades(BTC), Listener(desk.hub.trades(BTC))
        first = asyncio.ensure_future(anext(deaf))
        await until(lambda: desk.feed.wanted)
        desk.feed.start(TRADES_TOPIC)
        assert await first == trade(1)
        for number in range(2, 8):
            desk.feed.tell(TRADES_TOPIC, trade(number))
            await turns()
        await quick.has(*(trade(number) for number in range(1, 8)))
        with pytest.raises(Exception, match="slow subscriber"):
            await anext(deaf)
        await quick.leave()


async def test_closing_leaves_no_task() -> None:
    before = asyncio.all_tasks()
    async with desk_of() as desk:
        listener = Listener(desk.hub.order_book(BTC))
        desk.exchange.answers[f"book {BTC}"] = book()
        await until(lambda: desk.feed.wanted)
        desk.exchange.hold()
        desk.feed.start(Topic(TopicKind.ORDER_BOOK, BTC))
        await turns()
        await listener.leave()
        desk.exchange.release()
    await turns(50)
    assert asyncio.all_tasks() == before


class Told:
    """What a follower of topics was told."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def __call__(self, _topic: Topic, told: Any) -> None:  # noqa: ANN401 - as many as topics
        self.heard.append(told)


async def test_a_follower_is_told_each_frame_and_nothing_from_before() -> None:
    async with desk_of() as desk:
        desk.feed.start(TRADES_TOPIC)
        desk.feed.tell(TRADES_TOPIC, trade(1))
        told = Told()
        desk.hub.follow(TRADES_TOPIC, told)
        assert await desk.hub.is_told(TRADES_TOPIC)
        desk.feed.tell(TRADES_TOPIC, trade(2))
        desk.feed.tell(TRADES_TOPIC, trade(2))
        assert told.heard == [trade(2), trade(2)]
        desk.hub.unfollow(TRADES_TOPIC, told)
        desk.feed.tell(TRADES_TOPIC, trade(3))
        assert told.heard == [trade(2), trade(2)]


async def test_a_topic_that_does_not_start_is_not_told() -> None:
    async with desk_of() as desk:
        desk.hub.follow(TRADES_TOPIC, Told())
        assert not await desk.hub.is_told(TRADES_TOPIC)


async def test_a_followed_topic_is_wanted_until_a_while_after_its_last_follower_left() -> None:
    async with desk_of(linger_s=0) as desk:
        one, other = Told(), Told()
        for told in (one, other):
            desk.hub.follow(TOP_TOPIC, told)
        desk.hub.unfollow(TOP_TOPIC, one)
        await turns()
        assert desk.feed.wanted == [TOP_TOPIC]
        desk.hub.unfollow(TOP_TOPIC, other)
        await until(lambda: desk.feed.wanted == [])


async def test_however_often_a_topic_is_left_nothing_piles_up_until_the_linger_is_over() -> None:
    async with desk_of() as desk:
        told, before = Told(), asyncio.all_tasks()
        for _ in range(100):
            desk.hub.follow(TOP_TOPIC, told)
            desk.hub.unfollow(TOP_TOPIC, told)
        assert asyncio.all_tasks() == before
        assert desk.feed.wanted == [TOP_TOPIC]


async def test_a_follower_of_a_break_is_told_the_gap_and_then_what_stands() -> None:
    async with desk_of() as desk:
        told, of_trades = Told(), Told()
        for topic, follower in ((TOP_TOPIC, told), (TRADES_TOPIC, of_trades)):
            desk.hub.follow(topic, follower)
            desk.feed.start(topic)
        await turns()
        assert desk.exchange.asked == []
        desk.feed.cut(since=7)
        assert told.heard == of_trades.heard == [Gap(7, "cut")]
        desk.exchange.answers[f"top {BTC}"] = top(3)
        desk.feed.start(TOP_TOPIC)
        desk.feed.start(TRADES_TOPIC)
        await until(lambda: len(told.heard) == 2)
        assert told.heard[1] == top(3)
        await turns()
        assert len(of_trades.heard) == 1


async def test_a_follower_is_told_what_a_frame_without_meaning_left_out() -> None:
    async with desk_of() as desk:
        told = Told()
        desk.hub.follow(TOP_TOPIC, told)
        desk.feed.start(TOP_TOPIC)
        desk.feed.tell(TOP_TOPIC, top(1))
        desk.exchange.answers[f"top {BTC}"] = top(2)
        desk.feed.withhold(TOP_TOPIC, BTC)
        await until(lambda: len(told.heard) == 2)
        assert told.heard == [top(1), top(2)]


async def test_a_frame_that_comes_makes_up_for_one_without_meaning() -> None:
    async with desk_of(mend_after_s=0) as desk:
        told = Told()
        desk.hub.follow(TOP_TOPIC, told)
        desk.feed.start(TOP_TOPIC)
        await turns()
        desk.feed.withhold(TOP_TOPIC, BTC)
        desk.feed.tell(TOP_TOPIC, top(2))
        await turns()
        assert told.heard == [top(2)]
        assert desk.exchange.asked == []
