"""A thousand orders of five accounts through the gateway, while outsiders trade with them.

What answers and subscriptions showed in the end is held against the exchange's own truth, and
nothing may have come from nowhere.
"""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from random import Random
from threading import Event
from typing import Any, TypeAlias

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.functional.callers import Caller
from tests.functional.conftest import running_service
from tests.functional.exchange import COUNTERPARTY, OUTSIDER, QUIET, Exchange, account
from tests.functional.service import MARKET, READ, TRADE_ALL, Member, Service
from tests.processes import eventually

# What an answer holds is for the test to know.
Json: TypeAlias = Any

# A thousand orders take a while where others are at work, and so do outcomes nobody was told.
pytestmark = pytest.mark.timeout(180)

SEED = 20_210_325
ORDERS_OF_EACH = 200
OUTSIDERS_REST_S = 0.02
MARKETS = {"XRPUSDT": ("0.56017", "0.00001"), "LINKUSDT": ("27.1938", "0.0001")}
DESKS = tuple(account(f"desk-{number}") for number in range(1, 6))
OUTSIDERS = (OUTSIDER, COUNTERPARTY)
BALANCES_AT_FIRST = DESKS[0].balances.keys()
OPEN = ("NEW", "PARTIALLY_FILLED")

SHOWN = "fragment Shown on Order { orderId symbol side type status quantity filledQuantity } "
PLACE = f"""{SHOWN} mutation ($input: PlaceOrderInput!) {{ placeOrder(input: $input) {{
  __typename
  ... on OrderAccepted {{ order {{ ...Shown }} placement {{ state newIdSafe }} }}
  ... on OrderRejected {{ code exchangeCode }}
  ... on OrderPending {{ placement {{ id }} }}
}} }}"""
PLACEMENT = "query ($id: ID!) { placement(id: $id) { state evidence problem { exchangeCode } } }"
CANCEL = """mutation ($input: CancelOrderInput!) { cancelOrder(input: $input) {
  __typename
  ... on CancelRejected { code exchangeCode }
} }"""
ORDERS = f"""{SHOWN} subscription ($account: ID!) {{ orders(account: $account) {{
  __typename ...Shown ... on Gap {{ reason }}
}} }}"""
BALANCES = """subscription ($account: ID!) { balances(account: $account) {
  __typename ... on Balance { asset total available held } ... on Gap { reason }
} }"""
HOLDINGS = f"""{SHOWN} query ($id: ID!) {{ account(id: $id) {{
  balances {{ asset total available held }}
  openOrders {{ ...Shown }}
  fills {{ symbol side price quantity fee feeAsset }}
}} }}"""


@dataclass
class Desk:
    """One account's trader: what it did, and what it was shown."""

    name: str
    http: httpx.AsyncClient
    random: Random
    answers: list[Json] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    orders: dict[str, Json] = field(default_factory=dict)
    balances: dict[str, Json] = field(default_factory=dict)
    gaps: list[Json] = field(default_factory=list)
    endings: list[Json] = field(default_factory=list)
    holdings: Json = None

    async def trade(self) -> None:
        """Place random orders, and take every fourth of those that rest out again."""
        for number in range(1, ORDERS_OF_EACH):
            result = await self._place(number, self._order())
            order_id = result.get("order", {}).get("orderId")
            if order_id is not None and self.random.randrange(4) == 0:
                await self._cancel(order_id)

    async def open(self) -> None:
        """Have a fill: a long list of fills that goes back to none may not be all there are."""
        order = {"symbol": "XRPUSDT", "side": "BUY", "order": {"market": {"quantity": "20"}}}
        await self._place(0, order)

    async def ask(self, document: str, **variables: object) -> Json:
        """The data of an answer without errors."""
        body = {"query": document, "variables": variables}
        answer = (await self.http.post("/graphql", json=body)).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def hear(self, event: Json) -> None:
        """Take an event of either subscription."""
        match event["__typename"]:
            case "Order":
                self.orders[event["orderId"]] = event
            case "Balance":
                self.balances[event["asset"]] = event
            case "Gap":
                self.gaps.append(event)

    def pending(self) -> list[str]:
        """The placements whose outcome nobody knew at first."""
        kind = "OrderPending"
        return [each["placement"]["id"] for each in self.answers if each["__typename"] == kind]

    def accepted(self) -> list[Json]:
        """The orders that the gateway called accepted."""
        return [answer["order"] for answer in self.answers if "order" in answer]

    async def _place(self, number: int, order: Json) -> Json:
        command = {"account": self.name, "clientOrderId": f"{number}", **order}
        result = (await self.ask(PLACE, input=command))["placeOrder"]
        self.answers.append(result)
        return result

    async def _cancel(self, order_id: str) -> None:
        command = {"account": self.name, "orderId": order_id}
        result = (await self.ask(CANCEL, input=command))["cancelOrder"]
        if result["__typename"] == "OrderCancelled":
            self.cancelled.append(order_id)
        else:
            assert result["code"] == "ORDER_FILLED", result

    def _order(self) -> Json:
        symbol, side = self.random.choice(list(MARKETS)), self.random.choice(("BUY", "SELL"))
        return {"symbol": symbol, "side": side, "order": self._terms(symbol, side)}

    def _terms(self, symbol: str, side: str) -> Json:
        quantity = str(self.random.randint(20, 400))
        price, stop = self._price(symbol), self._price(symbol)
        kinds = ("limit", "market", "stopLimit", "fast")
        match self.random.choices(kinds, (12, 3, 3, 2))[0]:
            case "limit":
                return {"limit": {"price": price, "quantity": quantity}}
            case "market":
                return {"market": {"quantity": quantity}}
            case "stopLimit":
                return {"stopLimit": {"stopPrice": stop, "price": price, "quantity": quantity}}
            case _:
                return {"fast": {"quoteTotal" if side == "BUY" else "quantity": quantity}}

    def _price(self, symbol: str) -> str:
        return near_last(symbol, self.random, 30)


