import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

import pytest

from gateway.domain.errors import (
    BadUserInput,
    NotSent,
    RateLimited,
    Refused,
    SourceUnavailable,
    Unclear,
    UnknownSymbol,
)
from gateway.domain.market import CandleInterval, DataSource, MarketKey, MarketKind, Snapshot
from gateway.domain.streams import Broken, Started, Topic, TopicKind, Update
from gateway.exchange import BACKING_OFF
from gateway.metrics import Metrics
from gateway.services.candle_ranges import MAX_CANDLES
from gateway.services.loops import kept_up
from gateway.services.market_data import LISTING, MarketData, MarketView
from gateway.services.market_memory import MarketMemory
from gateway.store.breaker import Breaker
from gateway.store.market_cache import MarketCache
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
    StandInExchange,
    book,
    history,
    lifetime,
    listing,
    open_patient,
    series,
    ticker,
    top,
    turns,
    until,
)
from tests.unit.services.governing import StandInRates
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

AWAY = NotSent("market/orderbook", "connect")
TOP_TOPIC = Topic(TopicKind.TOP_OF_BOOK, BTC)


class NoCache:
    """A shared cache that is empty, takes nothing, and never fails."""

    async def read(self, keys: list[MarketKey]) -> list[None]:
        return [None] * len(keys)

    async def write(self, _entries: object) -> int:
        return 0

    async def next_epoch(self) -> int:
        return 1


@dataclass
class Desk:
    """Market data over a stand-in exchange, and its clock."""

    market_data: MarketData
    exchange: StandInExchange
    clock: Clock
    metrics: Metrics
    rates: StandInRates

    def reads(self, layer: str, kind: MarketKind = MarketKind.TOP_OF_BOOK) -> float:
        labels = {"kind": kind.value, "layer": layer}
        found = self.metrics.registry.get_sample_value("gateway_cache_reads_total", labels)
        return found or 0


def desk_of(cache: object | None = None, clock: Clock | None = None) -> Desk:
    clock = clock or Clock()
    exchange = StandInExchange({f"top {BTC}": top(1)})
    metrics, rates = Metrics(), StandInRates()
    market_data = MarketData(
        exchange=exchange.client,
        cache=cast("MarketCache", cache or NoCache()),
        memory=MarketMemory(lifetime=lifetime, now=clock, capacity=100),
        lifetime=lifetime,
        now=clock,
        rates=rates.rates,
        metrics=metrics,
    )
    return Desk(market_data, exchange, clock, metrics, rates)


@asynccontextmanager
async def shared_cache(valkey: ValkeyServer) -> AsyncIterator[MarketCache]:
    async with open_patient(valkey.url) as redis:
        yield MarketCache(
            redis,
            breaker=Breaker(failures=3, pause_s=1, clock=lambda: 0.0),
            count=lambda _: None,
            wall_ms=lambda: 1,
        )


async def test_readers_of_a_cold_key_at_once_make_one_request() -> None:
    desk = desk_of()
    desk.exchange.hold()
    readers = [asyncio.create_task(desk.market_data.read(TOP)) for _ in range(200)]
    await turns()
    desk.exchange.release()
    snapshots = await asyncio.gather(*readers)
    assert desk.exchange.asked == [f"top {BTC}"]
    assert set(map(id, snapshots)) == {id(desk.market_data.fresh(TOP))}
    assert desk.reads("exchange") == 1


async def test_a_fresh_value_is_answered_from_memory() -> None:
    desk = desk_of()
    first = await desk.market_data.read(TOP)
    desk.clock.now += SOFT_MS - 1
    assert await desk.market_data.read(TOP) is first
    assert (len(desk.exchange.asked), desk.reads("memory")) == (1, 1)


async def test_a_stale_value_is_answered_at_once_while_one_request_refreshes_it() -> None:
    desk = desk_of()
    await desk.market_data.read(TOP)
    desk.clock.now += SOFT_MS
    desk.exchange.answers[f"top {BTC}"] = top(2)
    desk.exchange.hold()
    for _ in range(10):
        shown = await desk.market_data.read(TOP)
        assert (shown.value, shown.stale) == (top(1), True)
    desk.exchange.release()
    await until(lambda: desk.market_data.fresh(TOP))
    assert (await desk.market_data.read(TOP)).value == top(2)
    assert len(desk.exchange.asked) == 2


