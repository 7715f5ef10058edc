from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from gateway.access.policy import Action, Policy
from gateway.domain.audit import NOBODY
from gateway.domain.orders import shown_id
from tests.unit.web.examples import TOKEN
from tests.unit.web.facade.carried import signature_of
from tests.unit.web.facade.houses import (
    LIMIT,
    LIMIT_BUY,
    OTHER_PAIR,
    PAIR,
    PAIRS,
    TRADER,
    House,
    granted,
    house_of,
    reply_of,
)
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

WALLET = "/v3/api/balance/wallet"
LIMIT_SELL = "/v3/api/market/limit-sell"
CANCEL = "/v3/api/market/cancel-order"
CREATE_WITHDRAWAL = "/v3/api/balance/create-withdraw"
TIME = "timestamp=1700000000000"
BEARER = {"authorization": f"Bearer {TOKEN}"}
DEMO = {"x-gateway-account": "demo"}
KEY = {"X-APNK-APIKEY": PAIR.api_key}


def signed(text: str, secret: str = PAIR.api_secret) -> str:
    return f"{text}&signature={signature_of(text.encode(), secret)}"


def of_window(timestamp: str, window: str) -> str:
    return signed(f"timestamp={timestamp}&windowSize={window}")


@dataclass(frozen=True)
class Attempt:
    """A query with headers, and the code that it is answered with."""

    what: str
    code: str
    query: str
    headers: dict[str, str]


WRONG = signed(TIME, "0" * 64)
ATTEMPTS = [
    Attempt("nothing", "20000", "", {}),
    Attempt("a query without a key", "20000", signed(TIME), {}),
    Attempt("an empty key", "20000", signed(TIME), {"X-APNK-APIKEY": ""}),
    Attempt("a key alone", "20003", "", KEY),
    Attempt("an empty timestamp", "20003", signed("timestamp="), KEY),
    Attempt("no signature", "20005", TIME, KEY),
    Attempt("a stranger's key", "20001", signed(TIME), {"X-APNK-APIKEY": "0" * 64}),
    Attempt("a wrong signature", "20001", WRONG, KEY),
    Attempt("no signature at all", "20001", f"{TIME}&signature=abc", KEY),
    Attempt("in capitals", "20001", f"{TIME}&signature={signed(TIME)[-64:].upper()}", KEY),
    Attempt("over other parameters", "20001", f"{signed(TIME)}&symbol=BTC", KEY),
    Attempt("in another order", "20001", f"windowSize=5&{signed(TIME)}", KEY),
    Attempt("a wrong one, and late", "20001", signed("timestamp=1", "0" * 64), KEY),
    Attempt("one twice", "20005", f"{TIME}&{signed(TIME)}", KEY),
    Attempt("no whole number", "90001", signed("timestamp=now"), KEY),
    Attempt("no window", "90001", of_window("1700000000000", "0"), KEY),
    Attempt("below zero", "90001", of_window("1700000000000", "-5"), KEY),
    Attempt("as old as its window", "00000", of_window("1699999999000", "1000"), KEY),
    Attempt("older than its window", "20004", of_window("1699999999000", "999"), KEY),
    Attempt("older than 10 seconds", "20004", signed("timestamp=1699999989999"), KEY),
    Attempt("a second ahead", "00000", signed("timestamp=1700000001000"), KEY),
    Attempt("further ahead", "20004", signed("timestamp=1700000001001"), KEY),
    Attempt("a minute's window", "00000", of_window("1700000000000", "60000"), KEY),
    Attempt("a longer one", "20004", of_window("1700000000000", "60001"), KEY),
    Attempt("any case of the header", "00000", signed(TIME), {"x-apnk-ApiKey": PAIR.api_key}),
]


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda attempt: attempt.what)
async def test_a_request_is_refused_for_the_first_thing_that_the_exchange_looks_at(
    valkey: ValkeyServer, attempt: Attempt
) -> None:
    async with house_of(valkey.url) as house:
        response = await house.client.get(f"{WALLET}?{attempt.query}", headers=attempt.headers)
        assert reply_of(response)["code"] == attempt.code


