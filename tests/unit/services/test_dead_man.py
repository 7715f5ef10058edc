"""Dead-man switches over a real Valkey, and an exchange that keeps orders open."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest
from structlog.testing import capture_logs

from gateway.domain.account import TradingState
from gateway.domain.errors import BadUserInput, NotSent, UnknownAccount
from gateway.domain.leadership import Leadership
from gateway.domain.order_errors import DeadManUnavailable
from gateway.domain.placements import PlacementState
from gateway.domain.switches import Scope, Switch
from gateway.services.dead_man import DeadManSwitches
from gateway.services.loops import end_all
from gateway.store.dead_man import DeadManStore
from tests.unit.services.cancelling import CALLER, OTHER, desk_of
from tests.unit.services.cancelling import Desk as TradingDesk
from tests.unit.services.examples import order, until
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

LEADERSHIP = Leadership("demo", "replica", 1)
LAPSED, DONE = ("CANCEL", "LAPSED"), ("CANCEL", "DONE")


@dataclass
class Desk:
    at: TradingDesk
    store: DeadManStore
    switches: DeadManSwitches
    fired: list[bool]

    async def let_lapse(self) -> None:
        """Have the caller's switch lapse, before anybody looks."""
        await self.store.arm("demo", CALLER.id, 1)
        await asyncio.sleep(0.02)

    def told(self) -> list[tuple[str, str]]:
        """What is on record of switches, but for the cancels themselves."""
        events = [each for each in self.at.watch.audit.events if each.action == "dead-man-switch"]
        return [(each.kind.value, each.outcome) for each in events]

    @asynccontextmanager
    async def led(self) -> AsyncIterator[None]:
        """While this process leads the account."""
        firing = asyncio.create_task(self.switches.fire(LEADERSHIP))
        try:
            yield
        finally:
            await end_all([firing])

    def on_another_replica(self) -> "Desk":
        return _desk(self.at)

    def with_slow_orders(self) -> "Desk":
        """The same, where an order may take a second until it is recorded."""
        return _desk(self.at, ready_within_s=1)


def _desk(at: TradingDesk, ready_within_s: float = 0) -> Desk:
    fired: list[bool] = []
    store = DeadManStore(at.redis)
    switches = DeadManSwitches(
        store=store,
        authority=at.trading.authority,
        cancel_all=at.cancel_all,
        audit=at.watch.audit.trail,
        random_bytes=bytes,
        ready_within_s=ready_within_s,
        on_fired=lambda: fired.append(True),
    )
    return Desk(at, store, switches, fired)


@pytest.fixture
async def desk(valkey: ValkeyServer) -> AsyncIterator[Desk]:
    async with desk_of(valkey.url) as at:
        yield _desk(at)


async def test_a_switch_is_armed_put_off_and_disarmed(desk: Desk) -> None:
    first = await desk.switches.arm(CALLER, "demo", 60)
    second = await desk.switches.arm(CALLER, "demo", 3600)
    assert second - first >= 3_500_000
    assert await desk.switches.standing("demo", CALLER.id) == second
    assert await desk.switches.standing("demo", OTHER.id) is None
    await desk.switches.disarm(CALLER, "demo")
    assert await desk.switches.standing("demo", CALLER.id) is None


@pytest.mark.parametrize("seconds", [0, -1, 3601])
async def test_a_span_out_of_bounds_arms_nothing(desk: Desk, seconds: int) -> None:
    with pytest.raises(BadUserInput, match="seconds: expected 1 to 3600"):
        await desk.switches.arm(CALLER, "demo", seconds)
    assert await desk.switches.standing("demo", CALLER.id) is None


async def test_who_may_not_cancel_arms_nothing(desk: Desk) -> None:
    with pytest.raises(UnknownAccount):
        await desk.switches.arm(CALLER, "secret", 5)
    assert desk.at.watch.audit.outcomes() == [("DENIED", "UNKNOWN_ACCOUNT")]


