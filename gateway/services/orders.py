"""Placing and cancelling orders: policy, journal, signature, exchange, journal.

An order goes out at most once. Before its first byte leaves, the journal holds a record of it;
afterwards the record says what became of it. An outcome that is not known is called UNKNOWN.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal

import structlog

from gateway.access.policy import Action, Principal
from gateway.domain.account import TradingState
from gateway.domain.errors import (
    BadUserInput,
    ExchangeFailure,
    GatewayError,
    NotLookedUp,
    NotRecorded,
    Unclear,
    UnknownAccount,
)
from gateway.domain.market import OrderSide
from gateway.domain.orders import (
    Order,
    OrderType,
    Placement,
    PlacementPage,
    PlacementState,
    PlaceOrder,
)
from gateway.exchange import ExchangeClient, PreparedRequest
from gateway.observability import Metrics
from gateway.services.accounts import Accounts
from gateway.services.market_data import MarketData, MarketView
from gateway.services.order_logs import cancel_ended, order_ended, order_refused
from gateway.services.order_outcomes import evidence_of, state_after
from gateway.services.recent_placements import RecentPlacements
from gateway.services.single_flight import SingleFlight
from gateway.store.journal import OrderJournal, new_placement_id

_log = structlog.get_logger(__name__)

_OVERTAKEN_BY_S = 0.1
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


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The exchange cancelled the order; `order` when it showed it."""

    order_id: str
    order: Order | None


@dataclass(frozen=True, slots=True)
class CancelUnknown:
    """Nobody knows whether the cancel was carried out; it cannot be after `resolve_by` (ms)."""

    order_id: str
    resolve_by: int


