"""WebSockets as uvicorn speaks them, with an end for who opens none and for who reads nothing.

Left alone, uvicorn keeps a connection whose upgrade it cannot read, and answers nothing; and one
whose peer reads nothing it closes, but not before that peer has read.
"""

import asyncio
from typing import ClassVar

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from gateway.domain.errors import BadUserInput
from gateway.web.refusal_bodies import refusal_answer
from gateway.web.unread import UnreadWatch

_BAD_REQUEST = 400
_NO_HANDSHAKE = (
    "of a WebSocket has no body, and at most 128 headers, each of 8 KiB like its first line"
)


class BoundedSocketProtocol(WebSocketsSansIOProtocol):
    """Answers a head that it cannot read with 400.

    Who takes nothing of what waits for it in `read_within_s` seconds is cut off.
    """

    read_within_s: ClassVar[float]

    _unread: UnreadWatch

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's
        """Take the connection over from HTTP, of which an answer may still wait."""
        super().connection_made(transport)
        self._unread = UnreadWatch(self.read_within_s)
        self._unread.begin(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Watch no more."""
        self._unread.end()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; the first are the whole head of the upgrade."""
        super().data_received(data)
        if not self.handshake_initiated and not self.transport.is_closing():
            _, target, _ = data.split(b" ", 2)
            error = BadUserInput("request", _NO_HANDSHAKE)
            answer = refusal_answer(_BAD_REQUEST, target, error, self.default_headers)
            self.transport.write(answer)
            self.transport.close()

    def pause_writing(self) -> None:
        """Watch whether the peer reads, from when too much waits for it."""
        super().pause_writing()
        self._unread.begin(self.transport)

    def resume_writing(self) -> None:
        """Watch no more: it has read."""
        self._unread.end()
        super().resume_writing()

    def keepalive_timeout(self) -> None:
        """Close what answers no ping; it may be read no more either."""
        super().keepalive_timeout()
        self._unread.begin(self.transport)

    async def run_asgi(self) -> None:
        """Serve it to its end; what waits then must be taken too."""
        await super().run_asgi()
        if not self.disconnected:
            self._unread.begin(self.transport)


def bounded_socket(read_within_s: float) -> type[BoundedSocketProtocol]:
    """The protocol with this limit: uvicorn takes a class, and makes its instances itself."""

    class Bounded(BoundedSocketProtocol):
        pass

    Bounded.read_within_s = read_within_s
    return Bounded
