"""Intents that lose their sender: who may say what became of them, and what is claimed for them."""

import asyncio
from dataclasses import replace

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from gateway.domain.errors import NotLookedUp
from gateway.domain.leadership import Fenced
from gateway.domain.placements import (
    FOLLOWING,
    Answer,
    Answered,
    Placement,
    PlacementState,
    Rejection,
)
from gateway.domain.resolution import Verdict
from gateway.store.journal import Claimed, Moved, OrderJournal
from gateway.store.journal_writes import Changing, JournalWrites, text_of
from tests.unit.store.examples import accepted, in_state, keys_of, placement
from tests.unit.store.journals import LAPSED, begin, journal_of, lead, lost
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

S = PlacementState


def verdict(standing: Placement, state: PlacementState, order_id: str | None = None) -> Verdict:
    order = None if order_id is None else accepted(standing, order_id).order
    return Verdict(placement=standing, state=state, evidence="seen", order=order)


def placed(standing: Placement, order_id: str) -> Verdict:
    return verdict(standing, S.ACCEPTED, order_id)


async def two_lost(journal: OrderJournal) -> tuple[Placement, Placement]:
    return (
        await lost(journal, placement(1, client_order_id="c-1")),
        await lost(journal, placement(2, client_order_id="c-2")),
    )


async def test_an_intent_is_its_sender_s_until_its_lease_has_lapsed(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, _), journal_of(valkey) as (another, _):
        begun = await begin(journal, placement())
        assert await another.lapse(begun) is None
        assert await another.get(begun.id) == begun


async def test_a_lapsed_intent_is_unknown_and_fenced_off_from_its_sender(
    valkey: ValkeyServer,
) -> None:
    intent = replace(placement(), resolve_by=9_000)
    async with journal_of(valkey) as (journal, _):
        unknown = await lost(journal, intent)
        assert (unknown.state, unknown.epoch, unknown.resolve_by) == (S.UNKNOWN, 1, 9_000)
        assert unknown.evidence == "the process that sent it never said what became of it"
        assert unknown.updated_at >= unknown.lease_until
        assert await journal.get(unknown.id) == unknown
        assert await journal.lapse(unknown) is None


async def test_a_lapsed_intent_is_still_its_sender_s_to_settle_until_it_is_taken_over(
    valkey: ValkeyServer,
) -> None:
    async with journal_of(valkey) as (journal, _):
        begun = await begin(journal, placement(), LAPSED)
        outcome = await journal.finish(accepted(begun))
        assert outcome == accepted(begun)
        assert await journal.lapse(begun) is None


async def test_of_a_sender_and_who_takes_over_one_comes_first(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, _), journal_of(valkey) as (another, _):
        for number in range(20):
            intent = placement(number, client_order_id=f"c-{number}")
            begun = await begin(journal, intent, LAPSED)
            outcome, unknown = await asyncio.gather(
                journal.finish(accepted(begun, f"o-{number}")), another.lapse(begun)
            )
            standing = await journal.get(begun.id)
            assert standing == outcome
            assert outcome.state is (S.ACCEPTED if unknown is None else S.UNKNOWN)
            assert (outcome.answered is None) == (unknown is None)


@pytest.mark.parametrize(
    ("state", "answer", "code"),
    [
        (S.ACCEPTED, Answer.ACCEPTED, None),
        (S.REJECTED, Answer.REFUSED, "10055"),
        (S.NOT_SENT, Answer.NOT_SENT, None),
    ],
    ids=str,
)
async def test_what_a_fenced_sender_brings_is_evidence(
    valkey: ValkeyServer, state: PlacementState, answer: Answer, code: str | None
) -> None:
    async with journal_of(valkey) as (journal, redis):
        unknown = await lost(journal, placement())
        begun = replace(unknown, state=S.SENDING, epoch=0, evidence=None, updated_at=1_000)
        outcome = in_state(begun, state)
        if state is S.ACCEPTED:
            outcome = accepted(begun)
        if code is not None:
            outcome = replace(outcome, rejection=Rejection("X", "no", exchange_code=code))
        events = await redis.xlen("ngw:1:journal:{demo}:events")
        told = Answered(answer, outcome.updated_at, outcome.order, code)
        expected = replace(unknown, answered=told)
        assert await journal.finish(outcome) == expected
        assert await journal.get(unknown.id) == expected
        assert await journal.of_orders("demo", ["o-1"]) == {}
        assert await redis.xlen("ngw:1:journal:{demo}:events") == events


async def test_a_fenced_sender_that_knows_nothing_changes_nothing(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, _):
        unknown = await lost(journal, placement())
        nothing = replace(unknown, epoch=0, evidence="a timeout")
        assert await journal.finish(nothing) == unknown
        refused = Answered(Answer.REFUSED, 5, None, "10041")
        told = await journal.finish(replace(nothing, answered=refused))
        assert told == replace(unknown, answered=refused)


