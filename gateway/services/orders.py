"""Placing orders: gate, signature, audit log, journal, exchange, journal.

An order goes out at most once. Before its first byte leaves, the journal holds a record of it;
afterwards the record says what became of it. An outcome that is not known is called UNKNOWN.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import structlog

from gateway.access.policy import Action, Grant
from gateway.access.principal import Caller
from gateway.domain.account import TradingState
from gateway.domain.errors import (
    BadUserInput,
    ExchangeFailure,
    GatewayError,
    NotInTime,
    NotLookedUp,
    NotRecorded,
)
from gateway.domain.market import OrderSide
from gateway.domain.orders import OrderType, PlaceOrder
from gateway.domain.placements import Placement, PlacementState
from gateway.domain.signing import Sign
from gateway.exchange import ExchangeClient, PreparedRequest
from gateway.observability import Metrics
from gateway.services.accounts import Accounts
from gateway.services.audit import AuditTrail
from gateway.services.market_data import MarketData, MarketView
from gateway.services.order_audit import (
    deny,
    order_done,
    order_not_sent,
    order_sending,
    order_terms,
)
from gateway.services.order_gate import OrderGate
from gateway.services.order_logs import order_ended, order_refused
from gateway.services.order_outcomes import evidence_of, state_after
from gateway.services.placements import Placements, Placing
from gateway.services.recent_placements import RecentPlacements
from gateway.store.journal import OrderJournal, new_placement_id

_log = structlog.get_logger(__name__)

_SPECS = {
    OrderType.LIMIT: "order.limit",
    OrderType.MARKET: "order.market",
    OrderType.STOP_LIMIT: "order.stopLimit",
    OrderType.FAST: "order.fast",
}
_TERMS = {
    "price": "price",
    "quantity": "quantity",
    "stop_price": "stopPrice",
    "quote_total": "quoteTotal",
}
_CLIENT_ORDER_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


class Orders:
    """The one way by which orders reach the exchange.

    `signer` gives what signs an account's requests. `ready_within_s`: how long an order may take
    until it is to be recorded; one that takes longer is not sent. `lease_ms`: how long after its
    window an order's sender has to record what became of it.
    """

    def __init__(  # noqa: PLR0913 - each is a part that an order passes through
        self,
        *,
        gate: OrderGate,
        placements: Placements,
        placing: Placing,
        accounts: Accounts,
        market_data: MarketData,
        signer: Callable[[str], Sign],
        exchange: ExchangeClient,
        journal: OrderJournal,
        audit: AuditTrail,
        recent: RecentPlacements,
        now: Callable[[], int],
        random_bytes: Callable[[int], bytes],
        ready_within_s: float,
        lease_ms: int,
        metrics: Metrics,
    ) -> None:
        self._gate = gate
        self._placements = placements
        self._placing = placing
        self._accounts = accounts
        self._market_data = market_data
        self._signer = signer
        self._exchange = exchange
        self._journal = journal
        self._audit = audit
        self._recent = recent
        self._now = now
        self._random_bytes = random_bytes
        self._ready_within_s = ready_within_s
        self._lease_ms = lease_ms
        self._metrics = metrics

    async def place(self, caller: Caller, command: PlaceOrder) -> Placement:
        """Place the order, or return what became of it before.

        Raises `BadUserInput`, `UnknownSymbol`, `SourceUnavailable` (no market list), what the gate
        raises, `KeyUnavailable`, `AuditUnavailable` and `NotRecorded`: then nothing was sent. What
        the exchange said is in the placement that is returned, and so is that nobody knows what it
        did.
        """
        _check(command)
        identity = (caller.id, command.account, command.client_order_id)
        placement = await self._placing.join(identity, lambda: self._once(caller, command))
        if placement.command.canonical() != command.canonical():
            raise BadUserInput("clientOrderId", "was used for another command; take a new one")
        return placement

    async def trading_state(self, caller: Caller, account: str) -> TradingState:
        """What is sent for the account now; without a journal that takes records, only cancels."""
        state = await self._gate.trading_state(caller, account)
        if state is TradingState.ACTIVE and not await self._journal.writable(account):
            return TradingState.CANCEL_ONLY
        return state

    async def aclose(self, within_s: float) -> None:
        """Give what is under way `within_s` seconds, then give up on it.

        What was sent and has no answer yet stays SENDING, and its lease lapses.
        """
        await self._placing.landed(within_s)
        await self._placing.aclose()

    async def _once(self, caller: Caller, command: PlaceOrder) -> Placement:
        try:
            return await self._place(caller, command)
        except GatewayError as error:
            return await self._replay(caller, command, error)

    async def _replay(self, caller: Caller, command: PlaceOrder, error: GatewayError) -> Placement:
        """What keeps an order from being sent now does not hide that it was sent before."""
        try:
            standing = await self._journal.find(caller.id, command.account, command.client_order_id)
        except NotLookedUp as away:
            self._tell_refused(caller, command, error)
            raise (error if isinstance(error, NotRecorded) else NotRecorded()) from away
        if standing is None or _withdrawn(standing):
            self._tell_refused(caller, command, error)
            raise error
        return await self._placements.as_it_stands(standing)

    def _tell_refused(self, caller: Caller, command: PlaceOrder, error: GatewayError) -> None:
        self._metrics.orders.labels(error.code).inc()
        order_refused(caller.principal, command, error)
        terms = order_terms(command)
        deny(self._audit, caller, Action.ORDERS_PLACE, command.account, error, **terms)

    async def _place(self, caller: Caller, command: PlaceOrder) -> Placement:
        placement_id = new_placement_id(command.account, self._random_bytes)
        sent = False
        try:
            intent, prepared = await self._ready_in_time(caller, command, placement_id)
            standing = await self._begin(caller, intent, prepared)
            if standing.id != intent.id:
                return await self._placements.as_it_stands(standing)
            sent = True
        finally:
            if not sent:
                self._gate.withdraw(placement_id)
        return await self._carry_out(caller, intent, prepared)

    async def _ready_in_time(
        self, caller: Caller, command: PlaceOrder, placement_id: str
    ) -> tuple[Placement, PreparedRequest]:
        try:
            async with asyncio.timeout(self._ready_within_s) as deadline:
                return await self._ready(caller, command, placement_id, deadline)
        except TimeoutError:
            raise NotInTime from None

    async def _ready(
        self, caller: Caller, command: PlaceOrder, placement_id: str, deadline: asyncio.Timeout
    ) -> tuple[Placement, PreparedRequest]:
        """Let the order pass the gate, sign it and put it on record."""
        grant = await self._gate.permit(caller, command)
        await MarketView(self._market_data, self._now).market(command.symbol)
        await self._gate.claim(caller, grant, command, placement_id)
        prepared = await self._exchange.prepare_order(self._signer(command.account), command)
        await self._gate.recheck(caller, command)
        if deadline.expired():  # for its cancellation can get lost: see `end_all`
            raise TimeoutError
        intent = self._intent(caller, command, placement_id, grant, prepared)
        await self._audit.require(order_sending(caller, intent, prepared))
        return intent, prepared

    async def _begin(
        self, caller: Caller, intent: Placement, prepared: PreparedRequest
    ) -> Placement:
        """Record the intent, or find the one that stands; whoever is not sent is on record too."""
        standing = None
        try:
            standing = await self._journal.begin(intent)
        finally:
            if standing is None or standing.id != intent.id:
                self._audit.note(order_not_sent(caller, intent, prepared, standing))
        return standing

    async def _carry_out(
        self, caller: Caller, intent: Placement, prepared: PreparedRequest
    ) -> Placement:
        try:
            placement = await self._send(intent, prepared)
        except asyncio.CancelledError:
            given_up = replace(intent, state=PlacementState.UNKNOWN)
            self._audit.note(order_done(caller, given_up, prepared))
            raise
        self._gate.settle(placement)
        self._accounts.order_answered(placement.command.account)
        self._recent.add(placement)
        self._metrics.orders.labels(placement.state.value).inc()
        order_ended(placement)
        self._audit.note(order_done(caller, placement, prepared))
        return await self._journal.finish(placement)

    def _intent(
        self,
        caller: Caller,
        command: PlaceOrder,
        placement_id: str,
        grant: Grant,
        prepared: PreparedRequest,
    ) -> Placement:
        now = self._now()
        return Placement(
            id=placement_id,
            principal=caller.id,
            command=command,
            state=PlacementState.SENDING,
            created_at=now,
            updated_at=now,
            rule=grant.id,
            signed_at=prepared.signed_at,
            window=prepared.window,
            digest=prepared.digest,
            lease_until=now + prepared.window + self._lease_ms,
        )

    async def _send(self, placement: Placement, prepared: PreparedRequest) -> Placement:
        try:
            order = await self._exchange.place(prepared, placement.command)
        except ExchangeFailure as failure:
            return self._failed(placement, failure)
        except Exception:  # noqa: BLE001  # a fault of ours proves nothing about the order
            _log.exception("order.fault", placement=placement.id)
            return replace(
                placement,
                state=PlacementState.UNKNOWN,
                evidence="a fault inside the gateway while the order was sent",
                updated_at=self._now(),
            )
        return replace(
            placement, state=PlacementState.ACCEPTED, order=order, updated_at=self._now()
        )

    def _failed(self, placement: Placement, failure: ExchangeFailure) -> Placement:
        state, rejection = state_after(failure)
        return replace(
            placement,
            state=state,
            rejection=rejection,
            evidence=evidence_of(failure),
            updated_at=self._now(),
        )


def _withdrawn(placement: Placement) -> bool:
    """Whether it was never sent because its record was not certain: a new one takes its place."""
    rejection = placement.rejection
    return placement.state is PlacementState.NOT_SENT and (
        rejection is not None and rejection.code == NotRecorded.code
    )


def check_id(client_order_id: str) -> None:
    """Raise `BadUserInput` for what can be no `clientOrderId`."""
    if not _CLIENT_ORDER_ID.fullmatch(client_order_id):
        raise BadUserInput("clientOrderId", "expected 1 to 64 of A-Z a-z 0-9 . _ -")


def _check(command: PlaceOrder) -> None:
    check_id(command.client_order_id)
    for name, value in command.spec.terms().items():
        if value <= Decimal(0):
            raise BadUserInput(f"{_SPECS[command.type]}.{_TERMS[name]}", "must be above zero")
    if command.type is OrderType.FAST:
        spends = command.side is OrderSide.BUY
        if (command.spec.quote_total if spends else command.spec.quantity) is None:
            problem = "expected quoteTotal when buying, quantity when selling"
            raise BadUserInput(_SPECS[OrderType.FAST], problem)
