"""Peers that take nothing of what waits for them."""

import asyncio


class UnreadWatch:
    """Cuts a peer off that takes nothing of what waits for it in `within_s` seconds.

    To close a connection is not enough: it stays open until all that waits has been taken.
    """

    def __init__(self, within_s: float) -> None:
        self._within_s = within_s
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, transport: asyncio.Transport) -> None:
        """Watch from now on, until `end`, or until nothing waits."""
        self.end()
        if waiting := transport.get_write_buffer_size():
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._within_s, self._look, transport, waiting)

    def end(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, transport: asyncio.Transport, waited: int) -> None:
        if transport.get_write_buffer_size() < waited:
            self.begin(transport)
        else:
            transport.abort()
