"""A way for TCP connections that a test can cut, close and lead elsewhere."""

import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Lock, Thread

Ends = tuple[socket.socket, socket.socket]


class WireLog:
    """What passed on all the wires of a test, in one order; `accounts` by their API keys.

    A digest of what was signed tells an order from all others of its account.
    """

    def __init__(self, accounts: Mapping[str, str]) -> None:
        self._accounts = accounts
        self._begun: set[tuple[str, str]] = set()
        self.ahead: list[tuple[str, str]] = []

    def begun(self, account: str, digest: str) -> None:
        """An intent's record was acknowledged."""
        self._begun.add((account, digest))

    def sent(self, api_key: str, digest: str) -> None:
        """An order goes out; `ahead` has those that no acknowledged record went before."""
        order = (self._accounts[api_key], digest)
        if order not in self._begun:
            self.ahead.append(order)


class TcpWire(ABC):
    """Passes connections on to a port on loopback; what passes, and when, the subclass decides.

    `port` stays the same for good, also while connections are refused.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self._lock = Lock()
        self._open: set[Ends] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._serve()

    @abstractmethod
    def ask(self, caller: socket.socket, answerer: socket.socket) -> None:
        """Carry what the caller sends until it ends; runs in a thread of the connection's own."""

    @abstractmethod
    def answer(self, caller: socket.socket, answerer: socket.socket) -> None:
        """Carry what comes back until it ends; runs in another."""

    def refuse(self) -> None:
        """Refuse new connections from now on."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def listen(self) -> None:
        """Take connections again."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._serve()

    def cut(self) -> None:
        """End every connection that is open."""
        with self._lock:
            standing = tuple(self._open)
        for ends in standing:
            cut(*ends)

    def close(self) -> None:
        """Stop for good."""
        self.refuse()
        self.cut()

    def _serve(self) -> None:
        Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                caller, _ = listener.accept()
                Thread(target=self._join, args=(caller,), daemon=True).start()

    def _join(self, caller: socket.socket) -> None:
        with caller, suppress(OSError), socket.create_connection(("127.0.0.1", self.target)) as far:
            for each in (caller, far):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open.add((caller, far))
            back = Thread(target=_carry, args=(self.answer, caller, far), daemon=True)
            back.start()
            _carry(self.ask, caller, far)
            back.join()
            with self._lock:
                self._open.discard((caller, far))


def cut(*ends: socket.socket) -> None:
    """End a connection at once, whatever is under way on it."""
    for each in ends:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


def _carry(
    work: Callable[[socket.socket, socket.socket], None],
    caller: socket.socket,
    far: socket.socket,
) -> None:
    with suppress(OSError):
        work(caller, far)
    cut(caller, far)
