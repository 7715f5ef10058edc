"""Redis dies, or says nothing any more, and comes back."""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import httpx
import pytest

from gateway.cli.operations import operation
from tests.faults.conftest import StartGateway
from tests.faults.load import repeated
from tests.functional.callers import Caller, Json, open_socket
from tests.functional.exchange import Exchange
from tests.functional.ordering import PLACEMENT, accepted, cancel, place
from tests.functional.service import Service
from tests.processes import eventually
from tests.valkey import ValkeyServer

DETAILS = """{ market(symbol: "BTCUSDT") { ticker { last } rules { minTotal } topOfBook { symbol }
  orderBook { symbol } candles(interval: M5) { symbol } trades { symbol } } }"""
CANDLES = operation("candles")
UNAVAILABLE = ("OrderRejected", "JOURNAL_UNAVAILABLE")
QUARANTINED = "ACCOUNT_QUARANTINED"


def price_of(number: int) -> str:
    return str(330_000 + number)


def sent(exchange: Exchange) -> Counter[str]:
    """How many of the orders in BTCTRY went out at each price."""
    rows = exchange.requests("market/limit-buy", symbol="BTCTRY")
    return Counter(dict(row["parameters"])["price"] for row in rows)


def reopened(service: Service) -> bool:
    """Let an operator reopen the account."""
    asked = {"account": "demo", "reason": "compared with the exchange"}
    done = service.caller("operator").answer(operation("reopen-account"), **asked)
    return bool(done["reopenAccount"]["__typename"] == "AccountReopened")


def readiness(service: Service) -> Json:
    response = service.http.get("/readyz")
    assert response.status_code == httpx.codes.OK
    return response.json()


def test_with_redis_away_queries_and_cancels_go_on_and_orders_are_refused_until_it_is_back(
    exchange: Exchange, start_gateway: StartGateway, own_valkey: ValkeyServer
) -> None:
    service = start_gateway(NGW_LIFETIME_RULES="0.05/60", NGW_LIFETIME_CANDLES="0.05/60")
    caller = service.caller()
    rests = accepted(caller, "rests")["order"]
    resting, resting_price = rests["orderId"], rests["price"]
    exchange.trade("XRPUSDT", "0.55", "1000")
    with (
        open_socket(service.ws_url, caller.token) as socket,
        repeated(lambda _: caller.post(DETAILS).json(), workers=2) as answers,
        repeated(lambda n: (n, place(caller, f"n{n}", price=price_of(n))), workers=2) as orders,
    ):
        socket.subscribe(operation("watch-trades"), symbol="XRPUSDT")
        while socket.next()["trades"]["price"] != "0.55":
            pass
        assert eventually(lambda: len(orders) >= 4)
        own_valkey.kill()
        assert eventually(lambda: readiness(service)["problems"].keys() >= {"cache", "journal"})
        assert readiness(service)["status"] == "degraded"
        before = sent(exchange)
        result = place(caller, "refused", price="330")
        assert (result["__typename"], result["code"]) == UNAVAILABLE
        assert cancel(caller, resting)["__typename"] == "OrderCancelled"
        assert eventually(lambda: orders[-1][1]["__typename"] == "OrderRejected")
        exchange.trade("XRPUSDT", "0.56", "1000")
        assert socket.next()["trades"]["price"] == "0.56"
        assert service.metric("gateway_cache_failures_total") > 0
        assert service.metric("gateway_journal_problem") == 1
        assert sent(exchange) == before
        own_valkey.start()
        # It may have lost records, for all that can be told: a person says whether it has.
        assert eventually(lambda: orders[-1][1].get("code") == QUARANTINED)
        assert eventually(lambda: reopened(service))
        assert eventually(lambda: orders[-1][1]["__typename"] == "OrderAccepted")
        assert eventually(lambda: service.readiness() == "ready")
        assert service.metric("gateway_journal_problem") == 0
    assert [answer for answer in answers if "errors" in answer] == []
    accepted_ones = {n: result for n, result in orders if result["__typename"] == "OrderAccepted"}
    refused = [result for n, result in orders if n not in accepted_ones]
    assert {result["code"] for result in refused} <= {UNAVAILABLE[1], QUARANTINED}
    once = {price_of(n): 1 for n in accepted_ones}
    assert sent(exchange) == {**once, resting_price: 1}
    for number, result in list(accepted_ones.items())[:20]:
        again = place(caller, f"n{number}", price=price_of(number))
        assert again["placement"] == result["placement"]
    assert sent(exchange) == {**once, resting_price: 1}


OUTAGES: dict[str, tuple[Callable[[ValkeyServer], None], Callable[[ValkeyServer], None]]] = {
    "killed": (ValkeyServer.kill, ValkeyServer.start),
    "silent": (ValkeyServer.pause, ValkeyServer.resume),
}


