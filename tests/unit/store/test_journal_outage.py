"""The journal while Redis stops, hangs, and comes back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from gateway.domain.errors import NotLookedUp, NotRecorded
from gateway.domain.placements import Placement, PlacementState
from gateway.store.account_events import AccountEventStore
from gateway.store.journal import OrderJournal
from tests.unit.store.examples import (
    accepted,
    in_state,
    keys_of,
    open_patient,
    open_quick,
    placement,
)
from tests.unit.store.journals import LEASE_MS, begin, journal_on
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

S = PlacementState


@asynccontextmanager
async def journal_of(
    server: ValkeyServer, *, spool_limit: int = 100
) -> AsyncIterator[tuple[OrderJournal, Redis]]:
    async with open_quick(server.url) as redis:
        yield journal_on(redis, retry_s=0.02, spool_limit=spool_limit), redis


@asynccontextmanager
async def writing(journal: OrderJournal) -> AsyncIterator[None]:
    task = asyncio.create_task(journal.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def stored(server: ValkeyServer, placement_id: str) -> Placement | None:
    """What another process reads."""
    async with open_patient(server.url) as redis:
        return await journal_on(redis).get(placement_id)


async def test_with_redis_away_nothing_begins_and_nothing_waits(own_valkey: ValkeyServer) -> None:
    async with journal_of(own_valkey) as (journal, _):
        await asyncio.to_thread(own_valkey.stop)
        with pytest.raises(NotRecorded):
            await journal.begin(placement(), lease_ms=LEASE_MS)
        for reading in (
            journal.get(placement().id),
            journal.find("demo-app", "demo", "c-1"),
            journal.of_orders("demo", ["o-1"]),
        ):
            with pytest.raises(NotLookedUp):
                await reading
        assert journal.pending() == 0
        await asyncio.to_thread(own_valkey.start)
        await begin(journal, placement(2))


async def test_an_intent_that_was_recorded_without_an_answer_becomes_not_sent(
    own_valkey: ValkeyServer,
) -> None:
    async with journal_of(own_valkey) as (journal, redis):
        await redis.ping()
        own_valkey.pause()
        with pytest.raises(NotRecorded):
            await journal.begin(placement(), lease_ms=LEASE_MS)
        assert journal.pending() == 1
        own_valkey.resume()
        async with writing(journal):
            await journal.caught_up()
        record = await stored(own_valkey, placement().id)
    assert record is not None
    assert record.state is S.NOT_SENT
    assert record.rejection is not None
    assert record.rejection.code == "JOURNAL_UNAVAILABLE"


async def test_who_repeats_a_withdrawn_order_under_the_same_id_gets_it_sent(
    own_valkey: ValkeyServer,
) -> None:
    async with journal_of(own_valkey) as (journal, redis):
        await redis.ping()
        own_valkey.pause()
        with pytest.raises(NotRecorded):
            await journal.begin(placement(), lease_ms=LEASE_MS)
        own_valkey.resume()
        async with writing(journal):
            await journal.caught_up()
        again = replace(placement(), id=placement(2).id)
        again = await begin(journal, again)
        third = replace(placement(), id=placement(3).id)
        assert await journal.begin(third, lease_ms=LEASE_MS) == again
        assert (await journal.finish(accepted(again))).state is S.ACCEPTED


async def test_an_intent_that_arrives_after_its_withdrawal_stays_withdrawn(
    own_valkey: ValkeyServer,
) -> None:
    async with journal_of(own_valkey) as (journal, redis):
        await redis.ping()
        own_valkey.pause()
        with pytest.raises(NotRecorded):
            await journal.begin(placement(), lease_ms=LEASE_MS)
        # Killed, not resumed: the script was never run. Its late twin is sent by hand below.
        await asyncio.to_thread(own_valkey.kill)
        await asyncio.to_thread(own_valkey.start)
        async with writing(journal):
            await journal.caught_up()
    async with open_patient(own_valkey.url) as redis:
        late = await journal_on(redis).begin(placement(), lease_ms=LEASE_MS)
    assert late.state is S.NOT_SENT


async def test_a_withdrawal_leaves_the_record_of_another_attempt_alone(
    own_valkey: ValkeyServer,
) -> None:
    async with journal_of(own_valkey) as (journal, redis):
        await redis.ping()
        own_valkey.pause()
        with pytest.raises(NotRecorded):
            await journal.begin(placement(1), lease_ms=LEASE_MS)
        await asyncio.to_thread(own_valkey.kill)
        await asyncio.to_thread(own_valkey.start)
        async with open_patient(own_valkey.url) as other:
            second = await journal_on(other).begin(placement(2), lease_ms=LEASE_MS)
        async with writing(journal):
            await journal.caught_up()
        assert await journal.find("demo-app", "demo", "c-1") == second
        assert await journal.get(placement(1).id) is None


async def test_a_withdrawal_that_waits_hides_nothing_that_another_process_sent(
    own_valkey: ValkeyServer,
) -> None:
    identity = ("demo-app", "demo", "c-1")
    async with journal_of(own_valkey) as (journal, redis), open_patient(own_valkey.url) as theirs:
        other = journal_on(theirs)
        await redis.ping()
        own_valkey.pause()
        with pytest.raises(NotRecorded):
            await journal.begin(placement(1), lease_ms=LEASE_MS)
        await asyncio.to_thread(own_valkey.kill)
        await asyncio.to_thread(own_valkey.start)
        withdrawn = await journal.find(*identity)
        assert withdrawn is not None
        assert withdrawn.state is S.NOT_SENT
        later = replace(placement(2), created_at=2_000)
        sent = await other.finish(accepted(await begin(other, later)))
        look = await journal.look("demo-app", placement().command)
        again = await journal.begin(placement(3), lease_ms=LEASE_MS)
        refused = await journal.refuse(identity, "owner")
        page = await journal.page("demo-app", "demo", first=9)
        assert [look.standing, again, refused, await journal.find(*identity)] == [sent] * 4
        assert [placed for _, placed in page.entries] == [sent]
        assert journal.pending() == 1
        await asyncio.to_thread(own_valkey.kill)
        for asked in (journal.find(*identity), journal.refuse(identity, "owner")):
            with pytest.raises(NotLookedUp):
                await asked


async def test_a_caller_that_leaves_in_the_middle_leaves_no_intent_standing(
    own_valkey: ValkeyServer,
) -> None:
    async with journal_of(own_valkey) as (journal, redis):
        await redis.ping()
        own_valkey.pause()
        beginning = asyncio.create_task(journal.begin(placement(), lease_ms=LEASE_MS))
        await asyncio.sleep(0.05)
        beginning.cancel()
        with pytest.raises(asyncio.CancelledError):
            await beginning
        own_valkey.resume()
        async with writing(journal):
            await journal.caught_up()
        record = await journal.get(placement().id)
    assert record is None or record.state is S.NOT_SENT


async def test_an_outcome_waits_until_it_is_written_and_is_known_meanwhile(
    own_valkey: ValkeyServer,
) -> None:
    async with journal_of(own_valkey) as (journal, _), writing(journal):
        begun = await begin(journal, placement())
        await asyncio.to_thread(own_valkey.stop)
        outcome = accepted(begun)
        assert await journal.finish(outcome) == outcome
        assert journal.pending() == 1
        assert await journal.get(begun.id) == outcome
        assert await journal.find("demo-app", "demo", "c-1") == outcome
        assert await journal.begin(placement(2), lease_ms=LEASE_MS) == outcome
        await asyncio.to_thread(own_valkey.start)
        await journal.caught_up()
        assert (await journal.of_orders("demo", ["o-1"]))["o-1"].id == begun.id
    assert await stored(own_valkey, begun.id) == outcome


async def test_an_outcome_that_waits_is_found_by_its_order(own_valkey: ValkeyServer) -> None:
    async with journal_of(own_valkey) as (journal, redis):
        begun = await begin(journal, placement())
        own_valkey.command("CONFIG", "SET", "maxmemory", "1")
        outcome = await journal.finish(accepted(begun))
        assert journal.pending() == 1
        assert await journal.of_orders("demo", ["o-1", "o-2"]) == {"o-1": outcome}
        assert await journal.of_orders("other", ["o-1"]) == {}
        assert not any(b":order:" in key for key in await keys_of(redis))


async def test_an_outcome_written_without_an_answer_is_written_once(
    own_valkey: ValkeyServer,
) -> None:
    async with journal_of(own_valkey) as (journal, _):
        begun = await begin(journal, placement())
        own_valkey.pause()
        outcome = await journal.finish(accepted(begun))
        assert journal.pending() == 1
        own_valkey.resume()
        with capture_logs() as logs:
            async with writing(journal):
                await journal.caught_up()
        assert await stored(own_valkey, begun.id) == outcome
    assert [entry["event"] for entry in logs] == ["journal.caught_up"]


async def test_outcomes_are_written_in_the_order_they_were_reached(
    own_valkey: ValkeyServer,
) -> None:
    intents = [placement(n, client_order_id=f"c-{n}") for n in range(20)]
    async with journal_of(own_valkey) as (journal, redis):
        begun = [await begin(journal, intent) for intent in intents]
        await asyncio.to_thread(own_valkey.kill)
        outcomes = [await journal.finish(accepted(each, f"o-{each.id}")) for each in begun[::-1]]
        assert journal.pending() == 20
        await asyncio.to_thread(own_valkey.start)
        with capture_logs() as logs:
            async with writing(journal):
                await journal.caught_up()
        for outcome in outcomes:
            assert await stored(own_valkey, outcome.id) == outcome
        events = await AccountEventStore(redis, 100).read("demo", None, 100)
    told = [event.placement.id for event in events if event.placement is not None]
    assert told == [each.id for each in begun + begun[::-1]]
    assert [entry["event"] for entry in logs] == ["journal.caught_up"]


async def test_an_outcome_waits_behind_those_that_wait_already(own_valkey: ValkeyServer) -> None:
    async with journal_of(own_valkey) as (journal, _):
        first = await begin(journal, placement(1, client_order_id="c-1"))
        second = await begin(journal, placement(2, client_order_id="c-2"))
        await asyncio.to_thread(own_valkey.stop)
        await journal.finish(in_state(first, S.UNKNOWN))
        await asyncio.to_thread(own_valkey.start)
        outcome = await journal.finish(accepted(second))
        assert journal.pending() == 2
        async with writing(journal):
            await journal.caught_up()
    assert await stored(own_valkey, second.id) == outcome


async def test_an_outcome_outlives_the_caller_that_brings_it(own_valkey: ValkeyServer) -> None:
    async with journal_of(own_valkey) as (journal, _):
        outcome = accepted(await begin(journal, placement()))
        own_valkey.pause()
        finishing = asyncio.create_task(journal.finish(outcome))
        await asyncio.sleep(0.05)
        finishing.cancel()
        with suppress(asyncio.CancelledError):
            await finishing
        assert journal.pending() == 1
        own_valkey.resume()
        async with writing(journal):
            await journal.caught_up()
    assert await stored(own_valkey, outcome.id) == outcome


async def test_what_may_not_follow_what_waits_is_refused(own_valkey: ValkeyServer) -> None:
    async with journal_of(own_valkey) as (journal, _):
        begun = await begin(journal, placement())
        await asyncio.to_thread(own_valkey.stop)
        outcome = await journal.finish(accepted(begun))
        assert await journal.finish(in_state(begun, S.REJECTED)) == outcome
        assert journal.pending() == 1


async def test_a_record_that_cannot_be_placed_does_not_block_those_behind_it(
    own_valkey: ValkeyServer,
) -> None:
    first, second, third = (placement(n, client_order_id=f"c-{n}") for n in range(3))
    async with journal_of(own_valkey) as (journal, _):
        begun = [await begin(journal, intent) for intent in (first, second, third)]
        await asyncio.to_thread(own_valkey.stop)
        for intent in begun:
            await journal.finish(accepted(intent, f"o-{intent.id}"))
        await asyncio.to_thread(own_valkey.start)
        async with open_patient(own_valkey.url) as redis:
            await redis.set("ngw:1:journal:{demo}:record:demo-app:c-0", b"\xff")
            await redis.delete("ngw:1:journal:{demo}:record:demo-app:c-1")
            await redis.rpush("ngw:1:journal:{demo}:record:demo-app:c-1", "foreign")
        async with writing(journal):
            await journal.caught_up()
        for intent in (second, third):
            record = await stored(own_valkey, intent.id)
            assert record is not None
            assert record.state is S.ACCEPTED


async def test_a_record_that_redis_lost_is_written_whole(own_valkey: ValkeyServer) -> None:
    async with journal_of(own_valkey) as (journal, _):
        begun = await begin(journal, placement())
        own_valkey.command("FLUSHALL")
        outcome = await journal.finish(accepted(begun))
        assert await journal.get(begun.id) == outcome
        assert (await journal.of_orders("demo", ["o-1"]))["o-1"].id == begun.id


async def test_a_full_spool_says_so_and_keeps_what_it_has(own_valkey: ValkeyServer) -> None:
    first, second = (placement(n, client_order_id=f"c-{n}") for n in range(2))
    async with journal_of(own_valkey, spool_limit=1) as (journal, _):
        first, second = await begin(journal, first), await begin(journal, second)
        await asyncio.to_thread(own_valkey.stop)
        await journal.finish(accepted(first))
        with capture_logs() as logs:
            await journal.finish(accepted(second))
        assert journal.pending() == 1
        assert await journal.get(first.id) == accepted(first)
    assert [entry["event"] for entry in logs] == ["journal.spool_full"]
    assert logs[0]["log_level"] == "critical"
