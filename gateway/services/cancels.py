"""Cancelling orders: gate, signature, exchange. A cancel may go out twice; it changes nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from gateway.access.policy import Action
from gateway.access.principal import Caller
from gateway.domain.errors import GatewayError, Unclear
from gateway.domain.orders import Order
from gateway.domain.signing import Sign
from gateway.exchange import ExchangeClient
from gateway.observability import Metrics
from gateway.services.accounts import Accounts
from gateway.services.audit import AuditTrail
from gateway.services.order_audit import cancel_event, cancel_joined, deny
from gateway.services.order_gate import OrderGate
from gateway.services.order_logs import cancel_ended
from gateway.services.order_outcomes import rejection_of
from gateway.services.single_flight import SingleFlight


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


class Cancels:
    """The one way by which cancels reach the exchange.

    A cancel lowers what is at risk: it goes out though the audit log cannot be written, and its
    entries wait in memory.
    """

    def __init__(
        self,
        *,
        gate: OrderGate,
        accounts: Accounts,
        signer: Callable[[str], Sign],
        exchange: ExchangeClient,
        audit: AuditTrail,
        metrics: Metrics,
    ) -> None:
        self._gate = gate
        self._accounts = accounts
        self._signer = signer
        self._exchange = exchange
        self._audit = audit
        self._metrics = metrics
        self._cancelling: SingleFlight[tuple[str, str], Cancelled | CancelUnknown] = SingleFlight()

    async def cancel(
        self, caller: Caller, account: str, order_id: str
    ) -> Cancelled | CancelUnknown:
        """Cancel an open order.

        Raises what the gate raises, `BadUserInput`, `KeyUnavailable`, `NotSent`, and `Refused`
        (10075: it is not open any more). Callers at once share one request, which is on record as
        the first one's; each of the others is on record as having joined it.
        """
        try:
            rule = await self._gate.admit_cancel(caller, account, order_id)
        except GatewayError as refusal:
            cancel_ended(caller.principal, account, order_id, refusal)
            self._deny(caller, account, order_id, refusal)
            raise
        key = (account, order_id)
        if self._cancelling.under_way(key):
            self._audit.note(cancel_joined(caller, account, order_id, rule))
        return await self._cancelling.join(
            key, lambda: self._cancel(caller, account, order_id, rule)
        )

    async def aclose(self, within_s: float) -> None:
        """Give what is under way `within_s` seconds, then give up on it."""
        await self._cancelling.landed(within_s)
        await self._cancelling.aclose()

    async def _cancel(
        self, caller: Caller, account: str, order_id: str, rule: str
    ) -> Cancelled | CancelUnknown:
        try:
            outcome, unclear = await self._send(caller, account, order_id, rule)
        except GatewayError as failure:
            self._metrics.cancels.labels(type(failure).__name__).inc()
            cancel_ended(caller.principal, account, order_id, failure)
            self._deny(caller, account, order_id, failure)
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
            order = await self._exchange.cancel(prepared, order_id)
            outcome = "CANCELLED"
        except Unclear as unclear:
            return CancelUnknown(order_id, prepared.signed_at + prepared.window), unclear
        except GatewayError as failure:
            outcome = rejection_of(failure).code
            raise
        finally:
            self._accounts.order_answered(account)
            self._audit.note(tell(outcome))
        return Cancelled(order_id, order), None

    def _deny(self, caller: Caller, account: str, order_id: str, error: GatewayError) -> None:
        deny(self._audit, caller, Action.ORDERS_CANCEL, account, error, orderId=order_id)
