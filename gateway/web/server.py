"""The HTTP server, and how it ends."""

import asyncio
import signal
import socket
from collections.abc import Sequence
from types import FrameType

import structlog
import uvicorn
from fastapi import FastAPI

from gateway.stopping import StopDeadline
from gateway.web.event_streams import EventStreams
from gateway.web.health import Health
from gateway.web.http_protocol import HeadLimits, bounded_head
from gateway.web.open_sockets import OpenSockets
from gateway.web.socket_protocol import bounded_socket

_log = structlog.get_logger(__name__)

_LONGEST_FRAME = 65_536
_TURNS_TO_CONNECT = 3


class DrainingServer(uvicorn.Server):
    """Sends the peers of WebSockets and event streams away one by one, before it closes anything.

    Left alone, uvicorn closes them with 1012 at once, and refuses connections. Meanwhile it still
    answers: the probe, that it is stopping, and requests, that none is begun. Those under way get
    what `stop` has for them.
    """

    def __init__(
        self,
        application: FastAPI,
        *,
        host: str,
        port: int,
        stop: StopDeadline,
        head: HeadLimits,
        opened: Sequence[OpenSockets | EventStreams],
        health: Health,
    ) -> None:
        config = uvicorn.Config(
            application,
            proxy_headers=False,  # nothing here depends on whom a proxy says it speaks for
            host=host,
            port=port,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            # No limit_concurrency: it would refuse the platform's probes like everybody else.
            http=bounded_head(head),
            ws=bounded_socket(head.read_within_s),
            ws_max_size=_LONGEST_FRAME,
            ws_per_message_deflate=False,
        )
        super().__init__(config)
        self._stop = stop
        self._opened = opened
        self._health = health

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's
        """Stop on a signal, so that `serve` returns; a second SIGINT waits for nothing.

        uvicorn notes the signal down and raises it again after its own stop. The process would be
        gone before the journal has what waits for it, and before orders under way have ended.
        """
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, then let the requests under way end."""
        _log.info("gateway.stopping")
        self._stop.begin()
        self._health.stopping = True
        await asyncio.gather(*(each.drain(self._stop) for each in self._opened))
        for server in self.servers:
            server.close()
        # uvicorn tells the connections that there are, and asyncio makes one of what it accepted
        # two turns of the loop later: the stop would wait for its peer until the time is up.
        for _ in range(_TURNS_TO_CONNECT):
            await asyncio.sleep(0)
        # uvicorn hands it to asyncio, which takes fractions.
        self.config.timeout_graceful_shutdown = self._stop.for_requests()  # type: ignore[assignment]
        await super().shutdown(sockets)
