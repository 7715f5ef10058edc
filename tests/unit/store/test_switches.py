import asyncio

import pytest
from structlog.testing import capture_logs

from gateway.domain.account import TradingState
from gateway.domain.audit import GATEWAY
from gateway.domain.switches import Scope, Suspension, Switch
from gateway.store.redis import StoreUnavailable
from gateway.store.switches import KEY, Standing, SwitchStore
from tests.unit.store.examples import open_patient, open_quick
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

EVERYTHING, DEMO, DESK = Scope(), Scope(account="demo"), Scope(principal="desk")
AWKWARD = "a:b {c}\ud800 ş"


def switch(scope: Scope, state: TradingState = TradingState.HALTED, reason: str = "why") -> Switch:
    return Switch(scope, state, reason, "operator", 1_700_000_000_000)


def suspension(principal: str) -> Suspension:
    return Suspension(principal, "lost its token", "operator", 1_700_000_000_000)


async def test_what_one_replica_sets_another_reads(valkey: ValkeyServer) -> None:
    async with open_patient(valkey.url) as one, open_patient(valkey.url) as other:
        assert await SwitchStore(other).read() == Standing()
        await SwitchStore(one).set(switch(DESK))
        await SwitchStore(one).set(switch(EVERYTHING, TradingState.CANCEL_ONLY))
        await SwitchStore(one).set(switch(DEMO))
        await SwitchStore(one).suspend(suspension("desk"))
        assert await SwitchStore(other).read() == Standing(
            (switch(DEMO), switch(EVERYTHING, TradingState.CANCEL_ONLY), switch(DESK)),
            (suspension("desk"),),
        )


async def test_it_outlives_a_restart_and_never_expires(own_valkey: ValkeyServer) -> None:
    async with open_patient(own_valkey.url) as redis:
        await SwitchStore(redis).set(switch(EVERYTHING))
        assert await redis.ttl(KEY) == -1
        await asyncio.to_thread(own_valkey.kill)
        await asyncio.to_thread(own_valkey.start)
        assert (await SwitchStore(redis).read()).switches == (switch(EVERYTHING),)


async def test_a_switch_takes_the_place_of_the_one_for_the_same_and_active_removes_it(
    valkey: ValkeyServer,
) -> None:
    async with open_patient(valkey.url) as redis:
        store = SwitchStore(redis)
        await store.set(switch(DEMO))
        await store.set(switch(DESK))
        await store.set(switch(DEMO, TradingState.CANCEL_ONLY, "later"))
        later = switch(DEMO, TradingState.CANCEL_ONLY, "later")
        assert (await store.read()).switches == (later, switch(DESK))
        await store.set(switch(DEMO, TradingState.ACTIVE))
        assert (await store.read()).switches == (switch(DESK),)


async def test_an_account_and_a_principal_of_one_name_are_two(valkey: ValkeyServer) -> None:
    async with open_patient(valkey.url) as redis:
        store = SwitchStore(redis)
        scopes = (Scope(account="everything"), EVERYTHING, Scope(principal="everything"))
        for scope in scopes:
            await store.set(switch(scope))
        await store.suspend(suspension("everything"))
        await store.set(switch(scopes[2], TradingState.ACTIVE))
        await store.restore("everything")
        assert await store.read() == Standing((switch(scopes[0]), switch(scopes[1])))


async def test_a_restored_principal_is_suspended_no_more(valkey: ValkeyServer) -> None:
    async with open_patient(valkey.url) as redis:
        store = SwitchStore(redis)
        await store.suspend(suspension("desk"))
        await store.suspend(suspension("other"))
        await store.restore("desk")
        await store.restore("nobody")
        assert (await store.read()).suspensions == (suspension("other"),)


async def test_whom_an_unreadable_suspension_is_for_stays_suspended(valkey: ValkeyServer) -> None:
    async with open_patient(valkey.url) as redis:
        store = SwitchStore(redis)
        await store.suspend(suspension("a:b ş"))
        (field,) = await redis.hkeys(KEY)
        await redis.hset(KEY, field, "{")
        (still,) = (await store.read()).suspensions
        assert (still.principal, still.set_by) == ("a:b ş", GATEWAY)
        await store.restore("a:b ş")
        assert await store.read() == Standing()


async def test_a_field_of_no_readable_name_stops_neither_the_reading_nor_what_else_stands(
    valkey: ValkeyServer,
) -> None:
    async with open_patient(valkey.url) as redis:
        store = SwitchStore(redis)
        await store.set(switch(DEMO))
        await redis.hset(KEY, mapping={b"\xff": b"{", b"suspension:\xff%ff": b"{"})
        standing = await store.read()
        assert standing.switches[0] == switch(DEMO)
        assert [each.state for each in standing.switches[1:]] == [TradingState.CANCEL_ONLY] * 2
        assert len(standing.suspensions) == 1


async def test_an_unreadable_record_lets_only_cancels_through_until_it_is_set_again(
    valkey: ValkeyServer,
) -> None:
    async with open_patient(valkey.url) as redis:
        store = SwitchStore(redis)
        await redis.hset(KEY, mapping={"account:demo": "{", "suspension:desk": '{"principal": 1}'})
        with capture_logs() as logs:
            standing = await store.read()
            await store.read()
        assert [each.principal for each in standing.suspensions] == ["desk"]
        assert [(each.scope, each.state, each.set_by) for each in standing.switches] == [
            (EVERYTHING, TradingState.CANCEL_ONLY, GATEWAY)
        ] * 2
        assert "account:demo" in standing.switches[0].reason
        unreadable = [(line["event"], line["field"]) for line in logs]
        assert unreadable == [
            ("switches.unreadable", "account:demo"),
            ("switches.unreadable", "suspension:desk"),
        ]
        await store.set(switch(DEMO, TradingState.ACTIVE))
        await store.restore("desk")
        assert await store.read() == Standing()


async def test_a_name_of_any_characters_has_a_field_of_its_own(valkey: ValkeyServer) -> None:
    async with open_patient(valkey.url) as redis:
        store = SwitchStore(redis)
        await store.set(switch(Scope(account=AWKWARD), TradingState.ACTIVE))
        await store.restore(AWKWARD)
        assert await redis.hkeys(KEY) == []


async def test_without_redis_everything_says_so() -> None:
    async with open_quick("redis://127.0.0.1:1") as redis:
        store = SwitchStore(redis)
        for attempt in (
            store.read(),
            store.set(switch(DEMO)),
            store.set(switch(DEMO, TradingState.ACTIVE)),
            store.suspend(suspension("desk")),
            store.restore("desk"),
        ):
            with pytest.raises(StoreUnavailable):
                await attempt
