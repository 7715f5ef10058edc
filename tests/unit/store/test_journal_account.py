"""What the journal tells of an account as a whole: for its leader, and for its history."""

from dataclasses import replace
from decimal import Decimal

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from gateway.domain.placements import Baseline, Placement, PlacementState
from gateway.domain.resolution import Verdict
from gateway.store.account_events import AccountEventStore
from gateway.store.journal import OrderJournal
from tests.unit.store.examples import accepted, in_state, keys_of, placement
from tests.unit.store.journals import begin, ended_at, journal_of, lost
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

S = PlacementState
FOR_GOOD = {
    b"ngw:1:journal:{demo}:guard",
    b"ngw:1:journal:{demo}:events",
}


def numbered(number: int) -> Placement:
    made = placement(number, client_order_id=f"c-{number}")
    return replace(made, created_at=1_000 + number, principal=f"app-{number % 2}")


async def resolve(journal: OrderJournal, standing: Placement, *states: S) -> Placement:
    for state in states:
        order = accepted(standing, f"o-{standing.id}").order if state is S.ACCEPTED else None
        verdict = Verdict(placement=standing, state=state, evidence="seen", order=order)
        standing = await journal.resolve(verdict, leader=None)
    return standing


async def placed(journal: OrderJournal, redis: Redis, number: int, at: int) -> Placement:
    """A placement that was accepted at a moment of Redis' clock."""
    outcome = accepted(await begin(journal, numbered(number)), f"o-{number}")
    await journal.finish(outcome)
    await ended_at(redis, outcome, at)
    return outcome


async def test_what_has_no_outcome_is_told_in_the_order_in_which_it_was_made(
    valkey: ValkeyServer,
) -> None:
    async with journal_of(valkey) as (journal, _):
        in_doubt = await resolve(journal, await lost(journal, numbered(3)), S.IN_DOUBT)
        unknown = await lost(journal, numbered(2))
        sending = await begin(journal, numbered(1))
        elsewhere = await begin(journal, placement(9, account="other"))
        for number, state in enumerate((S.ACCEPTED, S.REJECTED, S.NOT_SENT)):
            begun = await begin(journal, numbered(10 + number))
            await journal.finish(in_state(begun, state))
        await resolve(journal, await lost(journal, numbered(20)), S.NOT_PLACED)
        assert await journal.unresolved("demo") == (sending, unknown, in_doubt)
        assert await journal.unresolved("other") == (elsewhere,)
        assert await journal.unresolved("none") == ()


async def test_what_was_given_up_is_told_while_it_may_turn_up(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, _):
        given_up = [
            await resolve(journal, await lost(journal, numbered(number)), S.NOT_PLACED)
            for number in (1, 2)
        ]
        assert await journal.given_up("demo") == tuple(given_up)
        await resolve(journal, given_up[0], S.ACCEPTED)
        assert await journal.given_up("demo") == (given_up[1],)


async def test_what_was_given_up_long_ago_is_not_watched_any_more(valkey: ValkeyServer) -> None:
    async with journal_of(valkey, late_watch_ms=0) as (journal, redis):
        await resolve(journal, await lost(journal, numbered(1)), S.NOT_PLACED)
        await passes(redis)
        assert await journal.given_up("demo") == ()
        await resolve(journal, await lost(journal, numbered(3)), S.IN_DOUBT)
        assert await redis.zcard("ngw:1:journal:{demo}:given-up") == 0


async def passes(redis: Redis) -> None:
    """Wait until 2 ms have passed by Redis' clock."""
    (seconds, micros), later = await redis.time(), (0, 0)
    while later <= (seconds, micros + 2_000):
        later = await redis.time()


async def test_what_was_accepted_lately_is_told(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, redis):
        ended = [await placed(journal, redis, number, 5_000 + number) for number in range(4)]
        rejected = in_state(await begin(journal, numbered(9)), S.REJECTED)
        await journal.finish(rejected)
        await ended_at(redis, rejected, 9_000)
        assert await journal.accepted_since("demo", 5_002) == tuple(ended[2:])
        assert await journal.accepted_since("demo", 5_004) == ()


async def test_what_has_ended_is_told_the_longest_ago_first_a_lot_at_a_time(
    valkey: ValkeyServer,
) -> None:
    async with journal_of(valkey) as (journal, redis):
        ended = [await placed(journal, redis, number, 9_000 - number) for number in range(4)]
        await begin(journal, numbered(8))
        await resolve(journal, await lost(journal, numbered(9)), S.IN_DOUBT)
        assert await journal.ended_before("demo", 9_000, 10) == tuple(ended[:0:-1])
        assert await journal.ended_before("demo", 9_000, 2) == (ended[3], ended[2])


