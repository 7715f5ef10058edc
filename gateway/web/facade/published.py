"""What the exchange's document says of each endpoint, as the facade publishes it.

`openapi` makes the description for machines of it, `docs/facade.md` the one for people. The replies
are the document's samples ('tests/payloads' says what was mended), with the members that the live
exchange has beyond them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import files

from gateway.web.facade.requests import Body, Route


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter, with the type that the document gives it: STRING, LONG, INT or FLOAT."""

    name: str
    type: str
    meaning: str
    example: str
    required: bool = True
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Published:
    """An endpoint: `heading` and `codes` as in the document, `sample` a reply without its code.

    '00000' (Success) is among no codes.
    """

    heading: str
    summary: str
    parameters: tuple[Parameter, ...]
    codes: tuple[str, ...]
    sample: Body


_MARKET = Parameter("symbol", "STRING", "The market.", "BTCTRY")
_ASSET = Parameter("symbol", "STRING", "The asset.", "TRY")
_PRICE = Parameter("price", "FLOAT", "What one of the first asset may cost at worst.", "434000")
_AMOUNT = Parameter("amount", "FLOAT", "The quantity, in the market's first asset.", "0.001")
_TARGET = Parameter("target", "FLOAT", "The price that sets the order going.", "435000")
_TOTAL = Parameter("total", "FLOAT", "What to spend, in the market's second asset.", "100")
_ORDER_ID = Parameter(
    "orderId",
    "STRING",
    "The id of an open order.",
    "ce82ac3aed3e8b1cecc6fcd36ddc49936866c49bfa4f4f32fbfc12a005e995c9b3b52e2b",
)
_CANDLES = (
    _MARKET,
    Parameter("startDate", "LONG", "The first openTime, in ms.", "1577738760000", required=False),
    Parameter("endDate", "LONG", "The last openTime, in ms.", "1577739000000", required=False),
    Parameter(
        "interval",
        "STRING",
        "How long a candle lasts; m1 when nothing is said.",
        "m1",
        required=False,
        values=("m1", "m3", "m5", "m15", "m30", "h1", "h2", "h4", "d1"),
    ),
)
_WITHDRAWAL = (
    _ASSET,
    Parameter("amount", "FLOAT", "The quantity of the asset.", "100"),
    Parameter("address", "STRING", "Where it goes.", "TR 34 0001 5001 5800 7308 8132 39"),
    Parameter(
        "secondParameter",
        "STRING",
        "The tag or memo that some networks want beside the address.",
        "104837",
        required=False,
    ),
    Parameter("node", "STRING", "The channel, as 'Get Withdraw Addresses' names it.", "VAKIFBANK"),
)

_SAMPLES: Mapping[str, Body] = json.loads(
    (files("gateway.web.facade") / "samples.json").read_text(encoding="utf-8"), parse_float=Decimal
)


def _endpoint(
    route: str, heading: str, summary: str, codes: str, *parameters: Parameter
) -> tuple[Route, Published]:
    method, path = route.split(" ")
    sample = {name: value for name, value in _SAMPLES[route].items() if name != "code"}
    published = Published(heading, summary, parameters, tuple(codes.split()), sample)
    return (method, path), published


def _public(
    path: str, heading: str, summary: str, codes: str, *parameters: Parameter
) -> tuple[Route, Published]:
    return _endpoint(f"GET /v3/api/{path}", heading, summary, codes, *parameters)


def _order(
    name: str, heading: str, summary: str, codes: str, *terms: Parameter
) -> tuple[Route, Published]:
    every = f"10010 10031 10037 10038 10039 10040 10041 {codes} 90000"
    return _endpoint(f"POST /v3/api/market/{name}", heading, summary, every, _MARKET, *terms)


_OF_MARKETS, _OF_ACCOUNTS = "10037 90000", "10010 20000 90000"
_OF_ORDERS = "10010 10038 20000 90000"

