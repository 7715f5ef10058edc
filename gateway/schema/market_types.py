"""The GraphQL types of public market data."""

from decimal import Decimal
from typing import Annotated, Any

import strawberry

from gateway.domain import market as domain
from gateway.domain.errors import BadUserInput
from gateway.domain.market import CandleInterval, DataSource, OrderSide
from gateway.domain.streams import Gap as DomainGap
from gateway.schema.context import Info
from gateway.schema.described import described
from gateway.schema.scalars import Timestamp

MAX_LEVELS = 100
MAX_TRADES = 100

strawberry.enum(
    DataSource,
    description="Where a value came from: the exchange's stream, its REST API, the shared cache.",
)
strawberry.enum(OrderSide, description="Which way an order goes.")
strawberry.enum(CandleInterval, description="The length of a candle: minutes, hours, one day.")


@strawberry.interface(
    description=(
        "Where a value came from and how old it is. stale: the source is not live or the value "
        "is past its soft lifetime."
    )
)
class Sourced:
    """The origin and age of a value."""

    as_of: Timestamp = described("When the gateway received the value from the exchange.")
    source: DataSource = described("Where the value came from.")
    stale: bool = described(
        "True when the source is not live or the value is past its soft lifetime."
    )


def _origin(snapshot: domain.Snapshot[Any]) -> dict[str, Any]:
    return {
        "as_of": Timestamp(snapshot.as_of),
        "source": snapshot.source,
        "stale": snapshot.stale,
    }


@strawberry.type(description="The last 24 hours of a market; null where the exchange is silent.")
class Ticker(Sourced):
    """The last 24 hours of a market."""

    symbol: str = described("The market.")
    last: Decimal = described("Price of the last trade, in the quote asset.")
    bid: Decimal | None = described("Best price that somebody pays.")
    ask: Decimal | None = described("Best price at which somebody sells.")
    open: Decimal | None = described("Price 24 hours ago.")
    high: Decimal | None = described("Highest price of the last 24 hours.")
    low: Decimal | None = described("Lowest price of the last 24 hours.")
    average: Decimal | None = described("Average price of the last 24 hours.")
    change: Decimal | None = described("Change of the price in 24 hours, in the quote asset.")
    change_percent: Decimal | None = described("Change of the price in 24 hours, in percent.")
    base_volume: Decimal | None = described("Volume of 24 hours in the base asset.")
    quote_volume: Decimal | None = described("Volume of 24 hours in the quote asset.")
    trade_count: int | None = described("Number of trades in 24 hours.")
    open_time: Timestamp | None = described("When the 24 hours began.")

    @classmethod
    def of(cls, snapshot: domain.Snapshot[domain.Ticker]) -> "Ticker":
        """Show a snapshot."""
        ticker = snapshot.value
        return cls(
            **_origin(snapshot),
            symbol=ticker.symbol,
            last=ticker.last,
            bid=ticker.bid,
            ask=ticker.ask,
            open=ticker.open,
            high=ticker.high,
            low=ticker.low,
            average=ticker.average,
            change=ticker.change,
            change_percent=ticker.change_percent,
            base_volume=ticker.base_volume,
            quote_volume=ticker.quote_volume,
            trade_count=ticker.trade_count,
            open_time=None if ticker.open_time is None else Timestamp(ticker.open_time),
        )


_PERCENT = (
    "in percent of what is received: the exchange's commissionPercentage is taken to be true, the "
    "only value that its document shows."
)


@strawberry.type(description="What an order in a market must obey.")
class MarketRules(Sourced):
    """What an order in a market must obey."""

    price_precision: int = described("Decimals of a price.")
    quantity_precision: int = described("Decimals of a quantity.")
    total_precision: int = described("Decimals of a total.")
    min_total: Decimal = described("Least price times quantity, in the quote asset.")
    min_quantity: Decimal = described("Least quantity, in the base asset.")
    maker_fee_percent: Decimal = described(f"Fee of an order that rests, {_PERCENT}")
    taker_fee_percent: Decimal = described(f"Fee of an order that takes, {_PERCENT}")
    enabled: bool = described("False when the market is closed.")
    order_enabled: bool = described("False when no order can be placed.")
    cancel_enabled: bool = described("False when no order can be cancelled.")

    @classmethod
    def of(cls, snapshot: domain.Snapshot[domain.MarketRules]) -> "MarketRules":
        """Show a snapshot."""
        rules = snapshot.value
        return cls(
            **_origin(snapshot),
            price_precision=rules.price_precision,
            quantity_precision=rules.quantity_precision,
            total_precision=rules.total_precision,
            min_total=rules.min_total,
            min_quantity=rules.min_quantity,
            maker_fee_percent=rules.maker_fee_percent,
            taker_fee_percent=rules.taker_fee_percent,
            enabled=rules.enabled,
            order_enabled=rules.order_enabled,
            cancel_enabled=rules.cancel_enabled,
        )


