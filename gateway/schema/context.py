"""What a resolver works with: the caller, the services, and what the answer depends on."""

from collections.abc import Awaitable, Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

import strawberry
from strawberry.dataloader import DataLoader

from gateway.access.policy import Action, Policy
from gateway.access.principal import Caller, Principal
from gateway.domain.errors import GatewayError, UnknownAccount
from gateway.domain.limits import LimitState
from gateway.domain.placements import Placement
from gateway.domain.streams import FeedState
from gateway.services.account_events import AccountEvents
from gateway.services.accounts import Accounts
from gateway.services.audit import AuditTrail
from gateway.services.authority import Authority
from gateway.services.cancel_all import CancelAll
from gateway.services.cancels import Cancels
from gateway.services.dead_man import DeadManSwitches
from gateway.services.exchange_status import ExchangeStatus
from gateway.services.market_data import MarketData, MarketView
from gateway.services.order_audit import deny
from gateway.services.orders import Orders
from gateway.services.placements import Placements
from gateway.services.rates import Rates
from gateway.services.resolving import ResolvePlacements
from gateway.services.streams import StreamHub
from gateway.services.trading_switch import TradingSwitch


@dataclass(frozen=True, slots=True)
class Services:
    """The use cases, built once for the process."""

    market_data: MarketData
    streams: StreamHub
    policy: Callable[[], Policy]
    authority: Authority
    accounts: Accounts
    account_events: AccountEvents
    orders: Orders
    cancels: Cancels
    cancel_all: CancelAll
    dead_man: DeadManSwitches
    placements: Placements
    resolving: ResolvePlacements
    journal_quarantine: Callable[[str], Awaitable[str | None]]
    trading_switch: TradingSwitch
    rates: Rates
    audit: AuditTrail
    exchange: ExchangeStatus
    now: Callable[[], int]


Need: TypeAlias = tuple[Action, str | None]
"""An action, and the account that it concerns."""


def permit(services: Services, caller: Caller, need: Need) -> None:
    """Raise `Forbidden` or `UnknownAccount` unless the policy grants the caller `need`.

    A denial goes on record.
    """
    action, account = need
    try:
        services.authority.require(caller, action, account)
    except GatewayError as denial:
        deny(services.audit, caller, action, account, denial)
        raise


@dataclass(slots=True)
class Context:
    """One operation's context.

    Of the next event of a stream `slot` names what it takes the place of, and `as_of` says when the
    exchange's frame came (ms); None where that is not known.
    """

    services: Services
    principal: Principal
    trace_id: str
    markets: MarketView = field(init=False)
    placements: DataLoader[tuple[str, str], Placement | None] = field(init=False)
    needs: list[Need] = field(default_factory=list)
    slot: Hashable | None = None
    as_of: int | None = None

    def __post_init__(self) -> None:
        self.markets = MarketView(self.services.market_data, self.services.now)
        self.placements = DataLoader(self._placements, cache=False)

    def latest(self, slot: Hashable, as_of: int) -> None:
        """The next event is the latest of `slot`, received from the exchange at `as_of` (ms)."""
        self.slot, self.as_of = slot, as_of

    @property
    def caller(self) -> Caller:
        """Who asks, in which request."""
        return Caller(self.principal, self.trace_id)

    def limits(self) -> tuple[LimitState, ...]:
        """What is left of the caller's limits."""
        return self.services.rates.states(self.principal.id)

    def require(self, need: Need) -> None:
        """Raise unless the caller may; remember what the answer needed."""
        self.needs.append(need)
        permit(self.services, self.caller, need)

    @contextmanager
    def recording(self, asked: str) -> Iterator[None]:
        """Put on record when what is asked for meanwhile is of an account that is unknown."""
        try:
            yield
        except UnknownAccount as denial:
            audit, account = self.services.audit, denial.account
            deny(audit, self.caller, Action.ACCOUNT_READ, account, denial, asked=asked)
            raise

    async def _placements(self, keys: list[tuple[str, str]]) -> list[Placement | None]:
        found: dict[tuple[str, str], Placement] = {}
        for account in {account for account, _ in keys}:
            ids = [order_id for owner, order_id in keys if owner == account]
            placed = await self.services.placements.of_orders(self.principal, account, ids)
            found |= {(account, order_id): value for order_id, value in placed.items()}
        return [found.get(key) for key in keys]


Info: TypeAlias = strawberry.Info[Context, None]
"""What strawberry hands to a resolver."""


__all__ = ["Context", "FeedState", "Info", "Need", "Services", "permit"]
