"""The root types: every query, mutation and subscription."""

from collections.abc import AsyncIterator

import strawberry

from gateway.domain import market as domain
from gateway.domain import orders, placements
from gateway.domain.errors import BadUserInput, UnknownAccount
from gateway.domain.market import CandleInterval
from gateway.domain.placements import PlacementState
from gateway.domain.streams import Gap as DomainGap
from gateway.schema.account_event_types import AccountEventSubscription
from gateway.schema.account_types import Account
from gateway.schema.audit_types import AuditQuery
from gateway.schema.balance_types import Balance, BalanceEvent
from gateway.schema.context import Info
from gateway.schema.exchange_types import Exchange
from gateway.schema.market_types import (
    MAX_LEVELS,
    CandleUpdate,
    Gap,
    Market,
    OrderBook,
    Ticker,
    TopOfBook,
    Trade,
    TradeEvent,
    within,
)
from gateway.schema.operator_types import OperatorMutation, OperatorQuery
from gateway.schema.order_mutations import DeadManMutation, OrderMutation
from gateway.schema.order_types import Order, OrderEvent, Placement
from gateway.schema.placement_pages import MAX_PLACEMENTS, PlacementConnection
from gateway.schema.quarantine_types import QuarantineMutation, QuarantineQuery
from gateway.schema.requires import (
    AuthenticatedDirective,
    reads_account_argument,
    reads_market,
)
from gateway.schema.resolving_types import ResolvingMutation, ResolvingQuery
from gateway.schema.viewer_types import Viewer
from gateway.services.orders import check_id


@strawberry.type(description="What can be read.")
class Query(AuditQuery, ResolvingQuery, QuarantineQuery, OperatorQuery):
    """What can be read."""

    @strawberry.field(
        description="How the exchange is doing, as far as the gateway can tell.",
        extensions=[reads_market()],
    )
    async def exchange(self, info: Info) -> Exchange:
        """Ask the exchange for its time."""
        return Exchange.of(await info.context.services.exchange.read())

    @strawberry.field(
        description=(
            "All markets, or those named, or those priced in one asset: one in which some market "
            "is priced."
        ),
        extensions=[reads_market()],
    )
    async def markets(
        self, info: Info, symbols: list[str] | None = None, quote_asset: str | None = None
    ) -> list[Market]:
        """List markets."""
        chosen = await _chosen(info, symbols)
        if quote_asset is not None:
            await _require_quote(info, quote_asset)
            chosen = [market for market in chosen if market.quote_asset == quote_asset]
        await info.context.markets.prepare_tickers([market.symbol for market in chosen])
        return [Market.of(market) for market in chosen]

    @strawberry.field(
        description="null with an UNKNOWN_SYMBOL error when there is no such market.",
        extensions=[reads_market()],
    )
    async def market(self, info: Info, symbol: str) -> Market | None:
        """Find one market."""
        return Market.of(await info.context.markets.market(symbol))

    @strawberry.field(
        description="The accounts that the caller may see.", directives=[AuthenticatedDirective()]
    )
    def accounts(self, info: Info) -> list[Account]:
        """List accounts."""
        visible = info.context.services.authority.visible(info.context.principal)
        return [Account(id=strawberry.ID(account)) for account in visible]

    @strawberry.field(
        description=(
            "null with an UNKNOWN_ACCOUNT error when there is none or the caller may not know "
            "of it."
        ),
        directives=[AuthenticatedDirective()],
    )
    def account(self, info: Info, id: strawberry.ID) -> Account | None:  # noqa: A002  # contract
        """Find one account."""
        with info.context.recording("account"):
            if id not in info.context.services.authority.visible(info.context.principal):
                raise UnknownAccount(id)
        return Account(id=id)

    @strawberry.field(
        description=(
            "An order intent of the caller's own, or of an account that the caller may operate; "
            "null if there is none, with an UNKNOWN_ACCOUNT error once the caller may not know of "
            "the account of an own one."
        ),
        directives=[AuthenticatedDirective()],
    )
    async def placement(self, info: Info, id: strawberry.ID) -> Placement | None:  # noqa: A002  # contract
        """Find one placement."""
        with info.context.recording("placement"):
            found = await info.context.services.placements.one(info.context.principal, id)
        if found is None:
            found = await info.context.services.resolving.one(info.context.caller, id)
        return None if found is None else Placement.of(found)

    @strawberry.field(
        description=(
            "The caller's own order intents in an account, the newest first; of one clientOrderId, "
            "or in one state. first: 1 to 100."
        ),
        directives=[AuthenticatedDirective()],
    )
    async def placements(
        self,
        info: Info,
        account: strawberry.ID,
        client_order_id: str | None = None,
        state: PlacementState | None = None,
        first: int | None = 50,
        after: str | None = None,
    ) -> PlacementConnection:
        """List placements."""
        if client_order_id is not None:
            check_id(client_order_id)
        with info.context.recording("placements"):
            page = await info.context.services.placements.page(
                info.context.principal,
                account,
                client_order_id=client_order_id,
                state=state,
                first=within("first", first, MAX_PLACEMENTS),
                after=after,
            )
        return PlacementConnection.of(page, after)

    @strawberry.field(
        description="Who is calling, and what the policy allows them.",
        directives=[AuthenticatedDirective()],
    )
    def viewer(self, info: Info) -> Viewer:
        """Tell the caller who they are."""
        return Viewer.of(
            info.context.principal, info.context.services.policy(), info.context.limits()
        )


