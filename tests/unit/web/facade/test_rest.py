import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import urlencode

import httpx
import pytest
from starlette.types import Message
from structlog.testing import capture_logs

from gateway.access.policy import Action
from gateway.domain.errors import RateLimited
from gateway.web.facade.rest import LONGEST_BODY, FacadeRest
from tests.unit.services.examples import until
from tests.unit.web.facade.carried import FORM, JSON, signature_of
from tests.unit.web.facade.houses import (
    LIMIT,
    LIMIT_BUY,
    PAIR,
    PAIRS,
    House,
    granted,
    house_of,
    reply_of,
)
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

WALLET = "/v3/api/balance/wallet"
CANCEL = "/v3/api/market/cancel-order"
INVALID = {"code": "90001", "msg": "Invalid Request"}
UNKNOWN = {"code": "90000", "msg": "outcome unknown, do not resend"}
NOT_ALLOWED = {"code": "20011", "msg": "API is not allowed to this action"}
KEY = {"X-APNK-APIKEY": PAIR.api_key}


async def test_a_reply_tells_its_trace_and_may_be_kept_by_nobody(valkey: ValkeyServer) -> None:
    async with house_of(valkey.url) as house:
        trace = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"
        pairs = {"timestamp": str(house.clock.now)}
        response = await house.send("GET", WALLET, pairs, headers={"traceparent": trace})
        assert response.headers["content-type"] == "application/json"
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-trace-id"] == "ab" * 16


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v3/api/nothing"),
        ("GET", "/v3/api/"),
        ("GET", "/v3/api/balance/wallet/"),
        ("GET", "/V3/api/balance/wallet"),
        ("GET", LIMIT_BUY),
        ("DELETE", WALLET),
        ("PATCH", "/v3/api/balance/currencies"),
        ("GET", "/v3/api/balance/withdraw-history'"),
    ],
)
async def test_what_the_document_does_not_have_is_not_there(
    valkey: ValkeyServer, method: str, path: str
) -> None:
    async with house_of(valkey.url) as house:
        response = await house.send(method, path, {"timestamp": str(house.clock.now)})
        assert (response.status_code, response.json()) == (404, INVALID)
        assert house.count("none", "90001") == 1


@pytest.mark.parametrize("content_type", [FORM, JSON])
async def test_parameters_may_come_in_a_body(valkey: ValkeyServer, content_type: str) -> None:
    async with house_of(valkey.url) as house:
        pairs = {**LIMIT, "timestamp": str(house.clock.now)}
        text = urlencode(pairs)
        signature = signature_of(text.encode(), PAIR.api_secret)
        whole = f"{text}&signature={signature}"
        body = whole if content_type == FORM else json.dumps({**pairs, "signature": signature})
        headers = {**KEY, "content-type": f"{content_type}; charset=utf-8"}
        response = await house.client.post(LIMIT_BUY, content=body, headers=headers)
        assert reply_of(response)["code"] == "00000"