async def test_the_first_evidence_stays(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, _):
        unknown = await lost(journal, placement())
        begun = replace(unknown, epoch=0)
        first = await journal.finish(accepted(begun))
        assert await journal.finish(in_state(begun, S.REJECTED)) == first


async def test_evidence_that_comes_after_the_verdict_shows_what_was_given_up_again(
    valkey: ValkeyServer,
) -> None:
    async with journal_of(valkey) as (journal, redis):
        unknown = await lost(journal, placement())
        leader = await lead(redis)
        given_up = await journal.resolve(verdict(unknown, S.NOT_PLACED), leader=leader)
        late = await journal.finish(accepted(replace(unknown, epoch=0)))
        assert late.state is S.NOT_PLACED
        assert await journal.given_up("demo") == (late,)
        with pytest.raises(Moved):
            await journal.resolve(placed(given_up, "o-1"), leader=leader)
        assert (await journal.resolve(placed(late, "o-1"), leader=leader)).state is S.ACCEPTED
        assert await journal.given_up("demo") == ()


@pytest.mark.parametrize("before", [S.UNKNOWN, S.IN_DOUBT, S.NOT_PLACED], ids=str)
@pytest.mark.parametrize("after", S, ids=str)
async def test_a_verdict_follows_the_state_machine(
    valkey: ValkeyServer, before: PlacementState, after: PlacementState
) -> None:
    async with journal_of(valkey) as (journal, redis):
        standing, leader = await lost(journal, placement()), await lead(redis)
        if before is not S.UNKNOWN:
            standing = await journal.resolve(verdict(standing, before), leader=leader)
        if after not in FOLLOWING[before]:
            with pytest.raises(Moved):
                await journal.resolve(verdict(standing, after), leader=leader)
            assert await journal.get(standing.id) == standing
            return
        follows = await journal.resolve(verdict(standing, after), leader=leader)
        assert await journal.get(standing.id) == follows
        assert (follows.state, follows.evidence, follows.resolved_by) == (after, "seen", None)


async def test_a_verdict_on_what_has_changed_since_is_refused(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, redis):
        unknown, leader = await lost(journal, placement()), await lead(redis)
        await journal.finish(accepted(replace(unknown, epoch=0)))
        with pytest.raises(Moved):
            await journal.resolve(verdict(unknown, S.NOT_PLACED), leader=leader)


async def test_a_leader_that_has_been_followed_changes_nothing(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, redis):
        unknown, former = await lost(journal, placement()), await lead(redis)
        leader = await lead(redis)
        for lost_lead in (former, replace(leader, owner="of an older data set")):
            with pytest.raises(Fenced):
                await journal.resolve(verdict(unknown, S.NOT_PLACED), leader=lost_lead)
            with pytest.raises(Fenced):
                await journal.claim_external("demo", "o-1", lost_lead)
        assert await journal.get(unknown.id) == unknown
        assert await journal.claimed_orders("demo", ["o-1"]) == frozenset()
        await journal.resolve(verdict(unknown, S.NOT_PLACED), leader=leader)


async def test_a_person_s_verdict_names_the_person_and_the_reason(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, _):
        unknown = await lost(journal, placement())
        settled = await journal.resolve(
            verdict(unknown, S.NOT_PLACED), leader=None, by="ops", reason="asked the exchange"
        )
    assert (settled.resolved_by, settled.evidence) == ("ops", "seen; asked the exchange")


async def test_an_order_is_one_placement_s_only(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, redis):
        (one, other), leader = await two_lost(journal), await lead(redis)
        first = await journal.resolve(placed(one, "o-1"), leader=leader)
        with pytest.raises(Claimed):
            await journal.resolve(placed(other, "o-1"), leader=leader)
        assert await journal.of_orders("demo", ["o-1"]) == {"o-1": first}
        assert await journal.get(other.id) == other
        assert await journal.claimed_orders("demo", ["o-1", "o-2"]) == {"o-1"}


async def test_a_fill_is_one_placement_s_only(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, redis):
        (one, other), leader = await two_lost(journal), await lead(redis)
        by_fills = replace(verdict(one, S.ACCEPTED), claims=frozenset({"f-1", "f-2"}))
        await journal.resolve(by_fills, leader=leader)
        again = replace(verdict(other, S.ACCEPTED), claims=frozenset({"f-2", "f-3"}))
        with pytest.raises(Claimed):
            await journal.resolve(again, leader=leader)
        assert await journal.get(other.id) == other
        asked = ["f-1", "f-2", "f-3"]
        assert await journal.claimed_fills("demo", asked) == {"f-1", "f-2"}
        assert await journal.claimed_fills("demo", []) == frozenset()
        await journal.resolve(replace(again, claims=frozenset({"f-3"})), leader=leader)