async def test_who_is_patient_waits_for_one_request_and_gets_what_is_stale_only_without_it() -> (
    None
):
    desk = desk_of()
    await desk.market_data.read(TOP)
    desk.clock.now += SOFT_MS
    desk.exchange.answers[f"top {BTC}"] = top(2)
    found = await asyncio.gather(*(desk.market_data.read(TOP, patient=True) for _ in range(10)))
    assert {(each.value, each.stale) for each in found} == {(top(2), False)}
    assert len(desk.exchange.asked) == 2
    desk.clock.now += SOFT_MS
    desk.exchange.answers[f"top {BTC}"] = AWAY
    for _ in range(2):
        shown = await desk.market_data.read(TOP, patient=True)
        assert (shown.value, shown.stale) == (top(2), True)
    assert len(desk.exchange.asked) == 3


async def test_who_is_patient_waits_for_all_tickers_at_once() -> None:
    desk = desk_of()
    desk.exchange.answers["markets"] = (listing(BTC, ETH), (ticker(1, BTC), ticker(2, ETH)))
    view = MarketView(desk.market_data, desk.clock, patient=True)
    for price in (1, 3):
        desk.exchange.answers["markets"] = (listing(BTC, ETH), (ticker(price), ticker(2, ETH)))
        await view.prepare_tickers([BTC, ETH])
        shown = await view.ticker(BTC)
        assert (shown.value, shown.stale) == (ticker(price), False)
        desk.clock.now += SOFT_MS
    assert desk.exchange.asked == ["markets", "markets"]


@pytest.mark.parametrize(
    ("failure", "why"),
    [
        (AWAY, "the exchange is away"),
        (Unclear("market/orderbook", "timeout"), "the exchange is away"),
        (NotSent("market/orderbook", BACKING_OFF), "calls to the exchange are paused"),
    ],
)
async def test_while_the_exchange_is_away_the_last_is_shown_stale_and_then_nothing(
    failure: Exception, why: str
) -> None:
    desk = desk_of()
    await desk.market_data.read(TOP)
    desk.exchange.answers[f"top {BTC}"] = failure
    desk.clock.now += HARD_MS
    assert (await desk.market_data.read(TOP)).stale
    desk.clock.now += 1
    with pytest.raises(SourceUnavailable, match=f"{why} .* the top of book of BTCUSDT"):
        await desk.market_data.read(TOP)


async def test_a_failure_is_not_repeated_for_a_while_however_many_ask() -> None:
    desk = desk_of()
    desk.exchange.answers[f"top {BTC}"] = AWAY
    for _ in range(50):
        with pytest.raises(SourceUnavailable):
            await desk.market_data.read(TOP)
        await turns()
    assert len(desk.exchange.asked) == 1
    desk.clock.now += 500
    desk.exchange.answers[f"top {BTC}"] = top(1)
    assert (await desk.market_data.read(TOP)).value == top(1)


async def test_a_clock_that_is_set_back_makes_no_pause_after_a_failure_longer() -> None:
    desk = desk_of()
    desk.exchange.answers[f"top {BTC}"] = AWAY
    with pytest.raises(SourceUnavailable):
        await desk.market_data.read(TOP)
    desk.clock.now -= 60_000
    desk.exchange.answers[f"top {BTC}"] = top(1)
    assert (await desk.market_data.read(TOP)).value == top(1)


async def test_a_failure_that_is_raised_to_many_does_not_gather_their_frames() -> None:
    desk = desk_of()
    desk.exchange.answers[f"top {BTC}"] = Refused("e", "10001", "N", "no", "do not", retry=False)

    async def depth() -> int:
        with pytest.raises(Refused) as raised:
            await desk.market_data.read(TOP)
        return len(raised.traceback)

    await depth()
    await turns()
    assert await depth() == await depth()
    assert len(desk.exchange.asked) == 1


