import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.access.policy import AccountRule, Action, Grant, Member, Policy
from gateway.access.principal import Caller, Principal, PrincipalKind
from gateway.domain.account import TradingState
from gateway.domain.audit import AuditEntry, AuditEvent, AuditKind
from gateway.domain.errors import (
    AuditUnavailable,
    BadUserInput,
    Forbidden,
    GatewayError,
    SwitchesUnavailable,
    SwitchesUnread,
    TradingHalted,
    UnknownAccount,
)
from gateway.domain.switches import Scope, Suspension, Switch
from gateway.services.audit import AuditTrail
from gateway.services.trading_switch import LONGEST_REASON, TradingSwitch
from gateway.store.switches import Standing, SwitchStore
from tests.unit.services.audit_examples import in_file, in_redis, trail_of, writing
from tests.unit.services.examples import Clock, until
from tests.unit.store.examples import open_patient, open_quick
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

ACTIVE, CANCEL_ONLY, HALTED = TradingState
EVERYTHING, DEMO, DESK = Scope(), Scope(account="demo"), Scope(principal="desk")
WHY = "prices look wrong"


def person(name: str, *grants: Grant) -> Member:
    return Member(Principal(name, PrincipalKind.PERSON), grants=grants)


OPERATE = frozenset({Action.OPERATE})
POLICY = Policy(
    revision="1",
    accounts=(AccountRule("demo"), AccountRule("vault")),
    members=(
        person("operator", Grant("run-all", OPERATE)),
        person("keeper", Grant("run-demo", OPERATE, "demo")),
        person("desk", Grant("trade", frozenset({Action.ORDERS_PLACE}), "demo")),
    ),
    wall_ms=lambda: 0,
)
OPERATOR, KEEPER, TRADER = (
    Caller(Principal(name, PrincipalKind.PERSON), "ab" * 16)
    for name in ("operator", "keeper", "desk")
)


@dataclass
class Replica:
    switch: TradingSwitch
    audit: AuditTrail
    clock: Clock

    async def halted(self, principal: str = "desk", account: str = "demo") -> str:
        """Which of orders and cancels are not sent."""
        stopped = []
        for name, check in (
            ("orders", self.switch.check_place),
            ("cancels", self.switch.check_cancel),
        ):
            try:
                await check(principal, account)
            except (TradingHalted, SwitchesUnread):
                stopped.append(name)
        return " and ".join(stopped)


@asynccontextmanager
async def replica_of(
    server: ValkeyServer, path: Path, writer: str = "w-1"
) -> AsyncIterator[Replica]:
    clock = Clock()
    async with (
        open_quick(server.url) as redis,
        trail_of(server, path, writer=writer) as audit,
        writing(audit),
    ):
        switch = TradingSwitch(
            store=SwitchStore(redis), policy=lambda: POLICY, audit=audit, wall_ms=clock
        )
        yield Replica(switch, audit, clock)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
async def replica(valkey: ValkeyServer, path: Path) -> AsyncIterator[Replica]:
    async with replica_of(valkey, path) as made:
        yield made


@asynccontextmanager
async def running(switch: TradingSwitch) -> AsyncIterator[None]:
    task = asyncio.create_task(switch.run(0.02))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def on_record(server: ValkeyServer, kind: AuditKind) -> list[AuditEvent]:
    return [entry.event for entry in await in_redis(server) if entry.event.kind is kind]


@pytest.mark.parametrize(
    ("state", "stopped"),
    [(ACTIVE, ""), (CANCEL_ONLY, "orders"), (HALTED, "orders and cancels")],
    ids=str,
)
@pytest.mark.parametrize("scope", [EVERYTHING, DEMO, DESK], ids=str)
async def test_a_switch_stops_what_is_in_it_on_every_replica_at_once(
    valkey: ValkeyServer,
    path: Path,
    replica: Replica,
    scope: Scope,
    state: TradingState,
    stopped: str,
) -> None:
    async with replica_of(valkey, path, "w-2") as other:
        await replica.switch.set(OPERATOR, scope, state, WHY)
        for each in (replica, other):
            assert await each.halted() == stopped
        elsewhere = stopped if scope == EVERYTHING else ""
        assert await other.halted("other", "vault") == elsewhere


