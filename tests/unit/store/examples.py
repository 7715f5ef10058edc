"""Market data and placements to store: made-up ones, and hypothesis strategies for any."""

from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from decimal import Decimal

from hypothesis import strategies as st
from redis.asyncio import Redis

from gateway.domain.account import Fill
from gateway.domain.market import (
    Candle,
    CandleInterval,
    CandleSeries,
    Market,
    MarketKey,
    MarketKind,
    MarketListing,
    MarketRules,
    MarketValue,
    OrderBook,
    OrderSide,
    PriceLevel,
    Ticker,
    TopOfBook,
    Trade,
    TradeHistory,
)
from gateway.domain.money import MAX_DIGITS
from gateway.domain.orders import Order, OrderSpec, OrderStatus, OrderType, PlaceOrder
from gateway.domain.placements import (
    Answer,
    Answered,
    Baseline,
    OpenOrder,
    Placement,
    PlacementState,
    Rejection,
)
from gateway.store.redis import open_redis

BTC = MarketKey(MarketKind.TICKER, "BTCUSDT")


def open_quick(url: str) -> AbstractAsyncContextManager[Redis]:
    """A client that soon gives up, for tests in which Redis is away."""
    return open_redis(url, connect_timeout=1, command_timeout=0.2, max_connections=8)


def open_patient(url: str) -> AbstractAsyncContextManager[Redis]:
    """A client that waits for a busy machine."""
    return open_redis(url, connect_timeout=20, command_timeout=20, max_connections=16)


def ticker(last: str) -> Ticker:
    return Ticker(symbol="BTCUSDT", last=Decimal(last))


def placement(number: int = 1, *, client_order_id: str = "c-1", account: str = "demo") -> Placement:
    """An intent; those of different client order ids differ in their quantity."""
    quantity = Decimal(int.from_bytes(client_order_id.encode())).scaleb(-30)
    command = PlaceOrder(
        account=account,
        client_order_id=client_order_id,
        symbol="BTCUSDT",
        side=OrderSide.BUY,
        spec=OrderSpec(price=Decimal("53963.10"), quantity=quantity),
    )
    return Placement(
        id=f"{account}.{number:032x}",
        principal="demo-app",
        command=command,
        state=PlacementState.SENDING,
        created_at=1_000,
        updated_at=1_000,
        rule="demo-trade",
        signed_at=1_000,
        window=10_000,
        digest="0" * 64,
        lease_until=30_000,
    )


def accepted(begun: Placement, order_id: str = "o-1") -> Placement:
    command = begun.command
    order = Order(
        order_id=order_id,
        symbol=command.symbol,
        side=command.side,
        type=OrderType.LIMIT,
        status=OrderStatus.NEW,
        time=2_000,
        price=command.spec.price,
        quantity=command.spec.quantity,
    )
    return replace(begun, state=PlacementState.ACCEPTED, updated_at=2_000, order=order)


def in_state(begun: Placement, state: PlacementState) -> Placement:
    return replace(begun, state=state, updated_at=begun.updated_at + 1)


async def keys_of(redis: Redis) -> list[bytes]:
    return sorted([key async for key in redis.scan_iter("*")])


decimals = st.builds(
    lambda sign, digits, exponent: Decimal((sign, tuple(digits), exponent)),
    st.integers(0, 1),
    st.lists(st.integers(0, 9), min_size=1, max_size=MAX_DIGITS),
    st.integers(-MAX_DIGITS, 0),
)
"""Every exact decimal within bounds: negative zeros, trailing zeros and long tails among them."""

_texts = st.text(st.characters(codec="utf-8"), max_size=12)
_times = st.integers(0, 2**53)
_levels = st.builds(PriceLevel, decimals, decimals, st.none() | st.integers(0, 2**53))
_books = st.lists(_levels, max_size=3).map(tuple)
_candles = st.builds(Candle, _times, _times, decimals, decimals, decimals, decimals, decimals)
_trades = st.builds(Trade, _texts, decimals, decimals, st.sampled_from(OrderSide), _times)
_markets = st.builds(Market, _texts, _texts, _texts, _texts)

values_by_kind: dict[MarketKind, st.SearchStrategy[MarketValue]] = {
    MarketKind.LISTING: st.builds(MarketListing, st.lists(_markets, max_size=3).map(tuple)),
    MarketKind.TICKER: st.builds(
        Ticker,
        _texts,
        decimals,
        bid=st.none() | decimals,
        change_percent=st.none() | decimals,
        trade_count=st.none() | st.integers(0, 2**53),
        open_time=st.none() | _times,
    ),
    MarketKind.RULES: st.builds(
        MarketRules,
        _texts,
        *[st.integers(0, 36)] * 3,
        *[decimals] * 4,
        *[st.booleans()] * 3,
        base_precision=st.none() | st.integers(0, 36),
        fee_percent=st.none() | decimals,
        fees_by_tier=st.none() | st.booleans(),
    ),
    MarketKind.TOP_OF_BOOK: st.builds(TopOfBook, _texts, st.none() | _levels, st.none() | _levels),
    MarketKind.ORDER_BOOK: st.builds(OrderBook, _texts, _books, _books),
    MarketKind.CANDLES: st.builds(
        CandleSeries,
        _texts,
        st.sampled_from(CandleInterval),
        st.lists(_candles, max_size=3).map(tuple),
    ),
    MarketKind.TRADES: st.builds(TradeHistory, _texts, st.lists(_trades, max_size=3).map(tuple)),
}


def _specs(order_type: OrderType, *terms: str) -> st.SearchStrategy[OrderSpec]:
    named = dict.fromkeys(terms, decimals)
    return st.builds(OrderSpec, type=st.just(order_type), **named)


specs = st.one_of(
    _specs(OrderType.LIMIT, "price", "quantity"),
    _specs(OrderType.MARKET, "quantity"),
    _specs(OrderType.STOP_LIMIT, "stop_price", "price", "quantity"),
    _specs(OrderType.FAST, "quote_total"),
    _specs(OrderType.FAST, "quantity"),
)
"""An order of each type with every term that it has."""

_commands = st.builds(
    PlaceOrder,
    st.just("demo"),
    _texts,
    _texts,
    st.sampled_from(OrderSide),
    specs,
)
_orders = st.builds(
    Order,
    st.none() | _texts,
    _texts,
    st.sampled_from(OrderSide),
    st.sampled_from(OrderType),
    st.sampled_from(OrderStatus),
    _times,
    price=st.none() | decimals,
    filled_total=st.none() | decimals,
)
_fills = st.builds(
    Fill,
    _texts,
    decimals,
    decimals,
    st.sampled_from(OrderSide),
    st.sampled_from(OrderType),
    decimals,
    _texts,
    _times,
)
_baselines = st.builds(
    Baseline,
    taken_at=_times,
    stream_since=st.none() | _times,
    orders=st.lists(st.builds(OpenOrder, _texts, decimals), max_size=2).map(tuple),
    fills=st.lists(_fills, max_size=2).map(tuple),
    totals=st.dictionaries(_texts, decimals, max_size=2),
)
placements = st.builds(
    replace,
    st.just(placement()),
    principal=_texts,
    command=_commands,
    created_at=_times,
    evidence=st.none() | _texts,
    rejection=st.none() | st.builds(Rejection, _texts, _texts, st.none() | _texts),
    order=st.none() | _orders,
    baseline=st.none() | _baselines,
    answered=st.none()
    | st.builds(Answered, st.sampled_from(Answer), _times, st.none() | _orders, st.none() | _texts),
    owner=_texts,
    epoch=st.integers(0, 2**31),
    resolve_by=st.none() | _times,
)