async def test_what_the_exchange_refused_is_told_as_it_is() -> None:
    desk = desk_of()
    desk.exchange.answers[f"top {BTC}"] = UnknownSymbol(BTC)
    with pytest.raises(UnknownSymbol):
        await desk.market_data.read(TOP)


async def test_a_caller_who_is_cancelled_leaves_the_others_their_answer() -> None:
    desk = desk_of()
    desk.exchange.hold()
    first, second = (asyncio.create_task(desk.market_data.read(TOP)) for _ in range(2))
    await turns()
    first.cancel()
    await turns()
    desk.exchange.release()
    assert (await second).value == top(1)


async def test_a_refetch_joins_no_request_that_was_begun_before() -> None:
    """The topic starts between the two: only the second includes what happened until then."""
    desk = desk_of()
    desk.exchange.hold()
    reading = asyncio.create_task(desk.market_data.read(TOP))
    await turns()
    desk.market_data.receive(Started(TOP_TOPIC, 1))
    desk.exchange.answers[f"top {BTC}"] = top(2)
    refetching = asyncio.create_task(desk.market_data.refetch(TOP))
    await turns()
    desk.exchange.release()
    await asyncio.gather(reading, refetching)
    desk.clock.now += 10 * HARD_MS
    live = desk.market_data.fresh(TOP)
    assert live is not None
    assert live.value == top(2)


async def test_a_subscribed_market_is_never_polled() -> None:
    desk = desk_of()
    desk.market_data.receive(Started(TOP_TOPIC, 1))
    told = desk.market_data.receive(Update(TOP_TOPIC, top(7), desk.clock.now))
    desk.clock.now += 100 * HARD_MS
    assert await desk.market_data.read(TOP) is told
    assert desk.exchange.asked == []
    assert desk.market_data.is_live(TOP_TOPIC)


async def test_all_tickers_come_with_one_request_and_then_from_memory() -> None:
    desk = desk_of()
    tickers = (ticker(1, BTC), ticker(2, ETH))
    desk.exchange.answers["markets"] = (listing(BTC, ETH), tickers)
    await asyncio.gather(*(desk.market_data.every_ticker([BTC, ETH]) for _ in range(20)))
    assert (await desk.market_data.read(TICKER)).value == ticker(1)
    assert desk.exchange.asked == ["markets"]
    assert set(desk.market_data.known_tickers()) == {TICKER, MarketKey(MarketKind.TICKER, ETH)}


async def test_stale_tickers_are_refreshed_behind_the_answer_with_one_request() -> None:
    desk = desk_of()
    desk.exchange.answers["markets"] = (listing(BTC, ETH), (ticker(1, BTC), ticker(2, ETH)))
    await desk.market_data.every_ticker([BTC, ETH])
    desk.clock.now += SOFT_MS
    await desk.market_data.every_ticker([BTC, ETH])
    for symbol in (BTC, ETH):
        await desk.market_data.read(MarketKey(MarketKind.TICKER, symbol))
    await until(lambda: desk.market_data.fresh(TICKER))
    assert desk.exchange.asked == ["markets", "markets"]


@pytest.mark.parametrize("known", [False, True])
async def test_while_the_exchange_is_away_tickers_are_not_asked_for_again_at_once(
    *, known: bool
) -> None:
    desk = desk_of()
    desk.exchange.answers["markets"] = (listing(BTC, ETH), (ticker(1, BTC), ticker(2, ETH)))
    if known:
        await desk.market_data.every_ticker([BTC, ETH])
    desk.exchange.answers["markets"] = AWAY
    desk.clock.now += SOFT_MS
    for _ in range(20):
        await desk.market_data.every_ticker([BTC, ETH])
        await turns()
    assert desk.exchange.asked.count("markets") == 1 + known
    assert not any(name.startswith("ticker") for name in desk.exchange.asked)


async def test_what_another_replica_wrote_is_recalled_instead_of_asked_for(
    valkey: ValkeyServer,
) -> None:
    clock = Clock()
    async with shared_cache(valkey) as cache:
        one, other = desk_of(cache, clock), desk_of(cache, clock)
        async with kept_up({"one": one.market_data.run}):
            read = await one.market_data.read(TOP)
            await until(lambda: b":top_of_book" in valkey.command("KEYS", "ngw:1:market:top*"))
        recalled = await other.market_data.read(TOP)
    assert recalled == Snapshot(read.value, read.as_of, DataSource.CACHE)
    assert other.exchange.asked == []
    assert other.reads("redis") == 1


