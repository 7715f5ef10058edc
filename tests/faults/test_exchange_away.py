"""The exchange goes away and comes back."""

from tests.faults.conftest import StartGateway
from tests.functional.callers import Caller
from tests.functional.exchange import Exchange, Json
from tests.processes import eventually

MARKET = """{ market(symbol: "BTCUSDT") { ticker { last stale }
  topOfBook { bid { price } stale } orderBook { bids { price } stale } } }"""
FEED = "{ exchange { reachable feed { connected topics } } }"
BRIEF = "0.2/3"


def read(caller: Caller) -> Json:
    """Each part of the market, or its error's code."""
    body = caller.post(MARKET).json()
    if "errors" in body:
        return {error["extensions"]["code"] for error in body["errors"]}
    return body["data"]["market"]


def staleness(market: Json) -> set[bool]:
    return set() if isinstance(market, set) else {part["stale"] for part in market.values()}


def test_without_the_exchange_the_last_values_are_shown_as_stale_and_then_none_until_it_is_back(
    exchange: Exchange, start_gateway: StartGateway
) -> None:
    exchange.outsider.limit("buy", "BTCUSDT", "50000", "1")
    service = start_gateway(
        NGW_LIFETIME_TICKER=BRIEF,
        NGW_LIFETIME_TOP_OF_BOOK=BRIEF,
        NGW_LIFETIME_ORDER_BOOK=BRIEF,
    )
    caller = service.caller()
    known = read(caller)
    assert known["orderBook"]["bids"] == [{"price": "50000"}]
    assert staleness(known) == {False}

    exchange.stop()
    assert eventually(lambda: staleness(read(caller)) == {True})
    seen = read(caller)
    assert seen["ticker"]["last"] == known["ticker"]["last"]
    assert (seen["orderBook"]["bids"], seen["topOfBook"]["bid"]) == (
        [{"price": "50000"}],
        {"price": "50000"},
    )
    away = caller.answer(FEED)["exchange"]
    assert (away["reachable"], away["feed"]["connected"]) == (False, False)
    assert eventually(lambda: read(caller) == {"EXCHANGE_UNAVAILABLE"})
    assert service.http.get("/readyz").json()["problems"].keys() == {"exchange", "feed", "streams"}

    exchange.start()
    exchange.outsider.limit("buy", "BTCUSDT", "49000", "1")
    assert eventually(lambda: staleness(read(caller)) == {False})
    fresh = read(caller)
    assert fresh["orderBook"]["bids"] == [{"price": "49000"}]
    assert eventually(lambda: service.readiness() == "ready")
    assert eventually(lambda: caller.answer(FEED)["exchange"]["feed"]["topics"] == 1)