async def test_arming_is_on_record_once_and_putting_off_is_not(desk: Desk) -> None:
    await desk.switches.arm(CALLER, "demo", 60)
    await desk.switches.arm(CALLER, "demo", 60)
    await desk.switches.disarm(CALLER, "demo")
    told = [(each.action, each.principal, each.rule) for each in desk.at.watch.audit.events]
    assert told == [
        ("armDeadManSwitch", CALLER.id, "trade"),
        ("disarmDeadManSwitch", CALLER.id, "trade"),
    ]


async def test_without_redis_nobody_believes_to_be_protected(own_valkey: ValkeyServer) -> None:
    async with desk_of(own_valkey.url, patience_s=0.5) as at:
        desk = _desk(at)
        await asyncio.to_thread(own_valkey.stop)
        with pytest.raises(DeadManUnavailable):
            await desk.switches.arm(CALLER, "demo", 5)
        with pytest.raises(DeadManUnavailable):
            await desk.switches.standing("demo", CALLER.id)
        with pytest.raises(DeadManUnavailable):
            await desk.switches.lapsed_at("demo", CALLER.id)
        with pytest.raises(DeadManUnavailable):
            await desk.switches.disarm(CALLER, "demo")


async def test_a_lapse_cancels_what_the_silent_principal_has_open_and_no_more(desk: Desk) -> None:
    await desk.at.placed_by(CALLER, "a")
    await desk.at.placed_by(OTHER, "b")
    desk.at.floor.stand("placed-elsewhere")
    await desk.let_lapse()
    async with desk.led():
        await until(lambda: desk.told() == [LAPSED, DONE])
    assert set(desk.at.floor.open) == {"b", "placed-elsewhere"}
    assert desk.fired == [True]
    assert await desk.store.lapsed("demo") == ()


async def test_its_cancels_are_on_record_as_the_gateway_s_for_whom_and_why(desk: Desk) -> None:
    await desk.at.placed_by(CALLER, "a")
    await desk.let_lapse()
    async with desk.led():
        await until(lambda: DONE in desk.told())
    [cancelled] = [each for each in desk.at.watch.audit.events if each.outcome == "CANCELLED"]
    lapsed = desk.at.watch.audit.events[0]
    assert (cancelled.principal, cancelled.rule) == ("gateway", "dead-man-switch of app")
    assert lapsed.trace_id == cancelled.trace_id
    assert lapsed.detail["of"] == "app"


async def test_a_switch_that_is_put_off_in_time_does_nothing(desk: Desk) -> None:
    await desk.at.placed_by(CALLER, "a")
    async with desk.led():
        for _ in range(3):
            await desk.switches.arm(CALLER, "demo", 60)
            await asyncio.sleep(0.1)
    assert (set(desk.at.floor.open), desk.fired) == ({"a"}, [])


async def test_whichever_replica_lives_carries_on_where_another_left_off(desk: Desk) -> None:
    await desk.at.placed_by(CALLER, "a")
    await desk.at.placed_by(CALLER, "b")
    await desk.let_lapse()
    desk.at.floor.failures["b"] = [NotSent("cancel-order", "connect")] * 100
    async with desk.led():
        await until(lambda: set(desk.at.floor.open) == {"b"})
    desk.at.floor.failures.clear()
    async with desk.on_another_replica().led():
        await until(lambda: DONE in desk.told())
    assert desk.at.floor.open == {}


async def test_it_goes_on_until_no_order_is_without_an_outcome(desk: Desk) -> None:
    sending = await desk.at.sending_by(CALLER)
    await desk.let_lapse()
    async with desk.led():
        await until(lambda: desk.at.floor.asked.count("open orders") > 1)
        assert desk.told() == [LAPSED]
        desk.at.floor.stand("late")
        made = replace(sending, state=PlacementState.ACCEPTED, order=order("late"))
        await desk.at.journal.finish(made)
        await until(lambda: DONE in desk.told())
    assert desk.at.floor.cancelled == ["late"]


