"""The journal's pages of placements: whole, in order, bounded, and gone when the records are."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from gateway.domain.errors import BadUserInput, NotLookedUp, NotRecorded
from gateway.domain.placements import Placement, PlacementPage, PlacementState
from gateway.domain.resolution import Verdict
from gateway.store.journal import OrderJournal
from gateway.store.journal_index import position_of
from tests.unit.store.examples import (
    accepted,
    in_state,
    keys_of,
    open_quick,
    placement,
)
from tests.unit.store.journals import LEASE_MS, begin, journal_of, journal_on, lead, lost
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

S = PlacementState
INDEX = "ngw:1:journal:{demo}:index:demo-app"


def numbered(number: int) -> Placement:
    """A placement a millisecond later than the one of the number before."""
    made = placement(number, client_order_id=f"c-{number}")
    return replace(made, created_at=1_000 + number)


async def page(
    journal: OrderJournal, first: int = 100, after: str | None = None
) -> tuple[list[Placement], PlacementPage]:
    found = await journal.page("demo-app", "demo", first=first, after=after)
    return [placement for _, placement in found.entries], found


async def walk(
    journal: OrderJournal,
    first: int,
    *,
    between: Callable[[], object] = lambda: None,
    wanted: Callable[[Placement], bool] = lambda _: True,
) -> tuple[list[Placement], int]:
    """Every placement, page by page, and how many pages that took."""
    seen: list[Placement] = []
    after, pages, more = None, 0, True
    while more:
        found = await journal.page("demo-app", "demo", first=first, after=after, wanted=wanted)
        seen += [placement for _, placement in found.entries]
        after, more, pages = found.end, found.has_next, pages + 1
        between()
    return seen, pages


async def test_a_principal_without_placements_has_an_empty_page(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, _):
        assert await journal.page("demo-app", "demo", first=1) == PlacementPage(
            (), None, has_next=False
        )


@pytest.mark.parametrize("count", [1, 99, 100, 101, 250])
@pytest.mark.parametrize("first", [1, 7, 100])
async def test_pages_hold_every_placement_once_the_newest_first(
    valkey: ValkeyServer, count: int, first: int
) -> None:
    intents = [numbered(number) for number in range(count)]
    async with journal_of(valkey) as (journal, _):
        intents = list(await asyncio.gather(*(begin(journal, each) for each in intents)))
        seen, pages = await walk(journal, first)
    assert seen == intents[::-1]
    assert pages == -(-count // first)


async def test_placements_of_one_moment_stand_in_an_order_that_stays(valkey: ValkeyServer) -> None:
    intents = [placement(n, client_order_id=f"c-{n}") for n in range(9)]
    async with journal_of(valkey) as (journal, _):
        intents = list(await asyncio.gather(*(begin(journal, each) for each in intents)))
        seen, _ = await walk(journal, 2)
    assert seen == intents[::-1]


async def test_what_is_placed_meanwhile_moves_no_page(valkey: ValkeyServer) -> None:
    intents = [numbered(number) for number in range(10)]
    later = iter(range(100, 200))
    async with journal_of(valkey) as (journal, _):
        intents = list(await asyncio.gather(*(begin(journal, each) for each in intents)))
        begun: list[asyncio.Task[Placement]] = []

        def begin_another() -> None:
            begun.append(asyncio.create_task(begin(journal, numbered(next(later)))))

        seen, _ = await walk(journal, 3, between=begin_another)
        await asyncio.gather(*begun)
    assert seen == intents[::-1]


async def test_a_page_shows_nothing_of_another_principal_or_account(valkey: ValkeyServer) -> None:
    mine = placement(1)
    theirs = replace(placement(2, client_order_id="c-2"), principal="other-app")
    others = theirs, placement(3, account="second")
    async with journal_of(valkey) as (journal, _):
        mine, *_ = [await begin(journal, intent) for intent in (mine, *others)]
        assert (await page(journal))[0] == [mine]


async def test_a_page_shows_each_placement_as_it_stands_now(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, _):
        outcome = await journal.finish(accepted(await begin(journal, placement())))
        assert (await page(journal))[0] == [outcome]


async def test_a_client_order_id_leads_to_its_one_placement(valkey: ValkeyServer) -> None:
    async def with_id(client_order_id: str, after: str | None = None) -> PlacementPage:
        return await journal.page(
            "demo-app", "demo", first=1, after=after, client_order_id=client_order_id
        )

    async with journal_of(valkey) as (journal, _):
        begun = [await begin(journal, numbered(number)) for number in range(3)]
        found = await with_id("c-1")
        assert [placement for _, placement in found.entries] == begun[1:2]
        assert not found.has_next
        assert (await with_id("c-1", found.end)).entries == ()
        assert (await with_id("c-9")).entries == ()


async def test_only_what_is_wanted_is_shown_and_pages_still_follow(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, _):
        intents = [await begin(journal, numbered(number)) for number in range(30)]
        unknown = [await journal.finish(in_state(each, S.UNKNOWN)) for each in intents[::7]]
        seen, _ = await walk(journal, 2, wanted=lambda each: each.state is S.UNKNOWN)
    assert seen == unknown[::-1]


async def test_a_page_reads_so_many_and_says_that_there_are_more(valkey: ValkeyServer) -> None:
    intents = [numbered(number) for number in range(1_100)]
    async with journal_of(valkey) as (journal, _):
        for start in range(0, len(intents), 100):
            lot = intents[start : start + 100]
            intents[start : start + 100] = await asyncio.gather(
                *(begin(journal, each) for each in lot)
            )
        oldest = intents[0]
        found = await journal.page(
            "demo-app", "demo", first=1, wanted=lambda each: each.id == oldest.id
        )
        assert (found.entries, found.has_next) == ((), True)
        found = await journal.page(
            "demo-app",
            "demo",
            first=1,
            after=found.end,
            wanted=lambda each: each.id == oldest.id,
        )
        assert [placement for _, placement in found.entries] == [oldest]
        assert not found.has_next


async def test_a_page_looks_at_so_many_positions_also_where_the_records_are_gone(
    valkey: ValkeyServer,
) -> None:
    gone = [position_of(numbered(number)) for number in range(1, 1_100)]
    async with journal_of(valkey) as (journal, redis):
        oldest = await begin(journal, numbered(0))
        await redis.zadd(INDEX, dict.fromkeys(gone, 0))
        placements, found = await page(journal)
        assert (placements, found.has_next) == ([], True)
        assert await walk(journal, 1) == ([oldest], 2)


@pytest.mark.parametrize("garbage", [b"\xff", b"3", b"{}"])
async def test_a_corrupt_record_hides_no_other_and_is_logged_once(
    valkey: ValkeyServer, garbage: bytes
) -> None:
    async with journal_of(valkey) as (journal, redis):
        ended = [
            await journal.finish(accepted(await begin(journal, numbered(number)), f"o-{number}"))
            for number in range(3)
        ]
        await redis.set("ngw:1:journal:{demo}:record:demo-app:c-1", garbage)
        with capture_logs() as lines:
            assert (await page(journal))[0] == [ended[2], ended[0]]
            assert (await page(journal, 1))[0] == [ended[2]]
            assert await journal.of_orders("demo", ["o-0", "o-1", "o-2"]) == {
                "o-0": ended[0],
                "o-2": ended[2],
            }
            with pytest.raises(NotLookedUp):
                await journal.page("demo-app", "demo", first=1, client_order_id="c-1")
    (line,) = lines
    assert (line["event"], line["log_level"]) == ("journal.corrupt_record", "error")
    assert line["key"] == "ngw:1:journal:{demo}:record:demo-app:c-1"


async def test_a_bad_cursor_is_refused_before_redis_is_asked() -> None:
    async with open_quick("redis://127.0.0.1:1") as redis:
        with pytest.raises(BadUserInput):
            await journal_on(redis).page("demo-app", "demo", first=1, after="bad")


async def test_late_evidence_leaves_a_placement_in_its_place(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, redis):
        unknown = await lost(journal, numbered(1))
        await begin(journal, numbered(2))
        leader = await lead(redis)
        for state in (S.NOT_PLACED, S.ACCEPTED):
            verdict = Verdict(placement=unknown, state=state, evidence="seen")
            unknown = await journal.resolve(verdict, leader=leader)
        assert (await page(journal))[0][1:] == [unknown]


async def test_a_withdrawn_intent_gives_its_place_to_the_one_that_follows(
    own_valkey: ValkeyServer,
) -> None:
    async with open_quick(own_valkey.url) as redis:
        journal = journal_on(redis, retry_s=0.02)
        await redis.ping()
        own_valkey.pause()
        with pytest.raises(NotRecorded):
            await journal.begin(numbered(1), lease_ms=LEASE_MS)
        own_valkey.resume()
        (withdrawn,), _ = await page(journal)
        assert (withdrawn.state, journal.pending()) == (S.NOT_SENT, 1)
        writing = asyncio.create_task(journal.run())
        await journal.caught_up()
        writing.cancel()
        (written,), _ = await page(journal)
        begun_at, lease_until = written.begun_at, written.lease_until
        assert written == replace(withdrawn, begun_at=begun_at, lease_until=lease_until)
        again = replace(numbered(1), id=placement(2).id, created_at=5_000)
        again = await begin(journal, again)
        assert (await page(journal))[0] == [again]
        assert await redis.zcard(INDEX) == 1
        assert await redis.zcard("ngw:1:journal:{demo}:ended") == 0
        assert await journal.get(withdrawn.id) is None
        assert not await redis.exists(f"ngw:1:journal:{{demo}}:id:{withdrawn.id}")


async def test_a_place_that_was_given_up_while_a_page_was_read_shows_nothing(
    valkey: ValkeyServer,
) -> None:
    async with journal_of(valkey) as (journal, redis):
        intent = await begin(journal, numbered(1))
        given_up = position_of(replace(intent, created_at=500))
        await redis.zadd(INDEX, {given_up: 0})
        assert (await page(journal))[0] == [intent]


async def test_what_waits_in_memory_is_in_its_place_as_it_stands(own_valkey: ValkeyServer) -> None:
    intents = [numbered(number) for number in range(150)]
    async with open_quick(own_valkey.url) as redis:
        journal = journal_on(redis)
        intents = [await begin(journal, intent) for intent in intents]
        await asyncio.to_thread(own_valkey.stop)
        for number in (0, 20, 149):
            intents[number] = await journal.finish(accepted(intents[number], f"o-{number}"))
        with pytest.raises(NotLookedUp):
            await page(journal)
        await asyncio.to_thread(own_valkey.start)
        assert journal.pending() == 3
        seen, pages = await walk(journal, 60)
        ended, _ = await walk(journal, 10, wanted=lambda each: each.state is S.ACCEPTED)
    assert seen == intents[::-1]
    assert pages == 3
    assert ended == [intents[149], intents[20], intents[0]]


async def test_a_foreign_key_in_the_index_s_place_blocks_no_order(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, redis):
        await redis.set(INDEX, "foreign")
        outcome = await journal.finish(accepted(await begin(journal, placement())))
        assert await journal.get(outcome.id) == outcome
        with pytest.raises(NotLookedUp):
            await page(journal)


async def test_a_sound_redis_can_be_written_and_asking_writes_nothing(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, redis):
        assert await journal.writable("demo")
        assert await keys_of(redis) == []


async def test_a_redis_that_is_full_or_read_only_or_away_cannot_be_written(
    own_valkey: ValkeyServer,
) -> None:
    async with open_quick(own_valkey.url) as redis:
        journal = journal_on(redis)
        own_valkey.command("CONFIG", "SET", "maxmemory", "1")
        assert not await journal.writable("demo")
        own_valkey.command("CONFIG", "SET", "maxmemory", "0")
        own_valkey.command("REPLICAOF", "127.0.0.1", "1")
        assert not await journal.writable("demo")
        own_valkey.command("REPLICAOF", "NO", "ONE")
        assert await journal.writable("demo")
        await asyncio.to_thread(own_valkey.stop)
        assert not await journal.writable("demo")