@pytest.mark.parametrize("outage", OUTAGES)
def test_the_outcome_of_an_order_that_redis_did_not_live_to_see_is_recorded_when_it_is_back(
    exchange: Exchange, start_gateway: StartGateway, own_valkey: ValkeyServer, outage: str
) -> None:
    go_away, come_back = OUTAGES[outage]
    service = start_gateway(NGW_EXCHANGE_READ_TIMEOUT_S="5", NGW_REDIS_TIMEOUT_S="0.3")
    caller = service.caller()
    with (
        exchange.fault("market/limit-buy", replyDelayMs=700, count=1),
        ThreadPoolExecutor(1) as pool,
    ):
        under_way = pool.submit(place, caller, "under-way", price="340000")
        assert eventually(lambda: len(exchange.orders("demo", price=340000)) == 1)
        go_away(own_valkey)
        first = under_way.result()
    assert first["__typename"] == "OrderAccepted", first
    assert service.metric("gateway_journal_spooled") == 1
    assert place(caller, "under-way", price="340000") == first
    come_back(own_valkey)
    assert eventually(lambda: service.metric("gateway_journal_spooled") == 0)
    shown = caller.answer(PLACEMENT, id=first["placement"]["id"])["placement"]
    assert (shown["state"], shown["order"]["orderId"]) == ("ACCEPTED", first["order"]["orderId"])
    assert place(caller, "under-way", price="340000") == first
    assert sent(exchange) == {"340000": 1}


def test_an_order_whose_record_got_no_answer_is_not_sent_until_it_is_repeated(
    exchange: Exchange, start_gateway: StartGateway, own_valkey: ValkeyServer
) -> None:
    service = start_gateway(NGW_REDIS_TIMEOUT_S="0.3")
    caller = service.caller()
    accepted(caller, "before")
    before = sent(exchange)
    own_valkey.pause()
    first = place(caller, "silence", price="350000")
    assert (first["__typename"], first["code"], first["retryable"]) == (*UNAVAILABLE, True)
    own_valkey.resume()
    assert eventually(lambda: service.metric("gateway_journal_spooled") == 0)
    assert sent(exchange) == before
    again = accepted(caller, "silence", price="350000")
    assert place(caller, "silence", price="350000") == again
    assert sent(exchange) == {**before, "350000": 1}


TRADING = '{ account(id: "demo") { tradingState } }'
PLACEMENTS = '{ placements(account: "demo") { edges { node { clientOrderId state } } } }'


def listed(caller: Caller) -> dict[str, str]:
    """The state of each placement by its client order id."""
    edges = caller.answer(PLACEMENTS)["placements"]["edges"]
    return {edge["node"]["clientOrderId"]: edge["node"]["state"] for edge in edges}


def test_without_a_journal_an_account_is_for_cancels_only_and_no_list_of_placements_is_shown(
    exchange: Exchange, start_gateway: StartGateway, own_valkey: ValkeyServer
) -> None:
    service = start_gateway(NGW_REDIS_TIMEOUT_S="0.3")
    caller = service.caller()
    accepted(caller, "listed")
    assert caller.answer(TRADING) == {"account": {"tradingState": "ACTIVE"}}
    assert listed(caller) == {"listed": "ACCEPTED"}
    before = sent(exchange)
    own_valkey.pause()
    assert caller.answer(TRADING) == {"account": {"tradingState": "CANCEL_ONLY"}}
    unread = caller.error(PLACEMENTS)
    assert unread["extensions"]["code"] == "JOURNAL_UNAVAILABLE"
    assert "was not sent" not in unread["message"]
    refused = place(caller, "refused", price="360000")
    assert refused["code"] == "JOURNAL_UNAVAILABLE"
    assert "was not sent" in refused["message"]
    own_valkey.resume()
    assert eventually(lambda: service.metric("gateway_journal_spooled") == 0)
    assert caller.answer(TRADING) == {"account": {"tradingState": "ACTIVE"}}
    assert listed(caller)["listed"] == "ACCEPTED"
    assert listed(caller).get("refused", "NOT_SENT") == "NOT_SENT"
    assert sent(exchange) == before


def test_a_full_redis_takes_no_orders_and_says_so(
    start_gateway: StartGateway, own_valkey: ValkeyServer
) -> None:
    service = start_gateway()
    caller = service.caller()
    own_valkey.command("CONFIG", "SET", "maxmemory", "1")
    assert caller.answer(TRADING) == {"account": {"tradingState": "CANCEL_ONLY"}}
    assert place(caller, "full", price="370000")["code"] == "JOURNAL_UNAVAILABLE"
    own_valkey.command("CONFIG", "SET", "maxmemory", "0")
    assert caller.answer(TRADING) == {"account": {"tradingState": "ACTIVE"}}
    assert eventually(lambda: service.metric("gateway_journal_spooled") == 0)
    accepted(caller, "full", price="370000")


def test_a_silent_redis_costs_queries_a_few_timeouts_not_one_each(
    start_gateway: StartGateway, own_valkey: ValkeyServer
) -> None:
    service = start_gateway(NGW_REDIS_TIMEOUT_S="0.5")
    caller = service.caller()
    symbols = [row["symbol"] for row in caller.answer("{ markets { symbol } }")["markets"]]
    asked = list(product(symbols, ("M1", "M5", "H1", "D1")))
    own_valkey.pause()
    began = time.monotonic()
    for symbol, interval in asked:
        market = caller.answer(CANDLES, symbol=symbol, interval=interval)["market"]
        assert market["candles"]["stale"] is False
    assert time.monotonic() - began < len(asked) * 0.5 / 2
    assert service.http.get("/healthz").status_code == httpx.codes.OK
    own_valkey.resume()
    assert eventually(lambda: service.readiness() == "ready")