_PUBLISHED = (
    _public("ping", "Connectivity Test", "Tell that the gateway can be reached.", ""),
    _public("time", "Check Server Time", "Tell the exchange's time, in ms.", ""),
    _public(
        "market/markets",
        "Get All Markets 24h",
        "Statistics of the last 24 hours, of every market.",
        "90000",
    ),
    _public(
        "market/24h",
        "Get Symbol 24h Statistics",
        "Statistics of a market's last 24 hours.",
        _OF_MARKETS,
        _MARKET,
    ),
    _public(
        "market/info",
        "Get Symbol Detailed Info",
        "A market's trading rules: minima, precisions, fees, and whether it is open.",
        _OF_MARKETS,
        _MARKET,
    ),
    _public(
        "market/candles",
        "Get Symbol Candlestick Data",
        "A market's candles.",
        _OF_MARKETS,
        *_CANDLES,
    ),
    _public(
        "market/orderbook",
        "Get Symbol Orderbook",
        "A market's best bid and best ask.",
        _OF_MARKETS,
        _MARKET,
    ),
    _public(
        "market/depth", "Get Symbol Order Depth", "A market's order book.", _OF_MARKETS, _MARKET
    ),
    _public(
        "market/trades", "Get Symbol Trade History", "A market's last trades.", _OF_MARKETS, _MARKET
    ),
    _order(
        "limit-buy",
        "New Limit Buy Order",
        "Buy at a price or a better one.",
        "10062 20000 20007 20009",
        _PRICE,
        _AMOUNT,
    ),
    _order(
        "limit-sell",
        "New Limit Sell Order",
        "Sell at a price or a better one.",
        "10061 20000 20007 20009",
        _PRICE,
        _AMOUNT,
    ),
    _order(
        "market-buy",
        "New Market Buy Order",
        "Buy a quantity at once, at what the book asks.",
        "10042 20000 20009",
        _AMOUNT,
    ),
    _order(
        "market-sell",
        "New Market Sell Order",
        "Sell a quantity at once, at what the book bids.",
        "10042 20000 20009",
        _AMOUNT,
    ),
    _order(
        "stop-limit-buy",
        "New Stop Limit Buy Order",
        "Buy at a price or a better one, once the market has reached the target.",
        "10062 20000 20007 20008 20009",
        _PRICE,
        _TARGET,
        _AMOUNT,
    ),
    _order(
        "stop-limit-sell",
        "New Stop Limit Sell Order",
        "Sell at a price or a better one, once the market has reached the target.",
        "10061 20000 20007 20008 20009",
        _PRICE,
        _TARGET,
        _AMOUNT,
    ),
    _order("fast-buy", "New Fast Buy Order", "Spend a sum at once.", "10060 20000 20012", _TOTAL),
    _order(
        "fast-sell", "New Fast Sell Order", "Sell a quantity at once.", "10060 20000 20009", _AMOUNT
    ),
    _endpoint(
        "GET /v3/api/market/user-orders",
        "Get User Active Orders",
        "The account's open orders.",
        _OF_ORDERS,
    ),
    _endpoint(
        "POST /v3/api/market/cancel-order",
        "Cancel An Active Order",
        "Cancel an open order.",
        "10010 10075 20000 90000",
        _ORDER_ID,
    ),
    _endpoint(
        "GET /v3/api/market/user-trades",
        "Get User Trades",
        "What the account's orders have traded.",
        _OF_ORDERS,
    ),
    _endpoint(
        "POST /v3/api/balance/wallet",
        "API Authentication Test",
        "Tell that the key pair is good: the code, and nothing else.",
        "",
    ),
    _endpoint(
        "GET /v3/api/balance/wallet",
        "Get User Wallet",
        "The account's balances.",
        _OF_ACCOUNTS,
    ),
    _endpoint(
        "GET /v3/api/balance/currencies",
        "Get All Currencies",
        "The assets that the exchange knows.",
        _OF_ACCOUNTS,
    ),
    _endpoint(
        "POST /v3/api/balance/withdraw",
        "Get Withdraw Addresses",
        "How an asset can be withdrawn, and where to.",
        "10010 10028 10037 20000 90000",
        _ASSET,
    ),
    _endpoint(
        "POST /v3/api/balance/create-withdraw",
        "Create Withdraw",
        "Withdraw an asset. The gateway refuses it to everybody (20011).",
        "10010 10026 10028 10029 10030 10031 10035 10037 10051 10054 10055 10063 10064 20000 "
        "90000 90001",
        *_WITHDRAWAL,
    ),
    _endpoint(
        "GET /v3/api/balance/withdraw-history",
        "Get Last 5 Withdraw",
        "The account's last 5 withdrawals.",
        _OF_ACCOUNTS,
    ),
    _endpoint(
        "POST /v3/api/balance/deposit",
        "Get Deposit Addresses",
        "How an asset can be deposited.",
        "10010 10026 10027 10037 10051 20000 90000",
        _ASSET,
    ),
    _endpoint(
        "GET /v3/api/balance/deposit-history",
        "Get Last 5 Deposit",
        "The account's last 5 deposits.",
        _OF_ACCOUNTS,
    ),
)

PUBLISHED: Mapping[Route, Published] = dict(_PUBLISHED)
"""Every endpoint of `endpoints`, which say what each does, by its method and path."""
