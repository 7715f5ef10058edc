"""What needs no signature ("General Endpoints", "Market Endpoints").

Each reads what GraphQL reads, and asks the exchange for nothing in a market that it does not list.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from gateway.domain.errors import SourceUnavailable
from gateway.domain.market import Market, Snapshot
from gateway.services.market_data import MarketView
from gateway.web.facade import replies
from gateway.web.facade.answers import Answer, success
from gateway.web.facade.kept_replies import Shown, kept_reply
from gateway.web.facade.parameters import Parameters
from gateway.web.facade.parts import FacadeParts
from gateway.web.facade.requests import FacadeCall

_SYMBOL = ("symbol",)
_OF_CANDLES = ("symbol", "interval", "startDate", "endDate")

_ShowMarket: TypeAlias = Callable[[MarketView, Market, Parameters], Awaitable[Shown]]


async def ping(_parts: FacadeParts, _call: FacadeCall) -> Answer:
    """'Test Connectivity': of the gateway."""
    return success({"data": "PONG"})


async def server_time(parts: FacadeParts, _call: FacadeCall) -> Answer:
    """'Check Server Time': the exchange's time, by what it said at most a second ago.

    Raises `SourceUnavailable` when the exchange does not say.
    """
    found = await parts.services.exchange.read()
    if found.server_time is None:
        raise SourceUnavailable("the exchange's time")
    return success({"data": found.server_time})


async def markets(parts: FacadeParts, _call: FacadeCall) -> Answer:
    """'Get All Markets 24h'."""
    return await kept_reply(parts, "markets", {}, _markets)


async def statistics(parts: FacadeParts, call: FacadeCall) -> Answer:
    """'Get Symbol 24h Statistics'."""
    return await _of_market(parts, call, "24h", _SYMBOL, _statistics)


async def rules(parts: FacadeParts, call: FacadeCall) -> Answer:
    """'Get Symbol Detailed Info'."""
    return await _of_market(parts, call, "info", _SYMBOL, _rules)


async def candles(parts: FacadeParts, call: FacadeCall) -> Answer:
    """'Get Symbol Candlestick Data': those that open from `startDate` to `endDate`, both told."""
    return await _of_market(parts, call, "candles", _OF_CANDLES, _candles)


async def top_of_book(parts: FacadeParts, call: FacadeCall) -> Answer:
    """'Get Symbol Orderbook'."""
    return await _of_market(parts, call, "orderbook", _SYMBOL, _top_of_book)


async def depth(parts: FacadeParts, call: FacadeCall) -> Answer:
    """'Get Symbol Order Depth'."""
    return await _of_market(parts, call, "depth", _SYMBOL, _depth)


async def trades(parts: FacadeParts, call: FacadeCall) -> Answer:
    """'Get Symbol Trade History'."""
    return await _of_market(parts, call, "trades", _SYMBOL, _trades)


async def _of_market(
    parts: FacadeParts,
    call: FacadeCall,
    endpoint: str,
    names: tuple[str, ...],
    show: _ShowMarket,
) -> Answer:
    """Answer by the parameters `names`. Raises `UnknownSymbol`, and Refusals for bad ones."""
    given = call.parameters.values
    asked = {name: given[name] for name in names if name in given}

    async def shown(view: MarketView) -> Shown:
        market = await view.market(call.parameters.symbol())
        return await show(view, market, call.parameters)

    return await kept_reply(parts, endpoint, asked, shown)


async def _markets(view: MarketView) -> Shown:
    listed = await view.markets()
    await view.prepare_tickers([market.symbol for market in listed])
    tickers = [await view.ticker(market.symbol) for market in listed]
    rows = zip(listed, (ticker.value for ticker in tickers), strict=True)
    return Shown(replies.markets(rows), tuple(tickers))


async def _statistics(view: MarketView, market: Market, _parameters: Parameters) -> Shown:
    ticker = await view.ticker(market.symbol)
    return _shown(replies.statistics(ticker.value), ticker)


async def _rules(view: MarketView, market: Market, _parameters: Parameters) -> Shown:
    found = await view.rules(market.symbol)
    return _shown(replies.rules(found.value, market), found)


async def _candles(view: MarketView, market: Market, parameters: Parameters) -> Shown:
    interval = parameters.interval()
    start, end = parameters.integer("startDate"), parameters.integer("endDate")
    found = await view.candles_between(market.symbol, interval, start, end)
    return _shown(replies.candles(found.value), found)


async def _top_of_book(view: MarketView, market: Market, _parameters: Parameters) -> Shown:
    book = await view.top_of_book(market.symbol)
    return _shown(replies.top_of_book(book.value), book)


async def _depth(view: MarketView, market: Market, _parameters: Parameters) -> Shown:
    book = await view.order_book(market.symbol)
    return _shown(replies.depth(book.value), book)


async def _trades(view: MarketView, market: Market, _parameters: Parameters) -> Shown:
    history = await view.trades(market.symbol)
    return _shown(replies.trades(history.value), history)


def _shown(members: dict[str, Any], snapshot: Snapshot[Any]) -> Shown:
    return Shown(members, (snapshot,))