async def test_an_order_that_was_being_prepared_when_the_switch_lapsed_is_cancelled_too(
    desk: Desk,
) -> None:
    slow = desk.with_slow_orders()
    await slow.let_lapse()
    async with slow.led():
        await until(lambda: desk.at.floor.asked.count("open orders") > 1)
        await desk.at.placed_by(CALLER, "was-being-prepared")
        await until(lambda: DONE in slow.told())
    assert desk.at.floor.cancelled == ["was-being-prepared"]


async def test_it_goes_on_while_each_reading_shows_another_order_of_the_silent_app(
    desk: Desk,
) -> None:
    for each in range(1, 9):
        await desk.at.placed_by(CALLER, f"o{each}")
    desk.at.floor.open.clear()
    desk.at.floor.late = {reading: f"o{reading}" for reading in range(1, 9)}
    await desk.let_lapse()
    async with desk.led():
        await until(lambda: DONE in desk.told())
    assert desk.at.floor.cancelled == [f"o{each}" for each in range(1, 9)]
    assert desk.at.watch.audit.events[-1].detail["cancelled"] == "8"
    assert await desk.store.lapsed("demo") == ()


async def test_it_goes_on_while_an_order_is_listed_whose_cancel_was_acknowledged(
    desk: Desk,
) -> None:
    await desk.at.placed_by(CALLER, "a")
    desk.at.floor.lingers["a"] = 7
    await desk.let_lapse()
    async with desk.led():
        await until(lambda: DONE in desk.told())
    assert desk.at.floor.open == {}


async def test_an_order_in_doubt_is_named_and_keeps_no_lapse_open(desk: Desk) -> None:
    doubtful = await desk.at.in_doubt_by(CALLER)
    await desk.at.placed_by(CALLER, "a")
    await desk.let_lapse()
    with capture_logs() as logs:
        async with desk.led():
            await until(lambda: DONE in desk.told())
    assert await desk.store.lapsed("demo") == ()
    done = desk.at.watch.audit.events[-1]
    assert (done.detail["cancelled"], done.detail["inDoubt"]) == ("1", doubtful.id)
    (line,) = [each for each in logs if each["event"] == "dead_man.fired"]
    assert (line["log_level"], line["in_doubt"]) == ("error", (doubtful.id,))


async def test_a_lapse_leaves_one_line_when_it_begins_and_one_with_the_count_when_it_is_done(
    desk: Desk,
) -> None:
    for each in "abc":
        await desk.at.placed_by(CALLER, each)
    desk.at.floor.failures["c"] = [NotSent("cancel-order", "connect")] * 6
    await desk.let_lapse()
    with capture_logs() as logs:
        async with desk.led():
            await until(lambda: "cancel" in desk.at.floor.asked)
            await desk.switches.arm(CALLER, "demo", 60)
            await until(lambda: DONE in desk.told())
    told = [each for each in logs if each["event"].startswith("dead_man.")]
    assert [each["event"] for each in told] == ["dead_man.lapsed", "dead_man.fired"]
    assert (told[1]["cancelled"], told[1]["log_level"]) == (3, "warning")


async def test_while_a_lapse_is_carried_out_everybody_can_see_that_it_is(desk: Desk) -> None:
    await desk.at.placed_by(CALLER, "a")
    desk.at.floor.answers["open orders"] = NotSent("user-orders", "connect")
    assert await desk.switches.lapsed_at("demo", CALLER.id) is None
    await desk.let_lapse()
    lapsed_at = await desk.switches.lapsed_at("demo", CALLER.id)
    assert lapsed_at is not None
    assert (desk.switches.problem, desk.switches.under_way) == (None, 0)
    async with desk.led():
        await until(lambda: desk.switches.under_way == 1)
        assert "app on demo" in str(desk.switches.problem)
        assert await desk.switches.lapsed_at("demo", CALLER.id) == lapsed_at
        desk.at.floor.answers.clear()
        await until(lambda: DONE in desk.told())
    assert (desk.switches.problem, desk.switches.under_way) == (None, 0)
    assert await desk.switches.lapsed_at("demo", CALLER.id) is None