class Orders:
    """The one way by which orders reach the exchange.

    `lease_ms`: how long after its window an order's sender has to record what became of it.
    """

    def __init__(
        self,
        *,
        accounts: Accounts,
        market_data: MarketData,
        journal: OrderJournal,
        exchange: ExchangeClient,
        now: Callable[[], int],
        random_bytes: Callable[[int], bytes],
        lease_ms: int,
        metrics: Metrics,
    ) -> None:
        self._accounts = accounts
        self._market_data = market_data
        self._journal = journal
        self._exchange = exchange
        self._now = now
        self._random_bytes = random_bytes
        self._lease_ms = lease_ms
        self._recent = RecentPlacements()
        self._metrics = metrics
        self._placing: SingleFlight[tuple[str, str, str], Placement] = SingleFlight()
        self._cancelling: SingleFlight[tuple[str, str], Cancelled | CancelUnknown] = SingleFlight()

    async def place(self, principal: Principal, command: PlaceOrder) -> Placement:
        """Place the order, or return what became of it before.

        Raises `BadUserInput`, `UnknownAccount`, `Forbidden`, `UnknownSymbol`, `SourceUnavailable`
        (no market list) and `NotRecorded`: then nothing was sent. What the exchange said
        is in the placement that is returned, and so is that nobody knows what it did.
        """
        _check(command)
        identity = (principal.id, command.account, command.client_order_id)
        placement = await self._placing.join(identity, lambda: self._once(principal, command))
        if placement.command.canonical() != command.canonical():
            raise BadUserInput("clientOrderId", "was used for another command; take a new one")
        return placement

    async def placement(self, principal: Principal, placement_id: str) -> Placement | None:
        """A placement of the principal's own; None if it has none of that id.

        Raises `NotLookedUp`, and `UnknownAccount` once the principal may not know of its account.
        """
        placement = await self._journal.get(placement_id)
        if placement is None or placement.principal != principal.id:
            return None
        if placement.command.account not in self._accounts.visible(principal):
            raise UnknownAccount(placement.command.account)
        return await self._settled(placement)

    async def placements(
        self,
        principal: Principal,
        account: str,
        *,
        client_order_id: str | None,
        state: PlacementState | None,
        first: int,
        after: str | None,
    ) -> PlacementPage:
        """The principal's own newest placements in an account; of one id, or in one state.

        Raises `UnknownAccount`, `BadUserInput` for an id that no order can have and for an `after`
        that is no cursor, and `NotLookedUp`.
        """
        if account not in self._accounts.visible(principal):
            raise UnknownAccount(account)
        if client_order_id is not None:
            _check_id(client_order_id)
        page = await self._journal.page(
            principal.id,
            account,
            first=first,
            after=after,
            client_order_id=client_order_id,
            wanted=lambda each: state in (None, each.state_at(self._now())),
        )
        settled = await asyncio.gather(*(self._settled(each) for _, each in page.entries))
        shown = zip((cursor for cursor, _ in page.entries), settled, strict=True)
        # Its sender may have said what became of one just before it was called lost.
        return replace(page, entries=tuple(e for e in shown if state in (None, e[1].state)))

    async def trading_state(self, account: str) -> TradingState:
        """What is sent for the account now: without a journal that takes records, only cancels."""
        if await self._journal.writable(account):
            return TradingState.ACTIVE
        return TradingState.CANCEL_ONLY

    async def placements_of(
        self, principal: Principal, account: str, order_ids: list[str]
    ) -> dict[str, Placement]:
        """The principal's own placements among those that made `order_ids`."""
        if not all(self._recent.find(account, order_id) for order_id in order_ids):
            # An order's event may overtake the answer that says whose it is.
            await self._placing.landed(_OVERTAKEN_BY_S)
        recent = {each: self._recent.find(account, each) for each in order_ids}
        found = {each: placement for each, placement in recent.items() if placement is not None}
        missing = [order_id for order_id in order_ids if order_id not in found]
        if missing:
            found |= await self._journal.of_orders(account, missing)
        return {key: value for key, value in found.items() if value.principal == principal.id}

    async def cancel(
        self, principal: Principal, account: str, order_id: str
    ) -> Cancelled | CancelUnknown:
        """Cancel an open order.

        Raises `BadUserInput`, `UnknownAccount`, `Forbidden`, `NotSent`, and `Refused` (10075: it
        is not open any more). Callers at once share one request.
        """
        try:
            self._accounts.require(principal, Action.ORDERS_CANCEL, account)
        except GatewayError as refusal:
            cancel_ended(principal, account, order_id, refusal)
            raise
        return await self._cancelling.join(
            (account, order_id), lambda: self._cancel(principal, account, order_id)
        )

    async def aclose(self, within_s: float) -> None:
        """Give what is under way `within_s` seconds, then give up on it.

        What was sent and has no answer yet stays SENDING, and its lease lapses.
        """
        landed = (self._placing.landed(within_s), self._cancelling.landed(within_s))
        await asyncio.gather(*landed)
        await self._placing.aclose()
        await self._cancelling.aclose()

    async def _once(self, principal: Principal, command: PlaceOrder) -> Placement:
        try:
            return await self._place(principal, command)
        except GatewayError as error:
            self._metrics.orders.labels(error.code).inc()
            return await self._replay(principal, command, error)

    async def _replay(
        self, principal: Principal, command: PlaceOrder, error: GatewayError
    ) -> Placement:
        """What keeps an order from being sent now does not hide that it was sent before."""
        try:
            standing = await self._standing(principal, command, error)
        except GatewayError as refusal:
            order_refused(principal, command, refusal)
            raise
        return await self._settled(standing)

    async def _standing(
        self, principal: Principal, command: PlaceOrder, error: GatewayError
    ) -> Placement:
        if isinstance(error, NotRecorded):
            raise error
        try:
            standing = await self._journal.find(
                principal.id, command.account, command.client_order_id
            )
        except NotLookedUp as away:
            raise NotRecorded from away
        if standing is None:
            raise error
        return standing

    async def _place(self, principal: Principal, command: PlaceOrder) -> Placement:
        rule = self._accounts.require(principal, Action.ORDERS_PLACE, command.account)
        await MarketView(self._market_data, self._now).market(command.symbol)
        sign = self._accounts.signer(command.account)
        prepared = await self._exchange.prepare_order(sign, command)
        placement = self._intent(principal, command, rule, prepared)
        standing = await self._journal.begin(placement)
        if standing.id != placement.id:
            return await self._settled(standing)
        placement = await self._send(placement, prepared)
        self._accounts.order_answered(command.account)
        self._recent.add(placement)
        self._metrics.orders.labels(placement.state.value).inc()
        order_ended(placement)
        return await self._journal.finish(placement)

    def _intent(
        self, principal: Principal, command: PlaceOrder, rule: str, prepared: PreparedRequest
    ) -> Placement:
        now = self._now()
        return Placement(
            id=new_placement_id(command.account, self._random_bytes),
            principal=principal.id,
            command=command,
            state=PlacementState.SENDING,
            created_at=now,
            updated_at=now,
            rule=rule,
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

    async def _settled(self, placement: Placement) -> Placement:
        """Call a placement UNKNOWN whose sender is gone."""
        if placement.state_at(self._now()) is placement.state:
            return placement
        lost = replace(
            placement,
            state=PlacementState.UNKNOWN,
            evidence="the process that sent it never said what became of it",
            updated_at=self._now(),
        )
        return await self._journal.finish(lost)

    async def _cancel(
        self, principal: Principal, account: str, order_id: str
    ) -> Cancelled | CancelUnknown:
        try:
            outcome, unclear = await self._send_cancel(account, order_id)
        except GatewayError as failure:
            self._metrics.cancels.labels(type(failure).__name__).inc()
            cancel_ended(principal, account, order_id, failure)
            raise
        self._metrics.cancels.labels(type(outcome).__name__).inc()
        cancel_ended(principal, account, order_id, unclear)
        return outcome

    async def _send_cancel(
        self, account: str, order_id: str
    ) -> tuple[Cancelled | CancelUnknown, Unclear | None]:
        prepared = await self._exchange.prepare_cancel(self._accounts.signer(account), order_id)
        try:
            return Cancelled(order_id, await self._exchange.cancel(prepared, order_id)), None
        except Unclear as unclear:
            return CancelUnknown(order_id, prepared.signed_at + prepared.window), unclear
        finally:
            self._accounts.order_answered(account)


def _check_id(client_order_id: str) -> None:
    if not _CLIENT_ORDER_ID.fullmatch(client_order_id):
        raise BadUserInput("clientOrderId", "expected 1 to 64 of A-Z a-z 0-9 . _ -")


def _check(command: PlaceOrder) -> None:
    _check_id(command.client_order_id)
    for name, value in command.spec.terms().items():
        if value <= Decimal(0):
            raise BadUserInput(f"{_SPECS[command.type]}.{_TERMS[name]}", "must be above zero")
    if command.type is OrderType.FAST:
        spends = command.side is OrderSide.BUY
        if (command.spec.quote_total if spends else command.spec.quantity) is None:
            problem = "expected quoteTotal when buying, quantity when selling"
            raise BadUserInput(_SPECS[OrderType.FAST], problem)
