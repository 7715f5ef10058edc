"""The wire between a gateway and the exchange: orders can be torn, held up or met on it."""

import hashlib
import re
import socket
from collections.abc import Callable
from typing import TypeAlias

from tests.faults.tcp_wire import TcpWire, WireLog

_BLOCK = 65_536
_ORDER = re.compile(
    rb"POST /v3/api/market/(?:limit|market|fast|stop-limit)-(?:buy|sell)\?"
    rb"(?P<signed>\S*?)&signature=\S* HTTP"
)
_KEY = re.compile(rb"(?mi)^x-apnk-apikey: *(\S+)\r$")

Toll: TypeAlias = Callable[[str], bool]
"""Is called with an order's API key while it waits; False: half of it goes on, and no more."""


def toll_free(api_key: str) -> bool:
    """Let an order pass."""
    return True


class OrderWire(TcpWire):
    """Passes requests on; those that carry an order go through `toll`.

    `log` is told the digest of the signed text of every order that comes by. An order comes in one
    piece at the head of what is received: it is short, and nothing is pipelined.
    """

    def __init__(self, target: int, log: WireLog) -> None:
        self.toll: Toll = toll_free
        self._log = log
        super().__init__(target)

    def ask(self, caller: socket.socket, answerer: socket.socket) -> None:
        """Pass requests on; half of an order, and then no more, where the toll says so."""
        while received := caller.recv(_BLOCK):
            order = _ORDER.match(received)
            if order is not None:
                api_key = _key_of(received)
                self._log.sent(api_key, hashlib.sha256(order["signed"]).hexdigest())
                if not self.toll(api_key):
                    answerer.sendall(received[: len(received) // 2])
                    return
            answerer.sendall(received)

    def answer(self, caller: socket.socket, answerer: socket.socket) -> None:
        """Pass answers back as they come."""
        while received := answerer.recv(_BLOCK):
            caller.sendall(received)


def _key_of(request: bytes) -> str:
    found = _KEY.search(request)
    return "" if found is None else found[1].decode()
