import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from gateway.domain.budgets import Bounds, Budget, Notional
from gateway.domain.durations import DAY_MS
from gateway.domain.errors import OverLimit
from gateway.store.budgets import BudgetKey, Budgets, Change
from gateway.store.redis import StoreUnavailable
from tests.unit.store.examples import keys_of, open_patient, open_quick
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

KEY = BudgetKey("demo", "desk", "desk-trade")
NOW = 20_000 * DAY_MS
BOUNDS = Bounds(rule="desk-trade", day_notional={"TRY": Decimal(1000)}, open_orders=1000)


def claim(placement_id: str, total: str = "100", *, rests: bool = True) -> Change:
    notional = Notional("TRY", Decimal(total))
    return lambda budget: budget.reserve(placement_id, notional, BOUNDS, NOW, rests=rests)


def release(placement_id: str) -> Change:
    return lambda budget: budget.release(placement_id)


@asynccontextmanager
async def patient(valkey: ValkeyServer) -> AsyncIterator[tuple[Budgets, Redis]]:
    async with open_patient(valkey.url) as redis:
        yield Budgets(redis), redis


@asynccontextmanager
async def quick(valkey: ValkeyServer) -> AsyncIterator[Budgets]:
    async with open_quick(valkey.url) as redis:
        yield Budgets(redis)


async def seen_by_another(valkey: ValkeyServer) -> Budget:
    async with patient(valkey) as (budgets, _):
        return await budgets.read(KEY)


async def test_a_budget_is_the_same_for_every_replica_to_the_last_digit(
    valkey: ValkeyServer,
) -> None:
    async with patient(valkey) as (budgets, _):
        await budgets.update(KEY, claim("p1", "0." + "0" * 70 + "94"))
        changed = await budgets.update(KEY, claim("p2", "900"))
    assert changed.spent == {"TRY": Decimal("900." + "0" * 70 + "94")}
    assert await seen_by_another(valkey) == changed


async def test_what_nobody_has_spent_of_is_an_empty_budget(valkey: ValkeyServer) -> None:
    async with patient(valkey) as (budgets, redis):
        assert await budgets.read(KEY) == Budget()
        assert await budgets.update(KEY, release("p1")) == Budget()
        assert await keys_of(redis) == []


async def test_a_change_that_is_refused_changes_nothing(valkey: ValkeyServer) -> None:
    async with patient(valkey) as (budgets, _):
        before = await budgets.update(KEY, claim("p1", "600"))
        with pytest.raises(OverLimit):
            await budgets.update(KEY, claim("p2", "600"))
        assert await budgets.read(KEY) == before


async def test_replicas_that_race_for_a_budget_never_exceed_it(valkey: ValkeyServer) -> None:
    async with AsyncExitStack() as stack:
        replicas = [(await stack.enter_async_context(patient(valkey)))[0] for _ in range(4)]
        outcomes = await asyncio.gather(
            *(replicas[i % 4].update(KEY, claim(f"p{i}")) for i in range(40)),
            return_exceptions=True,
        )
    refused = [outcome for outcome in outcomes if isinstance(outcome, OverLimit)]
    assert len(refused) == 30
    budget = await seen_by_another(valkey)
    assert (budget.spent, len(budget.claims)) == ({"TRY": Decimal(1000)}, 10)


async def test_replicas_that_give_back_at_once_lose_nothing(valkey: ValkeyServer) -> None:
    async with patient(valkey) as (one, _), patient(valkey) as (other, _):
        for number in range(10):
            await one.update(KEY, claim(f"p{number}"))
        replicas = [one, other] * 5
        await asyncio.gather(
            *(each.update(KEY, release(f"p{number}")) for number, each in enumerate(replicas))
        )
    assert await seen_by_another(valkey) == Budget(day=20_000, spent={"TRY": Decimal(0)})


async def test_budgets_of_others_are_others(valkey: ValkeyServer) -> None:
    keys = [
        KEY,
        BudgetKey("demo", "desk", "other"),
        BudgetKey("demo", "other", "desk-trade"),
        BudgetKey("vault", "desk", "desk-trade"),
        BudgetKey("demo:desk", "desk-trade", ""),
        BudgetKey("demo", "desk:desk-trade", ""),
    ]
    async with patient(valkey) as (budgets, redis):
        for key in keys:
            await budgets.update(key, claim("p1", "1000"))
        assert len(await keys_of(redis)) == len(keys)
    assert KEY.name == "ngw:1:budget:{demo}:desk:desk-trade"


