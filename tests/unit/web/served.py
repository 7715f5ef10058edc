"""A server on a port of its own, spoken to byte by byte."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from gateway.web.http_protocol import HeadLimits, bounded_head
from gateway.web.socket_protocol import bounded_socket
from tests.processes import free_port
from tests.unit.services.examples import until

SIZE = 1000
"""Bytes that a head may have."""
LINE = b"GET / HTTP/1.1\r\nhost: gateway\r\n"
PIECE = bytes(100_000)


@dataclass
class House:
    """A server on a port of its own, and what its application waits for."""

    port: int
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    given_up: asyncio.Event = field(default_factory=asyncio.Event)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def say(self, *pieces: bytes) -> asyncio.StreamReader:
        """Open a connection, and send pieces, each after the one before was taken."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.02)
        self.writers.append(writer)
        return reader

    def application(self) -> Starlette:
        """What is served: answers of all sizes, and WebSockets that say little or never end."""
        return Starlette(
            routes=[
                Route("/", _echo, methods=["GET", "POST"]),
                Route("/v3/echo", _echo, methods=["POST"]),
                Route("/slow", self._slow),
                Route("/endless", self._endless),
                Route("/long", _long),
                WebSocketRoute("/", self._waiting),
                WebSocketRoute("/endless", self._talking),
                WebSocketRoute("/nowhere", _denying),
            ]
        )

    async def _slow(self, _request: Request) -> Response:
        self.asked.set()
        await self.go_on.wait()
        return PlainTextResponse("slow")

    async def _endless(self, _request: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield PIECE
                    await asyncio.sleep(0)
            finally:
                self.given_up.set()

        return StreamingResponse(pieces())

    async def _waiting(self, peer: WebSocket) -> None:
        await peer.accept()
        await self.go_on.wait()
        await peer.send_text("still here")
        await peer.close()

    async def _talking(self, peer: WebSocket) -> None:
        await peer.accept()
        try:
            while True:
                await peer.send_bytes(PIECE)
        finally:
            self.given_up.set()


async def _echo(request: Request) -> Response:
    told = await request.body() or b"nothing"
    return PlainTextResponse(told, headers={"x-told": request.headers.get("x-told", "")})


async def _denying(peer: WebSocket) -> None:
    await peer.send_denial_response(PlainTextResponse("none", 404))


async def _long(_request: Request) -> Response:
    return Response(PIECE * 100)


@asynccontextmanager
async def house_of(
    within_s: float = 20, read_within_s: float = 20, size: int = SIZE
) -> AsyncIterator[House]:
    """Serve, with a head of `size` bytes at most, each of it within the seconds."""
    house = House(free_port())
    config = uvicorn.Config(
        house.application(),
        port=house.port,
        lifespan="off",
        log_config=None,
        access_log=False,
        http=bounded_head(HeadLimits(size, within_s, read_within_s)),
        ws=bounded_socket(read_within_s),
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    try:
        yield house
    finally:
        house.go_on.set()
        for writer in house.writers:
            writer.close()
        server.should_exit = True
        await serving
