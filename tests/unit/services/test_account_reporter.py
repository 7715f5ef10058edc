"""What happens on an account is written down, over a real Redis and an exchange that is made up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal

import pytest
from redis.asyncio import Redis

from gateway.domain.account_events import AccountEvent, Origin
from gateway.domain.orders import Order, OrderStatus
from gateway.domain.placements import Placement, PlacementState
from gateway.domain.streams import Gap
from gateway.services.account_reporter import AccountReporter
from gateway.services.account_stream import ACCOUNT
from gateway.store.account_events import AccountEventStore
from gateway.store.journal import OrderJournal
from tests.unit.services.desks import streams_of
from tests.unit.services.examples import available, balance, command, fill, held, order, until
from tests.unit.services.following import Desk, desk_of
from tests.unit.store.examples import placement
from tests.unit.store.journals import begin, journal_of, lead
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio


@dataclass
class Bench:
    """An account that is written about."""

    desk: Desk
    journal: OrderJournal
    redis: Redis
    events: AccountEventStore

    @asynccontextmanager
    async def led(self) -> AsyncIterator[None]:
        """Lead the account, as a process that begins now."""
        reporter = AccountReporter(
            streams=streams_of({"demo": self.desk.stream}),
            journal=self.journal,
            events=self.events,
            now=self.desk.clock,
            exchange_now=self.desk.clock,
        )
        running = asyncio.create_task(reporter.run(await lead(self.redis)))
        try:
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def told(self, count: int) -> list[AccountEvent]:
        """The events, once there are so many of those that the journal does not write."""
        while True:
            events = [
                each
                for each in await self.events.read("demo", None, 1_000)
                if each.placement is None
            ]
            if len(events) >= count:
                assert len(events) == count, events
                return events
            await asyncio.sleep(0.01)

    async def origins(self, count: int) -> list[tuple[str | None, Origin | None]]:
        return [
            (each.order.order_id if each.order else None, each.origin)
            for each in await self.told(count)
        ]

    def intent(self) -> Placement:
        now = self.desk.clock.now
        return replace(
            placement(),
            command=command("c-1"),
            created_at=now,
            updated_at=now,
            signed_at=now,
            window=5_000,
        )

    async def accept(self, begun: Placement, placed: Order) -> Placement:
        return await self.journal.finish(
            replace(begun, state=PlacementState.ACCEPTED, order=placed)
        )


@asynccontextmanager
async def bench_of(valkey: ValkeyServer) -> AsyncIterator[Bench]:
    async with desk_of() as desk, journal_of(valkey) as (journal, redis):
        yield Bench(desk, journal, redis, AccountEventStore(redis, 1_000))


def now_placed(bench: Bench, order_id: str | None = "o1") -> Order:
    return replace(order(order_id), time=bench.desk.clock.now)


async def test_what_stands_comes_first_then_each_change_in_its_order(valkey: ValkeyServer) -> None:
    async with bench_of(valkey) as bench:
        bench.desk.list(order("o1"))
        bench.desk.hold(balance("BTC", 5, 0))
        async with bench.led():
            await until(lambda: bench.desk.feed.wanted)
            bench.desk.feed.start(ACCOUNT)
            await bench.told(2)
            bench.desk.exchange.answers["fills"] = (fill(1),)
            done = order("o1", filled=10, status=OrderStatus.FILLED)
            bench.desk.feed.tell(ACCOUNT, done)
            bench.desk.feed.tell(ACCOUNT, available("BTC", 15))
            bench.desk.feed.tell(ACCOUNT, held("BTC", 0))
            events = await bench.told(5)
    assert [each.sequence for each in events] == [1, 2, 3, 4, 5]
    assert [each.order for each in events if each.order] == [order("o1"), done]
    assert [each.balance for each in events if each.balance] == [
        balance("BTC", 5, 0),
        balance("BTC", 15, 0),
    ]
    assert [each.fill for each in events if each.fill] == [fill(1)]


async def test_what_no_intent_explains_is_external_for_good(valkey: ValkeyServer) -> None:
    async with bench_of(valkey) as bench:
        bench.desk.list(order("o1"))
        async with bench.led():
            await until(lambda: bench.desk.feed.wanted)
            bench.desk.feed.start(ACCOUNT)
            assert await bench.origins(1) == [("o1", Origin.EXTERNAL)]
        assert await bench.journal.claimed_orders("demo", ["o1"]) == {"o1"}
        assert await bench.journal.of_orders("demo", ["o1"]) == {}


async def test_an_order_of_this_gateway_comes_with_its_placement(valkey: ValkeyServer) -> None:
    """Its frame may come before its answer is on record: it is waited for."""
    async with bench_of(valkey) as bench, bench.led():
        await until(lambda: bench.desk.feed.wanted)
        bench.desk.feed.start(ACCOUNT)
        await until(lambda: bench.desk.stream.whole_since is not None)
        begun = await begin(bench.journal, bench.intent())
        placed = now_placed(bench)
        bench.desk.feed.tell(ACCOUNT, placed)
        await asyncio.sleep(0.05)
        await bench.accept(begun, placed)
        (event,) = await bench.told(1)
        assert (event.origin, event.placement_id) == (Origin.GATEWAY, begun.id)


async def test_an_order_that_an_intent_may_explain_is_told_again_once_it_is_settled(
    valkey: ValkeyServer,
) -> None:
    async with bench_of(valkey) as bench, bench.led():
        await until(lambda: bench.desk.feed.wanted)
        bench.desk.feed.start(ACCOUNT)
        await until(lambda: bench.desk.stream.whole_since is not None)
        begun = await begin(bench.journal, bench.intent())
        placed = now_placed(bench)
        bench.desk.feed.tell(ACCOUNT, placed)
        assert await bench.origins(1) == [("o1", Origin.UNSETTLED)]
        await bench.accept(begun, placed)
        assert await bench.origins(2) == [("o1", Origin.UNSETTLED), ("o1", Origin.GATEWAY)]


async def test_an_order_that_is_shown_by_another_id_or_none_is_known_by_its_moment(
    valkey: ValkeyServer,
) -> None:
    async with bench_of(valkey) as bench, bench.led():
        await until(lambda: bench.desk.feed.wanted)
        bench.desk.feed.start(ACCOUNT)
        await until(lambda: bench.desk.stream.whole_since is not None)
        begun = await begin(bench.journal, bench.intent())
        await bench.accept(begun, now_placed(bench))
        for shown in ("another", None):
            bench.desk.feed.tell(ACCOUNT, now_placed(bench, shown))
        events = await bench.told(2)
        assert {each.placement_id for each in events} == {begun.id}
        assert await bench.journal.claimed_orders("demo", ["another"]) == frozenset()


async def test_a_break_is_a_gap_and_what_stands_after_it(valkey: ValkeyServer) -> None:
    async with bench_of(valkey) as bench, bench.led():
        await until(lambda: bench.desk.feed.wanted)
        bench.desk.feed.start(ACCOUNT)
        await until(lambda: bench.desk.stream.whole_since is not None)
        await asyncio.sleep(0.05)
        bench.desk.feed.cut(since=7)
        bench.desk.list(order("o1"))
        bench.desk.feed.start(ACCOUNT)
        gap, after = await bench.told(2)
        assert gap.gap == Gap(7, "cut")
        assert after.order == order("o1")


async def test_a_new_leader_says_so_and_goes_on_behind_the_last_fill_told(
    valkey: ValkeyServer,
) -> None:
    async with bench_of(valkey) as bench:
        async with bench.led():
            await until(lambda: bench.desk.feed.wanted)
            bench.desk.feed.start(ACCOUNT)
            await until(lambda: bench.desk.stream.whole_since is not None)
            bench.desk.exchange.answers["fills"] = (fill(1),)
            bench.desk.feed.tell(ACCOUNT, available("BTC", 15))
            bench.desk.feed.tell(ACCOUNT, held("BTC", 0))
            before = await bench.told(2)
        bench.desk.exchange.answers["fills"] = (fill(3), fill(2), fill(1))
        await bench.desk.stream.read_fills()
        async with bench.led():
            events = (await bench.told(6))[2:]
    gap, *rest = events
    assert gap.gap == Gap(before[-1].time, "for a while nobody wrote these events")
    assert [each.fill for each in rest if each.fill] == [fill(2), fill(3)]
    assert [each.balance for each in rest if each.balance] == [balance("BTC", 15, 0)]


async def test_while_redis_is_away_nothing_is_lost(own_valkey: ValkeyServer) -> None:
    async with bench_of(own_valkey) as bench, bench.led():
        await until(lambda: bench.desk.feed.wanted)
        bench.desk.feed.start(ACCOUNT)
        await until(lambda: bench.desk.stream.whole_since is not None)
        own_valkey.stop()
        for number in range(3):
            bench.desk.feed.tell(ACCOUNT, order(f"o{number}"))
        await asyncio.sleep(0.3)
        own_valkey.start()
        events = await bench.told(3)
        assert [each.order and each.order.order_id for each in events] == ["o0", "o1", "o2"]


async def test_who_no_longer_leads_writes_nothing(valkey: ValkeyServer) -> None:
    async with bench_of(valkey) as bench, bench.led():
        await until(lambda: bench.desk.feed.wanted)
        bench.desk.feed.start(ACCOUNT)
        await until(lambda: bench.desk.stream.whole_since is not None)
        await lead(bench.redis)
        bench.desk.feed.tell(ACCOUNT, order("o1"))
        await asyncio.sleep(0.5)
        assert await bench.told(0) == []
        assert await bench.journal.claimed_orders("demo", ["o1"]) == frozenset()


async def test_a_subscription_that_ends_is_begun_again_with_a_gap(valkey: ValkeyServer) -> None:
    async with bench_of(valkey) as bench, bench.led():
        await until(lambda: bench.desk.feed.wanted)
        bench.desk.feed.start(ACCOUNT)
        await until(lambda: bench.desk.stream.whole_since is not None)
        bench.desk.hold(balance("BTC", 5, 0))
        bench.desk.feed.tell(ACCOUNT, order("o1"))
        await bench.told(1)
        bench.desk.feed.refuse_login()
        bench.desk.feed.cut(since=7)
        bench.desk.feed.start(ACCOUNT)
        events = await bench.told(3)
        assert events[1].gap is not None
        assert events[2].balance is not None
        assert events[2].balance.total == Decimal(5)