async def test_a_budget_stays_while_an_order_may_rest_and_else_goes_after_two_days(
    valkey: ValkeyServer,
) -> None:
    async with patient(valkey) as (budgets, redis):
        await budgets.update(KEY, claim("p1"))
        assert await redis.pttl(KEY.name) == -1
        await budgets.update(KEY, lambda budget: budget.accepted("p1", None))
        assert DAY_MS < await redis.pttl(KEY.name) <= 2 * DAY_MS
        await budgets.update(KEY, claim("p2"))
        assert await redis.pttl(KEY.name) == -1


@pytest.mark.parametrize("content", ["{", '{"day": "1"}', '{"spent": {"TRY": "much"}}', "[]"])
async def test_a_corrupt_budget_leaves_nothing_to_spend_and_is_told(
    valkey: ValkeyServer, content: str
) -> None:
    async with patient(valkey) as (budgets, redis):
        await redis.set(KEY.name, content)
        with capture_logs() as logs, pytest.raises(StoreUnavailable, match="CorruptBudget"):
            await budgets.update(KEY, claim("p1"))
        assert await redis.get(KEY.name) == content.encode()
    assert [(log["event"], log["key"]) for log in logs] == [("budgets.corrupt", KEY.name)]


async def test_a_key_of_another_type_leaves_nothing_to_spend(valkey: ValkeyServer) -> None:
    async with patient(valkey) as (budgets, redis):
        await redis.rpush(KEY.name, "a")
        with pytest.raises(StoreUnavailable):
            await budgets.update(KEY, claim("p1"))


async def test_with_redis_away_nothing_is_claimed(own_valkey: ValkeyServer) -> None:
    async with quick(own_valkey) as budgets:
        await budgets.update(KEY, claim("p1"))
        await asyncio.to_thread(own_valkey.stop)
        with pytest.raises(StoreUnavailable):
            await budgets.update(KEY, claim("p2"))
        await asyncio.to_thread(own_valkey.start)
        assert set((await budgets.read(KEY)).claims) == {"p1"}
    assert set((await seen_by_another(own_valkey)).claims) == {"p1"}


async def test_with_redis_silent_all_who_wait_for_a_budget_give_up_together(
    own_valkey: ValkeyServer,
) -> None:
    async with open_patient(own_valkey.url) as redis:
        budgets = Budgets(redis, patience_s=0.05)
        await budgets.read(KEY)
        own_valkey.pause()
        changes = [asyncio.create_task(budgets.update(KEY, claim(f"p{n}"))) for n in range(10)]
        given_up = await asyncio.gather(*changes[1:], return_exceptions=True)
        assert {str(each) for each in given_up} == {"the store is away (Contention)"}
        assert not changes[0].done()
        own_valkey.resume()
        assert len((await changes[0]).claims) == 1


async def test_a_claim_whose_answer_was_lost_is_claimed_once(own_valkey: ValkeyServer) -> None:
    async with quick(own_valkey) as budgets:
        await budgets.update(KEY, claim("p0"))

        def unanswered(budget: Budget) -> Budget:
            own_valkey.pause()
            return claim("p1")(budget)

        with pytest.raises(StoreUnavailable):
            await budgets.update(KEY, unanswered)
        own_valkey.resume()
    async with patient(own_valkey) as (another, _):
        await until_claimed(another, "p1")
        budget = await another.update(KEY, claim("p1"))
    assert (budget.spent, set(budget.claims)) == ({"TRY": Decimal(200)}, {"p0", "p1"})


async def until_claimed(budgets: Budgets, placement_id: str) -> None:
    while placement_id not in (await budgets.read(KEY)).claims:  # noqa: ASYNC110 - nobody is told
        await asyncio.sleep(0.005)


async def test_one_that_waits_for_another_of_its_process_does_not_collide_with_it(
    valkey: ValkeyServer,
) -> None:
    async with patient(valkey) as (budgets, redis):
        await redis.config_resetstat()
        await asyncio.gather(*(budgets.update(KEY, claim(f"p{n}", "1")) for n in range(20)))
        calls = (await redis.info("commandstats"))["cmdstat_eval"]["calls"]
    assert calls == 20


async def test_a_budget_that_never_stands_still_is_given_up(valkey: ValkeyServer) -> None:
    tries: list[str] = []

    def overtaken(budget: Budget) -> Budget:
        tries.append("again")
        valkey.command("SET", KEY.name, f"""'{{"day":{len(tries)}}}'""")
        return claim("p1")(budget)

    async with patient(valkey) as (budgets, _):
        with pytest.raises(StoreUnavailable, match="Contention"):
            await budgets.update(KEY, overtaken)
    assert len(tries) == 64
