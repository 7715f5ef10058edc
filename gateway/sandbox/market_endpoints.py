"""The endpoints that anybody may ask ("General Endpoints", "Market Endpoints")."""

from gateway.sandbox import replies
from gateway.sandbox.codes import Code, Refusal
from gateway.sandbox.endpoints import PATH_PREFIX, Endpoints, PublicEndpoint, Venue
from gateway.sandbox.markets import Market
from gateway.sandbox.parameters import Parameters
from gateway.sandbox.replies import Body, success
from gateway.sandbox.tape import INTERVALS_MS

DEFAULT_INTERVAL = "m1"


def _ping(_venue: Venue, _parameters: Parameters) -> Body:
    return success(data="PONG")


def _time(venue: Venue, _parameters: Parameters) -> Body:
    return success(data=venue.clock())


def _markets(venue: Venue, _parameters: Parameters) -> Body:
    return success(
        markets=[
            replies.market_row(market, _ticker(venue, market))
            for market in venue.engine.markets.values()
        ]
    )


def _statistics(venue: Venue, parameters: Parameters) -> Body:
    return success(market=_ticker(venue, _market(venue, parameters)))


def _rules(venue: Venue, parameters: Parameters) -> Body:
    return success(info=replies.market_rules(_market(venue, parameters)))


def _candles(venue: Venue, parameters: Parameters) -> Body:
    tape = venue.engine.tapes[_market(venue, parameters).symbol]
    interval = parameters.values.get("interval", DEFAULT_INTERVAL)
    if interval not in INTERVALS_MS:
        raise Refusal(Code.INVALID_REQUEST)
    start, end = parameters.integer("startDate"), parameters.integer("endDate")
    rows = [
        replies.rest_candle(candle, INTERVALS_MS[interval])
        for candle in tape.series[interval].candles
        if _lies_within(replies.rest_open_time(candle), start, end)
    ]
    return success(candles=rows)


def _lies_within(time: int, start: int | None, end: int | None) -> bool:
    return (start is None or start <= time) and (end is None or time <= end)


def _top_of_book(venue: Venue, parameters: Parameters) -> Body:
    book = venue.engine.books[_market(venue, parameters).symbol]
    return success(book=replies.top_of_book(book))


def _depth(venue: Venue, parameters: Parameters) -> Body:
    book = venue.engine.books[_market(venue, parameters).symbol]
    return success(book=replies.depth(book))


def _trades(venue: Venue, parameters: Parameters) -> Body:
    tape = venue.engine.tapes[_market(venue, parameters).symbol]
    return success(trades=[replies.rest_trade(trade) for trade in tape.trades])


def _market(venue: Venue, parameters: Parameters) -> Market:
    return venue.engine.market(parameters.symbol())


def _ticker(venue: Venue, market: Market) -> Body:
    statistics = venue.engine.tapes[market.symbol].statistics(venue.clock())
    return replies.ticker(market, statistics, venue.engine.books[market.symbol])


MARKET_ENDPOINTS: Endpoints = {
    ("GET", PATH_PREFIX + "ping"): PublicEndpoint(_ping),
    ("GET", PATH_PREFIX + "time"): PublicEndpoint(_time),
    ("GET", PATH_PREFIX + "market/markets"): PublicEndpoint(_markets),
    ("GET", PATH_PREFIX + "market/24h"): PublicEndpoint(_statistics),
    ("GET", PATH_PREFIX + "market/info"): PublicEndpoint(_rules),
    ("GET", PATH_PREFIX + "market/candles"): PublicEndpoint(_candles),
    ("GET", PATH_PREFIX + "market/orderbook"): PublicEndpoint(_top_of_book),
    ("GET", PATH_PREFIX + "market/depth"): PublicEndpoint(_depth),
    ("GET", PATH_PREFIX + "market/trades"): PublicEndpoint(_trades),
}
