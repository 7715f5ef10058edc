"""Apps that trade without a pause, as a careful one does: an order is repeated until it is known.

Each order has a `clientOrderId` and a price of its own, so that the exchange's truth tells it from
all others.
"""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import Any

import httpx

from tests.functional.callers import Caller
from tests.functional.exchange import Exchange
from tests.functional.ordering import PLACE, command

_LOWEST = 200_000
_PAUSE_S = 0.05
_KNOWN_WITHIN_S = 60.0


@dataclass
class Order:
    """One order: how often it was sent until its outcome was known, and that outcome."""

    number: int
    outcome: str | None = None
    sent: int = 0
    known_after_s: float = 0.0

    @property
    def client_order_id(self) -> str:
        """The same each time that it is sent."""
        return f"rolling-{self.number}"

    @property
    def price(self) -> int:
        """One that no other order has."""
        return _LOWEST + self.number


@dataclass
class Trade:
    """All orders so far, and why some had to be sent again."""

    orders: list[Order] = field(default_factory=list)
    troubles: Counter[str] = field(default_factory=Counter)

    def lost(self) -> list[Order]:
        """Orders whose outcome nobody told."""
        return [order for order in self.orders if order.outcome is None]

    def accepted(self) -> list[Order]:
        """Orders of which the gateway said that they stand."""
        return [order for order in self.orders if order.outcome == "OrderAccepted"]

    def untrue(self, exchange: Exchange) -> list[Order]:
        """Orders that the exchange has otherwise than the gateway said, or twice."""
        placed = Counter(int(row["price"]) for row in exchange.orders("demo"))
        return [
            order
            for order in self.orders
            if placed[order.price] != (order.outcome == "OrderAccepted")
        ]

    def figures(self) -> str:
        """In one line."""
        again = sum(order.sent > 1 for order in self.orders)
        longest = max((order.known_after_s for order in self.orders), default=0.0)
        return (
            f"orders sent {len(self.orders)}, accepted {len(self.accepted())}, "
            f"lost {len(self.lost())}, sent more than once {again} ({dict(self.troubles)}), "
            f"longest until known {longest:.1f} s"
        )


@contextmanager
def trading(url: str, token: str, apps: int) -> Iterator[Trade]:
    """Let so many apps trade until the block ends, each one order after the other."""
    trade, end = Trade(), Event()

    def app(place: int) -> None:
        with httpx.Client(base_url=url, trust_env=False, timeout=20) as http:
            number = place
            while not end.is_set():
                order = Order(number)
                trade.orders.append(order)
                _settle(Caller(http, token), order, trade.troubles)
                number += apps
                time.sleep(_PAUSE_S)

    with ThreadPoolExecutor(apps) as pool:
        running = [pool.submit(app, place) for place in range(apps)]
        try:
            yield trade
        finally:
            end.set()
        for each in running:
            each.result()


def _settle(caller: Caller, order: Order, troubles: Counter[str]) -> None:
    began = time.monotonic()
    while time.monotonic() < began + _KNOWN_WITHIN_S:
        order.sent += 1
        trouble = _send(caller, order)
        if trouble is None:
            break
        troubles[trouble] += 1
        time.sleep(_PAUSE_S * 2)
    order.known_after_s = time.monotonic() - began


def _send(caller: Caller, order: Order) -> str | None:
    """Send it; None once its outcome is known, else what to call the trouble."""
    try:
        given = command(order.client_order_id, price=str(order.price))
        response = caller.post(PLACE, **given)
    except httpx.TransportError as error:
        return type(error).__name__
    try:
        body: dict[str, Any] = response.json()
    except ValueError:  # the proxy's own
        return str(response.status_code)
    if "errors" in body:
        return f"{response.status_code} {body['errors'][0]['extensions']['code']}"
    answer = body["data"]["placeOrder"]
    if answer["__typename"] == "OrderAccepted":
        order.outcome = "OrderAccepted"
        return None
    if answer["__typename"] == "OrderRejected" and not answer["retryable"]:
        order.outcome = answer["code"]
        return None
    return str(answer.get("code", answer["__typename"]))
