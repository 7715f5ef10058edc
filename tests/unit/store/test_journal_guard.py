"""What the journal lost, and who notices."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from gateway.domain.errors import NotLookedUp, NotRecorded
from gateway.domain.order_errors import Quarantined
from gateway.domain.placements import Placement
from gateway.store.durability import Durability
from gateway.store.journal import OrderJournal
from tests.unit.store.examples import accepted, keys_of, open_patient, placement
from tests.unit.store.journals import LEASE_MS, SERVER, begin, journal_of, journal_on
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

OTHER = "1" * 40
GUARD = "ngw:1:journal:{demo}:guard"


def numbered(number: int) -> Placement:
    return placement(number, client_order_id=f"c-{number}")


def journal_that_sees(redis: Redis, servers: list[str]) -> OrderJournal:
    """A journal of a process to which Redis appears as the last of `servers`."""
    sound = Durability(problem=None, wait=None, run_id=SERVER)
    return OrderJournal(redis, server=lambda: servers[-1], durability=lambda: sound)


async def refused(journal: OrderJournal, number: int = 99) -> str:
    """Why the account is quarantined, told the same by all who can tell."""
    wanted = numbered(number)
    with pytest.raises(Quarantined) as refusal:
        await journal.begin(wanted, lease_ms=LEASE_MS)
    look = await journal.look(wanted.principal, wanted.command)
    assert str(look.obstacle) == str(refusal.value)
    assert not look.obstacle_sending
    assert await journal.quarantine("demo") == refusal.value.reason
    assert journal.quarantines == {"demo": refusal.value.reason}
    assert not await journal.writable("demo")
    return refusal.value.reason


async def test_another_server_shuts_the_account_until_somebody_reopens_it(
    valkey: ValkeyServer,
) -> None:
    async with journal_of(valkey) as (before, _), journal_of(valkey, server=OTHER) as (after, _):
        standing = await begin(before, numbered(1))
        assert "another Redis server" in await refused(after)
        assert await after.begin(replace(standing, id=numbered(2).id), lease_ms=1) == standing
        assert (await after.finish(accepted(standing))).id == standing.id
        await after.reopen("demo", "compared")
        assert after.quarantines == {}
        assert await after.quarantine("demo") is None
        await begin(after, numbered(3))
        assert "another Redis server" in await refused(before)


async def test_an_account_that_was_never_seen_is_open(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, redis):
        assert await journal.quarantine("demo") is None
        assert await journal.writable("demo")
        await begin(journal, numbered(1))
        assert await redis.hget(GUARD, "server") == SERVER.encode()


async def test_a_data_set_without_records_that_were_acknowledged_shuts_the_account_for_all(
    valkey: ValkeyServer,
) -> None:
    async with journal_of(valkey) as (journal, redis), journal_of(valkey) as (another, _):
        await begin(journal, numbered(1))
        older = {key: await redis.dump(key) for key in await keys_of(redis)}
        await begin(journal, numbered(2))
        await restore(redis, older)
        await begin(another, numbered(3))  # makes the count what it was, or so it seems
        await restore(redis, older)
        assert "older copy" in await refused(journal)
        assert "older copy" in await refused(another)
        async with journal_of(valkey) as (begun_later, _):
            assert "older copy" in await refused(begun_later)
        await another.reopen("demo", "compared")
        await begin(journal, numbered(4))
        await begin(another, numbered(5))


async def restore(redis: Redis, keys: dict[bytes, bytes | None]) -> None:
    await redis.flushall()
    for key, value in keys.items():
        assert value is not None
        await redis.restore(key, 0, value)


async def test_an_emptied_redis_shuts_the_accounts_that_had_records(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, redis):
        await begin(journal, numbered(1))
        await redis.flushall()
        assert "older copy" in await refused(journal)
        await begin(journal, placement(1, account="other"))


async def looked_at(journal: OrderJournal) -> None:
    wanted = numbered(1)
    assert (await journal.look(wanted.principal, wanted.command)).standing is not None


async def polled(journal: OrderJournal) -> None:
    assert await journal.quarantine("demo") is None


@pytest.mark.parametrize("server", [SERVER, OTHER])
@pytest.mark.parametrize("learn", [looked_at, polled])
async def test_who_has_only_seen_an_account_misses_its_records_too(
    valkey: ValkeyServer, server: str, learn: Callable[[OrderJournal], Awaitable[None]]
) -> None:
    known = [SERVER]
    async with journal_of(valkey) as (sender, redis), open_patient(valkey.url) as other:
        journal = journal_that_sees(other, known)
        await begin(sender, numbered(1))
        await learn(journal)
        await redis.flushall()
        known.append(server)
        again = replace(numbered(1), id=numbered(2).id)
        with pytest.raises(Quarantined, match="older copy"):
            await journal.begin(again, lease_ms=LEASE_MS)


async def test_who_finds_a_loss_by_asking_tells_all(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, redis), journal_of(valkey) as (another, _):
        await begin(journal, numbered(1))
        await redis.flushall()
        assert "older copy" in str(await journal.quarantine("demo"))
        assert "older copy" in await refused(another, 1)


async def test_an_account_that_began_once_more_by_itself_is_shut_however_much_it_began(
    valkey: ValkeyServer,
) -> None:
    async with journal_of(valkey) as (journal, redis), journal_of(valkey) as (unknowing, _):
        await begin(journal, numbered(1))
        await redis.flushall()
        for number in (2, 3):
            await begin(unknowing, numbered(number))
        assert "older copy" in str(await journal.quarantine("demo"))
        assert "older copy" in await refused(unknowing)


async def test_a_changed_server_is_told_to_all_and_stays_told(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (before, redis):
        server = (await redis.info("server"))["run_id"]
        await begin(before, numbered(1))
        assert "another Redis server" in await refused(journal_on(redis, server=server))
        assert "another Redis server" in await refused(before)


async def test_who_has_not_noticed_a_restart_shuts_nothing_for_others(
    valkey: ValkeyServer,
) -> None:
    async with journal_of(valkey) as (behind, redis):
        server = (await redis.info("server"))["run_id"]
        journal = journal_on(redis, server=server)
        await begin(journal, numbered(1))
        assert "another Redis server" in await refused(behind)
        await begin(journal, numbered(2))


@pytest.mark.parametrize("reopened", [False, True])
async def test_a_lost_generation_is_noticed_however_much_was_begun_since(
    valkey: ValkeyServer, *, reopened: bool
) -> None:
    async with journal_of(valkey) as (journal, redis), journal_of(valkey) as (another, _):
        await journal.reopen("demo", "first")
        await begin(journal, numbered(1))
        await redis.flushall()
        for number in (2, 3, 4):
            await begin(another, numbered(number))
        assert "older copy" in await refused(journal)
        if reopened:
            await another.reopen("demo", "compared")
            await begin(journal, numbered(5))


async def test_where_volatility_is_accepted_nothing_is_shut(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (before, redis):
        await begin(before, numbered(1))
        async with journal_of(valkey, server=OTHER, volatile=True) as (journal, _):
            await begin(journal, numbered(2))
            await redis.flushall()
            await begin(journal, numbered(3))
            assert await journal.quarantine("demo") is None


async def test_an_intent_that_another_server_may_have_taken_is_not_sent(
    own_valkey: ValkeyServer,
) -> None:
    known = [SERVER]
    async with open_patient(own_valkey.url) as redis:
        journal = journal_that_sees(redis, known)
        await redis.ping()
        own_valkey.pause()
        beginning = asyncio.create_task(journal.begin(numbered(1), lease_ms=LEASE_MS))
        await asyncio.sleep(0.05)
        known.append(OTHER)
        own_valkey.resume()
        with pytest.raises(NotRecorded):
            await beginning
        assert journal.pending() == 1
        assert await redis.exists("ngw:1:journal:{demo}:record:demo-app:c-1")


async def test_before_the_server_is_known_nothing_is_recorded(valkey: ValkeyServer) -> None:
    sound = Durability(problem=None, wait=None, run_id=SERVER)
    async with open_patient(valkey.url) as redis:
        journal = OrderJournal(redis, server=lambda: None, durability=lambda: sound)
        with pytest.raises(NotRecorded):
            await journal.begin(numbered(1), lease_ms=LEASE_MS)
        assert await keys_of(redis) == []


async def test_a_loss_is_told_once_and_so_is_its_end(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (before, redis):
        await begin(before, numbered(1))
        journal = journal_on(redis, server=OTHER)
        assert journal.problem is None
        with capture_logs() as logs:
            for _ in range(2):
                await journal.quarantine("demo")
            assert "demo is quarantined: " in str(journal.problem)
            await journal_on(redis, server=OTHER).reopen("demo", "compared")
            for _ in range(2):
                assert await journal.quarantine("demo") is None
    assert journal.problem is None
    told = [(entry["event"], entry["log_level"]) for entry in logs]
    assert told == [("journal.quarantined", "error"), ("journal.reopened", "warning")]


async def test_with_redis_away_nobody_can_tell_of_a_loss(own_valkey: ValkeyServer) -> None:
    async with journal_of(own_valkey) as (journal, _):
        await asyncio.to_thread(own_valkey.stop)
        with pytest.raises(NotLookedUp):
            await journal.quarantine("demo")
        with pytest.raises(NotLookedUp):
            await journal.reopen("demo", "compared")
