"""Cancelling orders: gate, signature, exchange. A cancel may go out twice; it changes nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from gateway.access.policy import Action
from gateway.access.principal import Caller, Principal, PrincipalKind
from gateway.domain.audit import GATEWAY
from gateway.domain.errors import GatewayError, Refused, Unclear
from gateway.domain.orders import Order
from gateway.domain.signing import Sign
from gateway.exchange import ORDER_NOT_OPEN, ExchangeClient, PreparedRequest
from gateway.metrics import Metrics
from gateway.services.accounts import Accounts
from gateway.services.audit import AuditTrail
from gateway.services.closed_orders import ClosedOrders
from gateway.services.market_data import MarketData
from gateway.services.order_audit import cancel_event, cancel_joined, deny
from gateway.services.order_gate import OrderGate
from gateway.services.order_logs import cancel_ended
from gateway.services.order_outcomes import rejection_of
from gateway.services.single_flight import SingleFlight


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The order is cancelled; `order` when something is known of it.

    `before`: the exchange had it open no more when this cancel came.
    """

    order_id: str
    order: Order | None
    before: bool = False


@dataclass(frozen=True, slots=True)
class CancelUnknown:
    """Nobody knows whether the cancel was carried out; it cannot be after `resolve_by` (ms).

    The order was open, or could not be looked for. Cancelling it again is safe, and tells.
    """

    order_id: str
    resolve_by: int


class Cancels:
    """The one way by which cancels reach the exchange.

    A cancel lowers what is at risk: it goes out though the audit log cannot be written, and its
    entries wait in memory. `guard_ms`: how long after its window the exchange may still carry one
    out.
    """

    def __init__(  # noqa: PLR0913 - each is a part that a cancel passes through
        self,
        *,
        gate: OrderGate,
        accounts: Accounts,
        market_data: MarketData,
        closed: ClosedOrders,
        signer: Callable[[str], Sign],
        exchange: ExchangeClient,
        audit: AuditTrail,
        metrics: Metrics,
        guard_ms: int,
    ) -> None:
        self._gate = gate
        self._accounts = accounts
        self._market_data = market_data
        self._closed = closed
        self._signer = signer
        self._exchange = exchange
        self._audit = audit
        self._metrics = metrics
        self._guard_ms = guard_ms
        self._cancelling: SingleFlight[tuple[str, str], Cancelled | CancelUnknown] = SingleFlight()

    async def cancel(
        self, caller: Caller, account: str, order_id: str
    ) -> Cancelled | CancelUnknown:
        """Cancel an order; one that was cancelled before is as good.

        Raises what the gate raises, `BadUserInput`, `KeyUnavailable`, `NotSent` and `Refused`; and
        when it is not open any more, and was not found to have been cancelled, `OrderFilled`,
        `OrderClosedUnknown` or `OrderNotFound`. Callers at once share one request, which is on
        record as the first one's; each of the others is on record as having joined it.
        """
        try:
            rule = await self._gate.admit_cancel(caller, account, order_id)
        except GatewayError as refusal:
            self._refused(caller, account, order_id, refusal)
            raise
        return await self._join(caller, account, order_id, rule)

    async def cancel_for(
        self, principal_id: str, account: str, order_id: str, *, rule: str, trace_id: str
    ) -> Cancelled | CancelUnknown:
        """Cancel an order of a principal that does not ask for it now.

        It is on record as the gateway's own doing, by `rule`. Raises `TradingHalted`,
        `RateLimited`, and what `cancel` raises once it is admitted.
        """
        actor = Caller(Principal(GATEWAY, PrincipalKind.APP), trace_id)
        try:
            await self._gate.admit_own_cancel(principal_id, account)
        except GatewayError as refusal:
            self._refused(actor, account, order_id, refusal)
            raise
        return await self._join(actor, account, order_id, rule)

    async def aclose(self, within_s: float) -> None:
        """Give what is under way `within_s` seconds, then give up on it."""
        await self._cancelling.landed(within_s)
        await self._cancelling.aclose()

    async def _join(
        self, caller: Caller, account: str, order_id: str, rule: str
    ) -> Cancelled | CancelUnknown:
        key = (account, order_id)
        if self._cancelling.under_way(key):
            self._audit.note(cancel_joined(caller, account, order_id, rule))
        return await self._cancelling.join(
            key, lambda: self._cancel(caller, account, order_id, rule)
        )

    async def _cancel(
        self, caller: Caller, account: str, order_id: str, rule: str
    ) -> Cancelled | CancelUnknown:
        try:
            outcome, unclear = await self._send(caller, account, order_id, rule)
        except GatewayError as failure:
            self._metrics.cancels.labels(type(failure).__name__).inc()
            self._refused(caller, account, order_id, failure)
            raise
        self._metrics.cancels.labels(type(outcome).__name__).inc()
        cancel_ended(caller.principal, account, order_id, unclear)
        return outcome

    async def _send(
        self, caller: Caller, account: str, order_id: str, rule: str
    ) -> tuple[Cancelled | CancelUnknown, Unclear | None]:
        prepared = await self._exchange.prepare_cancel(self._signer(account), order_id)
        tell = partial(cancel_event, caller, account, order_id, prepared, rule)
        self._audit.note(tell("SENDING"))
        outcome = "UNKNOWN"
        try:
            cancelled = await self._require_cancelled(account, order_id, prepared)
            outcome = "CANCELLED"
        except Unclear as unclear:
            resolve_by = prepared.signed_at + prepared.window + self._guard_ms
            return CancelUnknown(order_id, resolve_by), unclear
        except GatewayError as failure:
            outcome = rejection_of(failure).code
            raise
        finally:
            self._audit.note(tell(outcome))
        if cancelled.order is not None:
            self._market_data.outdate(cancelled.order.symbol)
        return cancelled, None

    async def _require_cancelled(
        self, account: str, order_id: str, prepared: PreparedRequest
    ) -> Cancelled:
        """Return once the order is known to be cancelled; raise `Unclear` while it may be open."""
        before = False
        try:
            return Cancelled(order_id, await self._exchange.cancel(prepared, order_id))
        except Refused as refusal:
            if refusal.exchange_code != ORDER_NOT_OPEN:
                raise
            before = True
        except Unclear:
            if await self._closed.may_be_open(account, order_id):
                raise
        finally:
            self._accounts.order_answered(account)
        order = await self._closed.require_cancelled(account, order_id)
        return Cancelled(order_id, order, before)

    def _refused(self, caller: Caller, account: str, order_id: str, error: GatewayError) -> None:
        cancel_ended(caller.principal, account, order_id, error)
        deny(self._audit, caller, Action.ORDERS_CANCEL, account, error, orderId=order_id)
