"""What placements claim of budgets: taken with the intent, given back with the outcome."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from gateway.domain.budgets import Bounds, Budget, Notional
from gateway.domain.durations import DAY_MS
from gateway.domain.errors import NotRecorded, OverLimit
from gateway.domain.orders import OrderStatus
from gateway.domain.placements import Placement, PlacementState
from gateway.domain.resolution import Verdict
from gateway.store.budgets import BudgetClaim, BudgetKey, Budgets
from gateway.store.journal import OrderJournal
from tests.unit.store.examples import accepted, in_state, keys_of, open_quick, placement
from tests.unit.store.journals import LAPSED, LEASE_MS, journal_of, journal_on
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

S = PlacementState
KEY = BudgetKey("demo", "demo-app", "demo-trade")
NOW = 20_000 * DAY_MS
BOUNDS = Bounds(rule="demo-trade", day_notional={"TRY": Decimal(1000)}, open_orders=100)


def numbered(number: int) -> Placement:
    return placement(number, client_order_id=f"c-{number}")


def claim_of(intent: Placement, total: str = "100") -> BudgetClaim:
    notional = Notional("TRY", Decimal(total))

    def reserve(budget: Budget) -> Budget:
        return budget.reserve(intent.id, notional, BOUNDS, NOW, rests=True)

    return BudgetClaim(KEY, reserve)


async def begin(
    journal: OrderJournal, intent: Placement, total: str = "100", lease_ms: int = LEASE_MS
) -> Placement:
    begun = await journal.begin(intent, lease_ms=lease_ms, claim=claim_of(intent, total))
    assert begun == replace(
        intent, begun_at=begun.begun_at, lease_until=begun.lease_until, claimed=True
    )
    return begun


async def spent(redis: Redis) -> tuple[Decimal, dict[str, str | None]]:
    """What is spent, and the orders of the claims."""
    budget = await Budgets(redis).read(KEY)
    orders = {placement_id: claim.order_id for placement_id, claim in budget.claims.items()}
    return budget.spent.get("TRY", Decimal(0)), orders


async def test_an_intent_takes_its_claim_with_it(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, redis):
        begun = await begin(journal, numbered(1))
        assert await journal.get(begun.id) == begun
        assert await spent(redis) == (Decimal(100), {begun.id: None})


async def test_what_is_over_the_limit_is_not_recorded(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, redis):
        begun = await begin(journal, numbered(1), "900")
        before = await keys_of(redis)
        with pytest.raises(OverLimit):
            await begin(journal, numbered(2), "200")
        assert await keys_of(redis) == before
        assert await spent(redis) == (Decimal(900), {begun.id: None})


async def test_what_is_refused_claims_nothing(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, redis):
        standing = await begin(journal, numbered(1))
        again = replace(numbered(1), id=numbered(2).id)
        claim = claim_of(again)
        assert await journal.begin(again, lease_ms=LEASE_MS, claim=claim) == standing
        assert await spent(redis) == (Decimal(100), {standing.id: None})


async def test_processes_that_race_never_exceed_a_budget_together(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (one, redis), journal_of(valkey) as (other, _):
        outcomes = await asyncio.gather(
            *(begin((one, other)[n % 2], numbered(n)) for n in range(40)), return_exceptions=True
        )
        begun = [each for each in outcomes if isinstance(each, Placement)]
        assert len(begun) == 10
        assert sum(isinstance(each, OverLimit) for each in outcomes) == 30
        total, orders = await spent(redis)
        assert (total, set(orders)) == (Decimal(1000), {each.id for each in begun})
        assert set(await one.unresolved("demo")) == set(begun)


OUTCOMES: dict[str, tuple[Callable[[Placement], Placement], Decimal, str | None, bool]] = {
    "rests": (accepted, Decimal(100), "o-1", True),
    "filled": (lambda begun: with_status(accepted(begun)), Decimal(100), None, False),
    "nameless": (lambda begun: nameless(accepted(begun)), Decimal(100), None, False),
    "rejected": (lambda begun: in_state(begun, S.REJECTED), Decimal(0), None, False),
    "not sent": (lambda begun: in_state(begun, S.NOT_SENT), Decimal(0), None, False),
    "unknown": (lambda begun: in_state(begun, S.UNKNOWN), Decimal(100), None, True),
}


def with_status(outcome: Placement) -> Placement:
    assert outcome.order is not None
    return replace(outcome, order=replace(outcome.order, status=OrderStatus.FILLED))


def nameless(outcome: Placement) -> Placement:
    return replace(outcome, order=None)


@pytest.mark.parametrize("outcome", OUTCOMES)
async def test_an_outcome_settles_its_claim(valkey: ValkeyServer, outcome: str) -> None:
    ended, total, order_id, stays = OUTCOMES[outcome]
    async with journal_of(valkey) as (journal, redis):
        begun = await begin(journal, numbered(1))
        await journal.finish(ended(begun))
        assert await spent(redis) == (total, {begun.id: order_id} if stays else {})


@pytest.mark.parametrize(
    ("states", "total", "stays"),
    [
        ([S.UNKNOWN], 100, True),
        ([S.UNKNOWN, S.IN_DOUBT], 100, True),
        ([S.UNKNOWN, S.NOT_PLACED], 0, False),
        ([S.UNKNOWN, S.REJECTED], 0, False),
        ([S.UNKNOWN, S.ACCEPTED], 100, False),
        ([S.UNKNOWN, S.NOT_PLACED, S.ACCEPTED], 100, False),
    ],
    ids=str,
)
async def test_a_verdict_settles_the_claim_of_what_it_is_on(
    valkey: ValkeyServer, states: list[PlacementState], total: int, *, stays: bool
) -> None:
    async with journal_of(valkey) as (journal, redis):
        standing: Placement | None = None
        begun = await begin(journal, numbered(1), lease_ms=LAPSED)
        while standing is None:
            standing = await journal.lapse(begun)
        for state in states[1:]:
            verdict = Verdict(placement=standing, state=state, evidence="seen")
            standing = await journal.resolve(verdict, leader=None)
        assert await spent(redis) == (Decimal(total), {begun.id: None} if stays else {})


async def test_an_outcome_is_settled_once_however_often_it_is_brought(
    valkey: ValkeyServer,
) -> None:
    async with journal_of(valkey) as (journal, redis):
        rejected = in_state(await begin(journal, numbered(1)), S.REJECTED)
        other = await begin(journal, numbered(2), "300")
        for _ in range(3):
            await journal.finish(rejected)
        assert await spent(redis) == (Decimal(300), {other.id: None})


async def test_outcomes_that_race_for_a_budget_are_all_settled(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (one, redis), journal_of(valkey) as (other, _):
        begun = [await begin(one, numbered(n)) for n in range(10)]
        outcomes = [
            accepted(each, f"o-{n}") if n % 2 else in_state(each, S.REJECTED)
            for n, each in enumerate(begun)
        ]
        await asyncio.gather(
            *((one, other)[n // 2 % 2].finish(outcome) for n, outcome in enumerate(outcomes))
        )
        assert await spent(redis) == (
            Decimal(500),
            {each.id: f"o-{n}" for n, each in enumerate(begun) if n % 2},
        )


async def test_a_withdrawn_intent_gives_its_claim_back(own_valkey: ValkeyServer) -> None:
    async with open_quick(own_valkey.url) as redis:
        journal = journal_on(redis, retry_s=0.02)
        await begin(journal, numbered(1))

        def reserve_and_hang(budget: Budget) -> Budget:
            own_valkey.pause()
            return claim_of(numbered(2), "300").change(budget)

        with pytest.raises(NotRecorded):
            await journal.begin(
                numbered(2), lease_ms=LEASE_MS, claim=BudgetClaim(KEY, reserve_and_hang)
            )
        own_valkey.resume()
        writing = asyncio.create_task(journal.run())
        await journal.caught_up()
        writing.cancel()
        assert await spent(redis) == (Decimal(100), {numbered(1).id: None})
        withdrawn = await journal.get(numbered(2).id)
        assert withdrawn is not None
        assert withdrawn.state is S.NOT_SENT


async def test_a_corrupt_budget_lets_nothing_be_sent_and_hides_no_outcome(
    valkey: ValkeyServer,
) -> None:
    async with journal_of(valkey) as (journal, redis):
        begun = await begin(journal, numbered(1))
        await redis.set(KEY.name, "{")
        with capture_logs() as logs:
            with pytest.raises(NotRecorded):
                await begin(journal, numbered(2))
            assert journal.pending() == 0
            assert (await journal.finish(accepted(begun))).state is S.ACCEPTED
        assert await journal.get(begun.id) == accepted(begun)
        assert await redis.get(KEY.name) == b"{"
    assert {entry["event"] for entry in logs} == {"budgets.corrupt"}


async def test_a_claim_on_another_budget_than_the_grant_s_is_refused(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, redis):
        claim = BudgetClaim(replace(KEY, grant="other"), claim_of(numbered(1)).change)
        with pytest.raises(ValueError, match="own grant"):
            await journal.begin(numbered(1), lease_ms=LEASE_MS, claim=claim)
        assert await keys_of(redis) == []


async def test_a_budget_goes_two_days_after_its_last_claim(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, redis):
        begun = await begin(journal, numbered(1))
        assert await redis.pttl(KEY.name) == -1
        await journal.finish(in_state(begun, S.REJECTED))
        assert DAY_MS < await redis.pttl(KEY.name) <= 2 * DAY_MS
        await begin(journal, numbered(2))
        assert await redis.pttl(KEY.name) == -1