async def test_what_is_recalled_past_its_hard_lifetime_is_not_shown(valkey: ValkeyServer) -> None:
    clock = Clock()
    async with shared_cache(valkey) as cache:
        one, other = desk_of(cache, clock), desk_of(cache, clock)
        async with kept_up({"one": one.market_data.run}):
            await one.market_data.read(TOP)
            await until(lambda: b":top_of_book" in valkey.command("KEYS", "ngw:1:market:top*"))
        clock.now += HARD_MS
        other.exchange.answers[f"top {BTC}"] = AWAY
        assert (await other.market_data.read(TOP)).stale
        third = desk_of(cache, clock)
        third.exchange.answers[f"top {BTC}"] = AWAY
        clock.now += 1
        with pytest.raises(SourceUnavailable):
            await third.market_data.read(TOP)


async def test_after_the_connection_broke_writes_outrank_those_before(
    valkey: ValkeyServer,
) -> None:
    async with shared_cache(valkey) as cache:
        desk = desk_of(cache)
        async with kept_up({"market-data": desk.market_data.run}):
            versions = []
            for value in (top(1), top(2)):
                desk.market_data.receive(Started(TOP_TOPIC, 1))
                desk.market_data.receive(Update(TOP_TOPIC, value, desk.clock.now))
                while True:
                    (stored,) = await cache.read([TOP])
                    if stored is not None and stored.value == value:
                        break
                    await asyncio.sleep(0.01)
                versions.append(stored.version)
                desk.market_data.receive(Broken(desk.clock.now, "cut"))
    assert versions[0].epoch < versions[1].epoch


async def test_stopping_leaves_no_request_under_way() -> None:
    desk = desk_of()
    desk.exchange.hold()
    async with kept_up({"market-data": desk.market_data.run}):
        reading = asyncio.create_task(desk.market_data.read(TOP))
        await until(lambda: desk.exchange.waiting)
    assert desk.exchange.waiting == 0
    assert (await asyncio.gather(reading, return_exceptions=True))[0] is not None


async def test_a_view_reads_every_kind_and_remembers_what_it_used() -> None:
    desk = desk_of()
    desk.exchange.answers |= {
        "markets": listing(BTC),
        f"ticker {BTC}": ticker(),
        f"book {BTC}": book(),
        f"trades {BTC}": history(1),
        f"candles {BTC}": series(1),
        f"rules {BTC}": ticker(),
    }
    view = MarketView(desk.market_data, desk.clock)
    assert (await view.market(BTC)).symbol == BTC
    await view.ticker(BTC)
    await view.top_of_book(BTC)
    await view.order_book(BTC)
    await view.trades(BTC)
    await view.rules(BTC)
    await view.candles(BTC, CandleInterval.M1, None, None)
    rules = MarketKey(MarketKind.RULES, BTC)
    assert [key for key, _ in view.used] == [LISTING, TICKER, TOP, BOOK, TRADES, rules, CANDLES]
    assert all(desk.market_data.fresh(key) is snapshot for key, snapshot in view.used)


async def test_a_symbol_that_is_not_listed_is_unknown_and_is_not_asked_for() -> None:
    desk = desk_of()
    desk.exchange.answers["markets"] = listing(BTC)
    with pytest.raises(UnknownSymbol):
        await MarketView(desk.market_data, desk.clock).market("NOPE")
    assert desk.exchange.asked == ["markets"]


MINUTE = 60_000


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (5 * MINUTE, 4 * MINUTE),
        (0, MAX_CANDLES * MINUTE),
        (Clock().now + MINUTE, None),
        (-2 * MAX_CANDLES * MINUTE, None),
    ],
)
async def test_candle_bounds_that_are_reversed_or_too_wide_are_refused(
    start: int, end: int | None
) -> None:
    desk = desk_of()
    with pytest.raises(BadUserInput, match=r"^from: "):
        await MarketView(desk.market_data, desk.clock).candles(BTC, CandleInterval.M1, start, end)
    assert desk.exchange.asked == []