async def test_who_comes_back_keeps_what_it_places_from_then_on(desk: Desk) -> None:
    await desk.at.placed_by(CALLER, "before")
    desk.at.floor.failures["before"] = [NotSent("cancel-order", "connect")] * 100
    await desk.let_lapse()
    async with desk.led():
        await until(lambda: "cancel" in desk.at.floor.asked)
        armed = await desk.switches.arm(CALLER, "demo", 60)
        await asyncio.sleep(0.01)
        await desk.at.placed_by(CALLER, "after")
        desk.at.floor.failures.clear()
        await until(lambda: DONE in desk.told())
    assert set(desk.at.floor.open) == {"after"}
    assert desk.told() == [LAPSED, DONE]
    assert desk.fired == [True]
    assert await desk.switches.standing("demo", CALLER.id) == armed


@pytest.mark.parametrize("skew_ms", [-3_000, 3_000])
async def test_what_was_placed_before_the_lapse_is_told_by_no_process_s_own_clock(
    desk: Desk, skew_ms: int
) -> None:
    desk.at.clock.now = time.time_ns() // 1_000_000 + skew_ms
    await desk.at.placed_by(CALLER, "before")
    desk.at.floor.failures["before"] = [NotSent("cancel-order", "connect")] * 100
    await desk.let_lapse()
    async with desk.led():
        await until(lambda: "cancel" in desk.at.floor.asked)
        await desk.switches.arm(CALLER, "demo", 60)
        await asyncio.sleep(0.01)
        await desk.at.placed_by(CALLER, "after")
        desk.at.floor.failures.clear()
        await until(lambda: DONE in desk.told())
    assert set(desk.at.floor.open) == {"after"}


async def test_halted_stops_it_loudly_and_it_goes_on_when_that_is_over(desk: Desk) -> None:
    await desk.at.placed_by(CALLER, "a")
    desk.at.watch.switch.holding = Switch(Scope(), TradingState.HALTED, "a drill", "ops", 1)
    await desk.let_lapse()
    with capture_logs() as logs:
        async with desk.led():
            await until(lambda: desk.at.floor.asked.count("open orders") > 2)
            assert desk.told() == [LAPSED, ("CANCEL", "TRADING_HALTED")]
            desk.at.watch.switch.holding = None
            await until(lambda: DONE in desk.told())
    assert desk.at.floor.open == {}
    assert [each["event"] for each in logs if each["log_level"] == "error"] == ["dead_man.halted"]


async def test_a_failing_exchange_is_asked_until_it_answers(desk: Desk) -> None:
    await desk.at.placed_by(CALLER, "a")
    desk.at.floor.answers["open orders"] = NotSent("user-orders", "connect")
    await desk.let_lapse()
    async with desk.led():
        await until(lambda: desk.at.floor.asked.count("open orders") > 1)
        desk.at.floor.answers.clear()
        await until(lambda: DONE in desk.told())
    assert desk.at.floor.open == {}


async def test_redis_going_away_and_coming_back_ends_nothing(own_valkey: ValkeyServer) -> None:
    async with desk_of(own_valkey.url, patience_s=0.5) as at:
        desk = _desk(at)
        await desk.at.placed_by(CALLER, "a")
        async with desk.led():
            await desk.let_lapse()
            await until(lambda: desk.fired)
            await asyncio.to_thread(own_valkey.kill)
            await asyncio.sleep(0.5)
            await asyncio.to_thread(own_valkey.start)
            await until(lambda: DONE in desk.told())
    assert at.floor.open == {}
