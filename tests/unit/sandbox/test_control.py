import asyncio
from decimal import Decimal

import httpx
import pytest

from gateway.sandbox import SandboxConfig, serve
from tests.unit.sandbox.clients import Json, Trader, asked, now_ms

pytestmark = pytest.mark.anyio


async def test_without_being_asked_for_there_is_no_control() -> None:
    config = SandboxConfig(port=0, history=False, market_maker=False)
    async with serve(config) as quiet, httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"{quiet.url}/control/truth")).status_code == 404


async def test_a_fault_of_one_verb_leaves_the_other_alone(
    http: httpx.AsyncClient, ann: Trader
) -> None:
    fault = {"endpoint": "v3/api/balance/wallet", "method": "GET", "outcome": "code-before"}
    (await http.post("/control/faults", json={**fault, "count": 1})).raise_for_status()
    assert await ann.call("POST", "balance/wallet") == {"code": "00000"}
    assert (await ann.call("GET", "balance/wallet"))["code"] == "90000"


@pytest.mark.parametrize("status", [204, 304])
async def test_a_status_without_a_body_may_be_answered(
    http: httpx.AsyncClient, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    fault = {"outcome": "reply", "status": status, "count": 1}
    (await http.post("/control/faults", json=fault)).raise_for_status()
    assert (await http.get("/v3/api/ping")).status_code == status
    assert (await http.get("/v3/api/ping")).status_code == 200
    assert not caplog.records


async def test_faults_are_listed_as_they_stand_and_taken_back(http: httpx.AsyncClient) -> None:
    fault = {"endpoint": "v3/api/time", "outcome": "html-502", "count": 2}
    number = (await http.post("/control/faults", json=fault)).json()["number"]
    other = (await http.post("/control/faults", json={"delayMs": 1, "account": "ann"})).json()
    await http.get("/v3/api/time")
    left = {"number": other["number"], "delayMs": 1, "account": "ann"}
    assert (await http.get("/control/faults")).json() == {
        "faults": [{"number": number, **fault, "count": 1}, left]
    }
    assert (await http.delete(f"/control/faults/{number}")).json() == {"faults": [left]}
    assert (await http.delete("/control/faults")).json() == {"faults": []}


@pytest.mark.parametrize(
    "order",
    [
        {"outcome": "explode"},
        {"count": 0},
        {"delayMs": -1},
        {"delay": 5},
        {"probability": 0},
        {"probability": 1.5},
        {"code": "10031"},
        {"outcome": "code-before", "code": "1003"},
        {"endpoint": "v3/api/nope"},
        {"endpoint": "v3/api/ping", "method": "POST"},
        {"method": "PUT"},
        {"outcome": "reply", "mediaType": "text/ü"},
        {"outcome": "reply", "mediaType": "text/plain\r\nX: y"},
        {"outcome": "reply", "mediaType": "text/plain\n"},
        {"outcome": "reply", "mediaType": ""},
        {"outcome": "reply", "status": 204, "body": "{}"},
        {"outcome": "reply", "status": 304, "body": "{}"},
        {"account": "cem"},
        [],
        {"endpoint": None},
    ],
)
async def test_a_fault_that_cannot_be_is_refused(
    still_http: httpx.AsyncClient, order: object
) -> None:
    reply = await still_http.post("/control/faults", json=order)
    assert reply.status_code == 400
    assert "error" in reply.json()
    assert await asked(still_http, "faults") == {"faults": []}


@pytest.mark.parametrize(
    ("path", "order"),
    [
        ("streams", {"action": "dance"}),
        ("streams", {"action": "cut", "account": "cem"}),
        ("streams", {"action": "cut", "topic": {"type": "depth"}}),
        ("streams", {"action": "cut", "topics": []}),
        ("frames", {"account": "ann"}),
        ("frames", {"text": "{}", "topic": {"type": "depth", "symbol": "NOPE"}}),
        ("clock", {"skewMs": "much"}),
        ("clock", {}),
        ("cancel-all", {"account": "cem"}),
        ("cancel-all", {"account": "ann", "symbol": "NOPE"}),
        ("deposits", {"account": "cem", "asset": "XRP", "quantity": 1}),
        ("deposits", {"account": "ann", "asset": "NOPE", "quantity": 1}),
        *(
            ("deposits", {"account": "ann", "asset": "XRP", "quantity": quantity})
            for quantity in ("1E+12", "1000000000000", "1E+19", "1E+30", 1e300, "Infinity", "-1")
        ),
        ("deposits", {"account": "ann", "asset": "XRP", "quantity": 0}),
        ("deposits", {"account": "ann", "asset": "XRP", "quantity": "NaN"}),
        ("deposits", {"account": "ann", "asset": "XRP", "quantity": "1e-30"}),
        ("withdrawals", {"id": "nope", "ending": "rejected"}),
        ("withdrawals", {"id": "nope", "ending": "completed"}),
    ],
)
async def test_an_order_that_cannot_be_carried_out_is_refused(
    still_http: httpx.AsyncClient, path: str, order: object
) -> None:
    reply = await still_http.post(f"/control/{path}", json=order)
    assert reply.status_code == 400
    assert "error" in reply.json()


@pytest.mark.parametrize(
    ("path", "order", "reason"),
    [
        ("faults", {"outcome": "nope"}, "execute-late"),
        ("faults", {"method": "nope"}, "one of GET, POST"),
        ("streams", {"action": "nope"}, "one of cut, mute, unmute"),
        ("withdrawals", {"id": "x", "ending": "nope"}, "one of rejected, cancelled"),
        ("deposits", {"account": "ann", "asset": "NOPE", "quantity": 1}, "no asset NOPE"),
    ],
)
async def test_a_refusal_says_what_there_is_to_choose_from(
    still_http: httpx.AsyncClient, path: str, order: object, reason: str
) -> None:
    assert reason in (await still_http.post(f"/control/{path}", json=order)).json()["error"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "nope"), ("PUT", "faults"), ("OPTIONS", "faults"), ("DELETE", "faults/x")],
)
async def test_an_address_that_is_not_there_is_refused_like_anything_else(
    still_http: httpx.AsyncClient, method: str, path: str
) -> None:
    reply = await still_http.request(method, f"/control/{path}")
    assert reply.status_code == 400
    assert reply.json() == {"error": f"there is no {method} /control/{path}"}


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://localhost:8001"},
        {"Origin": "null"},
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:8001"},
        {"Host": "localhost.evil.example"},
        {"Host": "10.0.0.1"},
        {"Host": ""},
        {"Host": "["},
        {"Host": "evil_.example"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": ""},
    ],
)
async def test_a_web_page_is_not_obeyed(
    still_http: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    kind = {"Content-Type": "application/json"}
    order = b'{"skewMs": 5}'
    reply = await still_http.post("/control/clock", content=order, headers=kind | headers)
    assert reply.status_code == 400
    assert (await asked(still_http, "clock"))["skewMs"] == 0
    if "Content-Type" not in headers:
        assert (await still_http.get("/control/truth", headers=headers)).status_code == 400


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:8001", "[::1]:8001"])
async def test_this_machine_is_obeyed_by_any_of_its_names(
    still_http: httpx.AsyncClient, host: str
) -> None:
    assert (await still_http.get("/control/clock", headers={"Host": host})).status_code == 200


async def test_the_exchange_has_the_time_that_its_clock_is_set_to(
    http: httpx.AsyncClient, ann: Trader
) -> None:
    shown = (await http.post("/control/clock", json={"skewMs": 3_600_000})).json()
    assert shown["skewMs"] == 3_600_000
    for told in (shown["time"], (await http.get("/v3/api/time")).json()["data"]):
        assert abs(told - now_ms() - 3_600_000) < 60_000
    assert (await ann.limit("buy", "50000", "1"))["code"] == "20004"
    await http.post("/control/clock", json={"skewMs": -3_600_000})
    order = (await ann.limit("buy", "50000", "1"))["order"]
    assert abs(order["time"] - now_ms() + 3_600_000) < 60_000


async def test_all_orders_of_an_account_go_at_once_those_of_others_and_other_markets_stay(
    http: httpx.AsyncClient, ann: Trader, bob: Trader
) -> None:
    gone = [
        (await ann.limit("buy", price, "1"))["order"]["orderId"] for price in ("40000", "41000")
    ]
    elsewhere = (await ann.limit("buy", "0.5", "100", "XRPUSDT"))["order"]["orderId"]
    await bob.limit("buy", "40000", "1")
    order = {"account": "ann", "symbol": "BTCUSDT"}
    assert (await http.post("/control/cancel-all", json=order)).json() == {"orderIds": gone}
    truth = await asked(http, "truth")
    states = {row["orderId"]: row["status"] for row in truth["orders"]}
    assert {states[order_id] for order_id in gone} == {"CANCELLED_ALL"}
    assert [row["orderId"] for row in truth["openOrders"] if row["account"] == "ann"] == [elsewhere]
    rest = await http.post("/control/cancel-all", json={"account": "ann"})
    assert rest.json() == {"orderIds": [elsewhere]}
    assert (await ann.wallet())["USDT"]["reserved"] == 0


async def test_a_deposit_turns_up_and_arrives_in_the_tally(
    http: httpx.AsyncClient, ann: Trader
) -> None:
    before = (await ann.wallet())["XRP"]["total"]
    order = {"account": "ann", "asset": "XRP", "quantity": "12.5"}
    begun = (await http.post("/control/deposits", json=order)).json()
    await http.post("/control/clock", json={"skewMs": 86_400_000})
    assert await state_of(http, "deposits", begun["id"], awaited=14) == 14
    truth = await asked(http, "truth", account="ann")
    assert truth["deposited"] == {"XRP": Decimal("12.5")}
    wallet = {row["symbol"]: row for row in truth["balances"]["ann"]}
    assert wallet["XRP"]["total"] == before + Decimal("12.5")


@pytest.mark.parametrize(("ending", "state"), [("rejected", 98), ("cancelled", 99)])
async def test_a_withdrawal_under_way_may_be_ended_and_frees_what_it_held(
    http: httpx.AsyncClient, ann: Trader, ending: str, state: int
) -> None:
    to = {"node": "XRP", "address": "rPT1Sjq2YGrBMTttX4GZHjKu9dyfzbpAYe", "secondParameter": 1}
    reply = await ann.call("POST", "balance/create-withdraw", symbol="XRP", amount=100, **to)
    assert reply == {"code": "00000"}
    (begun,) = (await asked(http, "truth", account="ann"))["withdrawals"]
    assert (begun["amount"], begun["address"]) == (100, to["address"])
    assert (await ann.wallet())["XRP"]["reserved"] == 100 + begun["commission"]
    order = {"id": begun["id"], "ending": ending}
    ended = await http.post("/control/withdrawals", json=order)
    assert ended.json() == {"id": begun["id"], "state": state}
    assert (await ann.wallet())["XRP"]["reserved"] == 0
    assert (await http.post("/control/withdrawals", json=order)).status_code == 400
    assert (await asked(http, "truth"))["withdrawn"] == {}


async def state_of(http: httpx.AsyncClient, kind: str, transfer_id: str, awaited: int) -> Json:
    """The state of a transfer, once it is the awaited one or it does not become so."""
    state = None
    for _ in range(200):
        rows = (await asked(http, "truth"))[kind]
        state = next(row["state"] for row in rows if row["id"] == transfer_id)
        if state == awaited:
            break
        await asyncio.sleep(0.02)
    return state
