"""WebSockets as uvicorn speaks them, with an end for who opens none, reads nothing, or floods.

Left alone, uvicorn keeps a connection whose upgrade it cannot read, and answers nothing; one whose
peer reads nothing it closes, but not before that peer has read; and it takes any number of frames
that end no message, which the limits on messages do not see.
"""

import asyncio
from typing import Any, ClassVar

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from gateway.domain.errors import BadUserInput
from gateway.web.refusal_bodies import refusal_answer
from gateway.web.unread import UnreadWatch

_BAD_REQUEST = 400
_POLICY_VIOLATION = 1008
_PIECE = 4_096
"""So many bytes are looked at at once: who floods is cut off before the rest is."""

_IDLE_FRAMES, _IDLE_WITHIN_S = 1_000, 10.0
"""So many frames that end no message may come within so many seconds, and be of one message."""
_NO_HANDSHAKE = (
    "of a WebSocket has no body, and at most 128 headers, each of 8 KiB like its first line"
)


class BoundedSocketProtocol(WebSocketsSansIOProtocol):
    """Answers a head that it cannot read with 400, and closes with 1008 for whom floods.

    Who takes nothing of what waits for it in `read_within_s` seconds is cut off.
    """

    read_within_s: ClassVar[float]

    _unread: UnreadWatch
    _idle_frames = 0
    _counted_until = 0.0

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
        if not self.handshake_initiated:
            self._take_head(data)
            return
        for start in range(0, len(data), _PIECE):
            if not self.transport.is_closing():
                super().data_received(data[start : start + _PIECE])

    def handle_cont(self, event: Any) -> None:  # noqa: ANN401 - a frame, of the library below uvicorn
        """Take a further piece of a message."""
        super().handle_cont(event)
        self._count()

    def handle_ping(self) -> None:
        """Answer, unless the peer reads nothing: it may be left out (RFC 6455, 5.5.3)."""
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()
        self._count()

    def handle_pong(self, event: Any) -> None:  # noqa: ANN401 - a frame, of the library below uvicorn
        """Take an answer to a ping, or what nobody asked for."""
        super().handle_pong(event)
        self._count()

    def send_receive_event_to_app(self) -> None:
        """Hand a message on; after the end there is nobody to take it."""
        super().send_receive_event_to_app()
        if self.close_sent:
            self._count()

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

    async def send(self, message: ASGISendEvent) -> None:
        """Send; an upgrade that was answered with a status is complete, which uvicorn forgets."""
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True

    async def run_asgi(self) -> None:
        """Serve it to its end; what waits then must be taken too."""
        await super().run_asgi()
        if not self.disconnected:
            self._unread.begin(self.transport)

    def _take_head(self, data: bytes) -> None:
        super().data_received(data)
        if not self.handshake_initiated and not self.transport.is_closing():
            _, target, _ = data.split(b" ", 2)
            error = BadUserInput("request", _NO_HANDSHAKE)
            answer = refusal_answer(_BAD_REQUEST, target, error, self.default_headers)
            self.transport.write(answer)
            self.transport.close()

    def _count(self) -> None:
        now = self.loop.time()
        if now >= self._counted_until:
            self._idle_frames, self._counted_until = 0, now + _IDLE_WITHIN_S
        self._idle_frames += 1
        flooded = max(self._idle_frames, len(self.frames)) > _IDLE_FRAMES
        if flooded and not self.transport.is_closing():
            self._cut_off()

    def _cut_off(self) -> None:
        if self.close_sent or not self.handshake_complete:
            self.transport.close()
        else:
            self.conn.fail(_POLICY_VIOLATION, "Too many frames that end no message")
            self.handle_parser_exception()


def bounded_socket(read_within_s: float) -> type[BoundedSocketProtocol]:
    """The protocol with this limit: uvicorn takes a class, and makes its instances itself."""

    class Bounded(BoundedSocketProtocol):
        pass

    Bounded.read_within_s = read_within_s
    return Bounded
