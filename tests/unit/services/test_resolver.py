"""Unknown outcomes are found out: over a real journal, and an exchange that is made up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from gateway.domain.account import Balance, Fill
from gateway.domain.leadership import Leadership
from gateway.domain.market import MarketRules
from gateway.domain.orders import Order, OrderStatus
from gateway.domain.placements import Baseline, Placement, PlacementState, Rejection
from gateway.domain.resolution import Terms
from gateway.services.account_stream import ACCOUNT
from gateway.services.pictures import Pictures
from gateway.services.resolver import Resolver
from gateway.store.journal import OrderJournal
from gateway.store.journal_writes import Changing, JournalWrites
from gateway.store.leases import AccountLeases
from gateway.store.redis import StoreUnavailable
from tests.unit.services.desks import Watch, reads_of, streams_of
from tests.unit.services.examples import BTC, command, listing, until
from tests.unit.services.following import Desk, desk_of
from tests.unit.services.test_market_data import desk_of as market_desk
from tests.unit.store.examples import placement
from tests.unit.store.journals import LAPSED, begin, journal_of, lead, lost
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

S = PlacementState
TERMS = Terms(guard=5_000, spacing=1_000, within=30_000, late_watch=600_000, fenced=True)
RULES = MarketRules(
    symbol=BTC,
    price_precision=2,
    quantity_precision=4,
    total_precision=2,
    min_total=Decimal(0),
    min_quantity=Decimal(0),
    maker_fee_percent=Decimal(0),
    taker_fee_percent=Decimal(0),
    enabled=True,
    order_enabled=True,
    cancel_enabled=True,
)


@dataclass
class Bench:
    """An account that is led, with what is told of it."""

    desk: Desk
    journal: OrderJournal
    redis: Redis
    leadership: Leadership
    watch: Watch
    resolved: list[Placement] = field(default_factory=list)
    late: list[Placement] = field(default_factory=list)
    judged: int = 0
    dockets: list[tuple[S, ...]] = field(default_factory=list)

    def intent(self, client_order_id: str = "c-1", number: int = 1) -> Placement:
        """An order to buy 10 at 100, about to be sent; nothing stood before, and it is known."""
        now = self.desk.clock.now
        baseline = Baseline(
            taken_at=now,
            stream_since=None,
            orders=(),
            fills=(),
            totals={"BTC": Decimal(0), "USD": Decimal(0), "SDT": Decimal(0), "USDT": Decimal(0)},
        )
        return replace(
            placement(number, client_order_id=client_order_id),
            command=command(client_order_id),
            created_at=now,
            updated_at=now,
            signed_at=now,
            window=5_000,
            baseline=baseline,
        )

    def exchange_now(self) -> int:
        """Asked for once a look, as the terms are, and once more for a judgement."""
        self.judged += 1
        return self.desk.clock()

    def looked_with(self, terms: Terms) -> Terms:
        self.judged -= 1
        return terms

    async def unknown(self, intent: Placement) -> Placement:
        begun = await begin(self.journal, intent)
        return await self.journal.finish(replace(begun, state=S.UNKNOWN))

    async def follow(self) -> None:
        """Have the account's stream whole since long ago."""
        self.desk.feed.start(ACCOUNT)
        await until(lambda: self.desk.stream.whole_since is not None)
        self.desk.clock.now += 60_000

    async def state_of(self, placed: Placement) -> PlacementState:
        found = await self.journal.get(placed.id)
        assert found is not None
        return found.state

    async def becomes(self, placed: Placement, state: PlacementState) -> Placement:
        """Wait, while the exchange's time goes on, until it is in this state."""
        while (found := await self.journal.get(placed.id)) is None or found.state is not state:
            self.desk.clock.now += 500
            await asyncio.sleep(0.02)
        return found


