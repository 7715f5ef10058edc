"""The documented endpoints over real sockets, signed anew from the document."""

import re
from decimal import Decimal
from urllib.parse import urlencode

import httpx
import pytest

from tests.unit.sandbox.clients import Json, Trader, exact_json, hmac_hex, now_ms

pytestmark = pytest.mark.anyio

ORDER_ID = re.compile(r"[0-9a-f]{72}")


async def get(http: httpx.AsyncClient, path: str, **parameters: str) -> Json:
    reply = await http.get(f"/v3/api/{path}", params=parameters)
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/json"
    return exact_json(reply.content)


async def test_ping_answers_pong(still_http: httpx.AsyncClient) -> None:
    assert await get(still_http, "ping") == {"code": "00000", "data": "PONG"}


async def test_time_is_the_servers_clock_in_milliseconds(still_http: httpx.AsyncClient) -> None:
    before = now_ms()
    reply = await get(still_http, "time")
    assert before <= reply["data"] <= now_ms()


async def test_the_markets_are_fifteen_with_their_opening_prices(
    still_http: httpx.AsyncClient,
) -> None:
    rows = {row["symbol"]: row for row in (await get(still_http, "market/markets"))["markets"]}
    assert len(rows) == 15
    assert rows["BTCTRY"]["last"] == 434_497
    assert rows["HOTUSDT"]["last"] == Decimal("0.0087709")
    assert rows["1INCHTRY"]["name"] == "1inch"
    assert rows["BTCUSDT"].keys() == {
        "symbol",
        "name",
        "firstSymbol",
        "secondSymbol",
        "changeAmount",
        "changePercent",
        "last",
        "firstBid",
        "firstAsk",
        "open",
        "high",
        "low",
        "avg",
        "volume",
        "volumeQty",
        "openTime",
        "tradeCount",
    }


async def test_statistics_follow_the_trades(
    http: httpx.AsyncClient, ann: Trader, bob: Trader
) -> None:
    await ann.limit("sell", "50000", "0.5")
    await ann.limit("sell", "51000", "0.5")
    await bob.limit("buy", "51000", "0.75")
    market = (await get(http, "market/24h", symbol="BTCUSDT"))["market"]
    del market["openTime"], market["firstBid"]
    assert market == {
        "symbol": "BTCUSDT",
        "changeAmount": 1000,
        "changePercent": 2,
        "last": 51_000,
        "firstAsk": 51_000,
        "open": 50_000,
        "high": 51_000,
        "low": 50_000,
        "avg": Decimal("50333.3333"),
        "volumeQty": Decimal("0.75"),
        "volume": 37_750,
        "tradeCount": 2,
    }


async def test_the_rules_of_a_market_are_as_in_the_documents_sample(
    still_http: httpx.AsyncClient,
) -> None:
    assert await get(still_http, "market/info", symbol="BTCTRY") == {
        "code": "00000",
        "info": {
            "symbol": "BTCTRY",
            "firstSymbol": "BTC",
            "secondSymbol": "TRY",
            "firstSymbolMaxLength": 6,
            "secondSymbolMaxLength": 0,
            "minTradeTotal": 10,
            "minAmount": Decimal("0.000001"),
            "commission": Decimal("0.2"),
            "enable": "true",
            "cancelEnable": "true",
            "orderEnable": "true",
            "commissionTaker": Decimal("0.2"),
            "commissionMaker": Decimal("0.2"),
            "commissionPercentage": True,
            "commissionTierBased": False,
            "precision": {"price": 0, "amount": 6, "total": 0},
        },
    }


async def test_a_disabled_market_says_so(still_http: httpx.AsyncClient, still_ann: Trader) -> None:
    assert (await get(still_http, "market/info", symbol="HOTTRY"))["info"]["enable"] == "false"
    reply = await still_ann.limit("buy", "0.07", "1000", "HOTTRY")
    assert reply == {"code": "10038", "msg": "Market disabled"}


async def test_candles_open_some_milliseconds_off_their_interval(
    http: httpx.AsyncClient, ann: Trader, bob: Trader
) -> None:
    await ann.limit("sell", "50000", "0.5")
    await bob.limit("buy", "50000", "0.5")
    (candle,) = (await get(http, "market/candles", symbol="BTCUSDT", interval="m5"))["candles"]
    assert candle.pop("openTime") % 300_000 == 5
    assert candle.pop("closetime") % 300_000 == 5
    prices = dict.fromkeys(("open", "low", "high", "close"), 50_000)
    assert candle == {**prices, "volume": Decimal("0.5")}


