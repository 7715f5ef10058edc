"""The GraphQL types of accounts, of the caller, and of the exchange's state."""

from decimal import Decimal

import strawberry

from gateway.access.policy import Grant as PolicyGrant
from gateway.domain import account as domain
from gateway.domain.streams import FeedState as DomainFeedState
from gateway.schema.context import Info
from gateway.schema.described import described
from gateway.schema.order_types import Order
from gateway.schema.requires import reads_account
from gateway.schema.scalars import Timestamp
from gateway.services.exchange_status import Reachability


@strawberry.type(description="One asset of an account.")
class Balance:
    """One asset of an account."""

    asset: str = described("The asset.")
    total: Decimal = described("All of it.")
    available: Decimal = described("What is free.")
    held: Decimal = described("What open orders reserve.")
    precision: int | None = described("The asset's decimals, if the exchange tells.")

    @classmethod
    def of(cls, balance: domain.Balance) -> "Balance":
        """Show a balance."""
        return cls(
            asset=balance.asset,
            total=balance.total,
            available=balance.available,
            held=balance.held,
            precision=balance.precision,
        )


@strawberry.type(description="An account at the exchange.")
class Account:
    """An account; each part is read when it is asked for."""

    id: strawberry.ID = described("The gateway's name of the account.")

    @strawberry.field(description="What the account holds.", extensions=[reads_account()])
    async def balances(self, info: Info) -> list[Balance]:
        """Read the balances."""
        held = await info.context.services.accounts.balances(self.id)
        return [Balance.of(balance) for balance in held]

    @strawberry.field(description="The orders that are open.", extensions=[reads_account()])
    async def open_orders(self, info: Info, symbol: str | None = None) -> list[Order]:
        """Read the open orders."""
        if symbol is not None:
            await info.context.markets.market(symbol)
        orders = await info.context.services.accounts.open_orders(self.id, symbol)
        return [Order.of(order, self.id) for order in orders]


@strawberry.type(description="What the policy allows the caller.")
class Grant:
    """One grant."""

    id: strawberry.ID = described("The grant's name in the policy.")
    account: strawberry.ID | None = described("The account that it concerns; null for market data.")
    actions: list[str] = described("What it allows.")
    symbols: list[str] | None = described("The markets that it is limited to; null for all.")

    @classmethod
    def of(cls, grant: PolicyGrant) -> "Grant":
        """Show a grant."""
        return cls(
            id=strawberry.ID(grant.id),
            account=None if grant.account is None else strawberry.ID(grant.account),
            actions=sorted(grant.actions),
            symbols=None,
        )


@strawberry.type(description="A limit of the caller, and what is left of it.")
class LimitState:
    """A limit and what is left of it."""

    name: str = described("What is limited.")
    limit: Decimal = described("How much is allowed.")
    remaining: Decimal = described("How much is left.")
    resets_at: Timestamp | None = described("When it is whole again.")


@strawberry.type(description="Who is calling.")
class Viewer:
    """The caller."""

    principal: strawberry.ID = described("The caller's name in the policy.")
    kind: str = described("app or person.")
    grants: list[Grant] = described("What the policy allows.")
    limits: list[LimitState] = described("The caller's limits.")


@strawberry.type(description="How the gateway's stream from the exchange is doing.")
class FeedState:
    """The public stream."""

    connected: bool = described("True while it is connected.")
    since: Timestamp | None = described("When it last connected or broke.")
    topics: int = described("How many topics the exchange confirmed.")
    last_message_at: Timestamp | None = described("When the last frame came.")

    @classmethod
    def of(cls, state: DomainFeedState) -> "FeedState":
        """Show the state of a feed."""
        since, last = state.since, state.last_message_at
        return cls(
            connected=state.connected,
            since=None if since is None else Timestamp(since),
            topics=state.topics,
            last_message_at=None if last is None else Timestamp(last),
        )


@strawberry.type(description="How the exchange is doing, as far as the gateway can tell.")
class Exchange:
    """The exchange's state."""

    reachable: bool = described("True when it answered just now.")
    server_time: Timestamp | None = described("Its clock.")
    clock_offset_ms: int | None = described("Its clock minus the gateway's, at the least.")
    feed: FeedState = described("Its stream.")

    @classmethod
    def of(cls, state: Reachability) -> "Exchange":
        """Show the exchange's state."""
        server_time = state.server_time
        return cls(
            reachable=state.reachable,
            server_time=None if server_time is None else Timestamp(server_time),
            clock_offset_ms=state.offset_ms,
            feed=FeedState.of(state.feed),
        )
