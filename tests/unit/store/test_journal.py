import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from hypothesis import given, settings
from redis.asyncio import Redis
from structlog.testing import capture_logs

from gateway.domain.errors import NotLookedUp, NotRecorded
from gateway.domain.placements import FOLLOWING, Placement, PlacementState
from gateway.store.journal import OrderJournal, new_placement_id
from tests.unit.store.examples import (
    accepted,
    in_state,
    keys_of,
    open_patient,
    open_quick,
    placement,
    placements,
)
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

S = PlacementState
KEEP_MS = 1_000_000
RECORD_KEY = "ngw:1:journal:{demo}:record:demo-app:c-1"


@asynccontextmanager
async def journal_of(server: ValkeyServer) -> AsyncIterator[tuple[OrderJournal, Redis]]:
    async with open_patient(server.url) as redis:
        yield OrderJournal(redis, keep_ms=KEEP_MS), redis


async def standing_in(journal: OrderJournal, state: PlacementState) -> Placement:
    """A placement that went the legal way from SENDING (or RECEIVED) to `state`."""
    ways = {
        S.DENIED: [S.RECEIVED, S.DENIED],
        S.RECEIVED: [S.RECEIVED],
        S.NOT_PLACED: [S.SENDING, S.UNKNOWN, S.NOT_PLACED],
        S.IN_DOUBT: [S.SENDING, S.UNKNOWN, S.IN_DOUBT],
        S.SENDING: [S.SENDING],
    }
    first, *rest = ways.get(state, [S.SENDING, state])
    current = await journal.begin(replace(placement(), state=first))
    for step in rest:
        current = await journal.finish(in_state(current, step))
    assert current.state is state
    return current


async def test_what_is_begun_can_be_got_and_found(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, _):
        begun = await journal.begin(placement())
        assert begun == placement()
        assert await journal.get(begun.id) == begun
        assert await journal.find("demo-app", "demo", "c-1") == begun


@given(intent=placements)
@settings(max_examples=60)
async def test_every_placement_comes_back_digit_for_digit(
    valkey_server: ValkeyServer, intent: Placement
) -> None:
    valkey_server.command("FLUSHALL")
    async with journal_of(valkey_server) as (journal, _):
        await journal.begin(intent)
        back = await journal.get(intent.id)
    assert back == intent
    # Equal decimals may differ in their digits: 1.50 and 1.5.
    assert repr(back) == repr(intent)


async def test_a_record_of_the_time_when_all_orders_were_limit_orders_is_still_read(
    valkey: ValkeyServer,
) -> None:
    record = (
        b'{"id":"demo.00000000000000000000000000000001","principal":"demo-app","command":{"account":'
        b'"demo","client_order_id":"c-1","symbol":"BTCUSDT","side":"BUY","spec":{"price":"53963.10",'
        b'"quantity":"0.0000001"}},"state":"SENDING","created_at":1000,"updated_at":1000,"rule":'
        b'"demo-trade","signed_at":1000,"window":10000,"digest":"%s","lease_until":30000,"order":null,'
        b'"rejection":null,"evidence":null}' % (b"0" * 64)
    )
    async with journal_of(valkey) as (journal, redis):
        await redis.set(RECORD_KEY, record)
        assert await journal.find("demo-app", "demo", "c-1") == placement()


async def test_what_was_never_begun_is_not_there(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, _):
        for unknown in (placement().id, "demo", "", ".", "}.{", "a" * 5000, "de\ud800mo.\ud800"):
            assert await journal.get(unknown) is None
        assert await journal.find("demo-app", "demo", "c-1") is None
        assert await journal.of_orders("demo", ["o-1"]) == {}
        assert await journal.of_orders("demo", []) == {}


