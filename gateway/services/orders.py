"""Placing orders: prepared and recorded, sent, and recorded again.

An order goes out at most once. Before its first byte leaves, the journal holds a record of it;
afterwards the record says what became of it. An outcome that is not known is called UNKNOWN.
"""

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal

import structlog

from gateway.access.policy import Action
from gateway.access.principal import Caller
from gateway.domain.account import TradingState
from gateway.domain.errors import (
    BadUserInput,
    ExchangeFailure,
    GatewayError,
    NotLookedUp,
    NotRecorded,
    UnknownAccount,
)
from gateway.domain.market import OrderSide
from gateway.domain.orders import SIGNED, OrderType, PlaceOrder
from gateway.domain.placements import Placement, PlacementState
from gateway.exchange import ExchangeClient, PreparedRequest
from gateway.metrics import Metrics
from gateway.services.accounts import Accounts
from gateway.services.audit import AuditTrail
from gateway.services.market_data import MarketData
from gateway.services.order_audit import deny, order_done, order_terms
from gateway.services.order_logs import order_ended, order_refused
from gateway.services.order_outcomes import answered_by, evidence_of, state_after
from gateway.services.order_preparation import OrderPreparation
from gateway.services.placements import Placing
from gateway.services.recent_placements import RecentPlacements
from gateway.store.journal import OrderJournal

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
_CLIENT_ORDER_ID = re.compile(rf"[A-Za-z0-9._-]{{1,64}}|{SIGNED}[0-9a-f]{{64}}", re.ASCII)


class Orders:
    """The one way by which orders reach the exchange."""

    def __init__(  # noqa: PLR0913 - each is a part that an order passes through
        self,
        *,
        preparation: OrderPreparation,
        placing: Placing,
        accounts: Accounts,
        market_data: MarketData,
        exchange: ExchangeClient,
        journal: OrderJournal,
        audit: AuditTrail,
        recent: RecentPlacements,
        now: Callable[[], int],
        metrics: Metrics,
    ) -> None:
        self._preparation = preparation
        self._placing = placing
        self._accounts = accounts
        self._market_data = market_data
        self._exchange = exchange
        self._journal = journal
        self._audit = audit
        self._recent = recent
        self._now = now
        self._metrics = metrics

    async def place(self, caller: Caller, command: PlaceOrder) -> Placement:
        """Place the order, or return what became of it before.

        Raises `BadUserInput`, and what `OrderPreparation.record` raises: then nothing was sent.
        What the exchange said is in the placement that is returned, and so is that nobody knows
        what it did.
        """
        with self._telling_refusals(caller, command):
            _check(command)
        identity = (caller.id, command.account, command.client_order_id)
        placement = await self._placing.join(identity, lambda: self._once(caller, command))
        with self._telling_refusals(caller, command):
            _check_same(placement, command)
        return placement

    async def trading_state(self, caller: Caller, account: str) -> TradingState:
        """What is sent for the account now; while none can be recorded, no order is."""
        return await self._preparation.trading_state(caller, account)

    async def aclose(self, within_s: float) -> None:
        """Give what is under way `within_s` seconds, then give up on it.

        What was sent and has no answer yet stays SENDING, and its lease lapses.
        """
        await self._placing.landed(within_s)
        await self._placing.aclose()

    @contextmanager
    def _telling_refusals(self, caller: Caller, command: PlaceOrder) -> Iterator[None]:
        try:
            yield
        except BadUserInput as refusal:
            self._tell_refused(caller, command, refusal)
            raise

    async def _once(self, caller: Caller, command: PlaceOrder) -> Placement:
        try:
            return await self._place(caller, command)
        except GatewayError as error:
            return await self._replay(caller, command, error)

    async def _replay(self, caller: Caller, command: PlaceOrder, error: GatewayError) -> Placement:
        """What keeps an order from being sent now does not hide that it was sent before.

        Nor is it sent afterwards, by another replica that may be preparing it. But from who may not
        know of the account any more, everything of it is hidden.
        """
        if isinstance(error, UnknownAccount):
            self._tell_refused(caller, command, error)
            raise error
        try:
            standing = await self._preparation.refuse(caller, command)
        except NotLookedUp as away:
            self._tell_refused(caller, command, error)
            raise (error if isinstance(error, NotRecorded) else NotRecorded()) from away
        if standing is None or _withdrawn(standing):
            self._tell_refused(caller, command, error)
            raise error
        return standing

    def _tell_refused(self, caller: Caller, command: PlaceOrder, error: GatewayError) -> None:
        self._metrics.orders.labels(error.code).inc()
        order_refused(caller.principal, command, error)
        terms = order_terms(command)
        deny(self._audit, caller, Action.ORDERS_PLACE, command.account, error, **terms)

    async def _place(self, caller: Caller, command: PlaceOrder) -> Placement:
        recorded = await self._preparation.record(caller, command)
        if recorded.prepared is None:
            return recorded.placement
        return await self._carry_out(caller, recorded.placement, recorded.prepared)

    async def _carry_out(
        self, caller: Caller, intent: Placement, prepared: PreparedRequest
    ) -> Placement:
        try:
            placement = await self._send(intent, prepared)
        except asyncio.CancelledError:
            given_up = replace(intent, state=PlacementState.UNKNOWN)
            self._audit.note(order_done(caller, given_up, prepared))
            raise
        self._accounts.order_answered(placement.command.account)
        self._market_data.outdate(placement.command.symbol)
        self._recent.add(placement)
        self._metrics.orders.labels(placement.state.value).inc()
        order_ended(placement)
        self._audit.note(order_done(caller, placement, prepared))
        return await self._journal.finish(placement)

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
        now = self._now()
        state, rejection = state_after(failure)
        return replace(
            placement,
            state=state,
            rejection=rejection,
            answered=answered_by(failure, now),
            evidence=evidence_of(failure),
            updated_at=now,
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


def _check_same(placement: Placement, command: PlaceOrder) -> None:
    if placement.command.canonical() != command.canonical():
        raise BadUserInput("clientOrderId", "was used for another command; take a new one")


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