def near_last(symbol: str, random: Random, thousandths: int) -> str:
    """A random price at most so far from where the market opened."""
    last, step = map(Decimal, MARKETS[symbol])
    share = Decimal(random.randint(1000 - thousandths, 1000 + thousandths)) / 1000
    return str((last * share).quantize(step))


def trade_as_outsiders(exchange: Exchange, random: Random, closed: Event) -> None:
    """Let two accounts that the gateway does not know quote and take until the day is over."""
    while not closed.wait(OUTSIDERS_REST_S):
        symbol = random.choice(list(MARKETS))
        trader = random.choice((exchange.outsider, exchange.counterparty))
        trader.attempt(
            f"market/limit-{random.choice(('buy', 'sell'))}",
            symbol=symbol,
            price=near_last(symbol, random, 15),
            amount=random.randint(100, 900),
        )


async def follow(service: Service, desk: Desk) -> None:
    """Hear a desk's orders and balances on one socket, until cancelled."""
    async with connect(
        service.ws_url, subprotocols=[Subprotocol("graphql-transport-ws")], proxy=None
    ) as socket:
        token = service.members[desk.name].token
        await send(socket, type="connection_init", payload={"Authorization": f"Bearer {token}"})
        assert json.loads(await socket.recv()) == {"type": "connection_ack"}
        for stream, document in (("orders", ORDERS), ("balances", BALANCES)):
            payload = {"query": document, "variables": {"account": desk.name}}
            await send(socket, type="subscribe", id=stream, payload=payload)
        async for text in socket:
            message = json.loads(text)
            assert message["type"] == "next", message
            assert "errors" not in message["payload"], message
            desk.hear(message["payload"]["data"][message["id"]])


async def send(socket: ClientConnection, **message: object) -> None:
    """Send a message of graphql-transport-ws."""
    await socket.send(json.dumps(message))


async def settled(holds: Callable[[], bool]) -> None:
    """Wait until `holds` says yes."""
    assert await asyncio.to_thread(eventually, holds)


@asynccontextmanager
async def manned(service: Service) -> AsyncIterator[list[Desk]]:
    """Desks that hear their streams; each has been told all its balances."""
    desks = []
    async with AsyncExitStack() as stack:
        group = await stack.enter_async_context(asyncio.TaskGroup())
        for each in DESKS:
            token = service.members[each.account_id].token
            client = httpx.AsyncClient(
                base_url=service.http.base_url,
                headers={"Authorization": f"Bearer {token}"},
                trust_env=False,
                timeout=30,
            )
            http = await stack.enter_async_context(client)
            desks.append(Desk(each.account_id, http, Random(f"{SEED}/{each.account_id}")))
        listeners = [group.create_task(follow(service, desk)) for desk in desks]
        await settled(lambda: all(desk.balances.keys() >= BALANCES_AT_FIRST for desk in desks))
        yield desks
        for listener in listeners:
            listener.cancel()


