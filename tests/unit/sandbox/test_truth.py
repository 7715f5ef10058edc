from decimal import Decimal
from hashlib import sha256
from urllib.parse import parse_qsl

import httpx
import pytest

from gateway.sandbox.market_maker import HOUSE_ACCOUNTS
from tests.unit.sandbox.clients import Trader, asked, hmac_hex, now_ms

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("path", ["truth", "requests"])
async def test_the_truth_about_nobody_is_refused(still_http: httpx.AsyncClient, path: str) -> None:
    assert (await still_http.get(f"/control/{path}?account=cem")).status_code == 400


async def test_received_requests_are_counted_and_shown_without_credentials(
    http: httpx.AsyncClient, ann: Trader
) -> None:
    await http.get("/v3/api/market/depth?symbol=BTCTRY")
    await http.get(f"/v3/api/market/depth?symbol=X&apiKey={ann.key}")
    await ann.wallet()
    shown = await http.get("/control/requests")
    body = shown.json()
    assert body["counts"] == {"v3/api/market/depth": 2, "v3/api/balance/wallet": 1}
    first = body["requests"][0]
    assert abs(first.pop("time") - now_ms()) < 60_000
    assert first == {
        "sequence": 1,
        "method": "GET",
        "path": "v3/api/market/depth",
        "parameters": {"symbol": "BTCTRY"},
        "account": None,
        "digest": None,
        "fault": None,
        "executed": "00000",
        "orderId": None,
        "status": 200,
        "answered": "00000",
    }
    assert list(body["requests"][2]["parameters"]) == ["timestamp"]
    assert ann.key not in shown.text
    assert "signature" not in shown.text
    (own,) = (await asked(http, "requests", account="ann"))["requests"]
    assert (own["path"], own["account"]) == ("v3/api/balance/wallet", "ann")
    emptied = (await http.delete("/control/requests")).json()
    assert emptied == {"counts": {}, "requests": [], "dropped": 0}


@pytest.mark.parametrize("form", ["query", "form", "json"])
async def test_a_signed_request_is_known_by_the_digest_of_the_text_that_was_signed(
    http: httpx.AsyncClient, ann: Trader, form: str
) -> None:
    text = f"symbol=BTCUSDT&price=50000&amount=1&timestamp={now_ms()}"
    signature = hmac_hex(ann.secret, text)
    url = "/v3/api/market/limit-buy"
    pairs = {**dict(parse_qsl(text)), "signature": signature}
    match form:
        case "query":
            await http.post(f"{url}?signature={signature}&{text}", headers=ann.headers)
        case "form":
            await http.post(url, data=pairs, headers=ann.headers)
        case _:
            await http.post(url, json=pairs, headers=ann.headers)
    (row,) = (await asked(http, "requests"))["requests"]
    assert (row["executed"], row["digest"]) == ("00000", sha256(text.encode()).hexdigest())


async def test_requests_are_counted_as_they_came_and_no_number_is_given_twice(
    http: httpx.AsyncClient, ann: Trader
) -> None:
    await http.get("/v3/api/ping")
    await ann.wallet()
    rows = (await asked(http, "requests"))["requests"]
    assert [row["sequence"] for row in rows] == [1, 2]
    await http.delete("/control/requests")
    await http.get("/v3/api/ping")
    (row,) = (await asked(http, "requests"))["requests"]
    assert row["sequence"] == 3


async def test_each_request_is_told_with_the_order_that_it_placed_whatever_the_reply_showed(
    http: httpx.AsyncClient, ann: Trader, bob: Trader
) -> None:
    resting = (await ann.limit("sell", "50000", "1"))["order"]["orderId"]
    await bob.call("POST", "market/market-buy", symbol="BTCUSDT", amount="0.5")
    await ann.call("POST", "market/cancel-order", orderId=resting)
    rows = (await asked(http, "requests"))["requests"]
    (bought,) = (await asked(http, "truth", account="bob"))["orders"]
    assert [row["orderId"] for row in rows] == [resting, bought["orderId"], None]


async def test_of_a_received_request_no_text_is_kept_that_is_too_long(
    http: httpx.AsyncClient,
) -> None:
    await http.get("/" + "p" * 5_000)
    await http.get("/v3/api/ping", params={"n" * 5_000: "v" * 5_000})
    unknown, ping = (await asked(http, "requests"))["requests"]
    assert unknown["path"] == "p" * 256
    assert ping["parameters"] == {"n" * 256: "v" * 256}


