"""The HTTP edge: unknown paths, and every fault over real sockets."""

import asyncio
import json

import httpx
import pytest

from tests.unit.sandbox.clients import Json, Trader

pytestmark = pytest.mark.anyio

BUY = "v3/api/market/limit-buy"


async def set_fault(http: httpx.AsyncClient, **fault: Json) -> None:
    (await http.post("/control/faults", json=fault)).raise_for_status()


async def open_orders(trader: Trader) -> Json:
    return (await trader.call("GET", "market/user-orders"))["orders"]


@pytest.mark.parametrize("path", ["/", "/v3/api/nope", "/v3/api/ping/", "/v3"])
async def test_an_unknown_path_is_not_found(still_http: httpx.AsyncClient, path: str) -> None:
    reply = await still_http.get(path)
    assert reply.status_code == 404
    assert reply.json() == {"code": "90001", "msg": "Invalid Request"}


@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT"])
async def test_an_endpoint_answers_to_its_method_only(
    still_http: httpx.AsyncClient, method: str
) -> None:
    assert (await still_http.request(method, "/v3/api/ping")).status_code == 404


async def test_a_request_dropped_before_executing_has_no_effect(
    http: httpx.AsyncClient, ann: Trader
) -> None:
    await set_fault(http, endpoint=BUY, outcome="drop-before", count=1)
    with pytest.raises(httpx.RemoteProtocolError):
        await ann.limit("buy", "50000", "1")
    assert await open_orders(ann) == []


async def test_a_request_dropped_after_executing_has_its_effect(
    http: httpx.AsyncClient, ann: Trader
) -> None:
    await set_fault(http, endpoint=BUY, outcome="drop-after", count=1)
    with pytest.raises(httpx.RemoteProtocolError):
        await ann.limit("buy", "50000", "1")
    assert len(await open_orders(ann)) == 1


@pytest.mark.parametrize(("outcome", "orders"), [("code-before", 0), ("code-after", 1)])
async def test_an_unexpected_error_may_come_before_or_after_executing(
    http: httpx.AsyncClient, ann: Trader, outcome: str, orders: int
) -> None:
    await set_fault(http, endpoint=BUY, outcome=outcome, count=1)
    reply = await ann.limit("buy", "50000", "1")
    assert reply == {"code": "90000", "msg": "Unexpected Error"}
    assert len(await open_orders(ann)) == orders


async def test_an_outage_answers_html(http: httpx.AsyncClient) -> None:
    await set_fault(http, outcome="html-502", count=1)
    reply = await http.get("/v3/api/ping")
    assert reply.status_code == 502
    assert reply.headers["content-type"].startswith("text/html")
    assert (await http.get("/v3/api/ping")).json()["data"] == "PONG"


@pytest.mark.parametrize(("delay", "orders"), [("delayMs", 0), ("replyDelayMs", 1)])
async def test_a_delay_may_come_before_or_after_executing(
    http: httpx.AsyncClient, ann: Trader, delay: str, orders: int
) -> None:
    await set_fault(http, endpoint=BUY, count=1, **{delay: 60_000})
    impatient = httpx.AsyncClient(base_url=http.base_url, timeout=0.3, trust_env=False)
    async with impatient:
        with pytest.raises(httpx.ReadTimeout):
            await Trader(impatient, ann.key, ann.secret).limit("buy", "50000", "1")
    assert len(await open_orders(ann)) == orders


async def test_a_truncated_reply_tells_its_length_and_ends_half_way(
    http: httpx.AsyncClient, ann: Trader
) -> None:
    await set_fault(http, endpoint=BUY, outcome="truncated", count=1)
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        await ann.limit("buy", "50000", "1")
    assert len(await open_orders(ann)) == 1


async def test_an_outage_may_hide_that_the_request_took_effect(
    http: httpx.AsyncClient, ann: Trader
) -> None:
    await set_fault(http, endpoint=BUY, outcome="html-502", executes=True, count=1)
    with pytest.raises(json.JSONDecodeError):
        await ann.limit("buy", "50000", "1")
    assert len(await open_orders(ann)) == 1


async def test_any_code_may_be_answered(http: httpx.AsyncClient, ann: Trader) -> None:
    await set_fault(http, endpoint=BUY, outcome="code-before", code="10055", count=1)
    text = "Step-2 verified user monthly withdraw limit exceeded"
    assert await ann.limit("buy", "50000", "1") == {"code": "10055", "msg": text}


async def test_any_text_of_any_length_may_be_answered(http: httpx.AsyncClient) -> None:
    body = '{"code": NaN, "data": "<filler>"}'
    await set_fault(
        http, outcome="reply", status=418, mediaType="text/plain", body=body, filler=10_000_000
    )
    reply = await http.get("/v3/api/ping")
    assert reply.status_code == 418
    assert reply.headers["content-type"].startswith("text/plain")
    assert reply.text == '{"code": NaN, "data": "' + "x" * 10_000_000 + '"}'


@pytest.mark.parametrize("code", [None, "90000"])
async def test_an_order_may_be_executed_after_it_was_given_up(
    http: httpx.AsyncClient, ann: Trader, code: str | None
) -> None:
    told = {} if code is None else {"code": code}
    await set_fault(http, endpoint=BUY, outcome="execute-late", lateMs=300, count=1, **told)
    if code is None:
        with pytest.raises(httpx.RemoteProtocolError):
            await ann.limit("buy", "50000", "1")
    else:
        assert (await ann.limit("buy", "50000", "1"))["code"] == code
    assert await open_orders(ann) == []
    assert await executed_late(http) == "00000"
    assert len(await open_orders(ann)) == 1


async def test_an_order_that_is_executed_late_is_judged_by_the_time_it_came(
    http: httpx.AsyncClient, ann: Trader
) -> None:
    await set_fault(http, endpoint=BUY, outcome="execute-late", lateMs=200, code="90000", count=1)
    await ann.limit("buy", "50000", "1")
    await http.post("/control/clock", json={"skewMs": 3_600_000})
    assert await executed_late(http) == "00000"


async def executed_late(http: httpx.AsyncClient) -> str:
    """The code that executing the first order gave, once it is executed."""
    for _ in range(500):
        rows = (await http.get("/control/requests")).json()["requests"]
        executed = next(row["executed"] for row in rows if row["path"] == BUY)
        if executed is not None:
            return str(executed)
        await asyncio.sleep(0.02)
    pytest.fail("the order has not been executed")
