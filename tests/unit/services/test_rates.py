from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from gateway.access.policy import (
    AccountRule,
    Action,
    Grant,
    Member,
    OrderLimits,
    Policy,
    Principal,
    PrincipalKind,
)
from gateway.access.principal import ANONYMOUS
from gateway.domain.errors import RateLimited
from gateway.domain.limits import Rate
from gateway.services.rates import Rates, StandingRates
from gateway.store.rates import RateStore
from tests.unit.services.examples import open_patient
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

TRADE = Grant(
    "app-trade",
    frozenset({Action.ORDERS_PLACE}),
    "demo",
    limits=OrderLimits(rate=Rate(2, 3600)),
)
READ = Grant("app-read", frozenset({Action.ACCOUNT_READ}), "demo")


def policy(
    *,
    app: Rate | None = None,
    demo: Rate | None = None,
    anonymous: Rate | None = None,
    trade: Grant = TRADE,
) -> Policy:
    return Policy(
        revision="r1",
        accounts=(AccountRule("demo", demo), AccountRule("vault")),
        members=(
            Member(Principal("app", PrincipalKind.APP), grants=(trade, READ), rate=app),
            Member(Principal("other", PrincipalKind.APP)),
            Member(Principal(ANONYMOUS, PrincipalKind.APP), rate=anonymous),
        ),
        wall_ms=lambda: 0,
    )


@dataclass
class InForce:
    """The policy in force, which a test may change."""

    policy: Policy

    def __call__(self) -> Policy:
        return self.policy


@asynccontextmanager
async def rates_of(
    valkey: ValkeyServer, in_force: InForce, *, principal: str = "4/h", account: str = "4/h"
) -> AsyncIterator[Rates]:
    async with open_patient(valkey.url) as redis:
        yield Rates(
            in_force,
            RateStore(redis, on_local=lambda: pytest.fail("Redis is there")),
            standing=StandingRates(
                principal=Rate.parse(principal),
                anonymous=Rate(3, 3600),
                account=Rate.parse(account),
                market=Rate(2, 3600),
                cancel_share_percent=50,
            ),
            wall_ms=lambda: 1_000,
            monotonic=lambda: 0.0,
        )


async def granted(take: Callable[[], Awaitable[None]]) -> int:
    """How many times it may be taken."""
    for count in range(100):
        try:
            await take()
        except RateLimited:
            return count
    return 100


async def test_each_principal_has_its_requests(valkey: ValkeyServer) -> None:
    async with rates_of(valkey, InForce(policy())) as rates:
        assert await granted(lambda: rates.take_request("app")) == 2
        assert await granted(lambda: rates.take_request("app", cancel=True)) == 2
        assert await granted(lambda: rates.take_request("other", cancel=True)) == 4


async def test_all_callers_of_an_account_share_its_calls(valkey: ValkeyServer) -> None:
    async with rates_of(valkey, InForce(policy())) as rates:
        assert await granted(lambda: rates.take_call("demo")) == 2
        assert await granted(lambda: rates.take_call("demo", cancel=True)) == 2
        assert await granted(lambda: rates.take_call("vault")) == 2


async def test_the_gateways_own_reads_count_and_leave_the_cancels_their_share(
    valkey: ValkeyServer,
) -> None:
    async with rates_of(valkey, InForce(policy())) as rates:
        for _ in range(5):
            await rates.take_call("demo", own=True)
        assert await granted(lambda: rates.take_call("demo")) == 0
        assert await granted(lambda: rates.take_call("demo", cancel=True)) == 2


@pytest.mark.parametrize(("granted_to_it", "requests"), [(None, 3), ("2/h", 2), ("7/h", 4)])
async def test_whoever_shows_nothing_has_a_rate_unless_the_policy_says_another(
    valkey: ValkeyServer, granted_to_it: str | None, requests: int
) -> None:
    rate = None if granted_to_it is None else Rate.parse(granted_to_it)
    async with rates_of(valkey, InForce(policy(anonymous=rate))) as rates:
        assert await granted(lambda: rates.take_request(ANONYMOUS)) == requests
        await rates.take_request("app")


