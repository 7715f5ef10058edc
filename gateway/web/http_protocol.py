"""HTTP/1.1 as uvicorn speaks it, with bounds on what comes before a request is known.

Nobody is authenticated before the head of a request is whole, so neither its size nor the time
that it takes may be the peer's choice. Nor may the time of the body, which anybody can promise, nor
for how long an answer is kept that nobody reads.
"""

import asyncio
import re
from dataclasses import dataclass
from typing import ClassVar

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from gateway.domain.errors import BadUserInput
from gateway.web.refusal_bodies import refusal_answer
from gateway.web.unread import UnreadWatch

_BETWEEN = len(b": \r\n")
_TARGET = re.compile(rb"^[!-~]+ ([^\s]+) HTTP/", re.MULTILINE)
_WAITING = 100
"""So many requests of a connection may wait for the one before them."""


@dataclass(frozen=True, slots=True)
class HeadLimits:
    """The most bytes of a request line with its headers, and the seconds until they are there.

    The body, which follows, has as many seconds again. Who takes none of what waits for it in
    `read_within_s` seconds is cut off.
    """

    size: int
    within_s: float
    read_within_s: float = 30


class _HeadTooLong(Exception):  # the parser hands it on as its own error
    pass


class _TooManyWait(Exception):  # as above
    pass


class BoundedHeadProtocol(HttpToolsProtocol):
    """Answers a head that is too long with 431, and closes where none comes in time.

    A body that does not come in time is answered with 408, unless an answer has begun before. What
    is refused here is told below /v3 as the exchange would, and elsewhere as GraphQL.
    """

    limits: ClassVar[HeadLimits]

    _in_head = True
    _progress = 0
    _size = 0
    _unparsed = 0
    _piece = b""
    url = b""
    _deadline: asyncio.TimerHandle | None = None
    _unread: UnreadWatch
    _answered: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._unread = UnreadWatch(self.limits.read_within_s)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more; the request under way has nobody to answer.

        Where another waits behind it, uvicorn would tell that one alone, and fail at a write.
        """
        self._wait_no_more()
        self._unread.end()
        if self._answered is not None and not self._answered.response_complete:
            self._answered.disconnected = True
            self._answered.message_event.set()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Watch whether the peer reads, from when too much waits for it."""
        super().pause_writing()
        self._unread.begin(self.transport)

    def resume_writing(self) -> None:
        """Watch no more: it has read."""
        self._unread.end()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """Take bytes; those of a header that does not end count before the parser gives it.

        So do those of the fields after a chunked body.
        """
        if self._in_head and self._deadline is None:
            self._await_head()
        progress, self._piece = self._progress, data
        super().data_received(data)
        if self._progress == progress and not self.transport.is_closing():
            self._unparsed += len(data)
            if self._unparsed > self.limits.size:
                self._refuse_head()

    def on_message_begin(self) -> None:
        """Begin a head."""
        self._size = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Take a piece of the request line."""
        super().on_url(url)
        self._grow(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; what follows a body is none (RFC 9110, 6.5.1), but counts as one."""
        self._grow(len(name) + len(value) + _BETWEEN)
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """End the head; the request begins, and the wait for its body."""
        if len(self.pipeline) >= _WAITING:
            raise _TooManyWait
        self._in_head = False
        self._wait_no_more()
        self._await_body()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body."""
        self._progressed()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request; the next bytes are the next one's head."""
        self._wait_no_more()
        self._in_head = True
        self._progressed()
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answered = cycle
        super()._start_asgi_task(cycle, app)

    def send_400_response(self, msg: str) -> None:
        """Refuse what the parser did not take, and close."""
        if len(self.pipeline) >= _WAITING:
            # An answer now would be taken for that of the first who waits.
            self.transport.close()
        elif self._size > self.limits.size:
            self._refuse_head()
        else:
            self._refuse(400, BadUserInput("request", msg))

    def handle_websocket_upgrade(self) -> None:
        """Leave the connection to `socket_protocol`, and the watch over what waits on it."""
        self._unread.end()
        super().handle_websocket_upgrade()

    def _progressed(self) -> None:
        self._progress += 1
        self._unparsed = 0

    def _grow(self, count: int) -> None:
        self._size += count
        if self._size > self.limits.size:
            raise _HeadTooLong

    def _refuse_head(self) -> None:
        problem = f"and request line are over {self.limits.size} bytes"
        if not self._in_head and self.cycle.response_started:
            self.transport.close()
            return
        self._refuse(431, BadUserInput("headers", problem))

    def _refuse(self, status: int, error: BadUserInput) -> None:
        target = self.url or self._unread_target()
        headers = self.server_state.default_headers
        self.transport.write(refusal_answer(status, target, error, headers))
        self.transport.close()

    def _unread_target(self) -> bytes:
        """What the parser did not come to, for it knows no such method."""
        targets = _TARGET.findall(self._piece)
        return targets[-1] if targets else b""

    def _await_head(self) -> None:
        self._deadline = self.loop.call_later(self.limits.within_s, self._head_late)

    def _await_body(self) -> None:
        self._deadline = self.loop.call_later(self.limits.within_s, self._body_late)

    def _wait_no_more(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _head_late(self) -> None:
        before: RequestResponseCycle | None = self.cycle
        if before is None or before.response_complete:
            self.transport.close()
        else:
            self._await_head()

    def _body_late(self) -> None:
        if self.pipeline or self.flow.read_paused:  # it is this side that does not read
            self._await_body()
        elif self.cycle.response_started:
            self.transport.close()
        else:
            self._refuse(408, BadUserInput("body", f"did not come within {self.limits.within_s} s"))


def bounded_head(limits: HeadLimits) -> type[BoundedHeadProtocol]:
    """The protocol with these limits: uvicorn takes a class, and makes its instances itself."""

    class Bounded(BoundedHeadProtocol):
        pass

    Bounded.limits = limits
    return Bounded
