"""The exchange's REST interface in the domain's terms.

Every method raises `NotSent`, `Refused` or `Unclear` when the exchange does not bring what was
asked for. Reads are repeated a few times on `NotSent` and `Unclear`; mutations never are.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from gateway.domain.account import (
    Balance,
    Currency,
    Deposit,
    DepositOptions,
    Fill,
    Withdraw,
    Withdrawal,
    WithdrawalOptions,
)
from gateway.domain.encoding import Pairs
from gateway.domain.errors import BadUserInput, Refused, UnknownSymbol
from gateway.domain.market import (
    CandleInterval,
    CandleSeries,
    MarketListing,
    MarketRules,
    OrderBook,
    Ticker,
    TopOfBook,
    TradeHistory,
)
from gateway.domain.orders import Order, PlaceOrder
from gateway.domain.signing import KeyId, PostForm, Sign
from gateway.exchange import readers
from gateway.exchange.account_mapping import withdraw_parameters
from gateway.exchange.calls import Calls, PreparedRequest, Retry
from gateway.exchange.clock import ExchangeClock
from gateway.exchange.error_codes import UNKNOWN_SYMBOL_CODES, WINDOW_PASSED
from gateway.exchange.mapping import interval_name
from gateway.exchange.order_mapping import order_parameters, order_path
from gateway.exchange.transport import Transport

T = TypeVar("T")

_EXPIRED_BY_MS = 2_000
"""How long ago the window of a request has passed that the exchange must refuse."""

_LONGEST_ID = 256
_LONGEST_NAME = 64
_LONGEST_TEXT = 256
_SIGNED_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
"""What custody signs as the name of a market or an asset: no caller shall meet its refusal."""


class ExchangeClient:
    """Calls the exchange, each account's calls signed by the `Sign` handed in.

    `post_form` says where a POST carries its parameters. `window_ms` is signed into every request
    as `windowSize`. `on_call` is told of every request: the endpoint, and the exchange's code,
    "unlisted", or why there was no answer; both come from closed sets. `on_refused` is told the key
    and the code (`KEY_REFUSED_CODES`) of a signed request whose key the exchange does not take.

    `gate` is asked before every call but that for the time, by its endpoint ("cancel-order"). Where
    it raises `RateLimited` nothing is sent: reads of markets then raise `NotSent`, and all else
    what the gate raised.
    """

    def __init__(
        self,
        transport: Transport,
        clock: ExchangeClock,
        *,
        post_form: PostForm,
        window_ms: int,
        on_call: Callable[[str, str], None],
        on_refused: Callable[[KeyId, str], None] = lambda _key, _code: None,
        gate: Callable[[str], None] = lambda _: None,
        retry: Retry | None = None,
    ) -> None:
        self._calls = Calls(
            transport,
            clock,
            post_form=post_form,
            window_ms=window_ms,
            on_call=on_call,
            on_refused=on_refused,
            gate=gate,
            retry=retry or Retry(),
        )

    async def ping(self) -> None:
        """Return if the exchange answers ('Connectivity Test')."""
        await self._calls.public("ping", (), readers.read_nothing)

    async def server_time(self) -> int:
        """Ask the exchange for its time in ms ('Check Server Time')."""
        return await self._calls.public("time", (), readers.read_time)

    async def synchronise_clock(self) -> None:
        """Take one sample of the exchange's time; call it regularly, so that the clock stays fresh.

        Signed calls take the first one themselves if there is none.
        """
        await self._calls.synchronise_clock()

    async def authenticate(self, sign: Sign) -> None:
        """Return if the exchange knows the account's key ('API Authentication Test')."""
        await self._calls.signed_post("balance/wallet", sign, (), readers.read_nothing)

    async def window_enforced(self, sign: Sign) -> bool:
        """Whether the exchange refuses a read whose window has passed ('Security').

        Raises as every read does when the answer tells neither.
        """
        try:
            await self._calls.signed_expired(
                "balance/wallet", sign, readers.read_nothing, _EXPIRED_BY_MS
            )
        except Refused as refusal:
            if refusal.exchange_code == WINDOW_PASSED:
                return True
            raise
        return False

    async def markets(self) -> tuple[MarketListing, tuple[Ticker, ...]]:
        """List all markets, and the last 24 hours of each ('Get All Markets 24h')."""
        return await self._calls.public("market/markets", (), readers.read_markets)

    async def ticker(self, symbol: str) -> Ticker:
        """Read the last 24 hours of a market ('Get Symbol 24h Statistics')."""
        return await self._of_market("market/24h", symbol, readers.read_ticker)

    async def rules(self, symbol: str) -> MarketRules:
        """Read what orders must obey ('Get Symbol Detailed Info')."""
        return await self._of_market("market/info", symbol, readers.read_rules)

    async def candles(
        self,
        symbol: str,
        interval: CandleInterval,
        start: int | None = None,
        end: int | None = None,
    ) -> CandleSeries:
        """Read the candles that open from `start` to `end` (ms) ('Get Symbol Candlestick Data')."""
        # The exchange may say that a candle opens some ms after its interval began.
        until = None if end is None else end + interval.milliseconds - 1
        bounds = (("startDate", start), ("endDate", until))
        return await self._of_market(
            "market/candles",
            symbol,
            partial(readers.read_candles, interval=interval),
            (
                *((name, str(time)) for name, time in bounds if time is not None),
                ("interval", interval_name(interval)),
            ),
        )

    async def top_of_book(self, symbol: str) -> TopOfBook:
        """Read the best bid and ask ('Get Symbol Orderbook'); a crossed book is `Unclear`."""
        return await self._of_market("market/orderbook", symbol, readers.read_top_of_book)

    async def order_book(self, symbol: str) -> OrderBook:
        """Read the book ('Get Symbol Order Depth'); a crossed one is `Unclear`."""
        return await self._of_market("market/depth", symbol, readers.read_order_book)

    async def trades(self, symbol: str) -> TradeHistory:
        """Read the last public trades, newest first ('Get Symbol Trade History')."""
        return await self._of_market("market/trades", symbol, readers.read_trades)

    async def balances(self, sign: Sign) -> tuple[Balance, ...]:
        """Read what an account holds ('Get User Wallet'; a GET, as live clients send it)."""
        return await self._calls.signed("balance/wallet", sign, readers.read_balances)

    async def open_orders(self, sign: Sign) -> tuple[Order, ...]:
        """Read an account's open orders ('Get User Active Orders')."""
        return await self._calls.signed("market/user-orders", sign, readers.read_orders)

    async def fills(self, sign: Sign) -> tuple[Fill, ...]:
        """Read an account's last executions, newest first ('Get User Trades')."""
        return await self._calls.signed("market/user-trades", sign, readers.read_fills)

    async def currencies(self, sign: Sign) -> tuple[Currency, ...]:
        """List the exchange's assets ('Get All Currencies')."""
        return await self._calls.signed("balance/currencies", sign, readers.read_currencies)

    async def deposit_options(self, sign: Sign, asset: str) -> DepositOptions:
        """Read how an asset is paid in ('Get Deposit Addresses').

        Raise `BadUserInput` for an asset that the exchange does not know.
        """
        return await self._of_asset("balance/deposit", sign, asset, readers.read_deposit_options)

    async def withdrawal_options(self, sign: Sign, asset: str) -> WithdrawalOptions:
        """Read how an asset is paid out ('Get Withdraw Addresses').

        Raise `BadUserInput` for an asset that the exchange does not know.
        """
        return await self._of_asset(
            "balance/withdraw", sign, asset, readers.read_withdrawal_options
        )

    async def deposits(self, sign: Sign) -> tuple[Deposit, ...]:
        """Read an account's last 5 deposits ('Get Last 5 Deposit')."""
        return await self._calls.signed("balance/deposit-history", sign, readers.read_deposits)

    async def withdrawals(self, sign: Sign) -> tuple[Withdrawal, ...]:
        """Read an account's last 5 withdrawals ('Get Last 5 Withdraw')."""
        return await self._calls.signed("balance/withdraw-history", sign, readers.read_withdrawals)

    async def prepare_order(self, sign: Sign, command: PlaceOrder) -> PreparedRequest:
        """Sign an order without sending it ('New Limit Buy Order' to 'New Fast Sell Order').

        Raise `BadUserInput` for terms that can be no order's, `UnknownSymbol` for what can be none,
        and `NotSent` if the exchange's time cannot be had.
        """
        if not _SIGNED_NAME.fullmatch(command.symbol):
            raise UnknownSymbol(command.symbol)
        return await self._calls.prepare(order_path(command), sign, order_parameters(command))

    async def place(self, prepared: PreparedRequest, command: PlaceOrder) -> Order:
        """Send a prepared order once, and return it as the exchange accepted it.

        Market and fast orders have no id there. An answer that speaks of another order, or of
        none, is `Unclear`.
        """
        return await self._calls.once(
            prepared.request, partial(readers.read_placed, command=command)
        )

    async def prepare_cancel(self, sign: Sign, order_id: str) -> PreparedRequest:
        """Sign a cancel without sending it ('Cancel An Active Order').

        Raise `BadUserInput` for what cannot be an order id, and `NotSent` if the exchange's
        time cannot be had.
        """
        if not is_order_id(order_id):
            raise BadUserInput("orderId", "expected an order id: letters and digits only")
        return await self._calls.prepare("market/cancel-order", sign, (("orderId", order_id),))

    async def cancel(self, prepared: PreparedRequest, order_id: str) -> Order | None:
        """Send a prepared cancel once; success alone is acceptance.

        The order comes with it if the answer shows it, and shows it as cancelled.
        """
        return await self._calls.once(
            prepared.request, partial(readers.read_cancelled, order_id=order_id)
        )

    async def prepare_withdrawal(self, sign: Sign, command: Withdraw) -> PreparedRequest:
        """Sign a withdrawal without sending it ('Create Withdraw').

        Raise `BadUserInput` for a text or a quantity that cannot be sent, and `NotSent` if the
        exchange's time cannot be had.
        """
        _require_asset(command.asset)
        _require_text("channel", command.channel)
        _require_text("address", command.address)
        if command.tag is not None:
            _require_text("tag", command.tag)
        parameters = withdraw_parameters(command)
        return await self._calls.prepare("balance/create-withdraw", sign, parameters)

    async def withdraw(self, prepared: PreparedRequest) -> None:
        """Send a prepared withdrawal once; success alone is acceptance, and shows no id."""
        await self._calls.once(prepared.request, readers.read_nothing)

    async def _of_market(
        self, path: str, symbol: str, read: Callable[[bytes, str], T], more: Pairs = ()
    ) -> T:
        if not _can_be_a_name(symbol):
            raise UnknownSymbol(symbol)
        pairs = (("symbol", symbol), *more)
        try:
            return await self._calls.public(path, pairs, lambda body: read(body, symbol))
        except Refused as refusal:
            if refusal.exchange_code in UNKNOWN_SYMBOL_CODES:
                raise UnknownSymbol(symbol) from None
            raise

    async def _of_asset(
        self, path: str, sign: Sign, asset: str, read: Callable[[bytes, str], T]
    ) -> T:
        _require_asset(asset)
        parameters = (("symbol", asset),)
        try:
            return await self._calls.signed_post(
                path, sign, parameters, lambda body: read(body, asset)
            )
        except Refused as refusal:
            if refusal.exchange_code in UNKNOWN_SYMBOL_CODES:
                raise _unknown_asset(asset) from None
            raise


def _require_asset(asset: str) -> None:
    if not _SIGNED_NAME.fullmatch(asset):
        raise _unknown_asset(asset)


def _can_be_a_name(text: str) -> bool:
    """Keep from the exchange what cannot be in any of its lists, and might not even be text."""
    return _is_line(text, _LONGEST_NAME) and text.isascii()


def _require_text(field: str, text: str) -> None:
    if not _is_line(text, _LONGEST_TEXT):
        problem = f"expected 1 to {_LONGEST_TEXT} printable characters, no space around them"
        raise BadUserInput(field, problem)


def _is_line(text: str, longest: int) -> bool:
    return 0 < len(text) <= longest and text.isprintable() and text == text.strip()


def _unknown_asset(asset: str) -> BadUserInput:
    problem = f"no asset is called {asset[:32]!r}; 'currencies' lists them"
    return BadUserInput("asset", problem)


def is_order_id(text: str) -> bool:
    """Whether the exchange could have given an order this id: letters and digits only."""
    return text.isascii() and text.isalnum() and len(text) <= _LONGEST_ID
