"""What a person decides, over a real journal."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from gateway.access.policy import AccountRule, Action, Grant, Member, Policy
from gateway.access.principal import Caller, Principal, PrincipalKind
from gateway.domain.account_events import AccountEvent
from gateway.domain.errors import (
    AuditUnavailable,
    BadUserInput,
    Forbidden,
    NotLookedUp,
    SourceUnavailable,
    UnknownAccount,
)
from gateway.domain.market import OrderSide
from gateway.domain.orders import OrderSpec, OrderStatus, OrderType
from gateway.domain.placements import Placement, PlacementState
from gateway.domain.resolution import Verdict
from gateway.services.closed_orders import ClosedOrders
from gateway.services.recent_placements import RecentPlacements
from gateway.services.resolving import Decision, Judgement, ResolvePlacements
from gateway.store.account_events import AccountEventStore
from gateway.store.journal import OrderJournal
from tests.unit.services.desks import Watch, reads_of, streams_of
from tests.unit.services.examples import Clock, StandInExchange, fill
from tests.unit.store.examples import accepted, open_quick, placement
from tests.unit.store.journals import begin, journal_of, journal_on, lead, lost
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

S = PlacementState
PLACED, NOT_PLACED = Decision
WHY = "seen at the exchange"
OPERATE = frozenset({Action.OPERATE})


def person(name: str, *grants: Grant) -> Member:
    return Member(Principal(name, PrincipalKind.PERSON), grants=grants)


POLICY = Policy(
    revision="1",
    accounts=(AccountRule("demo"), AccountRule("vault")),
    members=(
        person("operator", Grant("run-all", OPERATE)),
        person("keeper", Grant("run-demo", OPERATE, "demo")),
        person("stranger", Grant("run-vault", OPERATE, "vault")),
    ),
    wall_ms=lambda: 0,
)
OPERATOR, KEEPER, STRANGER = (
    Caller(Principal(name, PrincipalKind.PERSON), "ab" * 16)
    for name in ("operator", "keeper", "stranger")
)


@dataclass
class Desk:
    resolving: ResolvePlacements
    journal: OrderJournal
    exchange: StandInExchange
    watch: Watch
    clock: Clock
    redis: Any

    async def in_doubt(self, intent: Placement) -> Placement:
        """A placement that the gateway gave up on."""
        unknown = await lost(self.journal, intent)
        verdict = Verdict(placement=unknown, state=S.IN_DOUBT, evidence="two orders fit")
        leader = await lead(self.redis, intent.command.account)
        return await self.journal.resolve(verdict, leader=leader)

    def trade(self, found: Placement) -> None:
        """Have the exchange list a trade that may be of the order."""
        symbol = found.command.symbol
        self.exchange.answers["fills"] = (replace(fill(1, symbol), time=found.signed_at),)

    async def judge(
        self,
        found: Placement,
        decision: Decision = NOT_PLACED,
        order_id: str | None = None,
        *,
        by: Caller = KEEPER,
        reason: str = WHY,
    ) -> Placement:
        return await self.resolving.resolve(by, Judgement(found.id, decision, order_id, reason))


def resolving_on(
    journal: OrderJournal, redis: Redis, exchange: StandInExchange, watch: Watch, clock: Clock
) -> ResolvePlacements:
    reads = reads_of(watch)
    return ResolvePlacements(
        journal=journal,
        reads=reads,
        exchange=exchange.client,
        closed=ClosedOrders(
            streams=streams_of({}),
            events=AccountEventStore(redis, 1000),
            journal=journal,
            recent=RecentPlacements(),
            exchange=exchange.client,
            reads=reads,
        ),
        policy=lambda: POLICY,
        audit=watch.audit.trail,
        exchange_now=lambda: clock.now or None,
    )


@asynccontextmanager
async def desk_of(valkey: ValkeyServer, **settings: Any) -> AsyncIterator[Desk]:  # noqa: ANN401 - the journal's
    async with journal_of(valkey, **settings) as (journal, redis):
        exchange, watch, clock = StandInExchange(), Watch(), Clock()
        exchange.answers |= {"open orders": (), "fills": ()}
        resolving = resolving_on(journal, redis, exchange, watch, clock)
        yield Desk(resolving, journal, exchange, watch, clock, redis)


def intent(number: int = 1, **spec: Any) -> Placement:  # noqa: ANN401 - an order's terms
    made = placement(number, client_order_id=f"c-{number}")
    if spec:
        made = replace(made, command=replace(made.command, spec=OrderSpec(**spec)))
    return replace(made, resolve_by=60_000)


async def refused(desk: Desk, found: Placement, *how: Any) -> str:  # noqa: ANN401 - as `judge` takes it
    with pytest.raises(BadUserInput) as refusal:
        await desk.judge(found, *how)
    standing = await desk.journal.get(found.id)
    assert standing is None or standing.state is found.state
    return refusal.value.field


async def test_what_has_no_outcome_is_shown_to_who_may_operate_the_account_whoever_asked_for_it(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey) as desk:
        unknown = await lost(desk.journal, intent(1))
        doubtful = await desk.in_doubt(intent(2, price=Decimal(2), quantity=Decimal(1)))
        sure = await begin(desk.journal, intent(3, price=Decimal(3), quantity=Decimal(1)))
        await desk.journal.finish(accepted(sure))
        for caller in (OPERATOR, KEEPER):
            found = await desk.resolving.unresolved(caller, "demo")
            assert {each.id: each.state for each in found} == {
                unknown.id: S.UNKNOWN,
                doubtful.id: S.IN_DOUBT,
            }
            assert await desk.resolving.one(caller, sure.id) is not None
        assert await desk.resolving.one(STRANGER, unknown.id) is None
        assert await desk.resolving.one(OPERATOR, f"demo.{9:032x}") is None
        with pytest.raises(Forbidden):
            await desk.resolving.unresolved(STRANGER, "demo")
        with pytest.raises(UnknownAccount):
            await desk.resolving.unresolved(OPERATOR, "nowhere")
        denied = [(each.outcome, each.account) for each in desk.watch.audit.events]
        assert denied == [("FORBIDDEN", "demo")]


async def test_what_was_not_placed_may_be_sent_again_and_says_who_found_that_and_why(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey) as desk:
        doubtful = await desk.in_doubt(intent())
        with capture_logs() as logs:
            settled = await desk.judge(doubtful)
        assert (settled.state, settled.resolved_by) == (S.NOT_PLACED, "keeper")
        assert settled.evidence == f"two orders fit; {WHY}"
        assert settled.new_id_safe
        assert await desk.journal.get(doubtful.id) == settled
        assert await desk.resolving.unresolved(KEEPER, "demo") == ()
        (line,) = [each for each in logs if each["event"] == "order.resolved"]
        assert (line["by"], line["state"], line["reason"]) == ("keeper", "NOT_PLACED", WHY)


async def test_a_judgement_is_on_record_before_and_after_it_stands(valkey: ValkeyServer) -> None:
    async with desk_of(valkey) as desk:
        doubtful = await desk.in_doubt(intent())
        desk.trade(doubtful)
        await desk.judge(doubtful, PLACED, "o1")
        before, after = (
            each for each in desk.watch.audit.events if each.action == "resolvePlacement"
        )
        assert (before.outcome, after.outcome) == ("SENDING", "OK")
        assert replace(before, outcome="OK") == after
        assert (after.principal, after.account, after.rule) == ("keeper", "demo", "run-demo")
        assert after.detail == {
            "placement": doubtful.id,
            "of": doubtful.principal,
            "decision": "PLACED",
            "orderId": "o1",
            "reason": WHY,
        }


async def test_without_an_audit_log_nothing_is_settled(valkey: ValkeyServer) -> None:
    async with desk_of(valkey) as desk:
        doubtful = await desk.in_doubt(intent())
        desk.watch.audit.away = True
        with pytest.raises(AuditUnavailable):
            await desk.judge(doubtful)
        assert await desk.journal.get(doubtful.id) == doubtful


async def test_an_order_that_is_open_is_taken_as_the_exchange_shows_it(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey) as desk:
        doubtful = await desk.in_doubt(intent())
        shown = accepted(doubtful, "o1").order
        assert shown is not None
        desk.exchange.answers["open orders"] = (replace(shown, order_id="o0"), shown)
        settled = await desk.judge(doubtful, PLACED, "o1")
        assert (settled.state, settled.order) == (S.ACCEPTED, shown)
        owners = await desk.journal.of_orders("demo", ["o1"])
        assert owners["o1"].id == doubtful.id


async def test_an_order_that_ended_is_taken_as_the_account_s_events_told_of_it(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey) as desk:
        doubtful = await desk.in_doubt(intent())
        shown = accepted(doubtful, "o1").order
        assert shown is not None
        told = (shown, replace(shown, status=OrderStatus.CANCELLED))
        events = [AccountEvent(sequence=0, time=1, order=each) for each in told]
        await AccountEventStore(desk.redis, 1000).append(await lead(desk.redis), events)
        settled = await desk.judge(doubtful, PLACED, "o1")
        assert (settled.state, settled.order) == (S.ACCEPTED, told[-1])


async def test_an_order_that_nobody_saw_and_that_nothing_was_traded_of_is_not_taken(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey) as desk:
        doubtful = await desk.in_doubt(intent())
        assert await refused(desk, doubtful, PLACED, "madeupid") == "orderId"
        sold = replace(fill(1, doubtful.command.symbol), side=OrderSide.SELL)
        older = replace(sold, time=doubtful.signed_at - 2_000)
        desk.exchange.answers["fills"] = (replace(sold, time=doubtful.signed_at), older)
        assert await refused(desk, doubtful, PLACED, "madeupid") == "orderId"
        desk.exchange.answers["fills"] = SourceUnavailable("fills")
        with pytest.raises(SourceUnavailable):
            await desk.judge(doubtful, PLACED, "madeupid")


async def test_of_an_order_that_has_ended_the_terms_are_kept_and_nobody_knows_the_end(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey) as desk:
        doubtful = await desk.in_doubt(intent())
        desk.trade(doubtful)
        settled = await desk.judge(doubtful, PLACED, "o1")
        terms, order = settled.command.spec, settled.order
        assert order is not None
        assert (order.order_id, order.status) == ("o1", OrderStatus.CLOSED_UNKNOWN)
        assert (order.price, order.quantity) == (terms.price, terms.quantity)


@pytest.mark.parametrize("kind", [OrderType.MARKET, OrderType.FAST])
async def test_a_market_or_fast_order_was_placed_without_an_id(
    valkey: ValkeyServer, kind: OrderType
) -> None:
    async with desk_of(valkey) as desk:
        spec = {"type": kind, "quantity": Decimal(1)}
        doubtful = await desk.in_doubt(intent(1, **spec))
        assert await refused(desk, doubtful, PLACED, "o1") == "orderId"
        settled = await desk.judge(doubtful, PLACED)
        assert settled.order is not None
        assert (settled.state, settled.order.order_id) == (S.ACCEPTED, None)
        assert "open orders" not in desk.exchange.asked


async def test_an_order_needs_an_id_that_is_no_other_placement_s_and_fits(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey) as desk:
        taken = await begin(desk.journal, intent(2, price=Decimal(2), quantity=Decimal(1)))
        await desk.journal.finish(accepted(taken, "o2"))
        doubtful = await desk.in_doubt(intent())
        desk.trade(doubtful)
        assert await refused(desk, doubtful, PLACED) == "orderId"
        assert await refused(desk, doubtful, PLACED, "no id!") == "orderId"
        assert await refused(desk, doubtful, NOT_PLACED, "o1") == "orderId"
        assert await refused(desk, doubtful, PLACED, "o2") == "orderId"
        assert desk.watch.audit.events[-1].outcome == "BAD_USER_INPUT"
        other = accepted(doubtful, "o3").order
        assert other is not None
        desk.exchange.answers["open orders"] = (replace(other, side=OrderSide.SELL),)
        assert await refused(desk, doubtful, PLACED, "o3") == "orderId"


async def test_while_open_orders_cannot_be_read_no_order_is_taken_for_placed(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey) as desk:
        doubtful = await desk.in_doubt(intent())
        desk.exchange.answers["open orders"] = SourceUnavailable("open orders")
        with pytest.raises(SourceUnavailable):
            await desk.judge(doubtful, PLACED, "o1")
        assert await desk.journal.get(doubtful.id) == doubtful


async def test_what_the_gateway_may_still_find_out_is_not_a_person_s_to_judge_until_its_time_is_up(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey) as desk:
        unknown = await lost(desk.journal, intent())
        sending = await begin(desk.journal, intent(2, price=Decimal(2), quantity=Decimal(1)))
        desk.clock.now = 60_000
        assert await refused(desk, unknown) == "id"
        desk.clock.now = 60_001
        assert await refused(desk, sending) == "id"
        desk.clock.now = 0
        assert await refused(desk, unknown) == "id"
        desk.clock.now = 60_001
        assert (await desk.judge(unknown)).state is S.NOT_PLACED


async def test_the_same_judgement_again_changes_nothing_and_another_one_is_refused(
    valkey: ValkeyServer,
) -> None:
    async with desk_of(valkey) as desk:
        doubtful = await desk.in_doubt(intent())
        desk.trade(doubtful)
        settled = await desk.judge(doubtful, PLACED, "o1")
        told = len(desk.watch.audit.events)
        assert await desk.judge(settled, PLACED, "o1", reason="again") == settled
        assert await desk.judge(settled, PLACED) == settled
        assert len(desk.watch.audit.events) == told
        assert await refused(desk, settled, PLACED, "o2") == "id"
        assert await refused(desk, settled) == "id"


async def test_only_who_may_operate_the_account_judges(valkey: ValkeyServer) -> None:
    async with desk_of(valkey) as desk:
        doubtful = await desk.in_doubt(intent())
        with pytest.raises(Forbidden):
            await desk.judge(doubtful, by=STRANGER)
        (denied,) = desk.watch.audit.events
        assert (denied.outcome, denied.account, denied.principal) == (
            "FORBIDDEN",
            "demo",
            "stranger",
        )
        assert await desk.journal.get(doubtful.id) == doubtful
        nothing = replace(doubtful, id=f"demo.{9:032x}")
        with pytest.raises(BadUserInput):
            await desk.judge(nothing, by=OPERATOR)
        with pytest.raises(Forbidden):
            await desk.judge(nothing, by=KEEPER)


@pytest.mark.parametrize("reason", ["", "  ", "two\nlines", "x" * 201])
async def test_a_reason_stands_on_one_line(valkey: ValkeyServer, reason: str) -> None:
    async with desk_of(valkey) as desk:
        doubtful = await desk.in_doubt(intent())
        with pytest.raises(BadUserInput) as refusal:
            await desk.judge(doubtful, reason=reason)
        assert refusal.value.field == "reason"
        with pytest.raises(BadUserInput):
            await desk.resolving.reopen(KEEPER, "demo", reason)


async def test_a_quarantined_account_is_reopened_on_record(valkey: ValkeyServer) -> None:
    async with desk_of(valkey) as desk:
        await begin(desk.journal, intent())
    async with desk_of(valkey, server="1" * 40) as desk:
        assert await desk.journal.quarantine("demo") is not None
        with capture_logs() as logs:
            await desk.resolving.reopen(KEEPER, "demo", WHY)
        assert await desk.journal.quarantine("demo") is None
        told = [(each.action, each.outcome, each.account) for each in desk.watch.audit.events]
        assert told == [
            ("reopenAccount", "SENDING", "demo"),
            ("reopenAccount", "OK", "demo"),
        ]
        (line,) = [each for each in logs if each["event"] == "account.reopened"]
        assert (line["by"], line["reason"]) == ("keeper", WHY)
        with pytest.raises(Forbidden):
            await desk.resolving.reopen(STRANGER, "demo", WHY)


async def test_without_redis_nobody_is_told_that_it_is_done() -> None:
    async with open_quick("redis://127.0.0.1:1") as redis:
        watch = Watch()
        resolving = resolving_on(journal_on(redis), redis, StandInExchange(), watch, Clock())
        judgement = Judgement(f"demo.{1:032x}", NOT_PLACED, None, WHY)
        asks = (
            resolving.unresolved(KEEPER, "demo"),
            resolving.one(KEEPER, judgement.placement_id),
            resolving.resolve(KEEPER, judgement),
            resolving.reopen(KEEPER, "demo", WHY),
        )
        for ask in asks:
            with pytest.raises(NotLookedUp):
                await ask
        assert watch.audit.outcomes()[-1] == ("SWITCH", "UNKNOWN")