@dataclass
class Outcome:
    """All that was shown, and the exchange's truth."""

    desks: list[Desk]
    truth: Json

    def orders(self, desk: Desk) -> dict[str, Json]:
        """The truth about a desk's orders, by id."""
        rows = self.truth["orders"]
        return {row["orderId"]: row for row in rows if row["account"] == desk.name}

    def open_orders(self, desk: Desk) -> dict[str, Json]:
        """Those that are open."""
        return {key: row for key, row in self.orders(desk).items() if row["status"] in OPEN}


async def trading_day(service: Service) -> Outcome:
    """Let everybody trade at once, and wait until the streams have told as much as the truth."""
    async with manned(service) as desks:
        closed, exchange = Event(), service.exchange
        exchange.outsider.limit("sell", "XRPUSDT", MARKETS["XRPUSDT"][0], "100")
        await asyncio.gather(*(desk.open() for desk in desks))
        outsiders = asyncio.create_task(
            asyncio.to_thread(trade_as_outsiders, exchange, Random(SEED), closed)
        )
        try:
            await asyncio.gather(*(desk.trade() for desk in desks))
        finally:
            closed.set()
        await outsiders
        outcome = Outcome(desks, service.exchange.truth())
        await settled(lambda: all(caught_up(outcome, desk) for desk in desks))
        for desk in desks:
            desk.holdings = (await desk.ask(HOLDINGS, id=desk.name))["account"]
        return outcome


def caught_up(outcome: Outcome, desk: Desk) -> bool:
    """True when a desk's subscriptions have shown every order and balance as it now is."""
    states = {key: row["status"] for key, row in outcome.orders(desk).items()}
    shown = {key: order["status"] for key, order in desk.orders.items()}
    return shown == states and wallet(desk.balances.values()) == true_wallet(outcome, desk)


def wallet(balances: Iterable[Json]) -> dict[str, tuple[Decimal, ...]]:
    """Total, available and held by asset, as GraphQL shows them."""
    parts = ("total", "available", "held")
    return {row["asset"]: tuple(Decimal(row[part]) for part in parts) for row in balances}


def true_wallet(outcome: Outcome, desk: Desk) -> dict[str, tuple[Decimal, ...]]:
    """The same in the exchange's own words."""
    parts = ("total", "available", "reserved")
    rows = outcome.truth["balances"][desk.name]
    return {row["symbol"]: tuple(exact(row[part]) for part in parts) for row in rows}


def exact(number: float | str) -> Decimal:
    """A number of the truth, which is written without loss and read without more digits."""
    return Decimal(str(number))


def ending(caller: Caller, placement_id: str) -> Json:
    """What a placement became whose outcome nobody knew at first."""
    told: list[Json] = []

    def known() -> bool:
        told.append(caller.answer(PLACEMENT, id=placement_id)["placement"])
        return bool(told[-1]["state"] != "UNKNOWN")

    # It becomes IN_DOUBT, with the reason, before both have passed.
    assert eventually(known) or eventually(known), told[-1]
    return told[-1]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """A trading day that is over."""
    config = replace(QUIET, accounts=(*DESKS, *OUTSIDERS))
    traders = [
        Member(each.account_id, (MARKET, READ, TRADE_ALL), account=each.account_id)
        for each in DESKS
    ]
    # Five desks keep a busy machine busy: a late answer is no unknown outcome here.
    patient = {"NGW_EXCHANGE_READ_TIMEOUT_S": "10", "NGW_ORDER_LEASE_S": "20"}
    with running_service(tmp_path_factory, config, DESKS, traders, patient) as service:
        day = asyncio.run(trading_day(service))
        for desk in day.desks:
            desk.endings = [ending(service.caller(desk.name), each) for each in desk.pending()]
        yield day
        assert [each for each in service.complaints() if "order.in_doubt" not in each] == []


def test_a_thousand_orders_were_answered(outcome: Outcome) -> None:
    kinds = Counter(answer["__typename"] for desk in outcome.desks for answer in desk.answers)
    assert kinds.total() == ORDERS_OF_EACH * len(DESKS)
    assert kinds.keys() <= {"OrderAccepted", "OrderRejected", "OrderPending"}
    assert kinds["OrderAccepted"] > kinds.total() / 2, kinds


