"""The GraphQL WebSockets that are open: who may open one, who may keep it, and their end."""

import asyncio
from collections import Counter
from collections.abc import Collection

from starlette.websockets import WebSocket

from gateway.access.policy import Principal
from gateway.web.graphql_ws import (
    BAD_SUBPROTOCOL,
    FORBIDDEN,
    SUBPROTOCOL,
    TRY_LATER,
    Connection,
    SocketLimits,
    SocketRefusal,
)
from gateway.web.parts import GraphQLParts

_GOING_AWAY = 1001


class Sockets:
    """Accepts connections within the limits; a browser's only from `allowed_origins`.

    A program sends no Origin header; a browser always does, and its page cannot forge it.
    """

    def __init__(
        self,
        parts: GraphQLParts,
        limits: SocketLimits,
        *,
        allowed_origins: Collection[str],
        most: int,
        most_of_principal: int,
    ) -> None:
        self._parts = parts
        self._limits = limits
        self._allowed_origins = allowed_origins
        self._most = most
        self._most_of_principal = most_of_principal
        self._open: set[Connection] = set()
        self._draining = False

    async def serve(self, socket: WebSocket) -> None:
        """Serve one connection to its end."""
        origin = socket.headers.get("origin")
        if origin is not None and origin not in self._allowed_origins:
            await socket.close(FORBIDDEN, "Origin not allowed")
            return
        if SUBPROTOCOL not in socket.scope.get("subprotocols", ()):
            await socket.accept()
            await socket.close(BAD_SUBPROTOCOL, f"Subprotocol not acceptable: use {SUBPROTOCOL}")
            return
        await socket.accept(SUBPROTOCOL)
        if self._draining or len(self._open) >= self._most:
            await socket.close(TRY_LATER, "Try again later")
            return
        connection = Connection(socket, self._parts, self._limits, self._admit)
        await self._hold(connection)

    async def recheck(self) -> None:
        """Ask the policy about every connection again; close those whose token is not good."""
        lost = [connection for connection in self._open if not connection.still_permitted()]
        await asyncio.gather(*(connection.close(FORBIDDEN, "Forbidden") for connection in lost))

    async def drain(self) -> None:
        """Close every connection, and accept no more."""
        self._draining = True
        closing = (connection.close(_GOING_AWAY, "Going away") for connection in self._open)
        await asyncio.gather(*closing)

    async def _hold(self, connection: Connection) -> None:
        self._open.add(connection)
        self._parts.metrics.sockets.set(len(self._open))
        try:
            await connection.run()
        finally:
            self._open.discard(connection)
            self._parts.metrics.sockets.set(len(self._open))

    def _admit(self, joining: Connection, principal: Principal) -> None:
        held = Counter(each.principal for each in self._open if each is not joining)
        if held[principal] >= self._most_of_principal:
            raise SocketRefusal(TRY_LATER, "Too many connections of this principal")
