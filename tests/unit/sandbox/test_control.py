import httpx
import pytest

from gateway.sandbox import SandboxConfig, serve
from tests.unit.sandbox.clients import Trader

pytestmark = pytest.mark.anyio


async def test_without_being_asked_for_there_is_no_control() -> None:
    config = SandboxConfig(port=0, history=False, market_maker=False)
    async with serve(config) as quiet, httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"{quiet.url}/control/truth")).status_code == 404


async def test_faults_are_listed_as_they_stand_and_cleared(http: httpx.AsyncClient) -> None:
    fault = {"endpoint": "v3/api/time", "outcome": "html-500", "count": 2}
    row = {**fault, "delayMs": 0, "replyDelayMs": 0}
    assert (await http.post("/control/faults", json=fault)).json() == {"faults": [row]}
    await http.get("/v3/api/time")
    assert (await http.get("/control/faults")).json() == {"faults": [{**row, "count": 1}]}
    assert (await http.delete("/control/faults")).json() == {"faults": []}


@pytest.mark.parametrize(
    "order",
    [{"outcome": "explode"}, {"count": 0}, {"delayMs": -1}, {"delay": 5}, [], {"endpoint": None}],
)
async def test_a_fault_that_cannot_be_is_refused(
    still_http: httpx.AsyncClient, order: object
) -> None:
    reply = await still_http.post("/control/faults", json=order)
    assert reply.status_code == 400
    assert "error" in reply.json()


async def test_an_unknown_stream_action_is_refused(still_http: httpx.AsyncClient) -> None:
    reply = await still_http.post("/control/streams", json={"action": "dance"})
    assert reply.status_code == 400


async def test_received_requests_are_counted_and_shown_without_credentials(
    http: httpx.AsyncClient, ann: Trader
) -> None:
    await http.get("/v3/api/market/depth?symbol=BTCTRY")
    await http.get(f"/v3/api/market/depth?symbol=X&apiKey={ann.key}")
    await ann.wallet()
    shown = await http.get("/control/requests")
    body = shown.json()
    assert body["counts"] == {"v3/api/market/depth": 2, "v3/api/balance/wallet": 1}
    first = {"method": "GET", "path": "v3/api/market/depth"}
    assert body["requests"][0] == {**first, "parameters": [["symbol", "BTCTRY"]]}
    assert [name for name, _ in body["requests"][2]["parameters"]] == ["timestamp"]
    assert ann.key not in shown.text
    assert "signature" not in shown.text
    emptied = (await http.delete("/control/requests")).json()
    assert emptied == {"counts": {}, "requests": []}


async def test_the_truth_holds_orders_trades_and_balances(
    http: httpx.AsyncClient, ann: Trader, bob: Trader
) -> None:
    sold = (await ann.limit("sell", "50000", "1"))["order"]["orderId"]
    bought = (await bob.limit("buy", "50000", "0.25"))["order"]["orderId"]
    await ann.call("POST", "market/cancel-order", orderId=sold)
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
    wallet = {row["symbol"]: row for row in truth["balances"]["bob"]}
    assert wallet["BTC"]["available"] == 50.2495
