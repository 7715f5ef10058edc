"""Processes that begin, finish, lapse and resolve in any order keep the journal's promises."""

import asyncio
from collections import Counter, defaultdict
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from gateway.domain.budgets import Bounds, Budget, Notional
from gateway.domain.durations import DAY_MS
from gateway.domain.errors import OverLimit
from gateway.domain.leadership import Fenced, Leadership
from gateway.domain.order_errors import DuplicateOrder
from gateway.domain.orders import OrderSpec
from gateway.domain.placements import (
    FOLLOWING,
    NOTHING_STANDS,
    UNRESOLVED,
    Placement,
    PlacementState,
)
from gateway.domain.resolution import Verdict
from gateway.store.account_events import AccountEventStore
from gateway.store.budgets import BudgetClaim, BudgetKey, Budgets
from gateway.store.journal import Claimed, Moved, OrderJournal
from gateway.store.journal_keys import unresolved_key
from tests.unit.store.examples import accepted, in_state, open_patient, placement
from tests.unit.store.journals import LAPSED, journal_on, lead
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

S = PlacementState
PROCESSES = 3
KEY = BudgetKey("demo", "demo-app", "demo-trade")
BOUNDS = Bounds(rule="demo-trade", day_notional={"TRY": Decimal(5)}, open_orders=100)
NOW = 20_000 * DAY_MS
OUTCOMES = sorted(FOLLOWING[S.SENDING])
VERDICTS = sorted({after for before in (S.UNKNOWN, S.IN_DOUBT) for after in FOLLOWING[before]})


@dataclass(frozen=True)
class Step:
    """One thing that one process does; which placement and what of it, where that matters."""

    action: str
    process: int
    number: int
    state: PlacementState


steps = st.one_of(
    st.builds(
        Step,
        st.just("begin"),
        st.integers(0, PROCESSES - 1),
        st.integers(0, 5),
        st.just(S.SENDING),
    ),
    st.builds(
        Step,
        st.just("finish"),
        st.integers(0, PROCESSES - 1),
        st.integers(0, 5),
        st.sampled_from(OUTCOMES),
    ),
    st.builds(
        Step,
        st.just("lapse"),
        st.integers(0, PROCESSES - 1),
        st.integers(0, 5),
        st.just(S.UNKNOWN),
    ),
    st.builds(
        Step,
        st.just("resolve"),
        st.integers(0, PROCESSES - 1),
        st.integers(0, 5),
        st.sampled_from(VERDICTS),
    ),
)


@dataclass
class World:
    """Some processes on one Redis, what each of them owns, and what each was told."""

    redis: Redis
    journals: list[OrderJournal]
    leader: Leadership
    begun: dict[int, tuple[int, Placement]] = field(default_factory=dict)
    settled: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    next_id: int = 1

    async def take(self, step: Step) -> None:
        """Do a step; what may not be done now is refused."""
        with suppress(DuplicateOrder, OverLimit, Moved, Claimed, Fenced):
            await getattr(self, f"_{step.action}")(step)

    async def _begin(self, step: Step) -> None:
        self.next_id += 1
        intent = replace(self._intent(step.number, self.next_id), owner=str(step.process))
        claim = BudgetClaim(KEY, lambda budget: self._reserve(budget, intent.id))
        standing = await self.journals[step.process].begin(intent, lease_ms=LAPSED, claim=claim)
        if standing.id == intent.id:
            self.begun[step.number] = (step.process, standing)

    async def _finish(self, step: Step) -> None:
        owner, begun = self.begun.get(step.number, (None, None))
        if begun is None or owner is None:
            return
        outcome = in_state(begun, step.state)
        if step.state is S.ACCEPTED:
            outcome = accepted(begun, f"o-{step.number % 3}")
        if await self.journals[owner].finish(outcome) == outcome:
            self.settled[begun.id].add(repr(outcome))

    async def _lapse(self, step: Step) -> None:
        _, begun = self.begun.get(step.number, (None, None))
        if begun is not None:
            await self.journals[step.process].lapse(begun)

    async def _resolve(self, step: Step) -> None:
        _, begun = self.begun.get(step.number, (None, None))
        if begun is None:
            return
        journal = self.journals[step.process]
        standing = await journal.get(begun.id)
        if standing is None or standing.state is S.SENDING:
            return
        order = accepted(standing, f"o-{step.number % 3}").order
        verdict = Verdict(
            placement=standing,
            state=step.state,
            evidence="seen",
            order=order if step.state is S.ACCEPTED else None,
            claims=frozenset({f"f-{step.number % 2}"}) if step.state is S.ACCEPTED else frozenset(),
        )
        await journal.resolve(verdict, leader=self.leader)

    def _intent(self, number: int, placement_number: int) -> Placement:
        """Numbers 4 and 5 are identical orders."""
        made = placement(placement_number, client_order_id=f"c-{number}")
        spec = OrderSpec(price=Decimal(1), quantity=Decimal(min(number, 4) + 1))
        return replace(made, command=replace(made.command, spec=spec))

    def _reserve(self, budget: Budget, placement_id: str) -> Budget:
        return budget.reserve(placement_id, Notional("TRY", Decimal(1)), BOUNDS, NOW, rests=True)


