"""The exchange's REST interface in the domain's terms.

Every method raises `NotSent`, `Refused` or `Unclear` when the exchange does not bring what was
asked for. Reads are repeated a few times on `NotSent` and `Unclear`; mutations never are.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from gateway.domain.account import Balance
from gateway.domain.errors import BadUserInput, Refused, Unclear, UnknownSymbol
from gateway.domain.market import (
    CandleInterval,
    CandleSeries,
    MarketListing,
    MarketRules,
    OrderBook,
    OrderSide,
    Ticker,
    TopOfBook,
    TradeHistory,
)
from gateway.domain.money import plain
from gateway.domain.orders import Order, OrderStatus, PlaceOrder
from gateway.domain.signing import Sign
from gateway.exchange import mapping, wire
from gateway.exchange.calls import Calls, PostForm, PreparedRequest, Retry, read_time
from gateway.exchange.clock import ExchangeClock
from gateway.exchange.error_codes import UNKNOWN_SYMBOL_CODES
from gateway.exchange.transport import Transport

T = TypeVar("T")

_LONGEST_ID = 256


class ExchangeClient:
    """Calls the exchange, each account's calls signed by the `Sign` handed in.

    `window_ms` is signed into every request as `windowSize`. `on_call` is told of every request:
    the endpoint, and the exchange's code, "unlisted", or why there was no answer; both come from
    closed sets.
    """

    def __init__(
        self,
        transport: Transport,
        clock: ExchangeClock,
        *,
        post_form: PostForm,
        window_ms: int,
        on_call: Callable[[str, str], None],
        retry: Retry | None = None,
    ) -> None:
        self._calls = Calls(
            transport,
            clock,
            post_form=post_form,
            window_ms=window_ms,
            on_call=on_call,
            retry=retry or Retry(),
        )

    async def ping(self) -> None:
        """Return if the exchange answers ('Connectivity Test')."""
        await self._calls.public("ping", (), lambda _: None)

    async def server_time(self) -> int:
        """Ask the exchange for its time in ms ('Check Server Time')."""
        return await self._calls.public("time", (), read_time)

    async def synchronise_clock(self) -> None:
        """Take one sample of the exchange's time; call it regularly, so that the clock stays fresh.

        Signed calls take the first one themselves if there is none.
        """
        await self._calls.synchronise_clock()

    async def markets(self) -> tuple[MarketListing, tuple[Ticker, ...]]:
        """List all markets, and the last 24 hours of each ('Get All Markets 24h')."""

        def read(body: bytes) -> tuple[MarketListing, tuple[Ticker, ...]]:
            rows = wire.parse(body, wire.MarketsReply).markets
            return mapping.map_listing(rows), tuple(mapping.map_ticker(row) for row in rows)

        return await self._calls.public("market/markets", (), read)

    async def ticker(self, symbol: str) -> Ticker:
        """Read the last 24 hours of a market ('Get Symbol 24h Statistics')."""
        return await self._of_market(
            "market/24h",
            symbol,
            lambda body: mapping.map_ticker(wire.parse(body, wire.TickerReply).market),
        )

    async def rules(self, symbol: str) -> MarketRules:
        """Read what orders must obey ('Get Symbol Detailed Info')."""
        return await self._of_market(
            "market/info",
            symbol,
            lambda body: mapping.map_rules(wire.parse(body, wire.RulesReply).info),
        )

    async def candles(
        self,
        symbol: str,
        interval: CandleInterval,
        start: int | None = None,
        end: int | None = None,
    ) -> CandleSeries:
        """Read candles between `start` and `end` (ms) ('Get Symbol Candlestick Data')."""
        bounds = (("startDate", start), ("endDate", end))
        return await self._of_market(
            "market/candles",
            symbol,
            lambda body: mapping.map_candles(
                symbol, interval, wire.parse(body, wire.CandlesReply).candles
            ),
            *((name, str(time)) for name, time in bounds if time is not None),
            ("interval", mapping.interval_name(interval)),
        )

    async def top_of_book(self, symbol: str) -> TopOfBook:
        """Read the best bid and ask ('Get Symbol Orderbook')."""
        return await self._of_market(
            "market/orderbook",
            symbol,
            lambda body: mapping.map_top_of_book(symbol, wire.parse(body, wire.BookReply).book),
        )

    async def order_book(self, symbol: str) -> OrderBook:
        """Read the book ('Get Symbol Order Depth')."""
        return await self._of_market(
            "market/depth",
            symbol,
            lambda body: mapping.map_order_book(symbol, wire.parse(body, wire.BookReply).book),
        )

    async def trades(self, symbol: str) -> TradeHistory:
        """Read the last public trades, newest first ('Get Symbol Trade History')."""
        return await self._of_market(
            "market/trades",
            symbol,
            lambda body: mapping.map_trades(symbol, wire.parse(body, wire.TradesReply).trades),
        )

    async def balances(self, sign: Sign) -> tuple[Balance, ...]:
        """Read what an account holds ('Get User Wallet'; a GET, as live clients send it)."""

        def read(body: bytes) -> tuple[Balance, ...]:
            return tuple(map(mapping.map_balance, wire.parse(body, wire.WalletReply).wallet))

        return await self._calls.signed("balance/wallet", sign, read)

    async def open_orders(self, sign: Sign) -> tuple[Order, ...]:
        """Read an account's open orders ('Get User Active Orders')."""

        def read(body: bytes) -> tuple[Order, ...]:
            return tuple(map(mapping.map_order, wire.parse(body, wire.OrdersReply).orders))

        return await self._calls.signed("market/user-orders", sign, read)

    async def prepare_order(self, sign: Sign, command: PlaceOrder) -> PreparedRequest:
        """Sign an order without sending it ('New Limit Buy Order', 'New Limit Sell Order').

        Raise `NotSent` if the exchange's time cannot be had.
        """
        buys = command.side is OrderSide.BUY
        pairs = (
            ("symbol", command.symbol),
            ("price", plain(command.spec.price)),  # type: ignore[arg-type]
            ("amount", plain(command.spec.quantity)),  # type: ignore[arg-type]
        )
        return await self._calls.prepare(
            "market/limit-buy" if buys else "market/limit-sell", sign, pairs
        )

    async def place(self, prepared: PreparedRequest, command: PlaceOrder) -> Order:
        """Send a prepared order once, and return it as the exchange accepted it.

        An answer that speaks of another order, or of none, is `Unclear`.
        """
        order = await self._calls.once(prepared.request, _read_order)
        if not _answers(order, command):
            raise Unclear(prepared.endpoint, "mismatch", wire.SUCCESS)
        return order

    async def prepare_cancel(self, sign: Sign, order_id: str) -> PreparedRequest:
        """Sign a cancel without sending it ('Cancel An Active Order').

        Raise `BadUserInput` for what cannot be an order id, and `NotSent` if the exchange's
        time cannot be had.
        """
        if not (order_id.isascii() and order_id.isalnum() and len(order_id) <= _LONGEST_ID):
            raise BadUserInput("orderId", "expected an order id: letters and digits only")
        return await self._calls.prepare("market/cancel-order", sign, (("orderId", order_id),))

    async def cancel(self, prepared: PreparedRequest) -> Order | None:
        """Send a prepared cancel once; success alone is acceptance, with the order if it came.

        An order that came without a status is shown as cancelled: that is what success says.
        """
        return await self._calls.once(prepared.request, _read_cancelled)

    async def _of_market(
        self,
        path: str,
        symbol: str,
        read: Callable[[bytes], T],
        *more: tuple[str, str],
    ) -> T:
        try:
            return await self._calls.public(path, (("symbol", symbol), *more), read)
        except Refused as refusal:
            if refusal.exchange_code in UNKNOWN_SYMBOL_CODES:
                raise UnknownSymbol(symbol) from None
            raise


def _read_order(body: bytes) -> Order:
    return mapping.map_order(wire.parse(body, wire.OrderReply).order)


def _read_cancelled(body: bytes) -> Order | None:
    try:
        row = wire.parse(body, wire.CancelReply).order
        if row is None:
            return None
        order = mapping.map_order(row)
        return order if row.status else replace(order, status=OrderStatus.CANCELLED)
    except ValueError:
        return None


def _answers(order: Order, command: PlaceOrder) -> bool:
    return bool(order.order_id) and (
        (order.symbol, order.side, order.type, order.price, order.quantity)
        == (command.symbol, command.side, command.type, command.spec.price, command.spec.quantity)
    )
