"""Many equal requests over keep-alive connections, each with one request under way.

The client does as little as it can: bytes made once, answers counted by a C parser.
"""

import asyncio
import time
from typing import cast

import httptools
import uvloop

from bench.asked import Asked
from bench.measured import Measured, Target
from bench.process_time import cpu_seconds

_CONNECTIONS = 8
_PATIENCE_S = 10.0


def load(target: Target, asked: Asked, seconds: float) -> Measured:
    """Ask the same thing for some time; every reply must be whole, and an answer."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_load(target, asked, seconds))


def answer(target: Target, asked: Asked) -> bytes:
    """Ask once; give the body of the reply, which must be whole, and an answer."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_answer(target, asked))


async def _answer(target: Target, asked: Asked) -> bytes:
    _, connection = await asyncio.get_running_loop().create_connection(
        lambda: _Connection(asked, 0.0, []), "127.0.0.1", target.port
    )
    async with asyncio.timeout(_PATIENCE_S):
        await connection.ended
    return connection.body


async def _load(target: Target, asked: Asked, seconds: float) -> Measured:
    loop = asyncio.get_running_loop()
    latencies: list[float] = []
    cpu, own_cpu, began = cpu_seconds(target.pid), time.process_time(), time.perf_counter()
    opened = [
        await loop.create_connection(
            lambda: _Connection(asked, began + seconds, latencies), "127.0.0.1", target.port
        )
        for _ in range(_CONNECTIONS)
    ]
    async with asyncio.timeout(seconds + _PATIENCE_S):
        await asyncio.gather(*(connection.ended for _, connection in opened))
    return Measured(
        latencies=latencies,
        elapsed=time.perf_counter() - began,
        server_cpu=cpu_seconds(target.pid) - cpu,
        client_cpu=time.process_time() - own_cpu,
    )


class _Connection(asyncio.Protocol):
    """Asks again as soon as it is answered; closes at `deadline` (perf_counter)."""

    def __init__(self, asked: Asked, deadline: float, latencies: list[float]) -> None:
        self._asked = asked
        self._deadline = deadline
        self._latencies = latencies
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._began = 0.0
        self.body = b""
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
        self._ask(self._transport)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError as error:
            self._fail(error.__context__ or error)

    def on_body(self, body: bytes) -> None:
        """Take a part of an answer's body."""
        self.body += body

    def on_message_complete(self) -> None:
        """Count an answer, and ask again."""
        now = time.perf_counter()
        assert self._parser.get_status_code() == 200, self.body
        assert self._asked.is_answered(self.body), self.body
        self._latencies.append(now - self._began)
        assert self._transport is not None
        if now < self._deadline:
            self._ask(self._transport)
        else:
            self.ended.set_result(None)
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(exc or ConnectionResetError("closed by the server"))

    def _ask(self, transport: asyncio.Transport) -> None:
        self.body = b""
        self._began = time.perf_counter()
        transport.write(self._asked.request)

    def _fail(self, error: BaseException) -> None:
        if not self.ended.done():
            self.ended.set_exception(error)
        if self._transport is not None:
            self._transport.abort()
