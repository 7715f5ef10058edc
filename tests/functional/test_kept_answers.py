"""Answers are kept, and are exact all the same."""

from decimal import Decimal

import httpx

from tests.functional.callers import Caller
from tests.functional.conftest import FreshService
from tests.functional.exchange import Exchange, Json
from tests.functional.service import Service
from tests.processes import eventually


def ticker(caller: Caller, symbol: str) -> Json:
    query = "query($s: String!) { market(symbol: $s) { ticker { last asOf source stale } } }"
    return caller.answer(query, s=symbol)["market"]["ticker"]


def best_bid(caller: Caller, symbol: str) -> Json:
    query = "query($s: String!) { market(symbol: $s) { topOfBook { bid { price } asOf source } } }"
    return caller.answer(query, s=symbol)["market"]["topOfBook"]


def limits_shown(response: httpx.Response) -> set[str]:
    return {limit["name"] for limit in response.json()["extensions"]["limits"]}


def kept(service: Service) -> float:
    """How many requests were answered from memory."""
    return service.metric("gateway_answers_total", kept="yes")


def know(service: Service, caller: Caller, query: str) -> None:
    """See to it that an answer is kept: it is not while a value in it is just being read anew."""

    def is_known() -> bool:
        before = kept(service)
        return caller.post(query).is_success and kept(service) == before + 1

    assert eventually(is_known)


def test_an_equal_request_is_answered_from_memory_with_the_same_bytes(
    service: Service, trader: Caller
) -> None:
    query = '{ market(symbol: "BTCTRY") { rules { minTotal asOf stale } } }'
    know(service, trader, query)
    first = trader.post(query)
    before = kept(service)
    data, extensions, _ = first.content.partition(b',"extensions"')
    assert trader.post(query).content.startswith(data + extensions)
    assert kept(service) == before + 1


def test_a_kept_answer_comes_with_the_limits_of_who_asks(service: Service, trader: Caller) -> None:
    query = '{ market(symbol: "BTCTRY") { rules { minTotal stale } } }'
    know(service, trader, query)
    before = kept(service)
    shown = {name: limits_shown(service.caller(name).post(query)) for name in ("trader", "reader")}
    assert kept(service) == before + 2
    assert shown == {"trader": {"requests", "calls demo"}, "reader": {"requests"}}


def test_a_kept_answer_is_not_given_to_a_caller_who_may_not_read_it(
    service: Service, trader: Caller
) -> None:
    query = '{ market(symbol: "BTCTRY") { rules { minTotal } } }'
    assert trader.answer(query) == trader.answer(query)
    assert service.caller("stranger").code(query) == "FORBIDDEN"


def test_a_kept_ticker_changes_as_soon_as_the_stream_tells_of_a_trade(
    exchange: Exchange, trader: Caller
) -> None:
    for price in ("13300", "13301.25", "13299.5"):
        exchange.trade("ETHTRY", price, "0.5")
        assert eventually(lambda: Decimal(ticker(trader, "ETHTRY")["last"]) == Decimal(price))  # noqa: B023 - it is called here and now
        shown = ticker(trader, "ETHTRY")
        assert (shown["source"], shown["stale"]) == ("STREAM", False)


def test_a_kept_book_is_read_anew_when_its_lifetime_ends(
    exchange: Exchange, trader: Caller
) -> None:
    exchange.outsider.limit("buy", "LINKUSDT", "27", "1")
    first = best_bid(trader, "LINKUSDT")
    assert (first["bid"]["price"], first["source"]) == ("27", "REST")
    exchange.outsider.limit("buy", "LINKUSDT", "27.5", "1")
    assert eventually(lambda: best_bid(trader, "LINKUSDT")["bid"]["price"] == "27.5")
    assert best_bid(trader, "LINKUSDT")["asOf"] > first["asOf"]


def test_a_stale_price_is_marked_while_the_exchange_is_away_and_refused_past_its_hard_lifetime(
    fresh_service: FreshService,
) -> None:
    service = fresh_service(NGW_LIFETIME_TICKER="1/4")
    caller = service.caller()
    service.exchange.trade("XRPTRY", "4.5", "100")
    assert eventually(lambda: ticker(caller, "XRPTRY")["last"] == "4.5")
    service.exchange.stop()
    assert eventually(lambda: ticker(caller, "XRPTRY")["stale"])
    assert ticker(caller, "XRPTRY")["last"] == "4.5"
    query = '{ market(symbol: "XRPTRY") { ticker { last } } }'
    assert eventually(lambda: "errors" in caller.post(query).json())
    assert caller.code(query) == "EXCHANGE_UNAVAILABLE"
    service.exchange.start()
    assert eventually(lambda: "errors" not in caller.post(query).json())
    assert eventually(lambda: not ticker(caller, "XRPTRY")["stale"])


def test_a_second_gateway_is_answered_from_the_shared_cache(
    service: Service, exchange: Exchange, trader: Caller, fresh_service: FreshService
) -> None:
    query = '{ market(symbol: "XRPUSDT") { rules { minTotal source } } }'
    assert trader.answer(query)["market"]["rules"]["source"] == "REST"
    url = service.valkey.url
    other = fresh_service(
        NGW_CACHE_REDIS_URL=url,
        NGW_EXCHANGE_REST_URL=exchange.url,
        NGW_EXCHANGE_WS_URL=exchange.stream_url,
    )

    def shared() -> bool:
        return bool(other.caller().answer(query)["market"]["rules"]["source"] == "CACHE")

    assert eventually(shared)
    asked = exchange.requests("market/info", symbol="XRPUSDT")
    assert shared()
    assert exchange.requests("market/info", symbol="XRPUSDT") == asked
