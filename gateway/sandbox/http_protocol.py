"""HTTP as the sandbox's listener speaks it: bounded, and able to break off.

Whoever reaches the port is a stranger until a request is whole, so neither the length of its head,
nor the time that it takes, nor the number of connections is the peer's choice.
"""

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

_BETWEEN = len(b": \r\n")


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a peer may take up.

    head: bytes of a request's line and headers. seconds: until the whole request is there.
    connections: at a time, streams included.
    """

    head: int = 16 * 1024
    seconds: float = 10
    connections: int = 500


class GuestProtocol(HttpToolsProtocol):
    """Closes connections beyond the ``bounds``; a head that is too long is answered with 400.

    ``hang_up`` in a request's state closes its connection after what has been sent so far.
    """

    bounds: ClassVar[Bounds]

    _in_head = True
    _unparsed = 0
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's
        """Wait for a request, unless there are too many who do."""
        super().connection_made(transport)
        if len(self.connections) > self.bounds.connections:
            transport.close()
        else:
            self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._request_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; those of a header that does not end count before the parser gives it."""
        self._unparsed += len(data)
        super().data_received(data)
        if self._in_head and self._unparsed > self.bounds.head:
            self.send_400_response("The request's head is too long.")

    def on_message_begin(self) -> None:
        """Begin a head."""
        if self._deadline is None:
            self._await_request()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Begin the request. What is raised here, the parser hands on as its own error: 400."""
        head = len(self.url) + sum(
            len(name) + len(value) + _BETWEEN for name, value in self.headers
        )
        if head > self.bounds.head:
            raise ValueError(head)
        self._in_head = False
        super().on_headers_complete()
        self.scope["state"]["hang_up"] = partial(_hang_up, self.cycle)

    def on_message_complete(self) -> None:
        """End a request; the next bytes are the next one's head."""
        self._in_head = True
        self._unparsed = 0
        self._request_came()
        super().on_message_complete()

    def shutdown(self) -> None:
        """Stop: a request that is not whole yet will not be waited for."""
        if self._deadline is None:
            super().shutdown()
        else:
            self.transport.close()

    def _await_request(self) -> None:
        self._deadline = self.loop.call_later(self.bounds.seconds, self.transport.close)

    def _request_came(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _hang_up(cycle: RequestResponseCycle) -> None:
    # With another request behind it in the pipeline, this one would not be told of the end.
    cycle.disconnected = True
    cycle.transport.close()


def guest_protocol(bounds: Bounds) -> type[GuestProtocol]:
    """The protocol with these bounds: uvicorn takes a class, and makes its instances itself."""

    class Bounded(GuestProtocol):
        pass

    Bounded.bounds = bounds
    return Bounded