@strawberry.type(description="All that rests in a book at one price.")
class PriceLevel:
    """All that rests at one price."""

    price: Decimal = described("The price, in the quote asset.")
    quantity: Decimal = described("The quantity, in the base asset.")
    orders: int | None = described("How many orders, if the exchange tells.")


@strawberry.type(description="The best bid and the best ask.")
class TopOfBook(Sourced):
    """The best bid and the best ask."""

    symbol: str = described("The market.")
    bid: PriceLevel | None = described("The best bid; null when nobody buys.")
    ask: PriceLevel | None = described("The best ask; null when nobody sells.")

    @classmethod
    def of(cls, snapshot: domain.Snapshot[domain.TopOfBook]) -> "TopOfBook":
        """Show a snapshot."""
        top = snapshot.value
        return cls(**_origin(snapshot), symbol=top.symbol, bid=_level(top.bid), ask=_level(top.ask))


@strawberry.type(description="A book: bids from the highest price down, asks from the lowest up.")
class OrderBook(Sourced):
    """The book to some depth."""

    symbol: str = described("The market.")
    bids: list[PriceLevel] = described("Who buys, the best price first.")
    asks: list[PriceLevel] = described("Who sells, the best price first.")

    @classmethod
    def of(cls, snapshot: domain.Snapshot[domain.OrderBook], depth: int) -> "OrderBook":
        """Show the best `depth` levels of each side."""
        book = snapshot.value
        return cls(
            **_origin(snapshot),
            symbol=book.symbol,
            bids=[_known_level(level) for level in book.bids[:depth]],
            asks=[_known_level(level) for level in book.asks[:depth]],
        )


@strawberry.type(description="Open, high, low and close of one interval.")
class Candle:
    """One candle."""

    open_time: Timestamp = described("When the interval began.")
    close_time: Timestamp = described("When the interval ends.")
    open: Decimal = described("First price.")
    high: Decimal = described("Highest price.")
    low: Decimal = described("Lowest price.")
    close: Decimal = described("Last price.")
    volume: Decimal = described("Volume in the base asset.")

    @classmethod
    def of(cls, candle: domain.Candle) -> "Candle":
        """Show a candle."""
        return cls(
            open_time=Timestamp(candle.open_time),
            close_time=Timestamp(candle.close_time),
            open=candle.open,
            high=candle.high,
            low=candle.low,
            close=candle.close,
            volume=candle.volume,
        )


@strawberry.type(description="Candles, oldest first.")
class CandleSeries(Sourced):
    """Candles of one market and interval."""

    symbol: str = described("The market.")
    interval: CandleInterval = described("The length of each candle.")
    candles: list[Candle] = described("The candles, oldest first.")

    @classmethod
    def of(cls, snapshot: domain.Snapshot[domain.CandleSeries]) -> "CandleSeries":
        """Show a snapshot."""
        series = snapshot.value
        return cls(
            **_origin(snapshot),
            symbol=series.symbol,
            interval=series.interval,
            candles=[Candle.of(candle) for candle in series.candles],
        )


@strawberry.type(description="The newest state of a candle.")
class CandleUpdate(Sourced):
    """The newest state of a candle."""

    symbol: str = described("The market.")
    interval: CandleInterval = described("The length of the candle.")
    candle: Candle = described("The candle.")

    @classmethod
    def of(cls, snapshot: domain.Snapshot[domain.CandleUpdate]) -> "CandleUpdate":
        """Show a snapshot."""
        update = snapshot.value
        return cls(
            **_origin(snapshot),
            symbol=update.symbol,
            interval=update.interval,
            candle=Candle.of(update.candle),
        )


@strawberry.type(description="A public trade; side is the taker's.")
class Trade:
    """One public trade."""

    symbol: str = described("The market.")
    price: Decimal = described("The price, in the quote asset.")
    quantity: Decimal = described("The quantity, in the base asset.")
    side: OrderSide = described("Which way the taker went.")
    time: Timestamp = described("When it was made.")

    @classmethod
    def of(cls, trade: domain.Trade) -> "Trade":
        """Show a trade."""
        return cls(
            symbol=trade.symbol,
            price=trade.price,
            quantity=trade.quantity,
            side=trade.side,
            time=Timestamp(trade.time),
        )


