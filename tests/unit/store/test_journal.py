import asyncio
from dataclasses import replace

import pytest
from hypothesis import given, settings
from structlog.testing import capture_logs

from gateway.domain.errors import NotLookedUp, NotRecorded, RefusedMeanwhile
from gateway.domain.placements import FOLLOWING, Placement, PlacementState
from gateway.store.account_events import AccountEventStore
from gateway.store.journal import new_placement_id
from gateway.store.journal_keys import identity_of
from tests.unit.store.examples import (
    accepted,
    in_state,
    keys_of,
    placement,
    placements,
)
from tests.unit.store.journals import LEASE_MS, begin, journal_of
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

S = PlacementState
RECORD_KEY = "ngw:1:journal:{demo}:record:demo-app:c-1"


async def test_what_is_begun_can_be_got_and_found(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, _):
        begun = await begin(journal, placement())
        assert await journal.get(begun.id) == begun
        assert await journal.find("demo-app", "demo", "c-1") == begun


@given(intent=placements)
@settings(max_examples=60)
async def test_every_placement_comes_back_digit_for_digit(
    valkey_server: ValkeyServer, intent: Placement
) -> None:
    valkey_server.command("FLUSHALL")
    async with journal_of(valkey_server) as (journal, _):
        begun = await begin(journal, intent)
        back = await journal.get(intent.id)
    assert back == begun
    # Equal decimals may differ in their digits: 1.50 and 1.5.
    assert repr(back) == repr(begun)


async def test_who_asked_for_an_order_before_another_process_refused_it_begins_nothing(
    valkey: ValkeyServer,
) -> None:
    wanted = replace(placement(), owner="one")
    identity = identity_of(wanted)
    async with journal_of(valkey) as (journal, _):
        asked_at = (await journal.look("demo-app", wanted.command)).asked_at
        assert await journal.refuse(identity, "other") is None
        with pytest.raises(RefusedMeanwhile):
            await journal.begin(wanted, lease_ms=LEASE_MS, asked_at=asked_at)
        assert await journal.get(wanted.id) is None
        await asyncio.sleep(0.002)
        later = (await journal.look("demo-app", wanted.command)).asked_at
        begun = await journal.begin(wanted, lease_ms=LEASE_MS, asked_at=later)
        assert begun.begun_at
        assert await journal.refuse(identity, "other") == begun
        again = replace(wanted, id=placement(2).id)
        assert await journal.begin(again, lease_ms=LEASE_MS, asked_at=asked_at) == begun


async def test_what_its_own_process_refused_keeps_no_later_request_waiting(
    valkey: ValkeyServer,
) -> None:
    wanted = replace(placement(), owner="one")
    async with journal_of(valkey) as (journal, redis):
        await journal.refuse(identity_of(wanted), "one")
        await journal.begin(wanted, lease_ms=LEASE_MS, asked_at=0)
        (refusal,) = [key for key in await keys_of(redis) if b":refusal:" in key]
        assert 0 < await redis.pttl(refusal) <= 120_000


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
            *(
                (one, other)[n % 2].begin(intent, lease_ms=LEASE_MS)
                for n, intent in enumerate(intents)
            )
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
    terms = placement(2, client_order_id="c-2").command.spec
    theirs = replace(mine, id=placement(2).id, principal="other-app")
    theirs = replace(theirs, command=replace(mine.command, spec=terms))
    elsewhere = placement(3, account="second")
    async with journal_of(valkey) as (journal, _):
        for intent in (mine, theirs, elsewhere):
            await begin(journal, intent)


async def test_parts_of_a_name_never_run_together(valkey: ValkeyServer) -> None:
    one = replace(placement(1, client_order_id="c"), principal="a:b")
    other = replace(placement(2, client_order_id="b:c"), principal="a")
    async with journal_of(valkey) as (journal, _):
        for intent in (one, other):
            await begin(journal, intent)


async def test_a_record_that_stands_is_returned_as_it_stands(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, _):
        outcome = await journal.finish(accepted(await begin(journal, placement(1))))
        assert await journal.begin(placement(2), lease_ms=LEASE_MS) == outcome


async def test_an_id_that_does_not_carry_its_account_is_refused(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, redis):
        with pytest.raises(ValueError, match="new_placement_id"):
            await journal.begin(replace(placement(), id="0" * 32), lease_ms=LEASE_MS)
        assert await keys_of(redis) == []


def test_a_new_placement_id_carries_its_account_and_128_random_bits() -> None:
    assert new_placement_id("de.mo", lambda n: bytes(range(n))) == "de.mo." + bytes(range(16)).hex()


@pytest.mark.parametrize("after", sorted(FOLLOWING[S.SENDING]), ids=str)
async def test_an_owner_s_outcome_follows_its_intent_and_nothing_else(
    valkey: ValkeyServer, after: PlacementState
) -> None:
    async with journal_of(valkey) as (journal, _):
        begun = await begin(journal, placement())
        outcome = await journal.finish(in_state(begun, after))
        assert outcome == in_state(begun, after)
        for other in FOLLOWING[S.SENDING] - {after}:
            assert await journal.finish(in_state(begun, other)) == outcome
        assert await journal.get(begun.id) == outcome


