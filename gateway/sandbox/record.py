"""The truth about what the sandbox received and did, for tests to compare with what others say."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.sandbox.events import Event, Order, OrderChanged, Trade
from gateway.sandbox.exchange import ENDPOINTS

LONGEST_TEXT = 256
UNKNOWN_PATHS = "unknown"
_PATHS = frozenset(path for _, path in ENDPOINTS)


@dataclass(slots=True)
class Received:
    """A request as it came, without the API key and the signature, and what became of it.

    path, parameters: no name and no value of more than LONGEST_TEXT characters. digest: the SHA-256
    (hex) of the text that its signature covers, None without a signature.
    account: whose API key it names, whether or not it was signed with it. time: epoch ms.
    fault: the outcome of the fault that hit it. executed: the code that executing it gave, None
    unless (or until) it is executed. order_id: of the order that executing it placed.
    status, answered: the HTTP status that was sent and the code in that reply; None when nothing
    was sent, or no such code. sequence: as the record counted it.
    """

    method: str
    path: str
    parameters: Mapping[str, str]
    account: str | None
    time: int
    digest: str | None = None
    fault: str | None = None
    executed: str | None = None
    order_id: str | None = None
    status: int | None = None
    answered: str | None = None
    sequence: int = 0


class Record:
    """The latest ``limit`` requests, client orders and trades; with 0 it keeps nothing.

    ``counts`` is of requests by path; all paths that the document does not know are one. Each
    request gets its ``sequence``, from 1 in the order in which they came, never twice.
    ``dropped`` counts what had to make room, by kind.
    """

    def __init__(self, clients: Iterable[str], limit: int) -> None:
        self._clients = frozenset(clients)
        self._limit = limit
        self._received = 0
        self.counts: Counter[str] = Counter()
        self.requests: deque[Received] = deque()
        self.trades: deque[Trade] = deque()
        self.orders: dict[str, Order] = {}
        self.dropped = Counter(requests=0, orders=0, trades=0)

    def note_request(self, request: Received) -> None:
        """Keep a request; what becomes of it is written into it."""
        if not self._limit:
            return
        self._received += 1
        request.sequence = self._received
        self.counts[request.path if request.path in _PATHS else UNKNOWN_PATHS] += 1
        self.requests.append(request)
        if len(self.requests) > self._limit:
            self.requests.popleft()
            self.dropped["requests"] += 1

    def note_events(self, events: Iterable[Event], cause: Received | None = None) -> None:
        """Keep the clients' orders as they are now, and all trades.

        A new order of the account whose request was the ``cause`` is what that request placed.
        """
        if not self._limit:
            return
        for event in events:
            if isinstance(event, OrderChanged) and event.order.account_id in self._clients:
                if cause is not None and event.order.account_id == cause.account:
                    self._note_cause(event.order, cause)
                self._note_order(event.order)
            elif isinstance(event, Trade):
                self._note_trade(event)

    def forget_requests(self) -> None:
        """Start counting anew."""
        self.counts.clear()
        self.requests.clear()
        self.dropped["requests"] = 0

    def _note_cause(self, order: Order, cause: Received) -> None:
        if order.order_id not in self.orders:
            cause.order_id = order.order_id

    def _note_trade(self, trade: Trade) -> None:
        self.trades.append(trade)
        if len(self.trades) > self._limit:
            self.trades.popleft()
            self.dropped["trades"] += 1

    def _note_order(self, order: Order) -> None:
        self.orders[order.order_id] = order
        if len(self.orders) > self._limit:
            del self.orders[next(iter(self.orders))]
            self.dropped["orders"] += 1
