"""Those who trade one account at once: each in its own way, all in the exchange's words."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from threading import Event

from tests.functional.callers import Caller, Json

SEED = 20_210_325
ORDERS_OF_EACH = 80
REST_S = 0.05
SYMBOL = "XRPUSDT"
LAST, STEP = Decimal("0.56017"), Decimal("0.00001")
DONE = "00000"
KINDS = {"limit": 10, "market": 2, "stop-limit": 2, "fast": 2}

PLACE = """mutation ($input: PlaceOrderInput!) { placeOrder(input: $input) {
  __typename
  ... on OrderAccepted { order { orderId } }
  ... on OrderRejected { exchangeCode }
} }"""
CANCEL = "mutation ($input: CancelOrderInput!) { cancelOrder(input: $input) { __typename } }"


@dataclass
class Desk:
    """One who trades: how it asks for something, in the exchange's words, and what came of that."""

    name: str
    ask: Callable[[str, dict[str, str]], Json]
    replies: list[Json] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = Random(f"{SEED}/{self.name}")

    def trade(self) -> None:
        """Place a day's orders."""
        for _ in range(ORDERS_OF_EACH):
            self.act()

    def trade_until(self, closed: Event) -> None:
        """Place orders for as long as others do, no faster than they."""
        while not closed.wait(REST_S):
            self.act()

    def act(self) -> None:
        """Place a random order, and take every third of those that have an id out again."""
        side = self.random.choice(("buy", "sell"))
        (kind,) = self.random.choices(list(KINDS), list(KINDS.values()))
        reply = self.ask(f"market/{kind}-{side}", _terms(kind, side, self.random))
        self.replies.append(reply)
        order_id = reply.get("order", {}).get("orderId")
        if order_id is not None and self.random.randrange(3) == 0:
            self.ask("market/cancel-order", {"orderId": order_id})

    def order_ids(self) -> set[str]:
        """The ids that it was told of its orders."""
        orders = [reply["order"] for reply in self.replies if reply["code"] == DONE]
        return {order["orderId"] for order in orders if order.get("orderId")}


def _terms(kind: str, side: str, random: Random) -> dict[str, str]:
    def price() -> str:
        return str((LAST * random.randint(985, 1015) / 1000).quantize(STEP))

    amount = str(random.randint(20, 300))
    match kind:
        case "limit":
            return {"symbol": SYMBOL, "price": price(), "amount": amount}
        case "stop-limit":
            return {"symbol": SYMBOL, "price": price(), "target": price(), "amount": amount}
        case "fast" if side == "buy":
            return {"symbol": SYMBOL, "total": amount}
        case _:
            return {"symbol": SYMBOL, "amount": amount}


@dataclass
class ByGraphQL:
    """Asks GraphQL for what the endpoints do."""

    caller: Caller
    asked: int = 0

    def __call__(self, path: str, terms: dict[str, str]) -> Json:
        """The answer in the exchange's words."""
        if path == "market/cancel-order":
            return self.caller.answer(CANCEL, input={"account": "demo", **terms})
        self.asked += 1
        kind, _, side = path.removeprefix("market/").rpartition("-")
        given = {
            "account": "demo",
            "clientOrderId": str(self.asked),
            "symbol": terms["symbol"],
            "side": side.upper(),
            "order": _spec(kind, terms),
        }
        result = self.caller.answer(PLACE, input=given)["placeOrder"]
        accepted = result["__typename"] == "OrderAccepted"
        return {**result, "code": DONE if accepted else result.get("exchangeCode")}


def _spec(kind: str, terms: dict[str, str]) -> Json:
    names = {"price": "price", "target": "stopPrice", "amount": "quantity", "total": "quoteTotal"}
    spec = {names[name]: value for name, value in terms.items() if name in names}
    return {"stopLimit" if kind == "stop-limit" else kind: spec}


def trade_all(inside: Iterable[Desk], outside: Iterable[Desk]) -> None:
    """Let those inside place their orders, and those outside meet them until they have."""
    closed = Event()
    with ThreadPoolExecutor() as threads:
        met = [threads.submit(desk.trade_until, closed) for desk in outside]
        try:
            list(threads.map(Desk.trade, inside))
        finally:
            closed.set()
        for each in met:
            each.result()