def test_what_was_pending_would_have_met_an_order_of_its_own_account_and_was_refused(
    outcome: Outcome,
) -> None:
    """The exchange saw it where the gateway could not: an order entered the book meanwhile.

    That no part of it had traded is certain only where no other order had fills at the time.
    """
    for told in (each for desk in outcome.desks for each in desk.endings):
        assert told["state"] in {"REJECTED", "IN_DOUBT"}, told
        assert "10041" in told["evidence"]
        refused = {"exchangeCode": "10041"} if told["state"] == "REJECTED" else None
        assert told["problem"] == refused


def test_outsiders_traded_with_every_desk_from_morning_to_evening(outcome: Outcome) -> None:
    strangers = {each.account_id for each in OUTSIDERS}
    trades = outcome.truth["trades"]
    for half in (trades[: len(trades) // 2], trades[len(trades) // 2 :]):
        pairs = [{trade[side]["account"] for side in ("buyer", "seller")} for trade in half]
        met = set[str]().union(*(pair for pair in pairs if pair & strangers)) - strangers
        assert met == {desk.name for desk in outcome.desks}


def test_every_type_of_order_was_accepted_and_filled(outcome: Outcome) -> None:
    filled = {
        row["type"]
        for desk in outcome.desks
        for row in desk.orders.values()
        if row["status"] == "FILLED"
    }
    assert filled == {"LIMIT", "MARKET", "STOP_LIMIT", "FAST"}


def test_the_exchange_has_the_accepted_orders_and_no_others(outcome: Outcome) -> None:
    for desk in outcome.desks:
        orders = outcome.orders(desk)
        named = {order["orderId"] for order in desk.accepted() if order["orderId"]}
        assert named <= orders.keys()
        assert len(orders) == len(desk.accepted())


def test_every_order_ended_as_the_subscription_said(outcome: Outcome) -> None:
    for desk in outcome.desks:
        truth = {
            key: (row["status"], exact(row["filledAmount"]))
            for key, row in outcome.orders(desk).items()
        }
        shown = {
            key: (order["status"], Decimal(order["filledQuantity"]))
            for key, order in desk.orders.items()
        }
        assert shown == truth
        assert {key for key, state in truth.items() if state[0] == "CANCELLED"} >= set(
            desk.cancelled
        )


def test_open_orders_are_those_of_the_exchange(outcome: Outcome) -> None:
    for desk in outcome.desks:
        shown = {order["orderId"] for order in desk.holdings["openOrders"]}
        assert shown == outcome.open_orders(desk).keys()


def test_balances_agree_as_asked_for_as_told_and_in_truth(outcome: Outcome) -> None:
    for desk in outcome.desks:
        truth = true_wallet(outcome, desk)
        assert wallet(desk.holdings["balances"]) == truth
        assert wallet(desk.balances.values()) == truth


def test_no_stream_had_a_gap(outcome: Outcome) -> None:
    assert [desk.gaps for desk in outcome.desks] == [[]] * len(DESKS)


def test_fills_account_for_every_change_of_a_balance(outcome: Outcome) -> None:
    for desk in outcome.desks:
        moved = defaultdict[str, Decimal](Decimal)
        for fill in desk.holdings["fills"]:
            base, quote = fill["symbol"].removesuffix("USDT"), "USDT"
            quantity = Decimal(fill["quantity"]) * (1 if fill["side"] == "BUY" else -1)
            moved[base] += quantity
            moved[quote] -= quantity * Decimal(fill["price"])
            moved[fill["feeAsset"]] -= Decimal(fill["fee"])
        start = {each.account_id: each.balances for each in DESKS}[desk.name]
        totals = {asset: row[0] for asset, row in wallet(desk.holdings["balances"]).items()}
        assert {asset: total - start[asset] for asset, total in totals.items()} == {
            asset: moved[asset] for asset in totals
        }


def test_nothing_came_from_nowhere_and_nothing_is_lost(outcome: Outcome) -> None:
    had, have = defaultdict[str, Decimal](Decimal), defaultdict[str, Decimal](Decimal)
    for asset, fee in outcome.truth["fees"].items():
        have[asset] += exact(fee)
    for each in (*DESKS, *OUTSIDERS):
        for asset, quantity in each.balances.items():
            had[asset] += quantity
        for row in outcome.truth["balances"][each.account_id]:
            have[row["symbol"]] += exact(row["total"])
    assert have == had