async def test_candles_are_of_a_minute_unless_asked_for_otherwise(
    http: httpx.AsyncClient, ann: Trader, bob: Trader
) -> None:
    await ann.limit("sell", "50000", "0.5")
    await bob.limit("buy", "50000", "0.5")
    (candle,) = (await get(http, "market/candles", symbol="BTCUSDT"))["candles"]
    assert candle["closetime"] - candle["openTime"] == 60_000


async def test_a_candle_is_found_by_the_time_at_which_it_says_that_it_opens(
    http: httpx.AsyncClient, ann: Trader, bob: Trader
) -> None:
    async def asked(**bounds: object) -> Json:
        texts = {name: str(value) for name, value in bounds.items()}
        return (await get(http, "market/candles", symbol="BTCUSDT", **texts))["candles"]

    await ann.limit("sell", "50000", "0.5")
    await bob.limit("buy", "50000", "0.5")
    (candle,) = await asked()
    opened = candle["openTime"]
    assert await asked(startDate=opened, endDate=opened) == [candle]
    assert await asked(startDate=opened + 1) == []
    assert await asked(endDate=opened - 1) == []


@pytest.mark.parametrize("wrong", [{"interval": "m2"}, {"startDate": "x"}, {"endDate": "1.5"}])
async def test_a_wrong_candle_request_is_invalid(
    still_http: httpx.AsyncClient, wrong: dict[str, str]
) -> None:
    assert (await get(still_http, "market/candles", symbol="BTCUSDT", **wrong))["code"] == "90001"


async def test_the_orderbook_is_its_top_and_the_depth_is_all_of_it(
    http: httpx.AsyncClient, ann: Trader, bob: Trader
) -> None:
    for trader, price, amount in ((ann, "50000", "1"), (bob, "50000", "0.5"), (ann, "49999", "2")):
        await trader.limit("buy", price, amount)
    top, second = {"price": 50_000, "amount": Decimal("1.5")}, {"price": 49_999, "amount": 2}
    book = (await get(http, "market/orderbook", symbol="BTCUSDT"))["book"]
    assert book == {"bids": [top], "asks": []}
    depth = (await get(http, "market/depth", symbol="BTCUSDT"))["book"]
    assert depth == {"bids": [{**top, "count": 2}, {**second, "count": 1}], "asks": []}


async def test_a_trade_tells_whether_the_buyer_was_the_taker(
    http: httpx.AsyncClient, ann: Trader, bob: Trader
) -> None:
    await ann.limit("sell", "50000", "0.5")
    await bob.limit("buy", "50000", "0.5")
    await ann.limit("buy", "49000", "0.1")
    await bob.limit("sell", "49000", "0.1")
    trades = (await get(http, "market/trades", symbol="BTCUSDT"))["trades"]
    assert [(trade["price"], trade["amount"], trade["type"]) for trade in trades] == [
        (49_000, Decimal("0.1"), 0),
        (50_000, Decimal("0.5"), 1),
    ]


@pytest.mark.parametrize("path", ["24h", "info", "candles", "orderbook", "depth", "trades"])
async def test_a_market_must_be_named_and_known(still_http: httpx.AsyncClient, path: str) -> None:
    unknown = await get(still_http, f"market/{path}", symbol="BTCEUR")
    assert unknown == {"code": "10037", "msg": "Invalid symbol"}
    assert (await get(still_http, f"market/{path}"))["code"] == "20005"


async def test_an_accepted_order_answers_as_in_the_document(ann: Trader) -> None:
    reply = await ann.limit("buy", "50000.0", "0.100")
    order = reply.pop("order")
    assert reply == {"code": "00000"}
    assert ORDER_ID.fullmatch(order.pop("orderId"))
    assert order.pop("time") <= now_ms()
    assert order == {
        "status": "NEW",
        "market": "BTCUSDT",
        "orderType": "LIMIT",
        "side": "BUY",
        "price": 50_000,
        "amount": Decimal("0.1"),
        "filledAmount": 0,
    }