@strawberry.type(description="What can be done.")
class Mutation(
    OrderMutation, DeadManMutation, ResolvingMutation, QuarantineMutation, OperatorMutation
):
    """What can be done; whether the policy allows it is part of the result."""


@strawberry.type(description="What can be followed.")
class Subscription(AccountEventSubscription):
    """What can be followed. Each stream starts with what is known."""

    @strawberry.subscription(
        description="All markets when symbols is null; conflated to the latest.",
        extensions=[reads_market()],
    )
    async def tickers(self, info: Info, symbols: list[str] | None = None) -> AsyncIterator[Ticker]:
        """Follow tickers."""
        if symbols == []:
            raise BadUserInput("symbols", "name at least one market, or leave it out for all")
        chosen = [market.symbol for market in await _chosen(info, symbols)]
        async for snapshot in info.context.services.streams.tickers(chosen):
            info.context.latest(snapshot.value.symbol, snapshot.as_of)
            yield Ticker.of(snapshot)

    @strawberry.subscription(
        description="The best bid and ask; conflated to the latest.", extensions=[reads_market()]
    )
    async def top_of_book(self, info: Info, symbol: str) -> AsyncIterator[TopOfBook]:
        """Follow the top of a book."""
        market = await info.context.markets.market(symbol)
        async for snapshot in info.context.services.streams.top_of_book(market.symbol):
            info.context.latest(symbol, snapshot.as_of)
            yield TopOfBook.of(snapshot)

    @strawberry.subscription(
        description="The whole book to a depth of 1 to 100 levels; conflated to the latest.",
        extensions=[reads_market()],
    )
    async def order_book(
        self, info: Info, symbol: str, depth: int | None = 20
    ) -> AsyncIterator[OrderBook]:
        """Follow a book."""
        levels = within("depth", depth, MAX_LEVELS)
        market = await info.context.markets.market(symbol)
        async for snapshot in info.context.services.streams.order_book(market.symbol):
            info.context.latest(symbol, snapshot.as_of)
            yield OrderBook.of(snapshot, levels)

    @strawberry.subscription(
        description="The candle now open; conflated to the latest.", extensions=[reads_market()]
    )
    async def candles(
        self, info: Info, symbol: str, interval: CandleInterval
    ) -> AsyncIterator[CandleUpdate]:
        """Follow the newest candle."""
        market = await info.context.markets.market(symbol)
        async for snapshot in info.context.services.streams.candles(market.symbol, interval):
            info.context.latest(symbol, snapshot.as_of)
            yield CandleUpdate.of(snapshot)

    @strawberry.subscription(
        description=(
            "The last trades, then each new one; never conflated: a Gap says that something may "
            "be missing."
        ),
        extensions=[reads_market()],
    )
    async def trades(self, info: Info, symbol: str) -> AsyncIterator[TradeEvent]:
        """Follow trades."""
        market = await info.context.markets.market(symbol)
        async for event in info.context.services.streams.trades(market.symbol):
            yield Gap.of(event) if isinstance(event, DomainGap) else Trade.of(event)

    @strawberry.subscription(
        description=(
            "Every balance, then each change; never conflated: a Gap says that something may be "
            "missing, and all balances follow it. At the start and at a Gap, drop what you had: "
            "nothing marks the end of what stands, and an account that holds nothing tells nothing."
        ),
        extensions=[reads_account_argument()],
    )
    async def balances(self, info: Info, account: strawberry.ID) -> AsyncIterator[BalanceEvent]:
        """Follow what an account holds."""
        async for event in info.context.services.accounts.follow_balances(account):
            yield Gap.of(event) if isinstance(event, DomainGap) else Balance.of(event)

    @strawberry.subscription(
        description=(
            "The open orders, then each change; never conflated: a Gap says that something may "
            "be missing, and all open orders follow it. At the start and at a Gap, drop what you "
            "had: nothing marks the end of what stands, and an account without open orders tells "
            "nothing. A Placement is an own one whose outcome no answer told: it is told when that "
            "is UNKNOWN, and when it is found or IN_DOUBT, and the events of its order follow. It "
            "is not told again at the start: `placements` lists those that stand."
        ),
        extensions=[reads_account_argument()],
    )
    async def orders(self, info: Info, account: strawberry.ID) -> AsyncIterator[OrderEvent]:
        """Follow an account's orders."""
        async for event in info.context.services.accounts.follow_orders(
            info.context.caller, account
        ):
            yield _order_event(event, account)


def _order_event(
    event: orders.Order | placements.Placement | DomainGap, account: str
) -> Order | Placement | Gap:
    match event:
        case orders.Order():
            return Order.of(event, account)
        case placements.Placement():
            return Placement.of(event)
        case DomainGap():
            return Gap.of(event)


async def _require_quote(info: Info, asset: str) -> None:
    """Raise `BadUserInput` when no market is priced in the asset: it is a typing mistake."""
    if all(market.quote_asset != asset for market in await info.context.markets.markets()):
        problem = f"no market is priced in {asset[:32]!r}; 'markets' lists them"
        raise BadUserInput("quoteAsset", problem)


async def _chosen(info: Info, symbols: list[str] | None) -> list[domain.Market]:
    """The markets named, in the order named; all for None; `UnknownSymbol` for a wrong name."""
    if symbols is None:
        return list(await info.context.markets.markets())
    return [await info.context.markets.market(symbol) for symbol in dict.fromkeys(symbols)]
