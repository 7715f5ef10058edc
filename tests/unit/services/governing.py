"""What watches over a use of the gateway, made up; each has its own tests with the real thing."""

import asyncio
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import cast

from gateway.access.policy import Grant, Policy
from gateway.domain.audit import AuditEvent, AuditPage
from gateway.domain.errors import AuditUnavailable, GatewayError, TradingHalted
from gateway.domain.limits import LimitState
from gateway.domain.market import OrderSide
from gateway.domain.orders import PlaceOrder
from gateway.domain.placements import Baseline
from gateway.domain.switches import Switch
from gateway.metrics import Metrics
from gateway.services.audit import AuditTrail
from gateway.services.authority import Authority
from gateway.services.baselines import AccountView, Baselines
from gateway.services.order_limits import OrderLimiter
from gateway.services.rates import Rates
from gateway.services.risk import RiskRules
from gateway.services.trading_switch import TradingSwitch
from gateway.tracing import Spans


class StandInAudit:
    """Keeps what is put on record; while `away`, nothing can be that must be."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []
        self.away = False

    @property
    def trail(self) -> AuditTrail:
        return cast("AuditTrail", self)

    def outcomes(self) -> list[tuple[str, str]]:
        return [(event.kind.value, event.outcome) for event in self.events]

    def note(self, event: AuditEvent) -> None:
        self.events.append(event)

    def note_often(self, _key: Hashable, event: AuditEvent, _alike: AuditEvent) -> None:
        self.events.append(event)

    async def require(self, event: AuditEvent) -> None:
        if self.away:
            raise AuditUnavailable
        self.events.append(event)

    async def page(self, **_asked: object) -> AuditPage:
        return AuditPage((), None, has_next=False)

    async def finish(self) -> None:
        return


class StandInSwitch:
    """Holds what the test says; None: everything is ACTIVE."""

    def __init__(self) -> None:
        self.holding: Switch | None = None
        self.suspends: frozenset[str] = frozenset()

    def suspended(self, principal_id: str) -> bool:
        return principal_id in self.suspends

    @property
    def switch(self) -> TradingSwitch:
        return cast("TradingSwitch", self)

    async def state(self, _principal_id: str, _account: str) -> Switch | None:
        return self.holding

    async def check_place(self, _principal_id: str, _account: str) -> None:
        self._check("CANCEL_ONLY", "HALTED")

    async def check_cancel(self, _principal_id: str, _account: str) -> None:
        self._check("HALTED")

    async def check_own_cancel(self, _principal_id: str, _account: str) -> None:
        self._check("HALTED")

    async def switches(self, _principal_id: str) -> tuple[Switch, ...]:
        return ()

    async def suspensions(self, _principal_id: str) -> tuple[()]:
        return ()

    def _check(self, *states: str) -> None:
        if self.holding is not None and self.holding.state.value in states:
            holding = self.holding
            raise TradingHalted(str(holding.scope), holding.state.value, holding.reason)


class StandInRates:
    """Refuses what the test says, and remembers what was counted."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.refusal: GatewayError | None = None
        self.refusals: dict[str, GatewayError] = {}

    @property
    def rates(self) -> Rates:
        return cast("Rates", self)

    async def take_request(self, principal_id: str, *, cancel: bool = False) -> None:
        self._take(f"request {principal_id}", cancel=cancel)

    async def take_call(self, account: str, *, cancel: bool = False, own: bool = False) -> None:
        self._take(f"own call {account}" if own else f"call {account}", cancel=cancel)

    async def take_market_read(self, *, own: bool = False) -> None:
        self._take("own market read" if own else "market read")

    async def take_order(self, principal_id: str, grant: Grant) -> None:
        self._take(f"order {principal_id} {grant.id}")

    def states(self, _principal_id: str) -> tuple[LimitState, ...]:
        return ()

    def _take(self, what: str, *, cancel: bool = False) -> None:
        if self.refusal is not None and not cancel:
            raise self.refusal
        if what in self.refusals:
            raise self.refusals[what]
        self.taken.append(f"cancel {what}" if cancel else what)


class StandInLimiter:
    """Refuses what the test says.

    A `deaf` one waits until it is cancelled, and then goes on as if it had not heard.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.refusal: GatewayError | None = None
        self.deaf = False

    @property
    def limiter(self) -> OrderLimiter:
        return cast("OrderLimiter", self)

    async def claim(
        self, _principal_id: str, _grant: Grant, _command: PlaceOrder, placement_id: str
    ) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.asked.append(placement_id)
        if self.deaf:
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()


class StandInRisk:
    """Refuses what the test says."""

    def __init__(self) -> None:
        self.refusal: GatewayError | None = None

    @property
    def risk(self) -> RiskRules:
        return cast("RiskRules", self)

    async def check(self, _command: PlaceOrder, _view: AccountView) -> None:
        if self.refusal is not None:
            raise self.refusal


class StandInBaselines:
    """An account on which nothing ever stands."""

    def __init__(self) -> None:
        self.failure: GatewayError | None = None

    @property
    def baselines(self) -> Baselines:
        return cast("Baselines", self)

    async def of(
        self, _account: str, _symbol: str, _side: OrderSide, *, fresh_fills: bool
    ) -> AccountView:
        if self.failure is not None:
            raise self.failure
        baseline = Baseline(taken_at=1, stream_since=None, orders=(), fills=(), totals={})
        return AccountView(baseline, (), {})


def authority_of(
    policy: Callable[[], Policy],
    audit: StandInAudit,
    metrics: Metrics | None = None,
    accounts: tuple[str, ...] = ("demo",),
    candidate: Callable[[], Policy | None] = lambda: None,
) -> Authority:
    """The policy's authority over accounts that there are keys for."""
    return Authority(
        policy=policy,
        candidate=candidate,
        accounts=lambda: accounts,
        audit=audit.trail,
        metrics=metrics or Metrics(),
        spans=Spans(),
    )