async def test_who_is_stopped_is_told_what_holds_and_why(replica: Replica) -> None:
    await replica.switch.set(OPERATOR, DEMO, CANCEL_ONLY, WHY)
    with pytest.raises(TradingHalted) as halted:
        await replica.switch.check_place("desk", "demo")
    told = (halted.value.what, halted.value.state, halted.value.reason)
    assert told == ("account demo", "CANCEL_ONLY", WHY)


async def test_the_strictest_switch_holds_until_it_is_active_again(replica: Replica) -> None:
    halted = await replica.switch.set(OPERATOR, EVERYTHING, HALTED, WHY)
    await replica.switch.set(OPERATOR, DEMO, CANCEL_ONLY, WHY)
    await replica.switch.set(OPERATOR, DESK, ACTIVE, "it is not the desk's fault")
    assert await replica.switch.state("desk", "demo") == halted
    await replica.switch.set(OPERATOR, EVERYTHING, ACTIVE, "over")
    assert await replica.halted() == "orders"
    await replica.switch.set(OPERATOR, DEMO, ACTIVE, "over")
    assert await replica.switch.state("desk", "demo") is None


async def test_a_switch_and_a_suspension_say_who_did_it_when(replica: Replica) -> None:
    switch = await replica.switch.set(OPERATOR, DESK, HALTED, WHY)
    suspension = await replica.switch.suspend(OPERATOR, "desk", WHY)
    assert switch == Switch(DESK, HALTED, WHY, "operator", replica.clock.now)
    assert suspension == Suspension("desk", WHY, "operator", replica.clock.now)
    assert await replica.switch.switches(OPERATOR) == (switch,)
    assert await replica.switch.suspensions(OPERATOR) == (suspension,)
    assert replica.switch.known == Standing((switch,), (suspension,))


async def test_a_suspension_is_known_at_once_here_and_soon_elsewhere(
    valkey: ValkeyServer, path: Path, replica: Replica
) -> None:
    async with replica_of(valkey, path, "w-2") as other, running(other.switch):
        await replica.switch.suspend(OPERATOR, "desk", WHY)
        assert replica.switch.suspended("desk")
        assert not replica.switch.suspended("operator")
        await until(lambda: other.switch.suspended("desk"))
        await replica.switch.restore(OPERATOR, "desk", "it has a new token")
        assert not replica.switch.suspended("desk")
        await until(lambda: not other.switch.suspended("desk"))


async def test_nobody_suspends_themselves(replica: Replica) -> None:
    with pytest.raises(BadUserInput, match="suspend themselves"):
        await replica.switch.suspend(OPERATOR, "operator", WHY)
    assert await replica.switch.suspensions(OPERATOR) == ()


async def test_who_operates_one_account_switches_and_sees_that_one_alone(replica: Replica) -> None:
    switch = replica.switch
    await switch.set(OPERATOR, Scope(account="vault"), HALTED, WHY)
    await switch.set(OPERATOR, DESK, HALTED, WHY)
    everything = await switch.set(OPERATOR, EVERYTHING, CANCEL_ONLY, WHY)
    demo = await switch.set(KEEPER, DEMO, HALTED, WHY)
    for scope in (EVERYTHING, DESK, Scope(account="vault"), Scope(account="absent")):
        with pytest.raises(Forbidden):
            await switch.set(KEEPER, scope, ACTIVE, WHY)
    assert await switch.switches(KEEPER) == (demo, everything)
    for refused in (
        switch.suspensions(KEEPER),
        switch.suspend(KEEPER, "desk", WHY),
        switch.restore(KEEPER, "desk", WHY),
    ):
        with pytest.raises(Forbidden):
            await refused