async def test_a_body_that_is_too_long_is_not_read_to_its_end(valkey: ValkeyServer) -> None:
    async with house_of(valkey.url) as house:
        sent = 0

        async def pieces() -> AsyncIterator[bytes]:
            nonlocal sent
            for _ in range(2 * LONGEST_BODY // 1024):
                sent += 1
                yield b"x" * 1024

        response = await house.client.post(LIMIT_BUY, content=pieces(), headers=KEY)
        assert (response.status_code, response.json()) == (413, INVALID)
        assert response.headers["connection"] == "close"
        assert sent == LONGEST_BODY // 1024 + 1


async def trickled(house: House, meanwhile: Callable[[], Awaitable[object]]) -> httpx.Response:
    """Send an order's body in two pieces, with something in between."""
    text = urlencode({**LIMIT, "timestamp": str(house.clock.now)})
    signature = signature_of(text.encode(), PAIR.api_secret)

    async def pieces() -> AsyncIterator[bytes]:
        yield text.encode()
        await meanwhile()
        yield f"&signature={signature}".encode()

    headers = {**KEY, "content-type": FORM}
    return await house.client.post(LIMIT_BUY, content=pieces(), headers=headers)


async def test_a_key_that_is_revoked_while_a_body_comes_proves_nothing(
    valkey: ValkeyServer,
) -> None:
    async with house_of(valkey.url) as house:

        async def nothing() -> None:
            pass

        async def revoke() -> None:
            for digest in PAIRS:
                await house.store.remove(digest)

        assert reply_of(await trickled(house, nothing))["code"] == "00000"
        house.clock.now += 1
        assert reply_of(await trickled(house, revoke))["code"] == "20001"
        assert house.desk.exchange.asked.count("place") == 1


async def test_who_has_asked_too_much_is_told_when_to_come_back_and_may_still_cancel(
    valkey: ValkeyServer,
) -> None:
    async with house_of(valkey.url) as house:
        house.desk.watch.rates.refusals["request app"] = RateLimited("requests", 1.2)
        response = await house.send("GET", WALLET, {"timestamp": str(house.clock.now)})
        assert reply_of(response) == NOT_ALLOWED
        assert response.headers["retry-after"] == "2"
        house.desk.watch.rates.refusals.clear()
        house.desk.watch.rates.refusal = RateLimited("requests", 1.2)
        assert await house.code("GET", WALLET) == "20011"
        assert await house.code("POST", LIMIT_BUY, **LIMIT) == "20011"
        assert house.desk.watch.rates.taken == []
        assert await house.code("POST", CANCEL, orderId="o1") == "00000"
        assert house.desk.watch.rates.taken == ["cancel request app", "cancel call demo"]


async def test_a_principal_has_so_many_requests_under_way(valkey: ValkeyServer) -> None:
    async with house_of(valkey.url, requests=1) as house:
        house.desk.exchange.hold()
        first = asyncio.ensure_future(house.ask("GET", WALLET))
        await until(lambda: house.desk.exchange.waiting == 1)
        async with asyncio.timeout(20):
            assert await house.ask("GET", WALLET) == NOT_ALLOWED
        house.desk.exchange.release()
        assert (await first)["code"] == "00000"
        assert await house.code("GET", WALLET) == "00000"


async def test_a_fault_of_ours_is_logged_and_told_as_nothing_but_an_unexpected_error(
    valkey: ValkeyServer,
) -> None:
    async with house_of(valkey.url) as house:
        house.desk.exchange.answers["balances"] = ZeroDivisionError("of ours")
        with capture_logs() as lines:
            reply = await house.ask("GET", WALLET)
        assert reply == {"code": "90000", "msg": "Unexpected Error"}
        (fault,) = (line for line in lines if line["event"] == "facade.fault")
        assert fault["endpoint"] == f"GET {WALLET}"


async def test_a_fault_of_ours_leaves_an_order_unknown(valkey: ValkeyServer) -> None:
    async with house_of(valkey.url) as house:
        house.desk.watch.risk.refusal = ZeroDivisionError("of ours")  # type: ignore[assignment]
        reply = await house.ask("POST", LIMIT_BUY, **LIMIT)
        assert reply == {"code": "90000", "msg": "outcome unknown, do not resend"}


@pytest.mark.parametrize(
    ("method", "path", "msg"),
    [
        ("GET", WALLET, "Unexpected Error"),
        ("POST", LIMIT_BUY, "outcome unknown, do not resend"),
    ],
)
async def test_what_is_cut_off_by_a_stop_is_not_called_refused(
    valkey: ValkeyServer, method: str, path: str, msg: str
) -> None:
    async with house_of(valkey.url) as house:
        house.desk.exchange.hold()
        asked = asyncio.ensure_future(house.ask(method, path, **LIMIT))
        await until(lambda: house.desk.exchange.waiting == 1)
        asked.cancel()
        assert await asked == {"code": "90000", "msg": msg}
        house.desk.exchange.release()


async def test_a_gateway_that_stops_begins_nothing_and_sends_its_callers_elsewhere(
    valkey: ValkeyServer,
) -> None:
    async with house_of(valkey.url) as house:
        house.stop.begin()
        signed = {**LIMIT, "timestamp": str(house.clock.now)}
        response = await house.send("POST", LIMIT_BUY, signed)
        assert reply_of(response) == {"code": "10038", "msg": "Market disabled"}
        headers = [response.headers[name] for name in ("retry-after", "connection")]
        assert headers == ["1", "close"]
        assert await house.code("POST", CANCEL, orderId="o1") == "20011"
        assert await house.code("GET", WALLET) == "90000"
        assert house.desk.exchange.asked == []


async def test_a_refusal_is_logged_with_what_is_behind_it_and_no_credential(
    valkey: ValkeyServer,
) -> None:
    async with house_of(valkey.url, granted(Action.MARKET_READ)) as house:
        with capture_logs() as lines:
            response = await house.send("POST", LIMIT_BUY, {**LIMIT, "timestamp": "1700000000000"})
        (refused,) = (line for line in lines if line["event"] == "facade.refused")
        assert refused["principal"] == "app"
        assert refused["endpoint"] == f"POST {LIMIT_BUY}"
        assert (refused["code"], refused["cause"]) == ("20011", "UNKNOWN_ACCOUNT")
        assert refused["trace_id"] == response.headers["x-trace-id"]
        signature = dict(response.request.url.params)["signature"]
        shown = repr(lines) + repr(house.desk.watch.audit.events) + response.text
        for secret in (signature, PAIR.api_key, PAIR.api_secret):
            assert secret not in shown


async def test_who_proves_nothing_is_logged_with_the_cause_and_the_key_that_is_known(
    valkey: ValkeyServer,
) -> None:
    async with house_of(valkey.url) as house:
        with capture_logs() as lines:
            for headers in (KEY, {"X-APNK-APIKEY": "0" * 64}):
                query = f"timestamp={house.clock.now}&signature={'0' * 64}"
                response = await house.client.get(f"{WALLET}?{query}", headers=headers)
                assert reply_of(response)["code"] == "20001"
        wrong, unknown = (line for line in lines if line["event"] == "facade.refused")
        assert (wrong["cause"], wrong["key"], wrong["key_principal"]) == ("signature", "k1", "app")
        assert wrong["principal"] is None
        assert unknown["cause"] == "unknown"
        assert "key" not in unknown
        assert PAIR.api_key not in repr(lines) + repr(house.desk.watch.audit.events)


async def test_requests_are_counted_by_endpoint_and_code(valkey: ValkeyServer) -> None:
    async with house_of(valkey.url) as house:
        await house.ask("GET", WALLET)
        await house.client.get(WALLET)
        endpoint = f"GET {WALLET}"
        assert (house.count(endpoint, "00000"), house.count(endpoint, "20000")) == (1, 1)


async def test_a_client_that_goes_away_is_answered_nothing(valkey: ValkeyServer) -> None:
    async with house_of(valkey.url) as house:
        sent: list[Message] = []
        scope = {
            "type": "http",
            "method": "POST",
            "path": LIMIT_BUY,
            "query_string": b"",
            "headers": [],
        }

        async def gone() -> Message:
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)

        await FacadeRest(house.parts)(scope, gone, send)
        assert sent == []


