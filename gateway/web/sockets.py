"""The GraphQL WebSockets that are open: who may open one, who may keep it, and their end."""

import asyncio
from collections import Counter
from collections.abc import Collection
from functools import partial

import structlog
from starlette.websockets import WebSocket

from gateway.access.policy import Principal
from gateway.stopping import StopDeadline, one_by_one
from gateway.web.graphql_ws import Connection, SocketLimits
from gateway.web.graphql_ws_messages import (
    BAD_SUBPROTOCOL,
    FORBIDDEN,
    SUBPROTOCOL,
    TRY_LATER,
    SocketRefusal,
)
from gateway.web.parts import GraphQLParts

_log = structlog.get_logger(__name__)

_TRY_LATER = "Try again later"


class Sockets:
    """Accepts connections within the limits; a browser's only from `allowed_origins`.

    A program sends no Origin header; a browser always does, and its page cannot forge it.
    `most` counts those that are authenticated. Of the others, `most_waiting` may be open: one more
    takes the place of the oldest, so that who stays silent keeps nobody out.
    """

    def __init__(
        self,
        parts: GraphQLParts,
        limits: SocketLimits,
        *,
        allowed_origins: Collection[str],
        most: int,
        most_waiting: int,
        most_of_principal: int,
    ) -> None:
        self._parts = parts
        self._limits = limits
        self._allowed_origins = allowed_origins
        self._most = most
        self._most_waiting = most_waiting
        self._most_of_principal = most_of_principal
        self._open: dict[Connection, None] = {}
        self._draining = False

    async def serve(self, socket: WebSocket) -> None:
        """Serve one connection to its end."""
        origin = socket.headers.get("origin")
        if origin is not None and origin not in self._allowed_origins:
            # A browser tells its page nothing of the refusal, so the log must name the setting.
            problem = "its Origin is none of NGW_ALLOWED_ORIGINS"
            _log.info("socket.refused", code=FORBIDDEN, problem=problem)
            await socket.close(FORBIDDEN, "Origin not allowed")
            return
        if SUBPROTOCOL not in socket.scope.get("subprotocols", ()):
            await socket.accept()
            await socket.close(BAD_SUBPROTOCOL, f"Subprotocol not acceptable: use {SUBPROTOCOL}")
            return
        await socket.accept(SUBPROTOCOL)
        if self._draining or self._authenticated() >= self._most:
            await socket.close(TRY_LATER, _TRY_LATER)
            return
        await self._hold(Connection(socket, self._parts, self._limits, self._admit))

    async def recheck(self) -> None:
        """Ask the policy about every connection again; close those whose token is not good."""
        lost = [connection for connection in self._open if not connection.still_permitted()]
        await asyncio.gather(*(connection.close(FORBIDDEN, "Forbidden") for connection in lost))

    async def drain(self, stop: StopDeadline) -> None:
        """Accept no more, and close with 1001: each in its turn, once its requests are answered."""
        self._draining = True
        leaving = [partial(_leave, connection, stop) for connection in self._open]
        await one_by_one(leaving, stop.for_sockets())

    async def _hold(self, connection: Connection) -> None:
        waiting = [each for each in self._open if each.principal is None]
        self._open[connection] = None
        try:
            if len(waiting) >= self._most_waiting:
                self._open.pop(waiting[0])
                await waiting[0].close(TRY_LATER, _TRY_LATER)
            self._parts.metrics.sockets.set(len(self._open))
            await connection.run()
        finally:
            self._open.pop(connection, None)
            self._parts.metrics.sockets.set(len(self._open))

    def _authenticated(self) -> int:
        return sum(each.principal is not None for each in self._open)

    def _admit(self, joining: Connection, principal: Principal) -> None:
        if self._authenticated() >= self._most:
            raise SocketRefusal(TRY_LATER, _TRY_LATER)
        held = Counter(each.principal for each in self._open if each is not joining)
        if held[principal] >= self._most_of_principal:
            raise SocketRefusal(TRY_LATER, "Too many connections of this principal")


async def _leave(connection: Connection, stop: StopDeadline) -> None:
    await connection.leave(stop.for_requests())