async def test_who_may_not_operate_changes_and_sees_nothing_and_that_is_on_record(
    valkey: ValkeyServer, replica: Replica
) -> None:
    switch = replica.switch
    for asked in (
        switch.set(TRADER, DEMO, ACTIVE, WHY),
        switch.suspend(TRADER, "operator", WHY),
        switch.restore(TRADER, "desk", WHY),
        switch.switches(TRADER),
        switch.suspensions(TRADER),
    ):
        with pytest.raises(Forbidden):
            await asked
    await replica.audit.caught_up()
    denied = await on_record(valkey, AuditKind.DENIED)
    assert [(each.principal, each.account, each.detail["asked"]) for each in denied] == [
        ("desk", "demo", "setTradingState"),
        ("desk", None, "suspendPrincipal"),
        ("desk", None, "restorePrincipal"),
        ("desk", None, "tradingSwitches"),
        ("desk", None, "suspensions"),
    ]
    assert await on_record(valkey, AuditKind.SWITCH) == []


@pytest.mark.parametrize(
    "reason",
    ["", "  ", "x" * (LONGEST_REASON + 1), "two\nlines", "\x1b[31mred", "from\u202eright"],
    ids=["empty", "blank", "long", "lines", "escape", "bidi"],
)
async def test_a_reason_is_a_line_that_can_be_read(replica: Replica, reason: str) -> None:
    switch = replica.switch
    for asked in (
        switch.set(OPERATOR, DEMO, HALTED, reason),
        switch.suspend(OPERATOR, "desk", reason),
        switch.restore(OPERATOR, "desk", reason),
    ):
        with pytest.raises(BadUserInput, match="printable"):
            await asked
    assert await replica.halted() == ""


async def test_a_reason_may_be_as_long_as_it_says_and_in_any_language(replica: Replica) -> None:
    reason = "ş" * LONGEST_REASON
    assert (await replica.switch.set(OPERATOR, DEMO, HALTED, reason)).reason == reason


async def test_a_misspelt_name_is_refused_for_it_would_stop_nothing(replica: Replica) -> None:
    with pytest.raises(UnknownAccount):
        await replica.switch.set(OPERATOR, Scope(account="dmeo"), HALTED, WHY)
    for asked in (
        replica.switch.set(OPERATOR, Scope(principal="dsek"), HALTED, WHY),
        replica.switch.suspend(OPERATOR, "dsek", WHY),
        replica.switch.restore(OPERATOR, "dsek", WHY),
    ):
        with pytest.raises(BadUserInput, match="'dsek'"):
            await asked


async def test_what_stands_can_be_undone_though_the_policy_names_it_no_more(
    valkey: ValkeyServer, replica: Replica
) -> None:
    gone_account, gone = Scope(account="gone"), Scope(principal="gone")
    async with open_patient(valkey.url) as redis:
        store = SwitchStore(redis)
        for scope in (gone_account, gone):
            await store.set(Switch(scope, HALTED, WHY, "operator", 1))
        await store.suspend(Suspension("left", WHY, "operator", 1))
    await replica.switch.switches(OPERATOR)
    await replica.switch.set(OPERATOR, gone_account, ACTIVE, "tidying")
    await replica.switch.set(OPERATOR, gone, ACTIVE, "tidying")
    await replica.switch.restore(OPERATOR, "left", "tidying")
    assert replica.switch.known == Standing()


async def test_each_change_is_on_record_before_it_is_made_and_after(
    valkey: ValkeyServer, replica: Replica
) -> None:
    await replica.switch.set(KEEPER, DEMO, HALTED, WHY)
    await replica.switch.suspend(OPERATOR, "desk", WHY)
    await replica.switch.restore(OPERATOR, "desk", "over")
    await replica.audit.caught_up()
    (sending, done) = await on_record(valkey, AuditKind.SWITCH)
    assert sending == AuditEvent(
        kind=AuditKind.SWITCH,
        principal="keeper",
        action="setTradingState",
        outcome="SENDING",
        account="demo",
        rule="run-demo",
        trace_id="ab" * 16,
        detail={"scope": "account demo", "state": "HALTED", "reason": WHY},
    )
    assert done == replace(sending, outcome="OK")
    accesses = await on_record(valkey, AuditKind.ACCESS)
    assert [(each.action, each.outcome, each.rule) for each in accesses] == [
        ("suspendPrincipal", "SENDING", "run-all"),
        ("suspendPrincipal", "OK", "run-all"),
        ("restorePrincipal", "SENDING", "run-all"),
        ("restorePrincipal", "OK", "run-all"),
    ]
    assert accesses[0].detail == {"principal": "desk", "reason": WHY}


