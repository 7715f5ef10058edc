import asyncio

import pytest

from gateway.domain.account import TradingState
from gateway.domain.errors import (
    BadUserInput,
    Forbidden,
    NotSent,
    RateLimited,
    Refused,
    Unclear,
    UnknownAccount,
)
from gateway.domain.switches import Scope, Switch
from gateway.services.cancel_all import CancelledAll
from tests.unit.services.cancelling import BOSS, CALLER, NOT_OPEN, OTHER, Desk, desk_of
from tests.unit.services.examples import until
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

UNCLEAR = Unclear("cancel-order", "timeout")
FOR_GOOD = Refused("cancel-order", "10037", "INVALID_SYMBOL", "no such market", "look", retry=False)


async def cancel_for(desk: Desk, until_then: int | None) -> CancelledAll:
    """Cancel what the silent app placed until then."""

    async def then() -> int | None:
        return until_then

    return await desk.cancel_all.cancel_for(
        CALLER.id, "demo", until=then, rule="r", trace_id="d" * 32
    )


async def test_an_app_cancels_all_orders_of_its_own_and_no_others(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        await desk.placed_by(CALLER, "a")
        await desk.placed_by(CALLER, "b")
        await desk.placed_by(OTHER, "c")
        desk.floor.stand("placed-elsewhere")
        found = await desk.cancel_all.cancel(CALLER, "demo")
        assert found == CancelledAll(cancelled=("a", "b"))
        assert found.nothing_left
        assert set(desk.floor.open) == {"c", "placed-elsewhere"}


async def test_who_sees_all_orders_cancels_another_s_or_everybody_s(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        await desk.placed_by(CALLER, "a")
        await desk.placed_by(OTHER, "b")
        desk.floor.stand("placed-elsewhere")
        found = await desk.cancel_all.cancel(BOSS, "demo", principal=OTHER.id)
        assert found.cancelled == ("b",)
        found = await desk.cancel_all.cancel(BOSS, "demo", everybody=True)
        assert set(found.cancelled) == {"a", "placed-elsewhere"}


async def test_who_does_not_see_all_orders_cancels_none_of_others(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        await desk.placed_by(OTHER, "b")
        with pytest.raises(Forbidden):
            await desk.cancel_all.cancel(CALLER, "demo", everybody=True)
        with pytest.raises(Forbidden):
            await desk.cancel_all.cancel(CALLER, "demo", principal=OTHER.id)
        assert desk.watch.audit.outcomes() == [("DENIED", "FORBIDDEN")] * 2
        assert desk.floor.asked == []


async def test_naming_oneself_needs_no_more_than_naming_nobody(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        await desk.placed_by(CALLER, "a")
        found = await desk.cancel_all.cancel(CALLER, "demo", principal=CALLER.id)
        assert found.cancelled == ("a",)


async def test_a_principal_and_everybody_together_mean_nothing(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        with pytest.raises(BadUserInput, match="principal"):
            await desk.cancel_all.cancel(BOSS, "demo", principal=OTHER.id, everybody=True)


async def test_an_account_that_the_caller_must_not_know_of_is_unknown(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        with pytest.raises(UnknownAccount):
            await desk.cancel_all.cancel(CALLER, "secret")


async def test_without_open_orders_nothing_is_sent(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        assert await desk.cancel_all.cancel(BOSS, "demo", everybody=True) == CancelledAll()
        assert desk.floor.asked == ["open orders"]


async def test_a_few_are_cancelled_at_once(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        desk.floor.stand(*map(str, range(30)))
        desk.floor.hold("cancel")
        cancelling = asyncio.create_task(desk.cancel_all.cancel(BOSS, "demo", everybody=True))
        await until(lambda: desk.floor.cancelling == 4)
        desk.floor.release()
        assert len((await cancelling).cancelled) == 30
        assert desk.floor.most_at_once == 4


async def test_an_order_that_shows_up_meanwhile_is_cancelled_too(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        desk.floor.stand("a")
        desk.floor.late[2] = "late"
        found = await desk.cancel_all.cancel(BOSS, "demo", everybody=True)
        assert found.cancelled == ("a", "late")
        assert desk.floor.open == {}


async def test_a_cancel_that_failed_for_a_moment_is_tried_again(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        desk.floor.stand("a", "b", "c")
        desk.floor.failures = {
            "a": [NotSent("cancel-order", "connect")],
            "b": [UNCLEAR],
            "c": [RateLimited("calls demo", 0.1)],
        }
        found = await desk.cancel_all.cancel(BOSS, "demo", everybody=True)
        assert (set(found.cancelled), found.nothing_left) == ({"a", "b", "c"}, True)


async def test_what_stays_open_is_told_with_the_reason(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        desk.floor.stand("a", "b")
        desk.floor.failures = {
            "a": [NotSent("cancel-order", "connect")] * 9,
            "b": [UNCLEAR] * 9,
        }
        found = await desk.cancel_all.cancel(BOSS, "demo", everybody=True)
        assert [(each, why.code) for each, why in found.failed] == [("a", "EXCHANGE_UNAVAILABLE")]
        assert found.pending == ("b",)
        assert not found.nothing_left


async def test_an_order_that_is_listed_for_a_moment_after_its_cancel_is_cancelled(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey.url) as desk:
        desk.floor.stand("a")
        desk.floor.lingers["a"] = 1
        found = await desk.cancel_all.cancel(BOSS, "demo", everybody=True)
        assert found == CancelledAll(cancelled=("a",))
        assert found.nothing_left


async def test_what_stays_listed_is_pending_whatever_its_cancels_were_answered(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey.url) as desk:
        desk.floor.stand("acknowledged", "not-open")
        desk.floor.lingers["acknowledged"] = 9
        desk.floor.failures["not-open"] = [NOT_OPEN] * 9
        found = await desk.cancel_all.cancel(BOSS, "demo", everybody=True)
        assert found == CancelledAll(
            pending=("acknowledged", "not-open"), acknowledged=("acknowledged",)
        )
        assert (found.nothing_left, found.nothing_to_wait_for) == (False, False)


async def test_while_each_reading_shows_another_order_nobody_says_that_none_is_left(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey.url) as desk:
        desk.floor.late = {reading: f"o{reading}" for reading in range(1, 9)}
        found = await desk.cancel_all.cancel(BOSS, "demo", everybody=True)
        assert found.cancelled == ("o1", "o2", "o3", "o4")
        assert (found.pending, found.nothing_left) == (("o5",), False)


async def test_a_cancel_that_is_refused_for_good_leaves_no_other_unconfirmed(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey.url) as desk:
        desk.floor.stand("a", "b")
        desk.floor.failures["b"] = [FOR_GOOD] * 9
        found = await desk.cancel_all.cancel(BOSS, "demo", everybody=True)
        assert (found.cancelled, found.pending) == (("a",), ())
        assert [each for each, _ in found.failed] == ["b"]
        assert desk.floor.asked.count("open orders") == 2


async def test_an_order_that_ended_meanwhile_is_no_failure(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        desk.floor.stand("a")
        desk.floor.failures["a"] = [NOT_OPEN]
        cancelling = asyncio.create_task(desk.cancel_all.cancel(BOSS, "demo", everybody=True))
        await until(lambda: "cancel" in desk.floor.asked)
        desk.floor.open.clear()
        found = await cancelling
        assert found == CancelledAll(ended=("a",))
        assert found.nothing_left


async def test_a_halt_is_told_and_not_tried_again_and_again(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        desk.floor.stand("a")
        desk.watch.switch.holding = Switch(Scope(), TradingState.HALTED, "a drill", "ops", 1)
        found = await desk.cancel_all.cancel(BOSS, "demo", everybody=True)
        assert [(each, why.code) for each, why in found.failed] == [("a", "TRADING_HALTED")]
        assert desk.floor.asked == ["open orders"]


async def test_orders_on_their_way_are_named_for_they_may_still_come(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        own = await desk.sending_by(CALLER)
        others = await desk.sending_by(OTHER)
        found = await desk.cancel_all.cancel(CALLER, "demo")
        assert (found.unresolved, found.nothing_left) == ((own.id,), False)
        found = await desk.cancel_all.cancel(BOSS, "demo", everybody=True)
        assert set(found.unresolved) == {own.id, others.id}


async def test_while_the_orders_cannot_be_read_nothing_is_said_to_be_cancelled(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey.url) as desk:
        desk.floor.answers["open orders"] = NotSent("user-orders", "connect")
        with pytest.raises(NotSent):
            await desk.cancel_all.cancel(BOSS, "demo", everybody=True)


async def test_without_the_journal_orders_are_cancelled_and_nobody_says_that_none_is_left(
    own_valkey: ValkeyServer,
) -> None:
    async with desk_of(own_valkey.url, patience_s=0.5) as desk:
        desk.floor.stand("a", "b")
        await asyncio.to_thread(own_valkey.stop)
        found = await desk.cancel_all.cancel(BOSS, "demo", everybody=True)
        assert (found.cancelled, found.nothing_left) == (("a", "b"), False)
        assert (found.unseen and found.unseen.code) == "JOURNAL_UNAVAILABLE"
        assert desk.floor.open == {}


async def test_without_the_journal_an_app_s_orders_are_those_that_this_process_placed(
    own_valkey: ValkeyServer,
) -> None:
    async with desk_of(own_valkey.url, patience_s=0.5) as desk:
        desk.trading.recent.add(await desk.placed_by(CALLER, "placed-here"))
        await desk.placed_by(CALLER, "placed-by-another-replica")
        await asyncio.to_thread(own_valkey.stop)
        found = await desk.cancel_all.cancel(CALLER, "demo")
        assert (found.cancelled, found.nothing_left) == (("placed-here",), False)
        assert found.unseen is not None


async def test_a_journal_that_comes_back_meanwhile_shows_all(own_valkey: ValkeyServer) -> None:
    async with desk_of(own_valkey.url, patience_s=0.5) as desk:
        desk.trading.recent.add(await desk.placed_by(CALLER, "placed-here"))
        await desk.placed_by(CALLER, "placed-by-another-replica")
        await asyncio.to_thread(own_valkey.kill)
        desk.floor.hold("cancel")
        cancelling = asyncio.create_task(desk.cancel_all.cancel(CALLER, "demo"))
        await until(lambda: desk.floor.cancelling == 1)
        await asyncio.to_thread(own_valkey.start)
        desk.floor.release()
        found = await cancelling
        assert set(found.cancelled) == {"placed-here", "placed-by-another-replica"}
        assert found.nothing_left


async def test_what_was_cancelled_is_told_though_the_orders_cannot_be_read_again(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey.url) as desk:
        desk.floor.stand("a")
        desk.floor.hold("cancel")
        cancelling = asyncio.create_task(desk.cancel_all.cancel(BOSS, "demo", everybody=True))
        await until(lambda: desk.floor.cancelling == 1)
        desk.floor.answers["open orders"] = NotSent("user-orders", "connect")
        desk.floor.release()
        found = await cancelling
        assert (found.cancelled, found.nothing_left) == (("a",), False)
        assert (found.unseen and found.unseen.code) == "EXCHANGE_UNAVAILABLE"


async def test_an_order_in_doubt_is_a_person_s_and_not_waited_for(valkey: ValkeyServer) -> None:
    async with desk_of(valkey.url) as desk:
        doubtful = await desk.in_doubt_by(CALLER)
        found = await desk.cancel_all.cancel(CALLER, "demo")
        assert found == CancelledAll(unresolved=(doubtful.id,), in_doubt=(doubtful.id,))
        assert (found.nothing_left, found.nothing_to_wait_for) == (False, True)


async def test_for_a_silent_principal_only_what_it_placed_until_then_is_cancelled(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey.url) as desk:
        until_then = (await desk.placed_by(CALLER, "before")).begun_at
        await asyncio.sleep(0.01)
        await desk.placed_by(CALLER, "after")
        on_its_way = await desk.sending_by(CALLER)
        found = await cancel_for(desk, until_then)
        assert found == CancelledAll(cancelled=("before",))
        found = await cancel_for(desk, None)
        assert (found.cancelled, found.unresolved) == (("after",), (on_its_way.id,))
