"""Market data, orders, clocks and an exchange, all made up, for tests of the services."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, cast

from redis.asyncio import Redis

from gateway.access.policy import (
    AccountRule,
    Action,
    Grant,
    Member,
    Policy,
    Principal,
    PrincipalKind,
)
from gateway.domain.account import Balance, BalanceChange, Fill
from gateway.domain.errors import GatewayError
from gateway.domain.market import (
    Candle,
    CandleInterval,
    CandleSeries,
    Market,
    MarketKey,
    MarketKind,
    MarketListing,
    OrderBook,
    OrderSide,
    PriceLevel,
    Ticker,
    TopOfBook,
    Trade,
    TradeHistory,
)
from gateway.domain.orders import Order, OrderSpec, OrderStatus, OrderType, PlaceOrder
from gateway.domain.signing import KeyId, KeySlot, Purpose, SignedText, SigningRequest
from gateway.domain.streams import (
    Broken,
    FeedEvent,
    FeedState,
    LoginRefused,
    Started,
    Topic,
    Update,
    Withheld,
)
from gateway.exchange import ExchangeClient, Feed
from gateway.exchange.calls import PreparedRequest
from gateway.exchange.transport import Request
from gateway.setting_values import Lifetime
from gateway.store.redis import open_redis

BTC, ETH = "BTCUSDT", "ETHUSDT"
SOFT_MS, HARD_MS = 1_000, 30_000
APP = Principal("app", PrincipalKind.APP)


class Clock:
    """Milliseconds that pass when a test says so."""

    def __init__(self, now: int = 1_000_000) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


def lifetime(_kind: MarketKind) -> Lifetime:
    return Lifetime(SOFT_MS, HARD_MS)


def open_patient(url: str) -> AbstractAsyncContextManager[Redis]:
    return open_redis(url, connect_timeout=20, command_timeout=20, max_connections=16)


def listing(*symbols: str) -> MarketListing:
    return MarketListing(
        tuple(Market(symbol, symbol[:3], symbol[:3], symbol[3:]) for symbol in symbols)
    )


def ticker(last: int = 1, symbol: str = BTC) -> Ticker:
    return Ticker(symbol, Decimal(last))


def top(bid: int = 1, symbol: str = BTC) -> TopOfBook:
    return TopOfBook(symbol, PriceLevel(Decimal(bid), Decimal(1)), None)


def book(bid: int = 1, symbol: str = BTC) -> OrderBook:
    return OrderBook(symbol, (PriceLevel(Decimal(bid), Decimal(1)),), ())


def trade(number: int, symbol: str = BTC) -> Trade:
    return Trade(symbol, Decimal(number + 1), Decimal(1), OrderSide.BUY, 1_000 + number)


def history(*numbers: int, symbol: str = BTC) -> TradeHistory:
    """The trades of these numbers, the newest first as the exchange lists them."""
    return TradeHistory(symbol, tuple(trade(number, symbol) for number in reversed(numbers)))


def candle(minute: int, close: int = 1) -> Candle:
    price = Decimal(close)
    return Candle(minute * 60_000, (minute + 1) * 60_000, price, price, price, price, Decimal(0))


def series(*minutes: int, close: int = 1) -> CandleSeries:
    return CandleSeries(BTC, CandleInterval.M1, tuple(candle(each, close) for each in minutes))


def order(
    order_id: str | None = "o1",
    filled: int | None = 0,
    status: OrderStatus = OrderStatus.NEW,
    symbol: str = BTC,
) -> Order:
    return Order(
        order_id=order_id,
        symbol=symbol,
        side=OrderSide.BUY,
        type=OrderType.LIMIT,
        status=status,
        time=1_000,
        price=Decimal(100),
        quantity=Decimal(10),
        filled_quantity=None if filled is None else Decimal(filled),
    )


def balance(asset: str, available: int, held: int) -> Balance:
    return Balance(asset, Decimal(available + held), Decimal(available), Decimal(held))


def available(asset: str, quantity: int) -> BalanceChange:
    return BalanceChange(asset, available=Decimal(quantity))


def held(asset: str, quantity: int) -> BalanceChange:
    return BalanceChange(asset, held=Decimal(quantity))


def fill(number: int, symbol: str = BTC) -> Fill:
    return Fill(
        symbol=symbol,
        price=Decimal(100),
        quantity=Decimal(number),
        side=OrderSide.BUY,
        type=OrderType.LIMIT,
        fee=Decimal("0.1"),
        fee_asset=symbol[:3],
        time=1_000 + number,
    )


def command(
    client_order_id: str = "c-1", *, quantity: str = "10", account: str = "demo"
) -> PlaceOrder:
    spec = OrderSpec(price=Decimal(100), quantity=Decimal(quantity))
    return PlaceOrder(account, client_order_id, BTC, OrderSide.BUY, spec)


def command_of(
    type: OrderType,  # noqa: A002 - the domain's name
    side: OrderSide = OrderSide.BUY,
    **terms: str,
) -> PlaceOrder:
    spec = OrderSpec(type=type, **{name: Decimal(term) for name, term in terms.items()})
    return PlaceOrder("demo", "c-1", BTC, side, spec)


def policy(*actions: Action, account: str | None = "demo") -> Policy:
    """A policy that grants the app these actions."""
    on_market = frozenset(action for action in actions if not action.needs_account)
    on_account = frozenset(action for action in actions if action.needs_account)
    grants = [Grant("market", on_market)] if on_market else []
    if on_account:
        grants.append(Grant("trade", on_account, account))
    return Policy(
        revision="1",
        accounts=(AccountRule("demo"), AccountRule("other")),
        members=(Member(APP, (), tuple(grants)),),
        wall_ms=lambda: 0,
    )


def sign(request: SigningRequest) -> SignedText:
    key = KeyId(KeySlot("demo", Purpose.TRADE), "1")
    return SignedText(f"signature=made-up-for-{request.endpoint}", ("X-Key", "made-up"), key)


Answer = Any
"""What an endpoint gives, or the error that it raises."""


@dataclass
class StandInExchange:
    """Answers what it is told to, counts what it is asked, and waits while it is held."""

    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    waiting: int = 0

    def __post_init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self._held: str | None = None

    @property
    def client(self) -> ExchangeClient:
        return cast("ExchangeClient", self)

    def hold(self, only: str | None = None) -> None:
        """Let no answer out until `release`, or none of this endpoint."""
        self._open.clear()
        self._held = only

    def release(self) -> None:
        self._open.set()

    async def _answer(self, name: str) -> Any:  # noqa: ANN401 - as many kinds as endpoints
        self.asked.append(name)
        answer = self.answers.get(name)
        self.waiting += 1
        try:
            if self._held in (None, name):
                await self._open.wait()
        finally:
            self.waiting -= 1
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def markets(self) -> Any:  # noqa: ANN401
        found = await self._answer("markets")
        return found if isinstance(found, tuple) else (found, ())

    async def ticker(self, symbol: str) -> Any:  # noqa: ANN401
        return await self._answer(f"ticker {symbol}")

    async def rules(self, symbol: str) -> Any:  # noqa: ANN401
        return await self._answer(f"rules {symbol}")

    async def top_of_book(self, symbol: str) -> Any:  # noqa: ANN401
        return await self._answer(f"top {symbol}")

    async def order_book(self, symbol: str) -> Any:  # noqa: ANN401
        return await self._answer(f"book {symbol}")

    async def trades(self, symbol: str) -> Any:  # noqa: ANN401
        return await self._answer(f"trades {symbol}")

    async def candles(
        self, symbol: str, _interval: object, start: int | None, end: int | None
    ) -> Any:  # noqa: ANN401
        found = await self._answer(f"candles {symbol}")
        if not isinstance(found, CandleSeries):
            return found
        last = float("inf") if end is None else end
        within = [each for each in found.candles if (start or 0) <= each.open_time <= last]
        return replace(found, candles=tuple(within))

    async def server_time(self) -> Any:  # noqa: ANN401
        return await self._answer("time")

    async def synchronise_clock(self) -> None:
        await self._answer("clock")

    async def balances(self, _sign: object) -> Any:  # noqa: ANN401
        return await self._answer("balances") or ()

    async def open_orders(self, _sign: object) -> Any:  # noqa: ANN401
        return await self._answer("open orders") or ()

    async def fills(self, _sign: object) -> Any:  # noqa: ANN401
        return await self._answer("fills") or ()

    async def currencies(self, _sign: object) -> Any:  # noqa: ANN401
        return await self._answer("currencies")

    async def deposit_options(self, _sign: object, asset: str) -> Any:  # noqa: ANN401
        return await self._answer(f"deposit options {asset}")

    async def withdrawal_options(self, _sign: object, asset: str) -> Any:  # noqa: ANN401
        return await self._answer(f"withdrawal options {asset}")

    async def deposits(self, _sign: object) -> Any:  # noqa: ANN401
        return await self._answer("deposits")

    async def withdrawals(self, _sign: object) -> Any:  # noqa: ANN401
        return await self._answer("withdrawals")

    async def prepare_order(self, _sign: object, _command: PlaceOrder) -> Any:  # noqa: ANN401
        return await self._prepared("prepare order")

    async def prepare_cancel(self, _sign: object, _order_id: str) -> Any:  # noqa: ANN401
        return await self._prepared("prepare cancel")

    async def place(self, _prepared: object, _command: PlaceOrder) -> Any:  # noqa: ANN401
        return await self._answer("place")

    async def cancel(self, _prepared: object, _order_id: str) -> Any:  # noqa: ANN401
        return await self._answer("cancel")

    async def _prepared(self, name: str) -> PreparedRequest:
        if isinstance(failure := self.answers.get(name), GatewayError):
            raise failure
        return cast("PreparedRequest", StandInPrepared())


@dataclass(frozen=True)
class StandInPrepared:
    """A signed request that goes nowhere."""

    endpoint: str = "limit-buy"
    signed_at: int = 1_000_000
    window: int = 5_000
    digest: str = "0" * 64
    request: Request = field(default_factory=lambda: Request("limit-buy", "POST", "/"))


class StandInFeed:
    """Starts a wanted topic when the test says so, and tells what the test tells."""

    def __init__(self) -> None:
        self.wanted: list[Topic] = []
        self.live: set[Topic] = set()
        self.answers = True
        self.receive: Callable[[FeedEvent], object] = lambda _: None

    @property
    def feed(self) -> Feed:
        return cast("Feed", self)

    @property
    def state(self) -> FeedState:
        return FeedState(connected=True, since=1, topics=len(self.live), last_message_at=None)

    def want(self, topic: Topic) -> None:
        if topic not in self.wanted:
            self.wanted.append(topic)

    def unwant(self, topic: Topic) -> None:
        self.wanted.remove(topic)
        self.live.discard(topic)

    def is_live(self, topic: Topic) -> bool:
        return topic in self.live

    async def run(self, on_event: Callable[[FeedEvent], None]) -> None:
        self.receive = on_event
        await asyncio.Event().wait()

    async def confirm(self, _within_s: float) -> bool:
        return self.answers

    def start(self, topic: Topic, time: int = 1_000_000) -> None:
        self.live.add(topic)
        self.receive(Started(topic, time))

    def tell(self, topic: Topic, value: Any, time: int = 1_000_000) -> None:  # noqa: ANN401
        self.receive(Update(topic, value, time))

    def refuse_login(self) -> None:
        self.receive(LoginRefused())

    def withhold(self, topic: Topic, symbol: str) -> None:
        self.receive(Withheld(topic, symbol))

    def cut(self, topics: Iterable[Topic] | None = None, since: int = 1_000_000) -> None:
        lost = frozenset(self.live if topics is None else topics)
        self.live -= lost
        self.receive(Broken(since, "cut", None if topics is None else lost))


async def turns(count: int = 10) -> None:
    """Let every task that can go on do so."""
    for _ in range(count):
        await asyncio.sleep(0)


async def until(claim: Callable[[], object]) -> None:
    """Wait until `claim` holds; pytest's timeout bounds it."""
    while not claim():  # noqa: ASYNC110 - it asks what tells nobody
        await asyncio.sleep(0.005)


TICKER = MarketKey(MarketKind.TICKER, BTC)
TOP = MarketKey(MarketKind.TOP_OF_BOOK, BTC)
BOOK = MarketKey(MarketKind.ORDER_BOOK, BTC)
TRADES = MarketKey(MarketKind.TRADES, BTC)
CANDLES = MarketKey(MarketKind.CANDLES, BTC, CandleInterval.M1)
