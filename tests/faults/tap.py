"""A listener on the wire between the gateway and the exchange."""

import re
import socket
from contextlib import suppress
from threading import Thread


class Tap:
    """Passes TCP connections on to a port on loopback, and keeps all that the callers sent."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._heard = bytearray()
        self.port: int = self._listener.getsockname()[1]
        Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def heard(self) -> bytes:
        """All that was sent so far, the connections mixed."""
        return bytes(self._heard)

    def signatures(self) -> set[str]:
        """Every signature in a query string so far."""
        return {found.decode() for found in re.findall(rb"signature=([0-9a-f]{64})", self._heard)}

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                caller, _ = self._listener.accept()
                Thread(target=self._join, args=(caller,), daemon=True).start()

    def _join(self, caller: socket.socket) -> None:
        with caller, suppress(OSError), socket.create_connection(self._target) as answerer:
            back = Thread(target=_copy, args=(answerer, caller, None), daemon=True)
            back.start()
            _copy(caller, answerer, self._heard)
            back.join()


def _copy(source: socket.socket, target: socket.socket, kept: bytearray | None) -> None:
    with suppress(OSError):
        while received := source.recv(65_536):
            if kept is not None:
                kept += received
            target.sendall(received)
    for each in (source, target):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
