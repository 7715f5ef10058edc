"""One account, seen through the facade, through GraphQL and in the exchange's own truth.

A bot trades it through the facade, an app through GraphQL, its owner at the exchange itself; an
outsider trades with all three. In the end everybody was told the same.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from threading import Thread
from typing import TypeAlias

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.functional.callers import Json, open_socket
from tests.functional.conftest import running_service
from tests.functional.exchange import DEMO
from tests.functional.facade import WITH_VIRTUAL_KEYS, Bot, answer, issue, open_stream
from tests.functional.facade_desks import DONE, ORDERS_OF_EACH, SYMBOL, ByGraphQL, Desk, trade_all
from tests.functional.service import MARKET, READ, TRADE_ALL, Member, Service
from tests.processes import eventually

BASE, QUOTE = "XRP", "USDT"
OPEN = ("NEW", "PARTIALLY_FILLED")

# The numbers of 'User Order Update Messages'.
SIDES, TYPES = ("BUY", "SELL"), ("LIMIT", "MARKET", "STOP_LIMIT", "FAST")

SHOWN = "fragment Shown on Order { orderId side type status filledQuantity } "
TOLD = f"""{SHOWN} subscription ($account: ID!) {{ orders(account: $account) {{
  __typename ...Shown
}} }}"""
HELD = """subscription ($account: ID!) { balances(account: $account) {
  __typename ... on Balance { asset available held }
} }"""
HOLDINGS = f"""{SHOWN} query ($id: ID!) {{ account(id: $id) {{
  balances {{ asset total available held }}
  openOrders {{ ...Shown }}
  fills {{ side price quantity fee feeAsset }}
}} }}"""

State: TypeAlias = tuple[str, str, str, Decimal]
"""An order's side, type and status, and how much of it is filled."""
Holding: TypeAlias = tuple[Decimal, Decimal]
"""How much of an asset is available, and how much orders hold."""


@dataclass
class Told:
    """What two streams told of the account, one of the facade and one of GraphQL; only the last."""

    orders: dict[str, dict[str, State]]
    available: dict[str, Decimal] = field(default_factory=dict)
    reserved: dict[str, Decimal] = field(default_factory=dict)
    holdings: dict[str, Holding] = field(default_factory=dict)
    trades: list[Json] = field(default_factory=list)

    def hear_facade(self, frame: Json) -> None:
        """Take a frame of `/v3`."""
        match frame["type"]:
            case "orderUpdate":
                self.orders["facade"][frame["order"]["orderId"]] = in_frame(frame["order"])
            case "balanceUpdate":
                self.available[frame["symbol"]] = frame["available"]
            case "reservedUpdate":
                self.reserved[frame["symbol"]] = frame["reserved"]
            case "trade":
                self.trades.append((frame["price"], frame["amount"], frame["tradeType"]))

    def hear_graphql(self, message: Json) -> None:
        """Take an event of either subscription."""
        (event,) = message["payload"]["data"].values()
        match event["__typename"]:
            case "Order":
                self.orders["graphql"][event["orderId"]] = in_graphql(event)
            case "Balance":
                self.holdings[event["asset"]] = holding(event, "available", "held")
            case other:  # of an order whose outcome was not known at first
                assert other == "Placement"


def in_frame(order: Json) -> State:
    """An order of a frame."""
    kind = TYPES[order["orderType"]]
    return SIDES[order["side"]], kind, order["status"], Decimal(order["filledAmount"])


def in_graphql(order: Json) -> State:
    """An order of GraphQL."""
    return order["side"], order["type"], order["status"], Decimal(order["filledQuantity"])


def in_truth(order: Json) -> State:
    """An order of the exchange's truth."""
    kind = order["orderType"].replace(" ", "_")
    return order["side"], kind, order["status"], Decimal(order["filledAmount"])


def holding(row: Json, available: str, held: str) -> Holding:
    """A balance, whose parts have these names."""
    return Decimal(row[available]), Decimal(row[held])