async def test_a_corrupt_record_holds_up_none_behind_it(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, redis):
        ended = [await placed(journal, redis, number, 5_000 + number) for number in range(3)]
        standing = [await begin(journal, numbered(number)) for number in (3, 4)]
        await redis.set("ngw:1:journal:{demo}:record:app-0:c-0", b"\xff")
        await redis.delete("ngw:1:journal:{demo}:record:app-1:c-1")
        await redis.set("ngw:1:journal:{demo}:record:app-1:c-3", b"{}")
        assert await journal.ended_before("demo", 9_000, 1) == (ended[2],)
        assert await journal.unresolved("demo") == (standing[1],)


async def test_a_dropped_placement_leaves_nothing(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, redis):
        first = await placed(journal, redis, 1, 5_000)
        given_up = await resolve(journal, await lost(journal, numbered(2)), S.NOT_PLACED)
        await journal.drop([first, given_up])
        assert set(await keys_of(redis)) == FOR_GOOD
        await begin(journal, numbered(1))


async def test_a_dropped_placement_leaves_the_way_to_an_order_that_is_another_s(
    valkey: ValkeyServer,
) -> None:
    async with journal_of(valkey) as (journal, redis):
        holder = await placed(journal, redis, 1, 5_000)
        twice = accepted(await begin(journal, numbered(2)), "o-1")
        with capture_logs() as logs:
            await journal.finish(twice)
        assert [entry["event"] for entry in logs] == ["journal.order_claimed_twice"]
        assert await journal.drop([twice]) == 1
        assert await journal.of_orders("demo", ["o-1"]) == {"o-1": holder}


async def test_what_changed_since_it_was_read_is_not_dropped(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, _):
        given_up = await resolve(journal, await lost(journal, numbered(1)), S.NOT_PLACED)
        late = await resolve(journal, given_up, S.ACCEPTED)
        assert await journal.drop([given_up]) == 0
        assert await journal.get(late.id) == late


async def test_dropping_one_placement_leaves_the_others(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, redis):
        gone, stays = await placed(journal, redis, 1, 5_000), await placed(journal, redis, 3, 5_000)
        await journal.drop([gone])
        assert await journal.get(gone.id) is None
        assert await journal.of_orders("demo", ["o-1", "o-3"]) == {"o-3": stays}
        assert await journal.ended_before("demo", 9_000, 10) == (stays,)
        page = await journal.page("app-1", "demo", first=10)
        assert [placement for _, placement in page.entries] == [stays]


async def test_each_transition_is_an_event_without_what_stood_before_the_order(
    valkey: ValkeyServer,
) -> None:
    before = Baseline(
        taken_at=1, stream_since=None, orders=(), fills=(), totals={"BTC": Decimal(1)}
    )
    async with journal_of(valkey) as (journal, redis):
        first = await begin(journal, replace(numbered(1), baseline=before))
        outcome = await journal.finish(accepted(first))
        unknown = await lost(journal, replace(numbered(2), baseline=before))
        settled = await resolve(journal, unknown, S.IN_DOUBT, S.NOT_PLACED, S.ACCEPTED)
        assert await journal.get(first.id) == outcome
        told = await AccountEventStore(redis, 100).read("demo", None, 100)
    assert [event.sequence for event in told] == list(range(1, 8))
    placements = [event.placement for event in told if event.placement is not None]
    assert placements[:2] == [replace(each, baseline=None) for each in (first, outcome)]
    assert [each.state for each in placements[2:]] == [
        *(S.SENDING, S.UNKNOWN, S.IN_DOUBT, S.NOT_PLACED, S.ACCEPTED)
    ]
    assert placements[-1] == replace(settled, baseline=None)


async def test_a_record_keeps_what_stood_before_for_as_long_as_it_may_be_evidence(
    valkey: ValkeyServer,
) -> None:
    before = Baseline(
        taken_at=1, stream_since=None, orders=(), fills=(), totals={"BTC": Decimal(1)}
    )
    async with journal_of(valkey) as (journal, _):
        first = await begin(journal, replace(numbered(1), baseline=before))
        assert (await journal.finish(accepted(first))).baseline is None
        with capture_logs() as logs:
            assert (await journal.finish(accepted(first))).baseline is None
        assert logs == []
        standing = await lost(journal, replace(numbered(2), baseline=before))
        for state in (S.IN_DOUBT, S.NOT_PLACED, S.ACCEPTED):
            assert standing.baseline == before
            standing = await resolve(journal, standing, state)
            assert await journal.get(standing.id) == standing
        assert standing.baseline is None


async def test_so_many_events_are_kept(valkey: ValkeyServer) -> None:
    async with journal_of(valkey, keep_events=10) as (journal, redis):
        for number in range(300):
            await begin(journal, numbered(number))
        told = await AccountEventStore(redis, 10).read("demo", None, 1_000)
    assert 10 <= len(told) < 200
    assert told[-1].placement is not None
    assert told[-1].placement.id == numbered(299).id