@asynccontextmanager
async def bench_of(valkey: ValkeyServer, terms: Terms = TERMS) -> AsyncIterator[Bench]:
    async with (
        desk_of(fills_every_s=60) as desk,
        journal_of(valkey) as (journal, redis),
    ):
        market = market_desk(clock=desk.clock)
        market.exchange.answers |= {"markets": listing(BTC), f"rules {BTC}": RULES}
        bench = Bench(desk, journal, redis, await lead(redis), Watch())
        streams = streams_of({"demo": desk.stream})
        resolver = Resolver(
            journal=journal,
            pictures=Pictures(
                streams=streams,
                exchange=desk.exchange.client,
                reads=reads_of(bench.watch),
                exchange_now=desk.clock,
            ),
            streams=streams,
            market_data=market.market_data,
            terms=lambda: bench.looked_with(terms),
            now=desk.clock,
            exchange_now=bench.exchange_now,
            audit=bench.watch.audit.trail,
            on_resolved=lambda placed, _: bench.resolved.append(placed),
            on_late=bench.late.append,
            on_docket=lambda _, told: bench.dockets.append(tuple(each.state for each in told)),
        )
        running = asyncio.create_task(resolver.run(bench.leadership))
        try:
            yield bench
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def executed(placed: Placement, order_id: str = "o1", after_ms: int = 10) -> Order:
    spec = placed.command.spec
    return Order(
        order_id=order_id,
        symbol=placed.command.symbol,
        side=placed.command.side,
        type=placed.command.type,
        status=OrderStatus.NEW,
        time=placed.signed_at + after_ms,
        price=spec.price,
        quantity=spec.quantity,
        filled_quantity=Decimal(0),
    )


async def test_an_order_that_is_found_open_was_accepted(valkey: ValkeyServer) -> None:
    async with bench_of(valkey) as bench:
        await bench.follow()
        placed = await bench.unknown(bench.intent())
        bench.desk.list(executed(placed))
        found = await bench.becomes(placed, S.ACCEPTED)
        assert found.order is not None
        assert found.order.order_id == "o1"
        await until(lambda: bench.resolved)
        assert [each.id for each in bench.resolved] == [placed.id]
        assert ("ORDER", "RESOLVED_ACCEPTED") in bench.watch.audit.outcomes()
        assert await bench.journal.claimed_orders("demo", ["o1"]) == {"o1"}


async def test_an_order_that_two_readings_do_not_show_was_not_placed(valkey: ValkeyServer) -> None:
    async with bench_of(valkey) as bench:
        await bench.follow()
        placed = await bench.unknown(bench.intent())
        found = await bench.becomes(placed, S.NOT_PLACED)
        assert bench.desk.clock.now > placed.signed_at + 11_000
        assert found.evidence is not None
        assert "two readings" in found.evidence


async def test_without_a_whole_stream_silence_leaves_it_in_doubt(valkey: ValkeyServer) -> None:
    async with bench_of(valkey) as bench:
        placed = await bench.unknown(bench.intent())
        with capture_logs() as lines:
            found = await bench.becomes(placed, S.IN_DOUBT)
            await until(lambda: bench.resolved)
        assert found.evidence is not None
        assert [each["log_level"] for each in lines if each["event"] == "order.in_doubt"] == [
            "error"
        ]


async def test_what_is_in_doubt_is_looked_for_further(valkey: ValkeyServer) -> None:
    async with bench_of(valkey) as bench:
        placed = await bench.unknown(bench.intent())
        await bench.becomes(placed, S.IN_DOUBT)
        bench.desk.list(executed(placed))
        await bench.becomes(placed, S.ACCEPTED)


async def test_who_lost_its_sender_becomes_unknown_and_is_found_out(valkey: ValkeyServer) -> None:
    async with bench_of(valkey) as bench:
        await bench.follow()
        intent = bench.intent()
        begun = await begin(bench.journal, intent, lease_ms=0)
        bench.desk.list(executed(begun))
        found = await bench.becomes(begun, S.ACCEPTED)
        assert found.epoch == begun.epoch + 1