@given(
    lots=st.lists(st.lists(steps, min_size=1, max_size=6), min_size=1, max_size=8),
)
@settings(max_examples=150)
async def test_whatever_processes_do_at_once_the_journal_s_promises_hold(
    valkey_server: ValkeyServer, lots: list[list[Step]]
) -> None:
    valkey_server.command("FLUSHALL")
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(open_patient(valkey_server.url))
            for _ in range(PROCESSES)
        ]
        leader = await lead(clients[0])
        world = World(clients[0], [journal_on(each) for each in clients], leader)
        for lot in lots:
            await asyncio.gather(*map(world.take, lot))
        await check(world)


async def check(world: World) -> None:
    """See that all that the journal promises is so."""
    journal = world.journals[0]
    told = await AccountEventStore(world.redis, 100).read("demo", None, 10_000)
    assert [event.sequence for event in told] == list(range(1, len(told) + 1))
    paths: dict[str, list[PlacementState]] = {}
    for event in told:
        assert event.placement is not None
        paths.setdefault(event.placement.id, []).append(event.placement.state)
    standing = [await journal.get(placement_id) for placement_id in paths]
    for (placement_id, path), record in zip(paths.items(), standing, strict=True):
        assert record is not None
        assert (path[0], path[-1]) == (S.SENDING, record.state)
        for before, after in pairwise(path):
            assert after in FOLLOWING[before]
        assert len(world.settled[placement_id]) <= (0 if record.epoch else 1)
    records = [record for record in standing if record is not None]
    await check_unresolved(world, records)
    await check_claims(world, records, paths)


async def check_unresolved(world: World, records: list[Placement]) -> None:
    open_ones = [each for each in records if each.state in UNRESOLVED]
    assert set(await world.journals[0].unresolved("demo")) == set(open_ones)
    assert await world.redis.hlen(unresolved_key("demo")) == len(open_ones)
    ended = await world.journals[0].ended_before("demo", 2**53, 1_000)
    assert set(ended) == set(records) - set(open_ones)
    in_order = Counter(each.command.canonical() for each in open_ones)
    assert all(count == 1 for count in in_order.values())


async def check_claims(
    world: World, records: list[Placement], paths: dict[str, list[PlacementState]]
) -> None:
    budget = await Budgets(world.redis).read(KEY)
    counted = {
        each.id
        for each in records
        if each.state not in NOTHING_STANDS and S.NOT_PLACED not in paths[each.id]
    }
    assert budget.spent.get("TRY", Decimal(0)) == len(counted)
    resting = {each.id for each in records if each.state is S.ACCEPTED and each.id in counted}
    unknown = {each.id for each in records if each.unresolved}
    assert set(budget.claims) == (resting | unknown)
    found = await world.journals[0].of_orders("demo", ["o-0", "o-1", "o-2"])
    by_verdict = [
        each.order.order_id
        for each in records
        if each.state is S.ACCEPTED and each.epoch and each.order is not None
    ]
    assert len(by_verdict) == len(set(by_verdict))
    for order_id in by_verdict:
        assert order_id in found