async def test_an_order_that_stands_is_not_called_refused_because_its_repeat_is(
    valkey: ValkeyServer,
) -> None:
    async with house_of(valkey.url) as house:
        placed = await house.ask("POST", LIMIT_BUY, **LIMIT)
        assert placed["code"] == "00000"
        house.desk.watch.rates.refusals["request app"] = RateLimited("requests", 1.2)
        assert await house.ask("POST", LIMIT_BUY, **LIMIT) == UNKNOWN
        house.clock.now += 1
        assert await house.ask("POST", LIMIT_BUY, **LIMIT) == NOT_ALLOWED  # another order
        house.clock.now -= 1
        house.desk.watch.rates.refusals.clear()
        assert await house.ask("POST", LIMIT_BUY, **LIMIT) == placed
        house.stop.begin()
        assert await house.ask("POST", LIMIT_BUY, **LIMIT) == UNKNOWN
        assert house.desk.exchange.asked.count("place") == 1


async def test_the_repeat_of_what_was_refused_and_never_sent_is_refused_and_told_when_to_return(
    valkey: ValkeyServer,
) -> None:
    async with house_of(valkey.url) as house:
        signed = {**LIMIT, "timestamp": str(house.clock.now)}
        refusals = house.desk.watch.rates.refusals
        refusals["order app trade"] = RateLimited("orders trade", 1.2)
        for _ in range(2):
            response = await house.send("POST", LIMIT_BUY, signed)
            assert reply_of(response) == NOT_ALLOWED
            assert response.headers["retry-after"] == "2"
        refusals.clear()
        placed = reply_of(await house.send("POST", LIMIT_BUY, signed))
        assert placed["code"] == "00000"
        refusals["order app trade"] = RateLimited("orders trade", 1.2)
        assert reply_of(await house.send("POST", LIMIT_BUY, signed)) == placed
        assert house.desk.exchange.asked.count("place") == 1