async def test_a_sender_whose_lease_holds_is_left_alone(valkey: ValkeyServer) -> None:
    async with bench_of(valkey) as bench:
        await bench.follow()
        begun = await begin(bench.journal, bench.intent())
        bench.desk.list(executed(begun))
        await asyncio.sleep(1.5)
        assert await bench.state_of(begun) is S.SENDING


async def test_an_order_that_shows_up_after_it_was_given_up_raises_an_alarm(
    valkey: ValkeyServer,
) -> None:
    async with bench_of(valkey) as bench:
        await bench.follow()
        placed = await bench.unknown(bench.intent())
        await bench.becomes(placed, S.NOT_PLACED)
        late = executed(placed, after_ms=20_000)
        bench.desk.list(late)
        with capture_logs() as lines:
            bench.desk.feed.tell(ACCOUNT, late)
            await bench.becomes(placed, S.ACCEPTED)
            await until(lambda: bench.late)
        assert [each.id for each in bench.late] == [placed.id]
        assert [each["log_level"] for each in lines if each["event"] == "order.late"] == [
            "critical"
        ]


async def test_what_was_resolved_without_an_answer_is_told_all_the_same(
    valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, lost = JournalWrites.change, [StoreUnavailable("TimeoutError")]

    async def change(self: JournalWrites, changing: Changing) -> list[Any]:
        answer = await written(self, changing)
        if changing.placement.state is S.ACCEPTED and lost:
            raise lost.pop()
        return answer

    async with bench_of(valkey) as bench:
        await bench.follow()
        placed = await bench.unknown(bench.intent())
        monkeypatch.setattr(JournalWrites, "change", change)
        bench.desk.list(executed(placed))
        await bench.becomes(placed, S.ACCEPTED)
        await until(lambda: bench.resolved)
        assert not lost
        assert [each.id for each in bench.resolved] == [placed.id]
        assert ("ORDER", "RESOLVED_ACCEPTED") in bench.watch.audit.outcomes()


async def test_while_records_may_be_lost_nothing_is_concluded_from_what_is_seen(
    valkey: ValkeyServer,
) -> None:
    async with bench_of(valkey) as bench:
        await bench.follow()
        placed = await bench.unknown(bench.intent())
        guard, held = "ngw:1:journal:{demo}:guard", "quarantine"
        await bench.redis.hset(guard, held, "OLDER")
        assert await bench.journal.quarantine("demo") is not None
        bench.desk.list(executed(placed))
        found = await bench.becomes(placed, S.IN_DOUBT)
        assert found.evidence is not None
        assert "lost records" in found.evidence
        await bench.journal.reopen("demo", "compared with the exchange")
        await bench.becomes(placed, S.ACCEPTED)


@pytest.mark.parametrize("slow_ms", [0, 60_000])
async def test_what_another_replica_had_accepted_explains_its_fills_whatever_its_clock_says(
    valkey: ValkeyServer, slow_ms: int
) -> None:
    async with bench_of(valkey) as bench:
        placed = await begin(bench.journal, bench.intent("c-1", 1))
        theirs = bench.intent("c-2", 2)
        cheaper = replace(theirs.command.spec, price=Decimal(99))
        then = theirs.created_at - slow_ms
        theirs = replace(
            theirs, command=replace(theirs.command, spec=cheaper), created_at=then, updated_at=then
        )
        theirs = await begin(bench.journal, theirs)
        await bench.journal.finish(replace(theirs, state=S.ACCEPTED, order=executed(theirs, "o2")))
        bought = theirs.command.spec.quantity
        assert bought is not None
        fill = Fill(
            symbol=BTC,
            price=Decimal(99),
            quantity=bought,
            side=theirs.command.side,
            type=theirs.command.type,
            fee=Decimal(0),
            fee_asset="BTC",
            time=bench.desk.clock.now + 500,
        )
        bench.desk.exchange.answers["fills"] = (fill,)
        held = {"BTC": bought, "USDT": -99 * bought, "USD": Decimal(0), "SDT": Decimal(0)}
        bench.desk.hold(*(Balance(asset, has, has, Decimal(0)) for asset, has in held.items()))
        placed = await bench.journal.finish(replace(placed, state=S.UNKNOWN))
        await bench.becomes(placed, S.IN_DOUBT)


async def test_a_refusal_that_came_too_late_is_the_rejection(valkey: ValkeyServer) -> None:
    async with bench_of(valkey) as bench:
        unknown = await lost(bench.journal, bench.intent())
        refusal = Rejection("of its sender", "of its sender", exchange_code="10031")
        await bench.journal.finish(
            replace(unknown, state=S.REJECTED, epoch=unknown.epoch - 1, rejection=refusal)
        )
        found = await bench.becomes(unknown, S.REJECTED)
        assert found.rejection is not None
        assert (found.rejection.code, found.rejection.exchange_code) == (
            "INSUFFICIENT_BALANCE",
            "10031",
        )


async def test_of_two_orders_for_one_intent_none_is_taken(valkey: ValkeyServer) -> None:
    async with bench_of(valkey) as bench:
        await bench.follow()
        placed = await bench.unknown(bench.intent())
        bench.desk.list(executed(placed, "o1"), executed(placed, "o2", after_ms=11))
        await bench.becomes(placed, S.IN_DOUBT)
        assert await bench.journal.claimed_orders("demo", ["o1", "o2"]) == frozenset()


async def test_who_no_longer_leads_resolves_nothing(valkey: ValkeyServer) -> None:
    async with bench_of(valkey) as bench:
        await bench.follow()
        await AccountLeases(bench.redis).release(bench.leadership)
        await AccountLeases(bench.redis).acquire("demo", "another", 60_000)
        placed = await bench.unknown(bench.intent())
        bench.desk.list(executed(placed))
        await until(lambda: bench.desk.times_asked("fills") >= 3)
        await asyncio.sleep(0.5)
        assert await bench.state_of(placed) is S.UNKNOWN


async def test_an_account_with_nothing_unknown_is_not_read(valkey: ValkeyServer) -> None:
    async with bench_of(valkey) as bench:
        await bench.follow()
        bench.desk.exchange.asked.clear()
        await begin(bench.journal, bench.intent())
        await asyncio.sleep(1.3)
        assert bench.desk.exchange.asked == []


async def test_it_is_told_which_have_no_outcome_for_as_long_as_the_account_is_led(
    valkey: ValkeyServer,
) -> None:
    async with bench_of(valkey) as bench:
        placed = await begin(bench.journal, bench.intent())
        await until(lambda: (S.SENDING,) in bench.dockets)
        await bench.journal.finish(replace(placed, state=S.UNKNOWN))
        await until(lambda: bench.dockets[-1] == (S.UNKNOWN,))
        await bench.becomes(placed, S.IN_DOUBT)
        await until(lambda: bench.dockets[-1] == (S.IN_DOUBT,))
    assert bench.dockets[-1] == ()


async def test_what_its_sender_has_lost_is_unknown_from_the_first_look_on(
    valkey: ValkeyServer,
) -> None:
    async with bench_of(valkey) as bench:
        await begin(bench.journal, bench.intent(), LAPSED)
        await until(lambda: (S.UNKNOWN,) in bench.dockets)
        assert bench.dockets.count((S.SENDING,)) == 1


async def test_the_same_evidence_is_not_judged_again(valkey: ValkeyServer) -> None:
    async with bench_of(valkey) as bench:
        await bench.follow()
        placed = await bench.unknown(bench.intent())
        bench.desk.list(executed(placed, "o1"), executed(placed, "o2", after_ms=11))
        await until(lambda: bench.judged > 0)
        await asyncio.sleep(0.5)
        judged, looked = bench.judged, len(bench.dockets)
        await until(lambda: len(bench.dockets) > looked + 3)
        assert bench.judged == judged
        await bench.becomes(placed, S.IN_DOUBT)
