"""The exchange's streams break off, or fall silent, under those who follow them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from threading import Event

from gateway.cli.operations import operation
from tests.faults.conftest import StartGateway
from tests.functional.callers import Socket, open_socket
from tests.functional.exchange import Exchange, Json
from tests.functional.ordering import accepted
from tests.functional.service import Service

SYMBOL = "BTCUSDT"
TRADES_SHOWN = 50
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


def print_trade(exchange: Exchange, quantity: str) -> None:
    exchange.trade(SYMBOL, "50000", quantity)


def trade(socket: Socket) -> Json:
    return socket.next()["trades"]


def test_after_a_cut_the_latest_is_shown_as_stale_and_then_afresh(
    exchange: Exchange, start_gateway: StartGateway
) -> None:
    exchange.outsider.limit("buy", SYMBOL, "49000", "1")
    print_trade(exchange, "0.1")
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


@contextmanager
def trades_printed(exchange: Exchange) -> Iterator[list[str]]:
    """Trade without a pause until the block ends; give the quantities, which are all different."""
    printed: list[str] = []
    end = Event()

    def work() -> None:
        while not end.is_set():
            exchange.trade(SYMBOL, "50000", quantity := f"0.{1000 + len(printed)}")
            printed.append(quantity.rstrip("0"))

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(work)
        try:
            yield printed
        finally:
            end.set()
        working.result()


def test_after_a_cut_trades_have_a_gap_and_then_each_trade_once(
    exchange: Exchange, start_gateway: StartGateway
) -> None:
    service = start_gateway()
    with followed(service, "watch-trades", symbol=SYMBOL) as sockets:
        socket = sockets["watch-trades"]
        # The history that follows the break is read while trades go on before and after it.
        slowly = {"delayMs": 200, "replyDelayMs": 200}
        with trades_printed(exchange) as printed:
            while trade(socket)["quantity"] != "0.1004":
                pass
            with exchange.fault("market/trades", **slowly):
                exchange.streams("cut")
                before = [trade(socket)]
                while before[-1]["__typename"] != "Gap":
                    before.append(trade(socket))
                after = [trade(socket)]
            after += [trade(socket) for _ in range(TRADES_SHOWN)]
        while after[-1]["quantity"] != printed[-1]:
            after.append(trade(socket))
        gap = before.pop()
        assert gap["reason"] == "connection ended: closed"
        assert all(earlier["time"] <= gap["since"] for earlier in before)
        assert [each["quantity"] for each in after] == printed[-len(after) :]
        print_trade(exchange, "0.9")
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
    print_trade(exchange, "0.1")
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
        print_trade(exchange, "0.1001")  # which no frame tells
        for socket in conflated.values():
            until_stale(socket, stale=True)
        assert trade(trades)["reason"] == "connection ended: mute"
        exchange.streams("unmute")
        for socket in conflated.values():
            until_stale(socket, stale=False)
        while trade(trades)["quantity"] != "0.1001":
            pass
        print_trade(exchange, "0.1002")
        assert trade(trades)["quantity"] == "0.1002"
    assert service.metric("gateway_feed_endings_total", feed="public", ending="MUTE") >= 1
    assert service.complaints() == []