async def test_of_many_racing_to_begin_exactly_one_does(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (one, _), journal_of(valkey) as (other, _):
        intents = [placement(number) for number in range(40)]
        answers = await asyncio.gather(
            *((one, other)[n % 2].begin(intent) for n, intent in enumerate(intents))
        )
        created = [a for a, intent in zip(answers, intents, strict=True) if a.id == intent.id]
        assert len(created) == 1
        assert {answer.id for answer in answers} == {created[0].id}
        for intent in intents:
            assert (await one.get(intent.id) is not None) == (intent.id == created[0].id)


async def test_the_same_client_order_id_is_another_for_another_principal_or_account(
    valkey: ValkeyServer,
) -> None:
    mine = placement(1)
    theirs = replace(placement(2), principal="other-app")
    elsewhere = placement(3, account="second")
    async with journal_of(valkey) as (journal, _):
        for intent in (mine, theirs, elsewhere):
            assert await journal.begin(intent) == intent


async def test_parts_of_a_name_never_run_together(valkey: ValkeyServer) -> None:
    one = replace(placement(1, client_order_id="c"), principal="a:b")
    other = replace(placement(2, client_order_id="b:c"), principal="a")
    async with journal_of(valkey) as (journal, _):
        for intent in (one, other):
            assert await journal.begin(intent) == intent


async def test_a_record_that_stands_is_returned_as_it_stands(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, _):
        outcome = await journal.finish(accepted(await journal.begin(placement(1))))
        assert await journal.begin(placement(2)) == outcome


async def test_an_id_that_does_not_carry_its_account_is_refused(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, redis):
        with pytest.raises(ValueError, match="new_placement_id"):
            await journal.begin(replace(placement(), id="0" * 32))
        assert await keys_of(redis) == []


def test_a_new_placement_id_carries_its_account_and_128_random_bits() -> None:
    assert new_placement_id("de.mo", lambda n: bytes(range(n))) == "de.mo." + bytes(range(16)).hex()


@pytest.mark.parametrize("before", PlacementState)
@pytest.mark.parametrize("after", sorted(set(PlacementState) - {S.RECEIVED, S.SENDING}))
async def test_a_finish_follows_the_state_machine(
    valkey: ValkeyServer, before: PlacementState, after: PlacementState
) -> None:
    async with journal_of(valkey) as (journal, _):
        standing = await standing_in(journal, before)
        wanted = in_state(standing, after)
        expected = wanted if after in FOLLOWING[before] else standing
        assert await journal.finish(wanted) == expected
        assert await journal.get(standing.id) == expected


@pytest.mark.parametrize("state", [S.RECEIVED, S.SENDING])
async def test_an_intent_is_no_outcome(valkey: ValkeyServer, state: PlacementState) -> None:
    async with journal_of(valkey) as (journal, redis):
        with pytest.raises(ValueError, match="begin"):
            await journal.finish(replace(placement(), state=state))
        assert await keys_of(redis) == []


async def test_a_refused_transition_is_logged_and_a_repeated_one_is_not(
    valkey: ValkeyServer,
) -> None:
    async with journal_of(valkey) as (journal, _):
        outcome = await journal.finish(accepted(await journal.begin(placement())))
        with capture_logs() as logs:
            assert await journal.finish(outcome) == outcome
            assert await journal.finish(in_state(outcome, S.REJECTED)) == outcome
    assert [entry["event"] for entry in logs] == ["journal.transition_refused"]


async def test_of_racing_outcomes_the_first_stands(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (one, _), journal_of(valkey) as (other, _):
        begun = await one.begin(placement())
        outcomes = [accepted(begun), in_state(begun, S.REJECTED)] * 10
        answers = await asyncio.gather(
            *((one, other)[n % 2].finish(outcome) for n, outcome in enumerate(outcomes))
        )
        assert len({answer.state for answer in answers}) == 1
        assert await one.get(begun.id) == answers[0]


async def test_an_accepted_order_leads_to_its_placement(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, _):
        first = await journal.finish(accepted(await journal.begin(placement(1)), "o-1"))
        second = placement(2, client_order_id="c-2")
        second = await journal.finish(accepted(await journal.begin(second), "o-2"))
        assert (await journal.of_orders("demo", ["o-1"]))["o-1"].id == first.id
        assert await journal.of_orders("other", ["o-1"]) == {}
        found = await journal.of_orders("demo", ["o-2", "o-3", "o-1"])
    assert found == {"o-2": second, "o-1": first}


@pytest.mark.parametrize(
    "state", [S.DENIED, S.NOT_SENT, S.REJECTED, S.ACCEPTED, S.NOT_PLACED], ids=str
)
async def test_records_go_some_time_after_their_outcome(
    valkey: ValkeyServer, state: PlacementState
) -> None:
    async with journal_of(valkey) as (journal, redis):
        await standing_in(journal, state)
        times = [await redis.pttl(key) for key in await keys_of(redis)]
    # The record, the pointer from its id, the index, and the index's expiries.
    assert len(times) == 4
    assert all(0 < time <= KEEP_MS for time in times)


async def test_the_way_from_an_order_goes_together_with_its_record(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, redis):
        await journal.finish(accepted(await journal.begin(placement())))
        times = [await redis.pttl(key) for key in await keys_of(redis)]
    assert len(times) == 5
    assert all(0 < time <= KEEP_MS for time in times)


@pytest.mark.parametrize("state", [S.RECEIVED, S.SENDING, S.UNKNOWN, S.IN_DOUBT], ids=str)
async def test_records_without_an_outcome_stay(valkey: ValkeyServer, state: PlacementState) -> None:
    async with journal_of(valkey) as (journal, redis):
        await standing_in(journal, state)
        assert {await redis.pttl(key) for key in await keys_of(redis)} == {-1}


async def test_the_keys_of_an_account_share_a_slot(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, redis):
        await journal.finish(accepted(await journal.begin(placement())))
        assert all(key.startswith(b"ngw:1:journal:{demo}:") for key in await keys_of(redis))


async def test_a_corrupt_record_lets_nothing_be_sent_in_its_place(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, redis):
        await journal.begin(placement())
        for garbage in (b"\xff", b"3", b"{}"):
            await redis.set(RECORD_KEY, garbage)
            with pytest.raises(NotRecorded):
                await journal.begin(placement(2))
            for reading in (
                journal.get(placement().id),
                journal.find("demo-app", "demo", "c-1"),
            ):
                with pytest.raises(NotLookedUp):
                    await reading
            assert await redis.get(RECORD_KEY) == garbage


async def test_records_outlive_a_kill(own_valkey: ValkeyServer) -> None:
    async with journal_of(own_valkey) as (journal, _):
        begun = await journal.begin(placement())
        await asyncio.to_thread(own_valkey.kill)
        await asyncio.to_thread(own_valkey.start)
        assert await journal.get(begun.id) == begun


async def test_a_sound_redis_has_nothing_to_warn_of(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, _):
        assert await journal.inspect() == []


async def test_a_redis_that_may_lose_records_is_warned_of(own_valkey: ValkeyServer) -> None:
    own_valkey.stop()
    own_valkey.start("--appendonly", "no", "--maxmemory-policy", "allkeys-lru")
    async with journal_of(own_valkey) as (journal, _):
        eviction, disk = await journal.inspect()
    assert "maxmemory-policy to noeviction (it is allkeys-lru)" in eviction
    assert "appendonly to yes" in disk


async def test_a_redis_that_is_away_is_warned_of() -> None:
    async with open_quick("redis://127.0.0.1:1") as redis:
        (warning,) = await OrderJournal(redis).inspect()
    assert "cannot be asked" in warning