async def test_what_cannot_be_put_on_record_is_not_changed(
    valkey: ValkeyServer, own_valkey: ValkeyServer, tmp_path: Path
) -> None:
    nowhere = tmp_path / "absent" / "audit.jsonl"
    async with open_patient(valkey.url) as redis, trail_of(own_valkey, nowhere) as audit:
        await asyncio.to_thread(own_valkey.stop)
        switch = TradingSwitch(
            store=SwitchStore(redis), policy=lambda: POLICY, audit=audit, wall_ms=Clock()
        )
        async with writing(audit):
            with pytest.raises(AuditUnavailable):
                await switch.set(OPERATOR, EVERYTHING, HALTED, WHY)
        assert await SwitchStore(redis).read() == Standing()


async def test_with_redis_away_a_change_may_stand_or_not_and_that_is_said_and_on_record(
    own_valkey: ValkeyServer, path: Path
) -> None:
    async with replica_of(own_valkey, path) as replica:
        await replica.switch.set(OPERATOR, DEMO, CANCEL_ONLY, WHY)
        await asyncio.to_thread(own_valkey.stop)
        failures: list[GatewayError] = []
        for asked in (
            replica.switch.set(OPERATOR, DEMO, HALTED, WHY),
            replica.switch.suspend(OPERATOR, "desk", WHY),
            replica.switch.restore(OPERATOR, "desk", WHY),
            replica.switch.switches(OPERATOR),
            replica.switch.suspensions(OPERATOR),
        ):
            with pytest.raises(SwitchesUnavailable) as away:
                await asked
            failures.append(away.value)
        assert {failure.retryable for failure in failures} == {True}
        assert await replica.halted() == "orders"
        await until(lambda: len(_unknown(path)) == 3)


async def test_a_change_whose_caller_goes_away_is_on_record_as_unknown(
    path: Path, replica: Replica
) -> None:
    store = SlowStore()
    switch = TradingSwitch(
        store=store, policy=lambda: POLICY, audit=replica.audit, wall_ms=replica.clock
    )
    asked = asyncio.create_task(switch.set(OPERATOR, DEMO, HALTED, WHY))
    await store.setting.wait()
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    await replica.audit.caught_up()
    outcomes = [e.event.outcome for e in in_file(path) if e.event.kind is AuditKind.SWITCH]
    assert outcomes == ["SENDING", "UNKNOWN"]


def _unknown(path: Path) -> list[AuditEntry]:
    return [entry for entry in in_file(path) if entry.event.outcome == "UNKNOWN"]


async def test_with_redis_away_no_order_is_sent_and_for_all_else_what_was_read_last_holds(
    own_valkey: ValkeyServer, path: Path
) -> None:
    async with replica_of(own_valkey, path) as replica:
        await replica.switch.set(OPERATOR, DEMO, HALTED, WHY)
        await replica.switch.suspend(OPERATOR, "keeper", WHY)
        await asyncio.to_thread(own_valkey.stop)
        with capture_logs() as logs:
            assert await replica.halted() == "orders and cancels"
            assert await replica.halted(account="vault") == "orders"
            with pytest.raises(SwitchesUnread):
                await replica.switch.check_place("desk", "vault")
            assert replica.switch.suspended("keeper")
            assert replica.switch.problem is not None
            await asyncio.to_thread(own_valkey.start)
            async with running(replica.switch):
                await until(lambda: replica.switch.problem is None)
        told = [line["event"] for line in logs if line["event"].startswith("switches.")]
        assert told == ["switches.away", "switches.back"]


async def test_a_suspended_principal_sends_nothing_though_its_socket_may_still_be_open(
    replica: Replica,
) -> None:
    await replica.switch.suspend(OPERATOR, "desk", WHY)
    assert await replica.halted() == "orders and cancels"
    await replica.switch.restore(OPERATOR, "desk", WHY)
    assert await replica.halted() == ""