@pytest.mark.parametrize(
    ("field", "start", "end"),
    [
        ("from", -1, 0),
        ("from", -(10**14), 0),
        ("from", 10**14, 10**14),
        ("to", None, -1),
        ("to", Clock().now, 10**14),
        ("to", None, 10**14),
    ],
)
async def test_candle_bounds_where_no_candle_can_be_are_refused(
    field: str, start: int | None, end: int | None
) -> None:
    desk = desk_of()
    with pytest.raises(BadUserInput, match=f"^{field}: "):
        await MarketView(desk.market_data, desk.clock).candles(BTC, CandleInterval.M1, start, end)
    assert desk.exchange.asked == []


@pytest.mark.parametrize(
    ("start", "end"),
    [(0, (MAX_CANDLES - 1) * MINUTE), (4 * MINUTE + 1, 4 * MINUTE + 59), (Clock().now, None)],
)
async def test_candle_bounds_are_snapped_so_that_equal_questions_share_a_key(
    start: int, end: int | None
) -> None:
    desk = desk_of()
    desk.exchange.answers[f"candles {BTC}"] = series(1)
    view = MarketView(desk.market_data, desk.clock)
    for shift in (0, 500):
        await view.candles(BTC, CandleInterval.M1, start - start % MINUTE + shift, end)
    assert len(set(view.used)) == len(desk.exchange.asked) <= 2


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (5 * MINUTE, 4 * MINUTE),
        (4 * MINUTE + 1, 5 * MINUTE - 1),
        (Clock().now + 367 * 24 * 60 * MINUTE, None),
        (10**17, 10**17 + MINUTE),
    ],
)
async def test_times_at_which_no_candle_can_open_are_not_asked_for(
    start: int, end: int | None
) -> None:
    desk = desk_of()
    view = MarketView(desk.market_data, desk.clock)
    found = await view.candles_between(BTC, CandleInterval.M1, start, end)
    assert (found.value.candles, found.stale) == ((), False)
    assert desk.exchange.asked == []


async def test_candles_of_some_time_are_not_shared_for_there_may_be_any_number_of_them(
    valkey: ValkeyServer,
) -> None:
    async with shared_cache(valkey) as cache, open_patient(valkey.url) as redis:
        desk = desk_of(cache)
        desk.exchange.answers[f"candles {BTC}"] = series(*range(10, 20))
        view = MarketView(desk.market_data, desk.clock)
        async with kept_up({"market-data": desk.market_data.run}):
            found = await view.candles_between(BTC, CandleInterval.M1, 0, 15 * MINUTE)
            assert len(found.value.candles) == 6
            while not (kept := await redis.keys("ngw:1:market:*")):
                await turns()
        assert kept == [b"ngw:1:market:candles:BTCUSDT:M1::"]


async def test_reads_beyond_their_rate_show_what_is_known_or_say_when_to_come_back() -> None:
    desk = desk_of()
    await desk.market_data.read(TOP)
    desk.rates.refusals["market read"] = RateLimited("reads of markets", 0.25)
    desk.clock.now += SOFT_MS
    assert (await desk.market_data.read(TOP)).stale
    desk.market_data.outdate(BTC)
    assert (await desk.market_data.read(TOP)).stale
    with pytest.raises(RateLimited, match="reads of markets") as caught:
        await desk.market_data.read(BOOK)
    assert caught.value.retry_after == 0.25
    assert desk.exchange.asked == [f"top {BTC}"]


async def test_what_orders_need_is_read_beyond_the_rate_too() -> None:
    desk = desk_of()
    desk.exchange.answers |= {"markets": listing(BTC), f"rules {BTC}": ticker()}
    desk.rates.refusals["market read"] = RateLimited("reads of markets", 0.25)
    view = MarketView(desk.market_data, desk.clock)
    await view.market(BTC)
    await view.rules(BTC)
    await desk.market_data.refetch(TOP)
    await desk.market_data.every_ticker([BTC, ETH])
    assert desk.rates.taken == ["own market read"] * 4