@pytest.mark.parametrize("state", sorted(set(S) - FOLLOWING[S.SENDING]), ids=str)
async def test_what_does_not_come_of_sending_is_no_outcome(
    valkey: ValkeyServer, state: PlacementState
) -> None:
    async with journal_of(valkey) as (journal, redis):
        with pytest.raises(ValueError, match="no outcome"):
            await journal.finish(replace(placement(), state=state))
        assert await keys_of(redis) == []


@pytest.mark.parametrize("state", sorted(set(S) - {S.SENDING}), ids=str)
async def test_only_what_is_to_be_sent_is_an_intent(
    valkey: ValkeyServer, state: PlacementState
) -> None:
    async with journal_of(valkey) as (journal, redis):
        with pytest.raises(ValueError, match="no intent"):
            await journal.begin(in_state(placement(), state), lease_ms=LEASE_MS)
        assert await keys_of(redis) == []


async def test_another_process_cannot_say_what_became_of_an_intent(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, _):
        begun = await begin(journal, replace(placement(), owner="one"))
        assert await journal.finish(replace(accepted(begun), owner="two")) == begun
        assert await journal.finish(accepted(begun)) == accepted(begun)


async def test_a_lease_ends_by_the_clock_of_redis(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, redis):
        (earliest, _), begun = await redis.time(), await begin(journal, placement(), 5_000)
        latest, _ = await redis.time()
    assert earliest * 1000 + 5_000 <= begun.lease_until < (latest + 1) * 1000 + 5_000


async def test_when_an_intent_was_recorded_is_told_by_the_clock_of_redis(
    valkey: ValkeyServer,
) -> None:
    async with journal_of(valkey) as (journal, redis):
        (earliest, _), begun = await redis.time(), await begin(journal, placement(), 5_000)
        latest, _ = await redis.time()
        assert earliest * 1000 <= begun.begun_at < (latest + 1) * 1000
        assert begun.lease_until == begun.begun_at + 5_000
        assert await journal.get(begun.id) == begun
        (event,) = await AccountEventStore(redis, 10).read("demo", 0, 10)
        assert event.placement == begun


async def test_a_refused_transition_is_logged_and_a_repeated_one_is_not(
    valkey: ValkeyServer,
) -> None:
    async with journal_of(valkey) as (journal, _):
        outcome = await journal.finish(accepted(await begin(journal, placement())))
        with capture_logs() as logs:
            assert await journal.finish(outcome) == outcome
            assert await journal.finish(in_state(outcome, S.REJECTED)) == outcome
    assert [entry["event"] for entry in logs] == ["journal.transition_refused"]


async def test_of_racing_outcomes_the_first_stands(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (one, _), journal_of(valkey) as (other, _):
        begun = await begin(one, placement())
        outcomes = [accepted(begun), in_state(begun, S.REJECTED)] * 10
        answers = await asyncio.gather(
            *((one, other)[n % 2].finish(outcome) for n, outcome in enumerate(outcomes))
        )
        assert len({answer.state for answer in answers}) == 1
        assert await one.get(begun.id) == answers[0]


async def test_an_accepted_order_leads_to_its_placement(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, _):
        first = await journal.finish(accepted(await begin(journal, placement(1)), "o-1"))
        second = placement(2, client_order_id="c-2")
        second = await journal.finish(accepted(await begin(journal, second), "o-2"))
        assert (await journal.of_orders("demo", ["o-1"]))["o-1"].id == first.id
        assert await journal.of_orders("other", ["o-1"]) == {}
        found = await journal.of_orders("demo", ["o-2", "o-3", "o-1"])
    assert found == {"o-2": second, "o-1": first}


async def test_nothing_of_a_record_goes_by_itself(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, redis):
        await journal.finish(accepted(await begin(journal, placement())))
        assert {await redis.pttl(key) for key in await keys_of(redis)} == {-1}


async def test_the_keys_of_an_account_share_a_slot(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, redis):
        await journal.finish(accepted(await begin(journal, placement())))
        assert all(key.startswith(b"ngw:1:journal:{demo}:") for key in await keys_of(redis))


async def test_a_corrupt_record_lets_nothing_be_sent_in_its_place(valkey: ValkeyServer) -> None:
    async with journal_of(valkey) as (journal, redis):
        await journal.begin(placement(), lease_ms=LEASE_MS)
        for garbage in (b"\xff", b"3", b"{}"):
            await redis.set(RECORD_KEY, garbage)
            with pytest.raises(NotRecorded):
                await journal.begin(placement(2), lease_ms=LEASE_MS)
            for reading in (
                journal.get(placement().id),
                journal.find("demo-app", "demo", "c-1"),
            ):
                with pytest.raises(NotLookedUp):
                    await reading
            assert await redis.get(RECORD_KEY) == garbage


async def test_records_outlive_a_kill(own_valkey: ValkeyServer) -> None:
    async with journal_of(own_valkey) as (journal, _):
        begun = await begin(journal, placement())
        await asyncio.to_thread(own_valkey.kill)
        await asyncio.to_thread(own_valkey.start)
        assert await journal.get(begun.id) == begun
