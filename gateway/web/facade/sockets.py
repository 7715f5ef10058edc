"""The exchange's own streams over WebSockets, from the upgrade on."""

from starlette.websockets import WebSocket

from gateway.access.proving import NotProven
from gateway.observability import trace_id
from gateway.web.authentication import note_refusal
from gateway.web.facade.connection import NOT_PERMITTED, Connection, ConnectionLimits
from gateway.web.facade.parts import FacadeParts
from gateway.web.facade.stream_identity import Identity, anonymous, identity_of_token
from gateway.web.facade.subscriptions import Subscriptions
from gateway.web.open_sockets import OpenSockets


class FacadeSockets:
    """Serves `/v3` to WebSockets, each of them one of `opened`.

    Peers are closed with 1001 when the gateway goes, 1008 when they may not stay; 1012 says that
    frames are missing, so that a client connects anew; 1013 that it is too slow, or one too many.
    """

    def __init__(self, parts: FacadeParts, limits: ConnectionLimits, opened: OpenSockets) -> None:
        self._parts = parts
        self._limits = limits
        self._opened = opened
        services = parts.services
        self._subscriptions = Subscriptions(services.streams, services.market_data)
        parts.metrics.facade_sockets.set_function(lambda: len(opened.of(Connection)))
        parts.metrics.facade_subscriptions.set_function(self._count_subscriptions)

    async def serve(self, socket: WebSocket) -> None:
        """Serve one connection to its end; refused by HTTP 403 if its token proves nothing."""
        if not await self._opened.is_welcome(socket):
            return
        try:
            identity = await self._identify(socket)
        except NotProven:
            await socket.close(NOT_PERMITTED, "Forbidden")
            return
        await socket.accept()
        if await self._opened.has_room(socket):
            await self._opened.hold(self._connection(socket, identity))

    def _connection(self, socket: WebSocket, identity: Identity) -> Connection:
        admit = self._opened.refusal_of
        return Connection(socket, self._parts, self._subscriptions, self._limits, admit, identity)

    async def _identify(self, socket: WebSocket) -> Identity:
        if "authorization" not in socket.headers:
            return anonymous(self._parts)
        try:
            return await identity_of_token(self._parts, socket.headers)
        except NotProven as refused:
            parts = self._parts
            trace = trace_id(socket.headers.get("traceparent"), parts.random_bytes)
            note_refusal(refused, parts.services.audit, parts.metrics, trace)
            raise

    def _count_subscriptions(self) -> int:
        return sum(each.subscriptions for each in self._opened.of(Connection))
