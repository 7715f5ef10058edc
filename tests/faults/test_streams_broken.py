"""The exchange's streams break off, or fall silent, under those who follow them."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Thread

from gateway.cli.operations import operation
from tests.faults.conftest import StartGateway
from tests.functional.callers import Socket, open_socket
from tests.functional.exchange import Exchange, Json
from tests.functional.ordering import accepted
from tests.functional.service import Service

SYMBOL = "BTCUSDT"
ATTENTIVE = {"NGW_FEED_AUDIT_S": "0.5", "NGW_FEED_MUTE_S": "0.7"}
CONFLATED: dict[str, dict[str, object]] = {
    "watch-tickers": {"symbols": [SYMBOL]},
    "watch-top-of-book": {"symbol": SYMBOL},
    "watch-order-book": {"symbol": SYMBOL},
    "watch-candles": {"symbol": SYMBOL, "interval": "M1"},
}


def snapshot(socket: Socket) -> Json:
    (value,) = socket.next().values()
    return value


def until_stale(socket: Socket, *, stale: bool) -> Json:
    """The next snapshot that is stale, or is not."""
    while (value := snapshot(socket))["stale"] is not stale:
        pass
    return value


@contextmanager
def followed(service: Service, *names: str, **more: str) -> Iterator[dict[str, Socket]]:
    """A socket for each of the published subscriptions."""
    with ExitStack() as stack:
        sockets = {}
        for name in names:
            token = service.members["trader"].token
            sockets[name] = stack.enter_context(open_socket(service.ws_url, token))
            sockets[name].subscribe(operation(name), "1", **CONFLATED.get(name, {}), **more)
        yield sockets


def print_trades(exchange: Exchange, first: int, count: int) -> None:
    """Trade a quantity that tells each trade from the others."""
    for number in range(first, first + count):
        exchange.trade(SYMBOL, "50000", f"0.{number:04}")


def quantities(first: int, end: int) -> list[str]:
    return [f"0.{number:04}".rstrip("0") for number in range(first, end)]


def trade(socket: Socket) -> Json:
    return socket.next()["trades"]


def test_after_a_cut_the_latest_is_shown_as_stale_and_then_afresh(
    exchange: Exchange, start_gateway: StartGateway
) -> None:
    exchange.outsider.limit("buy", SYMBOL, "49000", "1")
    print_trades(exchange, 1000, 1)
    service = start_gateway()
    with followed(service, *CONFLATED) as sockets:
        for socket in sockets.values():
            until_stale(socket, stale=False)
        exchange.streams("cut")
        for socket in sockets.values():
            until_stale(socket, stale=True)
            until_stale(socket, stale=False)
        exchange.outsider.limit("buy", SYMBOL, "49500", "1")
        exchange.trade(SYMBOL, "51000", "0.5")
        while snapshot(sockets["watch-tickers"])["last"] != "51000":
            pass
        while snapshot(sockets["watch-top-of-book"])["bid"]["price"] != "49500":
            pass
        while snapshot(sockets["watch-order-book"])["bids"][0]["price"] != "49500":
            pass
        while snapshot(sockets["watch-candles"])["candle"]["close"] != "51000":
            pass
    assert service.metric("gateway_feed_endings_total", feed="public", ending="CLOSED") == 1


def test_after_a_cut_trades_have_a_gap_and_then_each_trade_once(
    exchange: Exchange, start_gateway: StartGateway
) -> None:
    service = start_gateway()
    print_trades(exchange, 1000, 5)
    with followed(service, "watch-trades", symbol=SYMBOL) as sockets:
        socket = sockets["watch-trades"]
        while trade(socket)["quantity"] != "0.1004":
            pass
        printing = Thread(target=print_trades, args=(exchange, 1005, 35))
        printing.start()
        while trade(socket)["quantity"] != "0.1012":
            pass
        exchange.streams("cut")
        before = [trade(socket)]
        while before[-1]["__typename"] != "Gap":
            before.append(trade(socket))
        gap = before.pop()
        assert gap["since"]
        assert gap["reason"] == "connection ended: closed"
        assert all(later["time"] <= gap["since"] for later in before[:-1])
        after = [trade(socket)]
        while after[-1]["quantity"] != "0.1039":
            after.append(trade(socket))
        printing.join()
        first = 1040 - len(after)
        assert [each["quantity"] for each in after] == quantities(first, 1040)
        assert first <= 1013 + len(before)
        exchange.trade(SYMBOL, "50000", "0.9")
        assert trade(socket)["quantity"] == "0.9"


def test_after_a_cut_orders_have_a_gap_and_then_the_open_ones_and_those_that_closed(
    exchange: Exchange, start_gateway: StartGateway
) -> None:
    service = start_gateway()
    caller = service.caller()
    stays = accepted(caller, "stays")["order"]["orderId"]
    goes = accepted(caller, "goes", price="300001")["order"]["orderId"]
    with followed(service, "watch-orders", account="demo") as sockets:
        socket = sockets["watch-orders"]
        assert {socket.next()["orders"]["orderId"] for _ in range(2)} == {stays, goes}
        exchange.streams("cut")
        exchange.demo.cancel(goes)
        gap = socket.next()["orders"]
        assert gap["__typename"] == "Gap"
        assert gap["since"]
        told: dict[str, str] = {}
        while told.keys() != {stays, goes} or told[goes] == "NEW":
            order = socket.next()["orders"]
            told[order["orderId"]] = order["status"]
        assert told[stays] == "NEW"
        assert told[goes] in {"CANCELLED", "CLOSED_UNKNOWN"}
        new = accepted(caller, "after", price="300002")["order"]["orderId"]
        assert socket.next()["orders"]["orderId"] == new


def test_a_mute_stream_is_taken_for_a_broken_one(
    exchange: Exchange, start_gateway: StartGateway
) -> None:
    print_trades(exchange, 1000, 1)
    service = start_gateway(**ATTENTIVE)
    with (
        followed(service, *CONFLATED) as conflated,
        followed(service, "watch-trades", symbol=SYMBOL) as others,
    ):
        trades = others["watch-trades"]
        while trade(trades)["quantity"] != "0.1":
            pass
        for socket in conflated.values():
            until_stale(socket, stale=False)
        exchange.streams("mute")
        print_trades(exchange, 1001, 1)  # which no frame tells
        for socket in conflated.values():
            until_stale(socket, stale=True)
        assert trade(trades)["reason"] == "connection ended: mute"
        exchange.streams("unmute")
        for socket in conflated.values():
            until_stale(socket, stale=False)
        while trade(trades)["quantity"] != "0.1001":
            pass
        print_trades(exchange, 1002, 1)
        assert trade(trades)["quantity"] == "0.1002"
    assert service.metric("gateway_feed_endings_total", feed="public", ending="MUTE") >= 1
    assert service.complaints() == []