@strawberry.type(description="The last trades, newest first.")
class TradeHistory(Sourced):
    """The last trades of a market."""

    symbol: str = described("The market.")
    trades: list[Trade] = described("The trades, newest first.")

    @classmethod
    def of(cls, snapshot: domain.Snapshot[domain.TradeHistory], first: int) -> "TradeHistory":
        """Show the newest `first` trades."""
        history = snapshot.value
        return cls(
            **_origin(snapshot),
            symbol=history.symbol,
            trades=[Trade.of(trade) for trade in history.trades[:first]],
        )


@strawberry.type(
    description=(
        "Something may be missing. since: the last moment known whole; what follows starts from "
        "a fresh snapshot."
    )
)
class Gap:
    """A break in a stream that is never conflated."""

    since: Timestamp = described("The last moment known whole.")
    reason: str = described("What broke.")

    @classmethod
    def of(cls, gap: DomainGap) -> "Gap":
        """Show a gap."""
        return cls(since=Timestamp(gap.since), reason=gap.reason)


TradeEvent = Annotated[
    Trade | Gap, strawberry.union("TradeEvent", description="A trade, or a gap before the next.")
]


@strawberry.type(description="A market: a base asset priced in a quote asset.")
class Market:
    """One market; each part is read when it is asked for."""

    symbol: str = described("The exchange's name of the market, such as BTCUSDT.")
    name: str = described("The base asset's name in words.")
    base_asset: str = described("What is traded.")
    quote_asset: str = described("What it is priced in.")

    @classmethod
    def of(cls, market: domain.Market) -> "Market":
        """Show a market."""
        return cls(
            symbol=market.symbol,
            name=market.name,
            base_asset=market.base_asset,
            quote_asset=market.quote_asset,
        )

    @strawberry.field(description="The last 24 hours.")
    async def ticker(self, info: Info) -> Ticker:
        """Read the ticker."""
        return Ticker.of(await info.context.markets.ticker(self.symbol))

    @strawberry.field(description="What an order must obey.")
    async def rules(self, info: Info) -> MarketRules:
        """Read the rules."""
        return MarketRules.of(await info.context.markets.rules(self.symbol))

    @strawberry.field(description="The best bid and ask.")
    async def top_of_book(self, info: Info) -> TopOfBook:
        """Read the top of the book."""
        return TopOfBook.of(await info.context.markets.top_of_book(self.symbol))

    @strawberry.field(description="The book, to a depth of 1 to 100 levels a side.")
    async def order_book(self, info: Info, depth: int | None = 20) -> OrderBook:
        """Read the book."""
        levels = within("depth", depth, MAX_LEVELS)
        return OrderBook.of(await info.context.markets.order_book(self.symbol), levels)

    @strawberry.field(
        description=(
            "Candles that open from 'from' to 'to', both snapped to the interval: 1000 at most. "
            "Without both the exchange decides how many, perhaps more than 1000. Toward the cost "
            "of a document they count as 1000, unless interval, 'from' and 'to' are all written "
            "out in it."
        )
    )
    async def candles(
        self,
        info: Info,
        interval: CandleInterval,
        from_: Annotated[Timestamp | None, strawberry.argument(name="from")] = None,
        to: Timestamp | None = None,
    ) -> CandleSeries:
        """Read candles."""
        return CandleSeries.of(await info.context.markets.candles(self.symbol, interval, from_, to))

    @strawberry.field(description="The last trades, 1 to 100 of them, newest first.")
    async def trades(self, info: Info, first: int | None = 50) -> TradeHistory:
        """Read the trade history."""
        count = within("first", first, MAX_TRADES)
        return TradeHistory.of(await info.context.markets.trades(self.symbol), count)


def within(field: str, value: int | None, most: int) -> int:
    """Return `value` (null: `most`) if it lies in 1 to `most`; raise `BadUserInput` if not."""
    if value is None:
        return most
    if not 1 <= value <= most:
        problem = f"must be 1 to {most}"
        raise BadUserInput(field, problem)
    return value


def _known_level(level: domain.PriceLevel) -> PriceLevel:
    return PriceLevel(price=level.price, quantity=level.quantity, orders=level.orders)


def _level(level: domain.PriceLevel | None) -> PriceLevel | None:
    return None if level is None else _known_level(level)