@contextmanager
def hearing(hear: Callable[[Json], None], connection: ClientConnection) -> Iterator[None]:
    """Take whatever comes over a connection meanwhile."""

    def listen() -> None:
        with suppress(ConnectionClosed):
            for text in connection:
                hear(json.loads(text, parse_float=Decimal))

    listener = Thread(target=listen)
    listener.start()
    try:
        yield
    finally:
        connection.close()
        listener.join()


@contextmanager
def listeners(service: Service, bot: Bot) -> Iterator[Told]:
    """Streams of the account, by the facade and by GraphQL, that have begun."""
    told = Told({"facade": {}, "graphql": {}})
    trades = {"method": "SUBSCRIBE", "params": [{"type": "trade", "symbol": SYMBOL}]}
    with ExitStack() as stack:
        stream = stack.enter_context(open_stream(service, bot.login(), json.dumps(trades)))
        assert [answer(stream)["status"] for _ in range(2)] == ["success"] * 2
        socket = stack.enter_context(open_socket(service.ws_url, service.members["app"].token))
        for number, query in enumerate((TOLD, HELD)):
            socket.subscribe(query, str(number), account="demo")
        stack.enter_context(hearing(told.hear_facade, stream))
        stack.enter_context(hearing(told.hear_graphql, socket.connection))
        assert eventually(lambda: told.holdings.keys() >= DEMO.balances.keys())
        yield told


@dataclass
class Day:
    """All that was told and shown of the account, and the truth."""

    desks: dict[str, Desk]
    told: Told
    truth: Json
    shown: Json
    wallet: list[Json]
    open_orders: list[Json]
    fills: list[Json]

    def true_orders(self) -> dict[str, State]:
        """The account's orders."""
        return {row["orderId"]: in_truth(row) for row in self.truth["orders"]}

    def true_holdings(self) -> dict[str, Holding]:
        """The account's balances."""
        rows = self.truth["balances"]["demo"]
        return {row["symbol"]: holding(row, "available", "reserved") for row in rows}


def caught_up(told: Told, truth: Json) -> bool:
    """Whether both streams have told of every order that it ended as it did."""
    true = {row["orderId"]: in_truth(row) for row in truth["orders"]}
    return all(told.orders[way] == true for way in told.orders)


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    """A day on which all four traded at once; it is over."""
    people = [Member(name, (MARKET, READ, TRADE_ALL)) for name in ("bot", "app")]
    # Four desks keep a busy machine busy: a late answer is no unknown outcome here.
    patient = {"NGW_EXCHANGE_READ_TIMEOUT_S": "10", "NGW_ORDER_LEASE_S": "20"}
    settings = WITH_VIRTUAL_KEYS | patient
    with running_service(tmp_path_factory, people=people, settings=settings) as service:
        bot, app, exchange = issue(service, "bot"), service.caller("app"), service.exchange
        inside = (
            Desk("bot", lambda path, terms: bot.send(path, bot.signed(**terms))),
            Desk("app", ByGraphQL(app)),
        )
        outside = (
            Desk("owner", lambda path, terms: exchange.demo.attempt(path, **terms)),
            Desk("outsider", lambda path, terms: exchange.outsider.attempt(path, **terms)),
        )
        with listeners(service, bot) as told:
            trade_all(inside, outside)
            truth = exchange.truth("demo")
            assert eventually(lambda: caught_up(told, truth)), told.orders
            shown = app.answer(HOLDINGS, id="demo")["account"]
            yield Day(
                {desk.name: desk for desk in (*inside, *outside)},
                told,
                truth,
                shown,
                _exact(bot, "balance/wallet")["wallet"],
                _exact(bot, "market/user-orders")["orders"],
                _exact(bot, "market/user-trades")["trades"],
            )
        assert service.complaints() == []