async def test_the_gateway_looks_after_the_orders_of_a_suspended_principal(
    replica: Replica,
) -> None:
    await replica.switch.suspend(OPERATOR, "desk", WHY)
    await replica.switch.check_own_cancel("desk", "demo")


async def test_what_is_halted_takes_no_cancels_of_the_gateway_s_own(replica: Replica) -> None:
    await replica.switch.set(OPERATOR, DEMO, CANCEL_ONLY, WHY)
    await replica.switch.check_own_cancel("desk", "demo")
    await replica.switch.set(OPERATOR, DEMO, HALTED, WHY)
    with pytest.raises(TradingHalted):
        await replica.switch.check_own_cancel("desk", "demo")


async def test_before_anything_could_be_read_only_cancels_are_sent(
    own_valkey: ValkeyServer, path: Path
) -> None:
    own_valkey.stop()
    async with replica_of(own_valkey, path) as replica:
        assert await replica.halted() == "orders"
        assert replica.switch.known == Standing()
        assert not replica.switch.suspended("desk")
        own_valkey.start()
        assert await replica.switch.state("desk", "demo") is None
        assert await replica.halted() == ""


async def test_a_cancel_waits_for_no_redis_that_is_known_to_hang(
    own_valkey: ValkeyServer, path: Path
) -> None:
    async with replica_of(own_valkey, path) as replica:
        await replica.switch.switches(OPERATOR)
        own_valkey.pause()
        with pytest.raises(SwitchesUnread):
            await replica.switch.check_place("desk", "demo")
        assert replica.switch.problem is not None
        checks = asyncio.create_task(replica.switch.check_cancel("desk", "demo"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert checks.done()
        own_valkey.resume()


async def test_a_look_that_began_earlier_and_ends_later_undoes_nothing(
    own_valkey: ValkeyServer, path: Path
) -> None:
    async with replica_of(own_valkey, path) as replica:
        await replica.switch.set(OPERATOR, DEMO, HALTED, WHY)
        stale = SlowStore()
        fresh = replica.switch.known
        switch = TradingSwitch(
            store=stale, policy=lambda: POLICY, audit=replica.audit, wall_ms=replica.clock
        )
        first = asyncio.create_task(switch.state("desk", "demo"))
        await asyncio.sleep(0)
        second = asyncio.create_task(switch.state("desk", "demo"))
        await asyncio.sleep(0)
        stale.answers[1].set_result(fresh)
        await second
        stale.answers[0].set_result(Standing())
        await first
        assert switch.known == fresh


class SlowStore(SwitchStore):
    """Answers each look when the test says so, and no change."""

    def __init__(self) -> None:
        self.answers: list[asyncio.Future[Standing]] = []
        self.setting = asyncio.Event()

    async def set(self, _switch: Switch) -> None:
        self.setting.set()
        await asyncio.Event().wait()

    async def read(self) -> Standing:
        self.answers.append(asyncio.get_running_loop().create_future())
        return await self.answers[-1]


async def test_the_log_says_what_a_replica_holds_from_now_on(replica: Replica) -> None:
    with capture_logs() as logs:
        await replica.switch.set(OPERATOR, DEMO, HALTED, WHY)
        await replica.switch.suspend(OPERATOR, "desk", WHY)
        await replica.switch.set(OPERATOR, DEMO, ACTIVE, "over")
        await replica.switch.restore(OPERATOR, "desk", "over")
    told = [line for line in logs if line["event"].startswith(("switch.", "principal."))]
    assert [{key: line[key] for key in line if key != "log_level"} for line in told] == [
        {
            "event": "switch.set",
            "what": "account demo",
            "state": "HALTED",
            "reason": WHY,
            "set_by": "operator",
        },
        {"event": "principal.suspended", "principal": "desk", "reason": WHY, "set_by": "operator"},
        {"event": "switch.active", "what": "account demo"},
        {"event": "principal.restored", "principal": "desk"},
    ]