async def test_reads_of_markets_have_a_rate_that_refuses_none_of_the_gateways_own(
    valkey: ValkeyServer,
) -> None:
    async with rates_of(valkey, InForce(policy())) as rates:
        await rates.take_market_read(own=True)
        assert await granted(rates.take_market_read) == 1
        await rates.take_market_read(own=True)
        await rates.take_call("demo")
        with pytest.raises(RateLimited, match="reads of markets"):
            await rates.take_market_read()


async def test_a_refusal_names_the_limit(valkey: ValkeyServer) -> None:
    async with rates_of(valkey, InForce(policy())) as rates:
        await granted(lambda: rates.take_call("demo"))
        with pytest.raises(RateLimited) as caught:
            await rates.take_call("demo")
    assert caught.value.limit == "calls demo"


async def test_orders_under_a_grant_have_its_rate_whole(valkey: ValkeyServer) -> None:
    async with rates_of(valkey, InForce(policy())) as rates:
        assert await granted(lambda: rates.take_order("app", TRADE)) == 2


async def test_a_grant_of_the_same_name_counts_apart_for_another_principal(
    valkey: ValkeyServer,
) -> None:
    async with rates_of(valkey, InForce(policy())) as rates:
        await granted(lambda: rates.take_order("app", TRADE))
        assert await granted(lambda: rates.take_order("other", TRADE)) == 2


async def test_a_grant_without_a_rate_bounds_nothing(valkey: ValkeyServer) -> None:
    async with rates_of(valkey, InForce(policy())) as rates:
        assert await granted(lambda: rates.take_order("app", READ)) == 100


@pytest.mark.parametrize(
    ("said", "holds"),
    [("2/h", 1), ("40/h", 2), ("1/min", 2), ("6/h", 2)],
    ids=["less", "more", "more-per-minute", "a-bit-more"],
)
async def test_the_policy_may_say_less_than_the_setting_and_not_more(
    valkey: ValkeyServer, said: str, holds: int
) -> None:
    rate = Rate.parse(said)
    async with rates_of(valkey, InForce(policy(app=rate, demo=rate))) as rates:
        assert await granted(lambda: rates.take_request("app")) == holds
        assert await granted(lambda: rates.take_call("demo")) == holds


async def test_something_is_left_for_all_but_cancels_however_small_the_rate(
    valkey: ValkeyServer,
) -> None:
    async with rates_of(valkey, InForce(policy()), principal="1/h") as rates:
        assert await granted(lambda: rates.take_request("app")) == 1


async def test_a_new_policys_rate_holds_at_once_and_what_was_counted_still_counts(
    valkey: ValkeyServer,
) -> None:
    in_force = InForce(policy(app=Rate(2, 3600)))
    async with rates_of(valkey, in_force) as rates:
        assert await granted(lambda: rates.take_request("app")) == 1
        in_force.policy = policy(app=Rate(4, 3600))
        assert await granted(lambda: rates.take_request("app")) == 1
        in_force.policy = policy(trade=replace(TRADE, limits=OrderLimits(rate=Rate(3, 3600))))
        assert [str(state.limit) for state in rates.states("app")] == ["2", "2", "3"]


async def test_an_order_granted_by_the_policy_before_does_not_bring_its_rate_back(
    valkey: ValkeyServer,
) -> None:
    before = replace(TRADE, limits=OrderLimits(rate=Rate(50, 3600)))
    in_force = InForce(policy(trade=before))
    async with rates_of(valkey, in_force) as rates:
        in_force.policy = policy()
        await rates.take_order("app", before)
        assert await granted(lambda: rates.take_order("app", TRADE)) == 1


async def test_a_principal_sees_its_requests_its_accounts_and_its_grants_rates(
    valkey: ValkeyServer,
) -> None:
    async with rates_of(valkey, InForce(policy())) as rates:
        await rates.take_order("app", TRADE)
        await rates.take_call("vault")
        seen = [
            (state.name, str(state.limit), str(state.remaining)) for state in rates.states("app")
        ]
    assert seen == [
        ("requests", "2", "2"),
        ("calls demo", "2", "2"),
        ("orders app-trade", "2", "1"),
    ]