def _exact(bot: Bot, path: str) -> Json:
    """A signed read, without a float."""
    url = f"/v3/api/{path}?{bot.signed()}"
    reply = json.loads(bot.http.get(url, headers=bot.headers).text, parse_float=Decimal)
    assert reply["code"] == DONE
    return reply


def test_everybody_placed_orders_and_traded_with_the_outsider(day: Day) -> None:
    for desk in day.desks.values():
        done = sum(reply["code"] == DONE for reply in desk.replies)
        assert done > ORDERS_OF_EACH / 3, Counter(reply["code"] for reply in desk.replies)
    traded = {
        trade[side]["orderId"]
        for trade in day.truth["trades"]
        for side in ("buyer", "seller")
        if trade[side]["account"] == "demo"
    }
    for name in ("bot", "app", "owner"):
        assert day.desks[name].order_ids() & traded, name


def test_the_ids_that_were_told_to_whoever_ordered_are_those_of_the_exchange(day: Day) -> None:
    true = day.true_orders().keys()
    for name in ("bot", "app", "owner"):
        assert day.desks[name].order_ids() <= true
    assert not day.desks["outsider"].order_ids() & true


def test_no_order_was_made_but_those_that_were_accepted(day: Day) -> None:
    accepted = sum(
        reply["code"] == DONE
        for name in ("bot", "app", "owner")
        for reply in day.desks[name].replies
    )
    assert len(day.true_orders()) == accepted


@pytest.mark.parametrize("way", ["facade", "graphql"])
def test_every_order_ended_on_each_stream_as_it_did(day: Day, way: str) -> None:
    assert day.told.orders[way] == day.true_orders()


def test_the_open_orders_are_the_same_everywhere(day: Day) -> None:
    true = {key: state for key, state in day.true_orders().items() if state[2] in OPEN}
    by_graphql = {row["orderId"]: in_graphql(row) for row in day.shown["openOrders"]}
    by_facade = {row["orderId"]: row for row in day.open_orders}
    assert true
    assert by_graphql == true
    assert by_facade.keys() == true.keys()
    for order_id, row in by_facade.items():
        assert in_frame({"status": true[order_id][2], **row}) == true[order_id]


def test_the_balances_are_the_same_everywhere(day: Day) -> None:
    true = day.true_holdings()
    by_graphql = {row["asset"]: holding(row, "available", "held") for row in day.shown["balances"]}
    by_facade = {row["symbol"]: holding(row, "available", "reserved") for row in day.wallet}
    assert by_graphql == by_facade == day.told.holdings == true
    for row in day.wallet:
        assert row["total"] == row["available"] + row["reserved"]
    for asset in (BASE, QUOTE):
        assert (day.told.available[asset], day.told.reserved[asset]) == true[asset]


def test_the_fills_are_the_same_everywhere(day: Day) -> None:
    by_graphql = [
        (row["side"], *map(Decimal, (row["price"], row["quantity"], row["fee"])), row["feeAsset"])
        for row in day.shown["fills"]
    ]
    by_facade = [
        (
            SIDES[row["side"]],
            *map(Decimal, (row["price"], row["amount"], row["commission"])),
            row["commissionSymbol"],
        )
        for row in day.fills
    ]
    assert by_facade == by_graphql
    assert Counter(by_facade) == Counter(_true_fills(day.truth["trades"]))


def _true_fills(trades: Iterable[Json]) -> Iterator[tuple[str, Decimal, Decimal, Decimal, str]]:
    for trade in trades:
        terms = Decimal(trade["price"]), Decimal(trade["amount"])
        if trade["buyer"]["account"] == "demo":
            yield "BUY", *terms, Decimal(trade["buyerFee"]), BASE
        if trade["seller"]["account"] == "demo":
            yield "SELL", *terms, Decimal(trade["sellerFee"]), QUOTE


def test_the_stream_told_every_trade_in_its_order(day: Day) -> None:
    true = [
        (trade["price"], trade["amount"], int(trade["takerSide"] == "BUY"))
        for trade in day.truth["trades"]
    ]
    assert day.told.trades == true
