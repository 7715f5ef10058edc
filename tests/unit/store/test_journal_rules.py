"""What the journal refuses to record, and what it waits for."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from gateway.domain.errors import NotRecorded
from gateway.domain.market import OrderSide
from gateway.domain.order_errors import DuplicateOrder, LaneUnresolved, NotDurable
from gateway.domain.orders import OrderSpec, OrderType
from gateway.domain.placements import Placement, PlacementState
from gateway.domain.resolution import Verdict
from gateway.store.durability import Durability
from gateway.store.journal import LaneMoved, OrderJournal
from gateway.store.redis import WaitAof
from tests.unit.store.examples import accepted, keys_of, open_patient, open_quick, placement
from tests.unit.store.journals import LEASE_MS, SERVER, begin, journal_of, lead, lost
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

S = PlacementState
LIMIT = OrderSpec(price=Decimal(100), quantity=Decimal("1.5"))
SAME_LIMIT = OrderSpec(price=Decimal("100.00"), quantity=Decimal("1.500"))
OTHER_LIMIT = OrderSpec(price=Decimal(101), quantity=Decimal("1.5"))
STOP = OrderSpec(
    type=OrderType.STOP_LIMIT,
    stop_price=Decimal(90),
    price=Decimal(100),
    quantity=Decimal("1.5"),
)
MARKET = OrderSpec(type=OrderType.MARKET, quantity=Decimal(1))
FAST = OrderSpec(type=OrderType.FAST, quote_total=Decimal(5))


def intent(number: int, spec: OrderSpec, *, side: OrderSide = OrderSide.BUY) -> Placement:
    made = placement(number, client_order_id=f"c-{number}")
    return replace(made, command=replace(made.command, spec=spec, side=side))


async def refusal(journal: OrderJournal, wanted: Placement) -> Exception | None:
    """What `begin` raises, which `look` has to tell before."""
    look, refused = await journal.look(wanted.principal, wanted.command), None
    try:
        await begin(journal, wanted)
    except (DuplicateOrder, LaneUnresolved) as refusal_itself:
        refused = refusal_itself
    assert str(look.obstacle) == str(refused)
    return refused


@pytest.mark.parametrize("state", [S.SENDING, S.UNKNOWN, S.IN_DOUBT], ids=str)
async def test_an_identical_order_waits_for_the_outcome_of_the_first_whoever_sends_it(
    valkey: ValkeyServer, state: PlacementState
) -> None:
    first, other = intent(1, LIMIT), replace(intent(2, SAME_LIMIT), principal="other-app")
    async with journal_of(valkey) as (journal, redis):
        standing = await journal_with(journal, first, state)
        refused = await refusal(journal, other)
        assert isinstance(refused, DuplicateOrder)
        assert refused.placement_id == first.id
        assert refused.retry_after > 0
        look = await journal.look("other-app", other.command)
        assert look.obstacle_sending == (state is S.SENDING)
        if state is S.SENDING:
            await journal.finish(accepted(standing))
        else:
            verdict = Verdict(placement=standing, state=S.NOT_PLACED, evidence="none")
            await journal.resolve(verdict, leader=await lead(redis))
        assert await refusal(journal, other) is None


async def journal_with(journal: OrderJournal, first: Placement, state: PlacementState) -> Placement:
    if state is S.SENDING:
        return await begin(journal, first)
    unknown = await lost(journal, first)
    if state is S.UNKNOWN:
        return unknown
    verdict = Verdict(placement=unknown, state=state, evidence="a tie")
    return await journal.resolve(verdict, leader=None)


@pytest.mark.parametrize("spec", [OTHER_LIMIT, STOP], ids=["price", "type"])
async def test_an_order_of_other_terms_waits_for_none_that_may_rest(
    valkey: ValkeyServer, spec: OrderSpec
) -> None:
    async with journal_of(valkey) as (journal, _):
        await lost(journal, intent(1, LIMIT))
        assert await refusal(journal, intent(2, spec)) is None


@pytest.mark.parametrize("immediate", [MARKET, FAST], ids=["market", "fast"])
@pytest.mark.parametrize("first", [LIMIT, STOP, MARKET], ids=["limit", "stop", "market"])
@pytest.mark.parametrize("state", [S.UNKNOWN, S.IN_DOUBT], ids=str)
async def test_an_immediate_order_is_refused_while_one_of_its_lane_has_no_outcome(
    valkey: ValkeyServer, immediate: OrderSpec, first: OrderSpec, state: PlacementState
) -> None:
    async with journal_of(valkey) as (journal, _):
        await journal_with(journal, intent(1, first), state)
        wanted = intent(2, more_of(immediate))
        refused = await refusal(journal, wanted)
        assert isinstance(refused, LaneUnresolved)
        look = await journal.look("demo-app", wanted.command)
        assert not look.obstacle_sending
        assert await refusal(journal, intent(3, immediate, side=OrderSide.SELL)) is None


def more_of(spec: OrderSpec) -> OrderSpec:
    """Terms that no other order of these tests has."""
    return OrderSpec(type=spec.type, **{name: value + 7 for name, value in spec.terms().items()})


async def test_an_immediate_order_waits_for_one_that_is_sent_but_not_for_one_that_may_rest(
    valkey: ValkeyServer,
) -> None:
    async with journal_of(valkey) as (journal, _):
        await begin(journal, intent(1, LIMIT))
        await begin(journal, intent(2, MARKET))
        refused = await refusal(journal, intent(3, FAST))
        assert isinstance(refused, LaneUnresolved)
        assert (await journal.look("demo-app", intent(3, FAST).command)).obstacle_sending


async def test_an_order_that_may_rest_does_not_wait_for_an_immediate_one(
    valkey: ValkeyServer,
) -> None:
    async with journal_of(valkey) as (journal, _):
        await lost(journal, intent(1, MARKET))
        assert await refusal(journal, intent(2, LIMIT)) is None


async def test_of_two_obstacles_the_one_that_stays_is_told(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, _):
        await begin(journal, intent(1, MARKET))
        stuck = await lost(journal, intent(2, LIMIT))
        look = await journal.look("demo-app", intent(3, MARKET).command)
        assert isinstance(look.obstacle, LaneUnresolved)
        assert (look.obstacle.placement_id, look.obstacle_sending) == (stuck.id, False)


async def test_who_is_refused_is_told_when_the_outcome_will_be_known(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, redis):
        seconds, _ = await redis.time()
        due = replace(intent(1, LIMIT), resolve_by=(seconds + 30) * 1000)
        await lost(journal, due)
        look = await journal.look("demo-app", intent(2, LIMIT).command)
        assert isinstance(look.obstacle, DuplicateOrder)
        assert 20 < look.obstacle.retry_after <= 30


async def test_an_immediate_order_is_refused_when_another_came_since_its_look(
    valkey: ValkeyServer,
) -> None:
    wanted = intent(3, MARKET)
    async with journal_of(valkey) as (journal, redis):
        before = await journal.look("demo-app", wanted.command)
        await begin(journal, intent(1, MARKET, side=OrderSide.SELL))
        await journal.finish(accepted(await begin(journal, intent(2, LIMIT))))
        events = await redis.xlen("ngw:1:journal:{demo}:events")
        with pytest.raises(LaneMoved):
            await journal.begin(wanted, lease_ms=LEASE_MS, lane=before.lane)
        assert await journal.get(wanted.id) is None
        assert await redis.xlen("ngw:1:journal:{demo}:events") == events
        after = await journal.look("demo-app", wanted.command)
        begun = await journal.begin(wanted, lease_ms=LEASE_MS, lane=after.lane)
        assert begun.id == wanted.id


async def test_of_identical_orders_that_race_one_is_recorded(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (one, _), journal_of(valkey) as (other, _):
        outcomes = await asyncio.gather(
            *((one, other)[n % 2].begin(intent(n, LIMIT), lease_ms=LEASE_MS) for n in range(1, 41)),
            return_exceptions=True,
        )
        begun = [each for each in outcomes if isinstance(each, Placement)]
        assert len(begun) == 1
        assert sum(isinstance(each, DuplicateOrder) for each in outcomes) == 39
        assert await one.unresolved("demo") == (begun[0],)


async def test_what_stands_is_told_whatever_is_in_the_way(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, _):
        standing = await lost(journal, intent(1, MARKET))
        again = replace(intent(9, MARKET), command=standing.command)
        assert await journal.begin(again, lease_ms=LEASE_MS) == standing
        assert (await journal.look("demo-app", standing.command)).standing == standing


async def test_a_refused_order_leaves_nothing_behind(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, redis):
        await begin(journal, intent(1, LIMIT))
        before = [await redis.dump(key) for key in await keys_of(redis)]
        assert isinstance(await refusal(journal, intent(2, LIMIT)), DuplicateOrder)
        assert [await redis.dump(key) for key in await keys_of(redis)] == before


async def test_an_index_of_the_unresolved_that_is_none_lets_nothing_be_sent(
    valkey: ValkeyServer,
) -> None:
    async with journal_of(valkey) as (journal, redis):
        await redis.set("ngw:1:journal:{demo}:unresolved", "foreign")
        with pytest.raises(NotRecorded):
            await journal.begin(placement(), lease_ms=LEASE_MS)
        with pytest.raises(NotRecorded):
            await journal.look("demo-app", placement().command)


def journal_as(redis: object, found: Durability | None, *, volatile: bool = False) -> OrderJournal:
    return OrderJournal(
        redis,  # type: ignore[arg-type]
        server=lambda: SERVER,
        durability=lambda: found,
        volatile=volatile,
    )


async def test_without_durability_nothing_is_recorded_unless_that_is_accepted(
    valkey: ValkeyServer,
) -> None:
    bad = Durability(problem="It forgets.", wait=None, run_id=SERVER)
    async with open_patient(valkey.url) as redis:
        journal = journal_as(redis, bad)
        with pytest.raises(NotDurable, match="It forgets"):
            await journal.begin(placement(), lease_ms=LEASE_MS)
        assert not await journal.writable("demo")
        unasked = journal_as(redis, None)
        with pytest.raises(NotRecorded):
            await unasked.begin(placement(), lease_ms=LEASE_MS)
        assert not await unasked.writable("demo")
        assert await keys_of(redis) == []
        for found in (bad, None):
            assert await journal_as(redis, found, volatile=True).writable("demo")
        await begin(journal_as(redis, bad, volatile=True), placement())


async def test_what_is_not_acknowledged_by_enough_disks_is_not_recorded(
    valkey: ValkeyServer,
) -> None:
    needy = Durability(problem=None, wait=WaitAof(local=1, replicas=1), run_id=SERVER)
    async with open_quick(valkey.url) as redis:
        journal = journal_as(redis, needy)
        with pytest.raises(NotRecorded):
            await journal.begin(placement(), lease_ms=LEASE_MS)
        assert journal.pending() == 1
        record = await journal.get(placement().id)
        assert record is not None
        assert record.state is S.NOT_SENT


async def test_where_volatility_is_accepted_no_disk_is_waited_for(valkey: ValkeyServer) -> None:
    needy = Durability(problem=None, wait=WaitAof(local=1, replicas=1), run_id=SERVER)
    async with open_quick(valkey.url) as redis:
        journal = journal_as(redis, needy, volatile=True)
        await journal.finish(accepted(await begin(journal, placement())))
        assert journal.pending() == 0
