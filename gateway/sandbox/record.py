"""The truth about what the sandbox received and did, for tests to compare with what others say."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.sandbox.events import Event, Order, OrderChanged, Trade


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it came, without the API key and the signature."""

    method: str
    path: str
    parameters: Mapping[str, str]


class Record:
    """The latest ``limit`` requests, orders and trades of clients; with 0 it keeps nothing."""

    def __init__(self, accounts: Iterable[str], limit: int) -> None:
        self._accounts = frozenset(accounts)
        self._limit = limit
        self.counts: Counter[str] = Counter()
        self.requests: deque[Received] = deque(maxlen=limit)
        self.trades: deque[Trade] = deque(maxlen=limit)
        self.orders: dict[str, Order] = {}

    def note_request(self, request: Received) -> None:
        """Keep a request."""
        if self._limit:
            self.counts[request.path] += 1
            self.requests.append(request)

    def note_events(self, events: Iterable[Event]) -> None:
        """Keep the clients' orders as they are now, and their trades."""
        for event in events:
            if isinstance(event, OrderChanged) and event.order.account_id in self._accounts:
                self._note_order(event.order)
            elif isinstance(event, Trade) and self._concerns(event):
                self.trades.append(event)

    def forget_requests(self) -> None:
        """Start counting anew."""
        self.counts.clear()
        self.requests.clear()

    def _concerns(self, trade: Trade) -> bool:
        return not self._accounts.isdisjoint((trade.maker.account_id, trade.taker.account_id))

    def _note_order(self, order: Order) -> None:
        self.orders[order.order_id] = order
        if len(self.orders) > self._limit:
            del self.orders[next(iter(self.orders))]
