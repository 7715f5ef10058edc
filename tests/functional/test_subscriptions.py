"""Streams over real WebSockets: a snapshot first, then every change, shared by all who ask."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from decimal import Decimal

import pytest

from gateway.cli.operations import operation
from tests.functional.callers import Caller, Json, Socket, open_socket
from tests.functional.exchange import Exchange
from tests.functional.ordering import accepted, cancel, next_event
from tests.functional.service import Service
from tests.processes import eventually

BOOK = operation("watch-order-book")
TRADES = operation("watch-trades")
ORDERS = operation("watch-orders")
TICKERS = operation("watch-tickers")


def topic(kind: str, symbol: str) -> dict[str, str]:
    return {"type": kind, "symbol": symbol}


def read_until(opened: Socket, price: str) -> Json:
    """Read books until the best bid has a price; give the last."""
    while (book := opened.next()["orderBook"])["bids"][0]["price"] != price:
        pass
    return book


def test_tickers_begin_with_every_market_and_go_on_with_changes(
    service: Service, exchange: Exchange, trader: Caller
) -> None:
    with open_socket(service.ws_url, trader.token) as opened:
        opened.subscribe(TICKERS)
        first = [opened.next()["tickers"] for _ in range(15)]
        assert len({ticker["symbol"] for ticker in first}) == 15
        exchange.trade("HOTUSDT", "0.0087", "2000")
        while (ticker := opened.next()["tickers"])["symbol"] != "HOTUSDT":
            pass
        assert ticker["source"] == "STREAM"
        assert Decimal(ticker["last"]) > 0


def test_tickers_of_some_markets_tell_of_no_other(
    service: Service, exchange: Exchange, trader: Caller
) -> None:
    with open_socket(service.ws_url, trader.token) as opened:
        opened.subscribe(TICKERS, symbols=["HOTUSDT"])
        assert opened.next()["tickers"]["symbol"] == "HOTUSDT"
        exchange.trade("UNITRY", "231.5", "1")
        exchange.trade("HOTUSDT", "0.0088", "2000")
        assert opened.next()["tickers"]["symbol"] == "HOTUSDT"


def test_the_top_of_a_book_begins_with_what_is_known_and_follows_it(
    service: Service, exchange: Exchange, trader: Caller
) -> None:
    exchange.outsider.limit("buy", "ETHUSDT", "1600", "1")
    with open_socket(service.ws_url, trader.token) as opened:
        opened.subscribe(operation("watch-top-of-book"), symbol="ETHUSDT")
        top = opened.next()["topOfBook"]
        assert (top["symbol"], top["bid"]) == ("ETHUSDT", {"price": "1600", "quantity": "1"})
        order_id = exchange.outsider.limit("buy", "ETHUSDT", "1601.5", "2")
        while opened.next()["topOfBook"]["bid"] != {"price": "1601.5", "quantity": "2"}:
            pass
        exchange.outsider.cancel(order_id)
        while opened.next()["topOfBook"]["bid"] != {"price": "1600", "quantity": "1"}:
            pass


def test_a_book_has_no_more_levels_than_asked_for(
    service: Service, exchange: Exchange, trader: Caller
) -> None:
    for price in ("20000", "20001", "20002", "20003"):
        exchange.outsider.limit("sell", "ETHTRY", price, "1")
    with open_socket(service.ws_url, trader.token) as opened:
        opened.subscribe(BOOK, "two", symbol="ETHTRY", depth=2)
        asks = opened.next("two")["orderBook"]["asks"]
        assert [level["price"] for level in asks] == ["20000", "20001"]
        opened.subscribe(BOOK, "three", symbol="ETHTRY", depth=3)
        while (message := opened.receive())["id"] != "three":
            pass
        assert len(message["payload"]["data"]["orderBook"]["asks"]) == 3


def test_candles_begin_with_the_one_now_open_and_follow_each_trade(
    service: Service, exchange: Exchange, trader: Caller
) -> None:
    exchange.trade("LINKUSDT", "29", "1")
    with open_socket(service.ws_url, trader.token) as opened:
        opened.subscribe(operation("watch-candles"), symbol="LINKUSDT", interval="D1")
        first = opened.next()["candles"]
        assert (first["interval"], first["candle"]["close"]) == ("D1", "29")
        exchange.trade("LINKUSDT", "29.5", "2")
        while (candle := opened.next()["candles"]["candle"])["close"] != "29.5":
            pass
        grown = Decimal(candle["volume"]) - Decimal(first["candle"]["volume"])
        assert (candle["openTime"], grown) == (first["candle"]["openTime"], Decimal(2))


def test_200_trades_are_told_in_order_none_twice_none_lost(
    service: Service, exchange: Exchange, trader: Caller
) -> None:
    # Trades have no ids, and many of these are equal.
    quantities = [str(2 + number % 3) for number in range(200)]
    with (
        open_socket(service.ws_url, trader.token) as early,
        open_socket(service.ws_url, trader.token) as late,
    ):
        early.subscribe(TRADES, symbol="USDTTRY")
        assert eventually(lambda: topic("trade", "USDTTRY") in exchange.topics())
        for number, quantity in enumerate(quantities):
            exchange.trade("USDTTRY", "8.014", quantity)
            if number == 100:
                late.subscribe(TRADES, symbol="USDTTRY")
        exchange.trade("USDTTRY", "8.015", "7")
        assert quantities_until(early, "7") == quantities
        seen = quantities_until(late, "7")
        assert len(seen) > 99
        assert seen == quantities[-len(seen) :]


def quantities_until(opened: Socket, last: str) -> list[str]:
    """The quantities of the trades told until one of this quantity."""
    return list(iter(lambda: str(opened.next()["trades"]["quantity"]), last))


@pytest.mark.parametrize("whole", [1, 2, 3])
def test_trades_made_while_a_stream_starts_are_told_in_order_none_twice_none_lost(
    service: Service, exchange: Exchange, trader: Caller, whole: int
) -> None:
    assert eventually(lambda: topic("trade", "UNITRY") not in exchange.topics())
    quantities = [f"{whole}.{number}" for number in range(101, 170) if number % 10]

    def trade() -> None:
        for quantity in quantities:
            exchange.trade("UNITRY", "231", quantity)

    with ThreadPoolExecutor(1) as pool, open_socket(service.ws_url, trader.token) as opened:
        trading = pool.submit(trade)
        opened.subscribe(TRADES, symbol="UNITRY")
        told = quantities_until(opened, quantities[-1])
        trading.result()
    of_now = [quantity for quantity in told if quantity.startswith(f"{whole}.")]
    assert of_now
    assert of_now == quantities[-1 - len(of_now) : -1]


def test_equal_subscriptions_are_one_execution_and_one_upstream_topic(
    service: Service, exchange: Exchange, trader: Caller
) -> None:
    exchange.outsider.limit("buy", "XRPUSDT", "0.4", "100")
    assert eventually(lambda: service.metric("gateway_subscription_groups") == 0)
    with ExitStack() as stack:
        opened = [stack.enter_context(open_socket(service.ws_url, trader.token)) for _ in range(10)]
        for each in opened:
            each.subscribe(BOOK, symbol="XRPUSDT", depth=1)
            assert each.next()["orderBook"]["bids"]
        assert service.metric("gateway_subscriptions", field="orderBook") == 10
        assert service.metric("gateway_subscription_groups") == 1
        opened[0].subscribe(BOOK, "other", symbol="XRPUSDT", depth=2)
        assert eventually(lambda: service.metric("gateway_subscription_groups") == 2)
        assert exchange.topics().count(topic("depth", "XRPUSDT")) == 1
        opened[0].send(type="complete", id="other")
        exchange.outsider.limit("buy", "XRPUSDT", "0.41", "100")
        for each in opened[1:]:
            read_until(each, "0.41")


def test_who_joins_a_group_late_gets_what_is_known_at_once(
    service: Service, exchange: Exchange, trader: Caller
) -> None:
    exchange.outsider.limit("buy", "UNIUSDT", "20", "1")
    with (
        open_socket(service.ws_url, trader.token) as early,
        open_socket(service.ws_url, trader.token) as late,
    ):
        early.subscribe(BOOK, symbol="UNIUSDT")
        early.next()
        exchange.outsider.limit("buy", "UNIUSDT", "20.5", "1")
        known = read_until(early, "20.5")
        late.subscribe(BOOK, symbol="UNIUSDT")
        assert late.next()["orderBook"] == known
        assert service.metric("gateway_subscription_groups") == 1


def test_a_topic_that_nobody_follows_any_more_is_unsubscribed_after_a_while(
    service: Service, exchange: Exchange, trader: Caller
) -> None:
    followed = topic("depth", "LINKTRY")
    with open_socket(service.ws_url, trader.token) as opened:
        opened.subscribe(BOOK, symbol="LINKTRY")
        assert eventually(lambda: followed in exchange.topics())
        opened.send(type="complete", id="1")
        assert eventually(lambda: followed not in exchange.topics())
        opened.subscribe(BOOK, symbol="LINKTRY")
        assert eventually(lambda: followed in exchange.topics())


def test_each_account_is_followed_once_however_many_listen(
    service: Service, exchange: Exchange, trader: Caller
) -> None:
    each_once = sorted(account.account_id for account in service.accounts)
    assert eventually(lambda: sorted(exchange.accounts_followed()) == each_once)
    with ExitStack() as stack:
        listening = [
            stack.enter_context(open_socket(service.ws_url, trader.token)) for _ in range(3)
        ]
        for opened in listening:
            opened.subscribe(ORDERS, account="demo")
        order_id = accepted(trader, "heard-by-three")["order"]["orderId"]
        for opened in listening:
            next_event(opened, order_id)
        assert sorted(exchange.accounts_followed()) == each_once


def test_a_subscribed_market_is_never_polled(
    service: Service, exchange: Exchange, trader: Caller
) -> None:
    def asked() -> int:
        return len(exchange.requests("market/depth", symbol="1INCHUSDT"))

    exchange.outsider.limit("buy", "1INCHUSDT", "3", "10")
    query = (
        '{ market(symbol: "1INCHUSDT") { orderBook(depth: 1) { bids { price } stale source } } }'
    )
    with open_socket(service.ws_url, trader.token) as opened:
        opened.subscribe(BOOK, symbol="1INCHUSDT")
        read_until(opened, "3")
        exchange.outsider.limit("buy", "1INCHUSDT", "3.1", "10")
        read_until(opened, "3.1")
        # Once for who asked, and once more for what came before the topic had started.
        assert eventually(lambda: asked() == 2)
        for step in range(5):
            price = f"3.{step + 2}"
            exchange.outsider.limit("buy", "1INCHUSDT", price, "10")
            read_until(opened, price)
            book = trader.answer(query)["market"]["orderBook"]
            assert book == {"bids": [{"price": price}], "stale": False, "source": "STREAM"}
        assert asked() == 2


def test_a_stream_that_is_cut_goes_on_with_a_gap_and_a_fresh_snapshot(
    service: Service, exchange: Exchange, trader: Caller
) -> None:
    exchange.trade("1INCHTRY", "31", "3.33")
    with open_socket(service.ws_url, trader.token) as opened:
        opened.subscribe(TRADES, symbol="1INCHTRY")
        quantities_until(opened, "3.33")
        assert eventually(lambda: topic("trade", "1INCHTRY") in exchange.topics())
        exchange.streams("cut")
        while (event := opened.next()["trades"])["__typename"] != "Gap":
            pass
        assert event["reason"]
        exchange.trade("1INCHTRY", "31.5", "4.44")
        assert quantities_until(opened, "4.44")[-1] == "3.33"
    assert eventually(lambda: service.readiness() == "ready")


def test_a_book_is_marked_stale_while_its_stream_is_cut_and_is_fresh_again_after(
    service: Service, exchange: Exchange, trader: Caller
) -> None:
    exchange.outsider.limit("buy", "BTCUSDT", "50000", "1")
    with open_socket(service.ws_url, trader.token) as opened:
        opened.subscribe(BOOK, symbol="BTCUSDT")
        opened.next()
        assert eventually(lambda: topic("depth", "BTCUSDT") in exchange.topics())
        exchange.outsider.limit("buy", "BTCUSDT", "50001", "1")
        while (book := opened.next()["orderBook"])["source"] != "STREAM":
            pass
        assert (book["bids"][0]["price"], book["stale"]) == ("50001", False)
        exchange.streams("cut")
        while not (book := opened.next()["orderBook"])["stale"]:
            pass
        assert book["bids"][0]["price"] == "50001"
        exchange.outsider.limit("buy", "BTCUSDT", "50002", "1")
        assert read_until(opened, "50002")["stale"] is False
    assert eventually(lambda: service.readiness() == "ready")


def test_orders_go_on_after_a_cut_with_a_gap_and_all_open_orders(
    service: Service, exchange: Exchange, trader: Caller
) -> None:
    first, second = (accepted(trader, name)["order"]["orderId"] for name in ("cut-1", "cut-2"))
    with open_socket(service.ws_url, trader.token) as opened:
        opened.subscribe(ORDERS, account="demo")
        next_event(opened, second)
        exchange.streams("cut")
        while (event := opened.next()["orders"])["__typename"] != "Gap":
            pass
        assert event["reason"]
        told: dict[str, str] = {}
        while not {first, second} <= told.keys():
            order = opened.next()["orders"]
            told[order["orderId"]] = order["status"]
        assert {told[first], told[second]} == {"NEW"}
        cancel(trader, first)
        assert next_event(opened, first) == ("CANCELLED", "0")


def test_more_open_orders_than_may_wait_are_each_told_once_also_after_a_cut(
    service: Service, exchange: Exchange, trader: Caller
) -> None:
    many = 300
    placed = [exchange.demo.limit("buy", "BTCTRY", "300000", "0.001") for _ in range(many)]
    with open_socket(service.ws_url, trader.token) as opened:
        opened.subscribe(ORDERS, account="demo")
        told = [opened.next()["orders"]["orderId"] for _ in range(many)]
        assert sorted(told) == sorted(placed)
        exchange.streams("cut")
        assert opened.next()["orders"]["__typename"] == "Gap"
        told = [opened.next()["orders"]["orderId"] for _ in range(many)]
        assert sorted(told) == sorted(placed)
        cancel(trader, placed[0])
        assert next_event(opened, placed[0]) == ("CANCELLED", "0")


def test_a_burst_of_changes_of_a_book_is_told_by_its_latest_states(
    service: Service, exchange: Exchange, trader: Caller
) -> None:
    for number in range(20):
        exchange.counterparty.limit("sell", "XRPTRY", f"9.0{number + 10}", "100")
    # So wide that the exchange is quicker than the execution.
    wide = " ".join(f"a{number}: asks {{ price quantity orders }}" for number in range(15))
    query = f'subscription {{ orderBook(symbol: "XRPTRY") {{ bids {{ price }} {wide} }} }}'
    changes = 300
    with open_socket(service.ws_url, trader.token) as opened:
        opened.subscribe(query)
        assert eventually(lambda: topic("depth", "XRPTRY") in exchange.topics())
        for number in range(changes):
            exchange.outsider.limit("buy", "XRPTRY", f"2.{number + 100}", "100")
        frames = 1
        while opened.next()["orderBook"]["bids"][:1] != [{"price": f"2.{changes + 99}"}]:
            frames += 1
    assert frames < changes