async def test_two_keys_in_one_request_are_none(valkey: ValkeyServer) -> None:
    async with house_of(valkey.url) as house:
        headers = [("X-APNK-APIKEY", PAIR.api_key), ("x-apnk-apikey", OTHER_PAIR.api_key)]
        response = await house.client.get(f"{WALLET}?{signed(TIME)}", headers=headers)
        assert reply_of(response)["code"] == "20005"


async def test_each_attempt_that_proves_nothing_is_counted_and_on_record_without_its_signature(
    valkey: ValkeyServer,
) -> None:
    async with house_of(valkey.url) as house:
        await house.client.get(f"{WALLET}?{WRONG}", headers=KEY)
        (event,) = house.desk.watch.audit.events
        assert (event.principal, event.outcome) == (NOBODY, "UNAUTHENTICATED")
        assert event.detail == {"cause": "signature", "key": "k1", "keyPrincipal": "app"}
        assert WRONG[-64:] not in repr(event)


async def revoked(house: House) -> None:
    for digest in PAIRS:
        await house.store.remove(digest)


async def suspended(house: House) -> None:
    house.desk.watch.switch.suspends = frozenset({"app"})


async def unknown(house: House) -> None:
    house.desk.policy = Policy(revision="2", accounts=(), members=(), wall_ms=lambda: 0)


@pytest.mark.parametrize("change", [revoked, suspended, unknown])
async def test_a_key_counts_no_more_once_it_or_its_principal_does_not(
    valkey: ValkeyServer, change: Callable[[House], Any]
) -> None:
    async with house_of(valkey.url) as house:
        assert await house.code("GET", WALLET) == "00000"
        await change(house)
        assert await house.code("GET", WALLET) == "20001"


async def token_code(house: House, method: str, path: str, headers: dict[str, str]) -> str:
    response = await house.client.request(method, path, headers=headers)
    code: str = reply_of(response)["code"]
    return code


async def test_a_token_acts_on_the_account_that_a_header_names(valkey: ValkeyServer) -> None:
    async with house_of(valkey.url) as house:
        assert await token_code(house, "GET", WALLET, BEARER | DEMO) == "00000"
        assert await token_code(house, "GET", WALLET, BEARER) == "20005"
        assert await token_code(house, "GET", WALLET, BEARER | {"x-gateway-account": ""}) == "20005"
        other = BEARER | {"x-gateway-account": "other"}
        assert await token_code(house, "GET", WALLET, other) == "20011"
        assert await token_code(house, "GET", WALLET, DEMO) == "20000"
        wrong = {"authorization": "Bearer ngw_of-nobody"}
        assert await token_code(house, "GET", WALLET, wrong | DEMO) == "20001"


async def test_two_accounts_for_a_token_are_none(valkey: ValkeyServer) -> None:
    async with house_of(valkey.url) as house:
        headers = [*BEARER.items(), *DEMO.items(), ("x-gateway-account", "other")]
        response = await house.client.get(WALLET, headers=headers)
        assert reply_of(response)["code"] == "20005"


async def test_an_account_in_a_header_changes_nothing_for_who_signs(valkey: ValkeyServer) -> None:
    async with house_of(valkey.url) as house:
        headers = KEY | {"x-gateway-account": "other"}
        response = await house.client.get(f"{WALLET}?{signed(TIME)}", headers=headers)
        assert reply_of(response)["code"] == "00000"


async def test_of_a_signature_and_a_token_the_signature_counts(valkey: ValkeyServer) -> None:
    async with house_of(valkey.url) as house:
        response = await house.client.get(f"{WALLET}?{WRONG}", headers=KEY | BEARER | DEMO)
        assert reply_of(response)["code"] == "20001"


async def test_each_order_with_a_token_is_one_of_its_own(valkey: ValkeyServer) -> None:
    async with house_of(valkey.url) as house:
        for _ in range(2):
            response = await house.client.post(LIMIT_BUY, params=LIMIT, headers=BEARER | DEMO)
            assert reply_of(response)["code"] == "00000"
        assert house.desk.exchange.asked.count("place") == 2


