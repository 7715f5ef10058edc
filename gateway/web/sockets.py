"""GraphQL over WebSockets, from the upgrade on."""

from starlette.websockets import WebSocket

from gateway.web.graphql_ws import Connection, SocketLimits
from gateway.web.graphql_ws_messages import BAD_SUBPROTOCOL, SUBPROTOCOL
from gateway.web.open_sockets import OpenSockets
from gateway.web.parts import GraphQLParts


class Sockets:
    """Serves `/graphql` to WebSockets, each of them one of `opened`."""

    def __init__(self, parts: GraphQLParts, limits: SocketLimits, opened: OpenSockets) -> None:
        self._parts = parts
        self._limits = limits
        self._opened = opened
        parts.metrics.sockets.set_function(lambda: len(opened.of(Connection)))

    async def serve(self, socket: WebSocket) -> None:
        """Serve one connection to its end."""
        if not await self._opened.is_welcome(socket):
            return
        if SUBPROTOCOL not in socket.scope.get("subprotocols", ()):
            await socket.accept()
            await socket.close(BAD_SUBPROTOCOL, f"Subprotocol not acceptable: use {SUBPROTOCOL}")
            return
        await socket.accept(SUBPROTOCOL)
        if await self._opened.has_room(socket):
            admit = self._opened.refusal_of
            await self._opened.hold(Connection(socket, self._parts, self._limits, admit))