async def test_open_orders_are_those_of_the_account_that_signs(ann: Trader, bob: Trader) -> None:
    placed = (await ann.limit("sell", "60000", "0.3"))["order"]
    await bob.limit("buy", "60000", "0.1")
    orders = (await ann.call("GET", "market/user-orders"))["orders"]
    assert orders == [
        {
            "market": "BTCUSDT",
            "price": 60_000,
            "targetPrice": 0,
            "amount": Decimal("0.3"),
            "filledAmount": Decimal("0.1"),
            "side": 1,
            "time": placed["time"],
            "orderType": 0,
            "orderId": placed["orderId"],
        }
    ]
    assert (await bob.call("GET", "market/user-orders"))["orders"] == []


async def test_a_cancelled_order_is_gone_and_cancelling_it_again_finds_none(ann: Trader) -> None:
    order_id = (await ann.limit("buy", "50000", "1"))["order"]["orderId"]
    reply = await ann.call("POST", "market/cancel-order", orderId=order_id)
    assert (reply["code"], reply["order"]["status"]) == ("00000", "CANCELLED")
    again = await ann.call("POST", "market/cancel-order", orderId=order_id)
    assert again == {"code": "10075", "msg": "Order not found"}
    assert (await ann.wallet())["USDT"]["reserved"] == 0


async def test_the_wallet_shows_what_is_free_and_what_is_bound(ann: Trader) -> None:
    await ann.limit("buy", "50000", "1")
    usdt = (await ann.wallet())["USDT"]
    assert usdt == {
        "symbol": "USDT",
        "total": 1_000_000,
        "available": 950_000,
        "reserved": 50_000,
        "maxLength": 8,
    }


async def test_posting_to_the_wallet_is_the_authentication_test(still_ann: Trader) -> None:
    assert await still_ann.call("POST", "balance/wallet") == {"code": "00000"}


@pytest.mark.parametrize("side", ["buy", "sell"])
@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"price": "abc"}, "20007"),
        ({"price": "-1"}, "20007"),
        ({"amount": "0"}, "20009"),
        ({"amount": "NaN"}, "20009"),
        ({"amount": ""}, "20005"),
        ({"symbol": "NOPE"}, "10037"),
        ({"amount": "900"}, "10031"),
        ({"amount": "0.000001"}, "10039"),
    ],
)
async def test_a_bad_order_is_refused_by_its_code(
    still_ann: Trader, side: str, changed: dict[str, str], code: str
) -> None:
    order = {"symbol": "BTCUSDT", "price": "50000", "amount": "1", **changed}
    assert (await still_ann.call("POST", f"market/limit-{side}", **order))["code"] == code


async def test_the_signed_pairs_may_come_as_a_form_or_as_json(
    ann: Trader, http: httpx.AsyncClient
) -> None:
    pairs = {"symbol": "BTCUSDT", "price": 50000.5, "amount": 0.25, "timestamp": now_ms()}
    signature = hmac_hex(ann.secret, urlencode(pairs))
    signed = {**pairs, "signature": signature}
    path = "/v3/api/market/limit-buy"
    form = await http.post(path, data=signed, headers=ann.headers)
    assert form.json()["order"]["price"] == 50000.5
    body = await http.post(path, json=signed, headers=ann.headers)
    assert body.json()["order"]["amount"] == 0.25
    changed = await http.post(path, json={**signed, "amount": 0.5}, headers=ann.headers)
    assert changed.json()["code"] == "20001"


async def test_the_key_header_is_read_whatever_its_case(
    still_ann: Trader, still_http: httpx.AsyncClient
) -> None:
    url = f"/v3/api/balance/wallet?{still_ann.query({})}"
    reply = await still_http.get(url, headers={"x-apnk-apikey": still_ann.key})
    assert reply.json()["code"] == "00000"


async def test_a_signature_covers_the_query_as_it_was_sent(
    still_ann: Trader, still_http: httpx.AsyncClient
) -> None:
    text = f"timestamp={now_ms()}&note=%7e+%2B"
    signature = hmac_hex(still_ann.secret, text)
    path = "/v3/api/balance/wallet"
    sent = await still_http.get(f"{path}?{text}&signature={signature}", headers=still_ann.headers)
    assert sent.json()["code"] == "00000"
    reencoded = text.replace("%7e", "%7E")
    other = await still_http.get(
        f"{path}?{reencoded}&signature={signature}", headers=still_ann.headers
    )
    assert other.json()["code"] == "20001"


async def test_a_signed_endpoint_without_a_key_needs_authorization(
    still_http: httpx.AsyncClient,
) -> None:
    assert await get(still_http, "balance/wallet") == {
        "code": "20000",
        "msg": "Authorization required",
    }
