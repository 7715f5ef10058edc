"""A listener on the wire between the gateway and the exchange."""

import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from threading import Thread

from websockets.frames import Frame
from websockets.streams import StreamReader


class Tap:
    """Passes TCP connections on to a port on loopback, and keeps all that the callers sent."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._heard: list[bytearray] = []
        self.port: int = self._listener.getsockname()[1]
        Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def heard(self) -> bytes:
        """All that was sent so far, one connection behind the other."""
        return b"".join(self._heard)

    def signatures(self) -> set[str]:
        """Every signature in a query string so far."""
        return {found.decode() for found in re.findall(rb"signature=([0-9a-f]{64})", self.heard())}

    def times_used(self, api_key: str) -> int:
        """How many requests and logins to a stream named this key so far."""
        named = rb"(?mi)^x-apnk-apikey: %b\r$" % re.escape(api_key.encode())
        logins = [text for text in self.login_frames() if api_key in text]
        return len(re.findall(named, self.heard())) + len(logins)

    def login_frames(self) -> list[str]:
        """Every frame so far that bound a WebSocket to an account."""
        return [text for sent in self._heard for text in _texts(sent) if "USER_STREAMS" in text]

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                caller, _ = self._listener.accept()
                Thread(target=self._join, args=(caller,), daemon=True).start()

    def _join(self, caller: socket.socket) -> None:
        with caller, suppress(OSError), socket.create_connection(self._target) as answerer:
            back = Thread(target=_copy, args=(answerer, caller, None), daemon=True)
            back.start()
            heard = bytearray()
            self._heard.append(heard)
            _copy(caller, answerer, heard)
            back.join()


def _texts(sent: bytearray) -> Iterator[str]:
    """The text frames of a client, without their masks; none unless it opened a WebSocket."""
    head, _, frames = bytes(sent).partition(b"\r\n\r\n")
    reader = StreamReader()
    reader.feed_data(frames if b"sec-websocket-key" in head.lower() else b"")
    while True:
        try:
            next(Frame.parse(reader.read_exact, mask=True))
        except StopIteration as whole:
            yield bytes(whole.value.data).decode(errors="replace")
        else:  # it waits for more
            return


def _copy(source: socket.socket, target: socket.socket, kept: bytearray | None) -> None:
    with suppress(OSError):
        while received := source.recv(65_536):
            if kept is not None:
                kept += received
            target.sendall(received)
    for each in (source, target):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