async def test_what_became_of_each_request_is_told_apart_from_what_was_answered(
    http: httpx.AsyncClient, ann: Trader
) -> None:
    for fault in (
        {"outcome": "code-after", "code": "10031"},
        {"outcome": "code-before", "code": "10041"},
        {"outcome": "html-502", "executes": True},
    ):
        endpoint = {"endpoint": "v3/api/market/limit-buy", "count": 1}
        (await http.post("/control/faults", json={**endpoint, **fault})).raise_for_status()
    path = f"/v3/api/market/limit-buy?{ann.query({'symbol': 'BTCUSDT', 'price': 1, 'amount': 20})}"
    for _ in range(4):
        await http.post(path, headers=ann.headers)
    rows = (await asked(http, "requests"))["requests"]
    members = ("fault", "executed", "status", "answered")
    assert [tuple(row[member] for member in members) for row in rows] == [
        ("code-after", "10062", 200, "10031"),
        ("code-before", None, 200, "10041"),
        ("html-502", "10062", 502, None),
        (None, "10062", 200, "10062"),
    ]


async def test_the_truth_holds_orders_trades_and_balances(
    http: httpx.AsyncClient, ann: Trader, bob: Trader
) -> None:
    sold = (await ann.limit("sell", "50000", "1"))["order"]["orderId"]
    bought = (await bob.limit("buy", "50000", "0.25"))["order"]["orderId"]
    await ann.call("POST", "market/cancel-order", orderId=sold)
    resting = (await bob.limit("buy", "40000", "1"))["order"]["orderId"]
    truth = (await http.get("/control/truth")).json()
    orders = {order["orderId"]: order for order in truth["orders"]}
    assert (orders[sold]["account"], orders[sold]["status"]) == ("ann", "CANCELLED")
    assert orders[sold]["filledAmount"] == 0.25
    assert (orders[bought]["account"], orders[bought]["status"]) == ("bob", "FILLED")
    (trade,) = truth["trades"]
    assert trade["buyer"] == {"account": "bob", "orderId": bought}
    assert trade["seller"] == {"account": "ann", "orderId": sold}
    assert (trade["price"], trade["amount"], trade["takerSide"]) == (50_000, 0.25, "BUY")
    assert (trade["buyerFee"], trade["sellerFee"]) == (0.0005, 25)
    assert truth["fees"] == {"BTC": 0.0005, "USDT": 25}
    assert [order["orderId"] for order in truth["openOrders"]] == [resting]
    wallet = {row["symbol"]: row for row in truth["balances"]["bob"]}
    assert wallet["BTC"]["available"] == 50.2495
    assert truth["dropped"] == {"requests": 0, "orders": 0, "trades": 0}


async def test_the_truth_shows_a_wallet_as_its_owner_sees_it(
    http: httpx.AsyncClient, ann: Trader
) -> None:
    truth = await asked(http, "truth", account="ann")
    wallet = (await ann.call("GET", "balance/wallet"))["wallet"]
    assert truth["balances"] == {"ann": wallet}
    assert {row["symbol"]: row["maxLength"] for row in wallet}["XRP"] == 6


async def test_the_truth_about_one_account_leaves_the_others_out(
    http: httpx.AsyncClient, ann: Trader, bob: Trader
) -> None:
    await ann.limit("sell", "50000", "1")
    await bob.limit("buy", "40000", "1")
    about_bob = await asked(http, "truth", account="bob")
    for rows in (about_bob["orders"], about_bob["openOrders"]):
        assert [row["account"] for row in rows] == ["bob"]
    assert list(about_bob["balances"]) == ["bob"]
    await bob.limit("buy", "50000", "0.1")
    assert len((await asked(http, "truth", account="bob"))["trades"]) == 1
    assert (await asked(http, "truth", account=HOUSE_ACCOUNTS[0]))["trades"] == []


async def test_the_truth_about_an_order_has_every_member_whatever_its_type(
    http: httpx.AsyncClient, ann: Trader, bob: Trader
) -> None:
    await bob.limit("sell", "50000", "1")
    market = {"symbol": "BTCUSDT"}
    await ann.call("POST", "market/market-buy", **market, amount="0.5")
    await ann.call("POST", "market/fast-buy", **market, total="5000")
    stop = {"target": "60000", "price": "61000", "amount": "0.1"}
    await ann.call("POST", "market/stop-limit-buy", **market, **stop)
    truth = await asked(http, "truth", account="ann")
    bought, fast, stopped = truth["orders"]
    assert (bought["orderType"], bought["status"]) == ("MARKET", "FILLED")
    assert (bought["amount"], bought["filledAmount"], bought["price"]) == (
        Decimal("0.5"),
        Decimal("0.5"),
        0,
    )
    assert (fast["orderType"], fast["total"], fast["filledTotal"]) == ("FAST", 5000, 5000)
    assert (stopped["orderType"], stopped["stopType"], stopped["target"]) == (
        "STOP LIMIT",
        "GREATER",
        60_000,
    )
    assert truth["openOrders"] == [stopped]
    assert all(len(order["orderId"]) == 72 for order in truth["orders"])
    assert len({frozenset(order) for order in truth["orders"]}) == 1
