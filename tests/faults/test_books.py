"""Books that cannot be: withheld, fetched again and counted; never shown, and none made up."""

from collections.abc import Iterator

import pytest

from gateway.cli.operations import operation
from tests.functional.callers import Caller, Socket, open_socket
from tests.functional.conftest import running_service
from tests.functional.exchange import Json
from tests.functional.service import Service
from tests.processes import eventually

ENDPOINTS = ("market/orderbook", "market/depth")
UNAVAILABLE = "EXCHANGE_UNAVAILABLE"
BOOKS = """query($symbol: String!) {
  top: market(symbol: $symbol) { topOfBook { bid { price } ask { price } stale } }
  book: market(symbol: $symbol) { orderBook { bids { price } asks { price } stale } } }"""

# By name: the market, a best bid and ask that cannot be, why a frame with them is withheld, and
# what a reply with them is counted as.
IMPOSSIBLE = {
    "crossed": ("ETHUSDT", "1700", "1699", "CROSSED_BOOK", "crossed_book"),
    "locked": ("LINKUSDT", "28.5", "28.5", "CROSSED_BOOK", "crossed_book"),
    "below zero": ("XRPUSDT", "-1", "0.6", "WRONG_SHAPE", "unparsable"),
}
BIDS = {"ETHUSDT": "1650", "LINKUSDT": "27", "XRPUSDT": "0.55", "UNIUSDT": "28"}
EMPTY = ("UNIUSDT", None, None, "EMPTY_BOOK")


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A gateway of these tests alone."""
    with running_service(tmp_path_factory) as running:
        for symbol, price in BIDS.items():
            running.exchange.outsider.limit("buy", symbol, price, "20")
        yield running


@pytest.fixture
def caller(target: Service) -> Caller:
    """Reads books."""
    return target.caller("reader")


def levels(price: str | None) -> str:
    return "" if price is None else f'{{"price": {price}, "amount": 1, "count": 1}}'


def sides(bid: str | None, ask: str | None) -> str:
    return f'{{"bids": [{levels(bid)}], "asks": [{levels(ask)}]}}'


def reply(bid: str | None, ask: str | None) -> str:
    """What both endpoints answer: headings 'Get Symbol Orderbook' and 'Get Symbol Order Depth'."""
    return f'{{"code": "00000", "book": {sides(bid, ask)}}}'


def frames(symbol: str, bid: str | None, ask: str | None) -> dict[str, str]:
    """A frame of 'Market Order Book Updates' and one of 'Market Depth Updates'."""
    bids = f'"bidPrice": {bid}, "bidAmount": 1, ' if bid else ""
    asks = f'"askPrice": {ask}, "askAmount": 1, ' if ask else ""
    return {
        "orderBook": f'{{"type": "orderBook", {bids}{asks}"symbol": "{symbol}"}}',
        "depth": f'{{"type": "depth", "symbol": "{symbol}", "depth": {sides(bid, ask)}}}',
    }


def unusable(service: Service, path: str, cause: str) -> float:
    """How many replies of an endpoint were counted as that."""
    name = "gateway_upstream_requests_total"
    return service.metric(name, endpoint=path.rpartition("/")[2], code=cause)


def withheld(service: Service, reason: str) -> float:
    return service.metric("gateway_feed_malformed_total", feed="public", reason=reason)


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_a_reply_with_a_book_that_cannot_be_is_asked_for_again_and_never_shown(
    target: Service, caller: Caller, name: str
) -> None:
    symbol, bid, ask, _, cause = IMPOSSIBLE[name]
    before = [unusable(target, path, cause) for path in ENDPOINTS]
    answer = {"outcome": "reply", "body": reply(bid, ask), "count": 3}
    exchange = target.exchange
    with exchange.fault("market/orderbook", **answer), exchange.fault("market/depth", **answer):
        body = caller.post(BOOKS, symbol=symbol).json()
    assert body["data"] == {"top": None, "book": None}
    assert [error["extensions"]["code"] for error in body["errors"]] == [UNAVAILABLE] * 2
    after = [unusable(target, path, cause) for path in ENDPOINTS]
    assert after == [count + 3 for count in before]
    assert eventually(lambda: "errors" not in caller.post(BOOKS, symbol=symbol).json())


def test_one_reply_with_a_crossed_book_among_good_ones_is_not_even_noticed(
    target: Service, caller: Caller
) -> None:
    answer = {"outcome": "reply", "body": reply("33", "32"), "count": 1}
    target.exchange.outsider.limit("buy", "1INCHTRY", "31", "10")
    with target.exchange.fault("market/depth", **answer):
        shown = caller.answer(BOOKS, symbol="1INCHTRY")
    assert shown["book"]["orderBook"] == {"bids": [{"price": "31"}], "asks": [], "stale": False}


def test_a_book_that_the_exchange_answers_empty_is_shown_empty(caller: Caller) -> None:
    shown = caller.answer(BOOKS, symbol="HOTUSDT")
    assert shown["top"]["topOfBook"] == {"bid": None, "ask": None, "stale": False}
    assert shown["book"]["orderBook"] == {"bids": [], "asks": [], "stale": False}


def until_live(socket: Socket, field: str) -> Json:
    """The next value that the stream keeps fresh, without what tells its age."""
    while (value := socket.next()[field])["stale"]:
        pass
    return content(value)


def content(value: Json) -> Json:
    return {name: value[name] for name in value if name not in ("asOf", "source", "stale")}


@pytest.mark.parametrize("terms", [*IMPOSSIBLE.values(), EMPTY], ids=[*IMPOSSIBLE, "empty"])
def test_a_frame_with_a_book_that_cannot_be_is_withheld_and_what_it_outdated_is_fetched_again(
    target: Service, caller: Caller, terms: tuple[str, ...]
) -> None:
    symbol, bid, ask, reason, *_ = terms
    before = withheld(target, reason)
    with (
        open_socket(target.ws_url, caller.token) as tops,
        open_socket(target.ws_url, caller.token) as books,
    ):
        tops.subscribe(operation("watch-top-of-book"), symbol=symbol)
        books.subscribe(operation("watch-order-book"), symbol=symbol)
        followed = ((tops, "topOfBook"), (books, "orderBook"))
        known = [until_live(socket, field) for socket, field in followed]
        asked = [len(target.exchange.requests(path, symbol=symbol)) for path in ENDPOINTS]
        for topic, text in frames(symbol, bid, ask).items():
            target.exchange.inject(text, topic={"type": topic, "symbol": symbol})
        for (socket, field), last in zip(followed, known, strict=True):
            while not (value := socket.next()[field])["stale"]:
                assert content(value) == last
            assert content(value) == last
            assert until_live(socket, field) == last
    assert withheld(target, reason) == before + 2
    again = [len(target.exchange.requests(path, symbol=symbol)) for path in ENDPOINTS]
    assert all(now > then for now, then in zip(again, asked, strict=True))
    assert target.complaints() == []
