"""The sandbox's listener and its life: bind, serve, stop."""

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp

from gateway.sandbox.app import create_app
from gateway.sandbox.config import SandboxConfig
from gateway.sandbox.endpoints import Clock
from gateway.sandbox.http_protocol import Bounds, guest_protocol

logger = logging.getLogger(__name__)

_BOUNDS = Bounds()
_TURNS_TO_CONNECT = 3


class AddressUnavailableError(OSError):
    """The listener's address cannot be bound: mostly a port in use."""

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(host, port, reason)
        self.host = host
        self.port = port
        self.reason = reason

    def __str__(self) -> str:
        return f"sandbox cannot listen on {self.host}:{self.port}: {self.reason}"


def wall_clock_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """A sandbox that answers: the addresses that clients need."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """Base address of REST, without a trailing slash."""
        return f"http://{self.host}:{self.port}"

    @property
    def stream_url(self) -> str:
        """Address of the WebSocket."""
        return f"ws://{self.host}:{self.port}/v3"


@asynccontextmanager
async def serve(
    config: SandboxConfig, clock: Clock = wall_clock_ms, bounds: Bounds = _BOUNDS
) -> AsyncIterator[RunningSandbox]:
    """Serve inside the running event loop until the context ends; ``clock`` gives epoch ms.

    Raises AddressUnavailableError.
    """
    server = _GuestServer(_uvicorn_config(create_app(config, clock), bounds))
    listener = _bind(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn offers no event
        await asyncio.sleep(0.005)
    try:
        yield RunningSandbox(config.host, listener.getsockname()[1])
    finally:
        server.should_exit = True
        await task


def run(config: SandboxConfig) -> None:
    """Serve until SIGTERM or SIGINT, then stop within two seconds, open streams or not.

    Raises AddressUnavailableError when the address cannot be bound.
    """
    server = _Server(_uvicorn_config(create_app(config, wall_clock_ms), _BOUNDS))
    listener = _bind(config)
    logger.info("sandbox exchange listens on %s:%d", config.host, listener.getsockname()[1])
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listener])


class _Server(uvicorn.Server):
    """A server that ends what it has accepted, however late."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        # uvicorn tells the connections that there are, and asyncio makes one of what it accepted
        # two turns of the loop later: it would be told nothing, and held open to the last.
        for _ in range(_TURNS_TO_CONNECT):
            await asyncio.sleep(0)
        await super().shutdown(sockets)


class _GuestServer(_Server):
    """A server inside somebody else's process, whose signals are not its own."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _bind(config: SandboxConfig) -> socket.socket:
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        listener = socket.create_server((config.host, config.port), family=family, backlog=2048)
    except OSError as error:
        reason = error.strerror or str(error)
        raise AddressUnavailableError(config.host, config.port, reason) from error
    # The connections take this over. asyncio sets it only on sockets that it made itself, and
    # without it each reply on a kept connection waits 40 ms for the peer's delayed ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _uvicorn_config(app: ASGIApp, bounds: Bounds) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=guest_protocol(bounds),
        ws="websockets-sansio",
        ws_max_size=64 * 1024,
        ws_per_message_deflate=False,
        lifespan="on",
        # At info uvicorn logs the query string of every WebSocket handshake.
        log_level="warning",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
    )
