"""What stands in the exchange's API document: its headings in order, and what is under each.

`docs/coverage.md` is held against this. A subject is a request with the path as written there, a
message of the stream, an enumeration, or a text. '00000' (Success) stands in every table of codes
and is not repeated.
"""

from dataclasses import dataclass

_INTERVALS = "interval: m1 m3 m5 m15 m30 h1 h2 h4 d1"
_SIDES = "side: 0 Buy, 1 Sell"
_TYPES = "orderType: 0 Limit, 1 Market, 2 Stop Loss, 3 Fast"
_ORDER = "10010 10031 10037 10038 10039 10040 10041"
_ACCOUNT = "10010 20000 90000"


@dataclass(frozen=True)
class Heading:
    """A heading: its subjects, and the codes of its table."""

    title: str
    subjects: tuple[str, ...]
    codes: tuple[str, ...] = ()


def _heading(title: str, *subjects: str, codes: str = "") -> Heading:
    return Heading(title, subjects, tuple(codes.split()))


def _new_order(title: str, name: str, values: str, *, codes: str) -> Heading:
    return _heading(title, f"POST v3/api/market/{name}", values, codes=f"{_ORDER} {codes}")


_GENERAL = (
    _heading("Connectivity Test", "GET v3/api/ping"),
    _heading("Check Server Time", "GET v3/api/time"),
    _heading("API Authentication Test", "POST v3/api/balance/wallet"),
)
_STREAMS = (
    _heading("Subscribe a stream", "SUBSCRIBE"),
    _heading("Unsubscribe a stream", "UNSUBSCRIBE"),
    _heading("Listing Subscriptions", "LIST_SUBSCRIPTIONS"),
)
_MARKET = (
    _heading("Get All Markets 24h", "GET v3/api/market/markets", codes="90000"),
    _heading("Get Symbol 24h Statistics", "GET v3/api/market/24h", codes="10037 90000"),
    _heading("Get Symbol Detailed Info", "GET v3/api/market/info", codes="10037 90000"),
    _heading(
        "Get Symbol Candlestick Data",
        "GET v3/api/market/candles",
        _INTERVALS,
        codes="10037 90000",
    ),
    _heading("Get Symbol Orderbook", "GET v3/api/market/orderbook", codes="10037 90000"),
    _heading("Get Symbol Order Depth", "GET v3/api/market/depth", codes="10037 90000"),
    _heading(
        "Get Symbol Trade History",
        "GET v3/api/market/trades",
        "type: 0 BUYER IS MAKER",
        codes="10037 90000",
    ),
)
_MARKET_STREAMS = (
    _heading("All Tickers 24H Statistics", "allTickers"),
    _heading("Market 24H Statistics", "ticker"),
    _heading("Market Candlestick Updates", "candles", _INTERVALS),
    _heading("Market Order Book Updates", "orderBook"),
    _heading("Market Depth Updates", "depth"),
    _heading("Market Trade Updates", "trade", "tradeType: 0 Buyer is maker, 1 Buyer is taker"),
)
_SIGNED_MARKET = (
    _new_order(
        "New Limit Buy Order",
        "limit-buy",
        "status NEW, orderType LIMIT, side BUY",
        codes="10062 20000 20007 20009 90000",
    ),
    _new_order(
        "New Limit Sell Order",
        "limit-sell",
        "status NEW, orderType LIMIT, side SELL",
        codes="10061 20000 20007 20009 90000",
    ),
    _new_order(
        "New Market Buy Order",
        "market-buy",
        "status FILLED, orderType MARKET, side BUY",
        codes="10042 20000 20009 90000",
    ),
    _new_order(
        "New Market Sell Order",
        "market-sell",
        "status FILLED, orderType MARKET, side SELL",
        codes="10042 20000 20009 90000",
    ),
    _new_order(
        "New Stop Limit Buy Order",
        "stop-limit-buy",
        "status NEW, orderType STOP LIMIT, stopType GREATER, side BUY",
        codes="10062 20000 20007 20008 20009 90000",
    ),
    _new_order(
        "New Stop Limit Sell Order",
        "stop-limit-sell",
        "status NEW, orderType STOP LIMIT, stopType LESS, side SELL",
        codes="10061 20000 20007 20008 20009 90000",
    ),
    _new_order(
        "New Fast Buy Order",
        "fast-buy",
        "status FILLED, orderType FAST, side BUY",
        codes="10060 20000 20012 90000",
    ),
    _new_order(
        "New Fast Sell Order",
        "fast-sell",
        "status FILLED, orderType FAST, side SELL",
        codes="10060 20000 20009 90000",
    ),
    _heading(
        "Get User Active Orders",
        "GET v3/api/market/user-orders",
        _SIDES,
        _TYPES,
        "stopType: 0 Less, 1 Greater",
        codes="10010 10038 20000 90000",
    ),
    _heading(
        "Cancel An Active Order",
        "POST v3/api/market/cancel-order",
        codes="10010 10075 20000 90000",
    ),
    _heading(
        "Get User Trades",
        "GET v3/api/market/user-trades",
        _SIDES,
        _TYPES,
        codes="10010 10038 20000 90000",
    ),
)
_SIGNED_BALANCE = (
    _heading("Get User Wallet", "GET v3/api/balance/wallet", codes=_ACCOUNT),
    _heading("Get All Currencies", "GET v3/api/balance/currencies", codes=_ACCOUNT),
    _heading(
        "Get Withdraw Addresses",
        "POST v3/api/balance/withdraw",
        codes="10010 10028 10037 20000 90000",
    ),
    _heading(
        "Create Withdraw",
        "POST v3/api/balance/create-withdraw",
        codes="10010 10026 10028 10029 10030 10031 10035 10037 10051 10054 10055 10063 10064 "
        "20000 90000 90001",
    ),
    _heading(
        "Get Last 5 Withdraw",
        "GET v3/api/balance/withdraw-history'",
        "state: 11 Pending, 13 Resuming, 14 Completed, 21 Pending, 22 Validating, 23 Resuming, "
        "24 Completed, 98 Rejected, 99 Cancelled",
        codes=_ACCOUNT,
    ),
    _heading(
        "Get Deposit Addresses",
        "POST v3/api/balance/deposit",
        codes="10010 10026 10027 10037 10051 20000 90000",
    ),
    _heading(
        "Get Last 5 Deposit",
        "GET v3/api/balance/deposit-history'",
        "state: 11 Pending, 12 Validating, 13 Resuming, 14 Completed",
        codes=_ACCOUNT,
    ),
)
_USER_STREAMS = (
    _heading("Binding User Data Streams", "USER_STREAMS"),
    _heading("User Available Balance Update", "balanceUpdate"),
    _heading("User Reserved Balance Update", "reservedUpdate"),
    _heading(
        "User Order Update Messages",
        "orderUpdate",
        "status: NEW PARTIALLY_FILLED FILLED CANCELLED CANCELLED_ALL",
        "orderType: 0 LIMIT ORDER, 1 MARKET ORDER, 2 STOP LIMIT ORDER, 3 FAST ORDER",
        "side: 0 BUY ORDER, 1 SELL ORDER",
        "stopType: 0 LESS THAN TARGET PRICE, 1 GREATER THAN TARGET PRICE",
    ),
)

SECTIONS: dict[str, tuple[Heading, ...]] = {
    "Information": (_heading("Information", "error reply"),),
    "Limits": (_heading("Limits", "no content"),),
    "Security": (_heading("Security", "signature", "timestamp", "windowSize"),),
    "General Endpoints": _GENERAL,
    "Websocket Data Streams": _STREAMS,
    "Market Endpoints": _MARKET,
    "Market Data Streams": _MARKET_STREAMS,
    "Signed Market Endpoints": _SIGNED_MARKET,
    "Signed Balance Endpoints": _SIGNED_BALANCE,
    "User Data Streams": _USER_STREAMS,
}
"""The sections but 'Error Codes', in the document's order, each with its headings."""

_EVERY_CODE = (
    "00000 10010 10026 10027 10028 10029 10030 10031 10035 10037 10038 10039 10040 10041 10042 "
    "10051 10054 10055 10060 10061 10062 10063 10064 10075 20000 20001 20002 20003 20004 20005 "
    "20006 20007 20008 20009 20010 20011 20012 90000 90001"
)
CODES = tuple(_EVERY_CODE.split())
"""All codes of all tables; the last section's own lacks 10027, 10063, 10064 and 10075."""
