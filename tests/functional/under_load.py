"""Callers who ask, trade and follow an account all the time, while a test changes the world."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from gateway.cli.operations import operation
from tests.faults.load import repeated
from tests.functional.callers import Caller, Json, Socket, open_socket
from tests.functional.ordering import ACCOUNT, accepted, cancel, open_orders
from tests.functional.service import MARKET, READ, TRADE_ALL, Member, Service
from tests.processes import eventually

FOLLOWER = Member("follower", (MARKET, READ, TRADE_ALL))
"""Whose sockets are open meanwhile; it is never changed itself."""
UNBOUNDED = {
    "NGW_PRINCIPAL_RATE": "100000/s",
    "NGW_ACCOUNT_RATE": "100000/s",
    "NGW_MARKET_RATE": "100000/s",
}
"""Settings with which no load meets a limit."""

_TICKERS = '{ markets(symbols: ["BTCTRY", "ETHTRY"]) { ticker { last } } }'
_END = "end"


@dataclass
class Load:
    """What has come of it so far; what failed is raised when the load ends."""

    orders: list[str] = field(default_factory=list)
    answers: list[Json] = field(default_factory=list)
    events: list[Json] = field(default_factory=list)
    balances: list[Json] = field(default_factory=list)

    def go_on(self, orders: int = 10) -> None:
        """Let so many more orders be placed and cancelled."""
        enough = len(self.orders) + orders
        assert eventually(lambda: len(self.orders) >= enough), "trade came to a standstill"

    def gaps(self) -> int:
        """How often those who follow the orders were told that some may be missing."""
        return sum(event["__typename"] == "Gap" for event in self.events)

    def unsettled(self) -> list[str]:
        """What followers were told of last that is not so any more."""
        standing = self.standing()
        held = {row["asset"]: row["held"] for row in self.balances if "asset" in row}
        return [
            *(f"order {order_id} {what}" for order_id, what in standing.items() if what == "NEW"),
            *(
                f"order {order_id} untold"
                for order_id in self.orders[-5:]
                if order_id not in standing
            ),
            *(f"{asset} {quantity} held" for asset, quantity in held.items() if float(quantity)),
        ]

    def standing(self) -> dict[str, str]:
        """The orders that were told of, each with what was told last."""
        return {row["orderId"]: row["status"] for row in self.events if "orderId" in row}


@contextmanager
def load(service: Service, caller: Callable[[], Caller]) -> Iterator[Load]:
    """Put load on a gateway until the block ends; `caller` is asked for before each request."""

    def trade(number: int) -> str:
        order_id = str(accepted(caller(), f"load-{number}")["order"]["orderId"])
        assert order_id in open_orders(caller())
        assert cancel(caller(), order_id)["__typename"] == "OrderCancelled"
        return order_id

    def ask(_number: int) -> Json:
        return caller().answer(_TICKERS), caller().answer(ACCOUNT, id="demo")

    follower = service.caller(FOLLOWER.name)
    with (
        following(service, follower, "orders") as events,
        following(service, follower, "balances") as balances,
    ):
        with repeated(trade, 2) as orders, repeated(ask, 1) as answers:
            made = Load(orders, answers, events, balances)
            made.go_on()
            yield made
            made.go_on()
        # An order's event may come after the answer about it.
        assert eventually(lambda: not made.unsettled()), made.unsettled()


@contextmanager
def following(service: Service, caller: Caller, what: str) -> Iterator[list[Json]]:
    """Follow the account demo until the block ends; a stream that breaks off is an error."""
    told: list[Json] = []
    with open_socket(service.ws_url, caller.token) as socket, ThreadPoolExecutor(1) as pool:
        socket.subscribe(operation(f"watch-{what}"), account="demo")
        listening = pool.submit(_listen, socket, what, told)
        try:
            assert eventually(lambda: service.metric("gateway_subscriptions", field=what) == 1)
            yield told
        finally:
            socket.subscribe("{ __typename }", _END)
            listening.result()


def _listen(socket: Socket, what: str, told: list[Json]) -> None:
    while (message := socket.receive())["id"] != _END:
        assert message["type"] == "next", message
        told.append(message["payload"]["data"][what])