async def test_leaders_that_race_for_an_order_do_not_both_get_it(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, redis), journal_of(valkey) as (another, _):
        (one, other), leader = await two_lost(journal), await lead(redis)
        outcomes = await asyncio.gather(
            journal.resolve(placed(one, "o-1"), leader=leader),
            another.resolve(placed(other, "o-1"), leader=leader),
            return_exceptions=True,
        )
    assert sorted(type(each).__name__ for each in outcomes) == ["Claimed", "Placement"]


async def test_what_is_external_stays_so_and_is_nobody_s(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, redis):
        unknown, leader = await lost(journal, placement()), await lead(redis)
        assert await journal.claim_external("demo", "o-1", leader)
        assert await journal.claim_external("demo", "o-1", leader)
        assert await journal.of_orders("demo", ["o-1"]) == {}
        assert await journal.claimed_orders("demo", ["o-1"]) == {"o-1"}
        with pytest.raises(Claimed):
            await journal.resolve(placed(unknown, "o-1"), leader=leader)


async def test_what_is_a_placement_s_is_not_external(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, redis):
        outcome = await journal.finish(accepted(await begin(journal, placement())))
        assert not await journal.claim_external("demo", "o-1", await lead(redis))
        assert await journal.of_orders("demo", ["o-1"]) == {"o-1": outcome}


async def test_an_order_that_the_exchange_named_to_its_sender_is_his_whatever_was_held_of_it(
    valkey: ValkeyServer,
) -> None:
    async with journal_of(valkey) as (journal, redis):
        leader = await lead(redis)
        for order_id in ("o-1", "o-2"):
            await journal.claim_external("demo", order_id, leader)
        in_time = await journal.finish(accepted(await begin(journal, placement()), "o-1"))
        unknown = await lost(journal, placement(2, client_order_id="c-2"))
        told = await journal.finish(accepted(replace(unknown, epoch=0), "o-2"))
        with pytest.raises(Claimed):
            await journal.resolve(placed(told, "o-1"), leader=leader)
        late = await journal.resolve(placed(told, "o-2"), leader=leader)
        found = await journal.of_orders("demo", ["o-1", "o-2"])
    assert found == {"o-1": in_time, "o-2": late}


async def test_an_answer_that_names_another_placement_s_order_stands_and_alarms(
    valkey: ValkeyServer,
) -> None:
    async with journal_of(valkey) as (journal, _):
        first = await journal.finish(accepted(await begin(journal, placement()), "o-1"))
        begun = await begin(journal, placement(2, client_order_id="c-2"))
        with capture_logs() as logs:
            second = await journal.finish(accepted(begun, "o-1"))
        assert second.state is S.ACCEPTED
        assert await journal.of_orders("demo", ["o-1"]) == {"o-1": first}
    (line,) = logs
    assert (line["event"], line["log_level"]) == ("journal.order_claimed_twice", "critical")
    assert (line["placement"], line["order"]) == (second.id, "o-1")


async def test_a_change_whose_answer_was_lost_is_made_once(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, redis):
        unknown, leader = await lost(journal, placement()), await lead(redis)
        writes = JournalWrites(redis, wait=lambda: None, keep_events=100, late_watch_ms=1_000)
        change = Changing(
            was=text_of(unknown),
            placement=accepted(unknown),
            leader=leader,
            fills={"f-1"},
        )
        assert await writes.change(change) == [b"CHANGED"]
        before = {key: await redis.dump(key) for key in await keys_of(redis)}
        assert await writes.change(change) == [b"CHANGED"]
        assert {key: await redis.dump(key) for key in await keys_of(redis)} == before


async def test_a_change_that_stands_already_is_written_again_to_be_waited_for(
    valkey: ValkeyServer,
) -> None:
    async with journal_of(valkey) as (journal, redis):
        begun = await begin(journal, placement())
        await journal.finish(accepted(begun))
        before = await writes_of(redis)
        await journal.finish(accepted(begun))
        assert await writes_of(redis) == before + 1


async def writes_of(redis: Redis) -> int:
    return int((await redis.info("persistence"))["rdb_changes_since_last_save"])


async def test_with_redis_away_who_resolves_is_told(own_valkey: ValkeyServer) -> None:
    async with journal_of(own_valkey) as (journal, redis):
        unknown, leader = await lost(journal, placement()), await lead(redis)
        await asyncio.to_thread(own_valkey.stop)
        for asking in (
            journal.lapse(unknown),
            journal.resolve(verdict(unknown, S.NOT_PLACED), leader=leader),
            journal.claim_external("demo", "o-1", leader),
            journal.unresolved("demo"),
            journal.given_up("demo"),
            journal.accepted_since("demo", 0),
            journal.ended_before("demo", 1, 1),
            journal.claimed_orders("demo", ["o-1"]),
            journal.claimed_fills("demo", ["f-1"]),
            journal.drop([unknown]),
        ):
            with pytest.raises(NotLookedUp):
                await asking