async def test_an_order_is_named_by_its_signature_which_no_record_of_what_happened_shows(
    valkey: ValkeyServer,
) -> None:
    async with house_of(valkey.url) as house:
        pairs = {**LIMIT, "timestamp": str(house.clock.now)}
        response = await house.send("POST", LIMIT_BUY, pairs)
        signature = response.request.url.params["signature"]
        shown = repr(house.desk.watch.audit.events)
        assert signature not in shown
        assert shown_id(f"v3:{signature}") in shown


@pytest.mark.parametrize("other", [LIMIT_SELL, CANCEL, CREATE_WITHDRAWAL])
async def test_a_signature_acts_on_the_endpoint_alone_that_saw_it_first(
    valkey: ValkeyServer, other: str
) -> None:
    async with house_of(valkey.url) as house:
        pairs = {**LIMIT, "orderId": "o1", "timestamp": str(house.clock.now)}
        codes = [
            reply_of(await house.send("POST", path, pairs))["code"]
            for path in (LIMIT_BUY, other, LIMIT_BUY)
        ]
        assert codes == ["00000", "20001", "00000"]
        assert house.desk.exchange.asked.count("place") == 1
        assert "cancel" not in house.desk.exchange.asked


async def test_a_signature_of_a_read_may_be_used_for_reads_again(valkey: ValkeyServer) -> None:
    async with house_of(valkey.url) as house:
        assert [await house.code("GET", WALLET) for _ in range(2)] == ["00000"] * 2
        assert await house.code("GET", "/v3/api/market/user-orders") == "00000"


async def test_without_redis_no_order_is_taken_and_a_cancel_goes_on(
    own_valkey: ValkeyServer,
) -> None:
    async with house_of(own_valkey.url, journal=False) as house:
        assert await house.code("GET", WALLET) == "00000"
        own_valkey.stop()
        try:
            assert await house.code("POST", LIMIT_BUY, **LIMIT) == "10038"
            assert await house.code("POST", CANCEL, orderId="o1") == "00000"
        finally:
            own_valkey.start()


async def test_who_may_do_everything_on_one_account_may_do_nothing_on_another(
    valkey: ValkeyServer,
) -> None:
    async with house_of(valkey.url, granted(*TRADER)) as house:
        headers = BEARER | {"x-gateway-account": "other"}
        for method, path in (("GET", WALLET), ("POST", LIMIT_BUY), ("POST", CANCEL)):
            response = await house.client.request(
                method, path, params={**LIMIT, "orderId": "o1"}, headers=headers
            )
            assert reply_of(response)["code"] == "20011"
        assert house.desk.exchange.asked == []


PING = "/v3/api/ping"


async def public(house: House, query: str = "", headers: dict[str, str] | None = None) -> str:
    response: httpx.Response = await house.client.get(f"{PING}?{query}", headers=headers)
    code: str = reply_of(response)["code"]
    return code


async def test_who_sends_nothing_may_what_the_policy_grants_anonymous(
    valkey: ValkeyServer,
) -> None:
    async with house_of(valkey.url) as house:
        assert await public(house) == "20011"
        house.desk.policy = granted(*TRADER, anonymous=(Action.MARKET_READ,))
        assert await public(house) == "00000"
        assert await public(house, "timestamp=1", KEY) == "00000"
        house.desk.watch.switch.suspends = frozenset({"anonymous"})
        assert await public(house) == "20001"


async def test_who_proves_who_it_is_may_what_the_policy_grants_it_on_public_endpoints_too(
    valkey: ValkeyServer,
) -> None:
    async with house_of(valkey.url) as house:
        assert await public(house, headers=BEARER) == "00000"
        assert await public(house, signed(TIME), KEY) == "00000"
        assert await public(house, WRONG, KEY) == "20001"
        assert await public(house, headers={"authorization": "Bearer ngw_of-nobody"}) == "20001"
