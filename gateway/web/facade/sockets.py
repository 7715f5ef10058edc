"""The stream connections that are open: who may open one, who may keep it, and their end."""

import asyncio
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial

import structlog
from starlette.websockets import WebSocket

from gateway.access.policy import Principal
from gateway.access.proving import NotProven
from gateway.domain.limits import Rate
from gateway.observability import trace_id
from gateway.stopping import StopDeadline, one_by_one
from gateway.web.authentication import note_refusal
from gateway.web.facade.connection import (
    GOING_AWAY,
    NOT_PERMITTED,
    TRY_LATER,
    Connection,
    ConnectionLimits,
    Ending,
)
from gateway.web.facade.parts import FacadeParts
from gateway.web.facade.stream_identity import Identity, anonymous, identity_of_token
from gateway.web.facade.subscriptions import Subscriptions

_log = structlog.get_logger(__name__)

MESSAGES = Rate(200, 10)
"""Enough for a client that subscribes to every stream with a message of its own when it begins."""

_FULL = Ending(TRY_LATER, "Try again later")
_FULL_OF_PRINCIPAL = Ending(TRY_LATER, "Too many connections of this principal")
_GOING_AWAY = Ending(GOING_AWAY, "Going away")
_FORBIDDEN = Ending(NOT_PERMITTED, "Forbidden")


@dataclass(frozen=True, slots=True, kw_only=True)
class FacadeSocketLimits:
    """A browser's page may connect from `allowed_origins` alone; a program sends no Origin.

    `most` and `most_of_principal` count the connections that ask for something; of the others,
    `most_waiting` may be open, and one more takes the place of the oldest. Who is granted nothing
    has `init_s` seconds to log in. `outbox` frames may wait for a slow peer, which may send
    `messages`.
    """

    allowed_origins: Collection[str]
    init_s: float
    outbox: int
    most: int
    most_waiting: int
    most_of_principal: int
    messages: Rate = MESSAGES


class FacadeSockets:
    """Serves `/v3`. Peers are closed with 1001 when the gateway goes, 1008 when they may not stay.

    1012 says that frames are missing, so that a client connects anew; 1013 that it is too slow, or
    one too many.
    """

    def __init__(self, parts: FacadeParts, limits: FacadeSocketLimits) -> None:
        self._parts = parts
        self._limits = limits
        self._of_one = ConnectionLimits(limits.init_s, limits.outbox, limits.messages)
        services = parts.services
        self._subscriptions = Subscriptions(services.streams, services.market_data)
        self._open: dict[Connection, None] = {}
        self._draining = False
        parts.metrics.facade_subscriptions.set_function(self._count_subscriptions)

    async def serve(self, socket: WebSocket) -> None:
        """Serve one connection to its end."""
        origin = socket.headers.get("origin")
        if origin is not None and origin not in self._limits.allowed_origins:
            # A browser tells its page nothing of the refusal, so the log must name the setting.
            problem = "its Origin is none of NGW_ALLOWED_ORIGINS"
            _log.info("stream.refused", code=NOT_PERMITTED, problem=problem)
            await socket.close(NOT_PERMITTED, "Origin not allowed")
            return
        try:
            identity = await self._identify(socket)
        except NotProven:
            await socket.close(NOT_PERMITTED, "Forbidden")
            return
        await socket.accept()
        if self._draining or self._asking() >= self._limits.most:
            await socket.close(_FULL.code, _FULL.reason)
            return
        await self._hold(
            Connection(
                socket, self._parts, self._subscriptions, self._of_one, self._admit, identity
            )
        )

    async def recheck(self) -> None:
        """Ask again about every connection; close those that are not permitted any longer."""
        lost = [connection for connection in self._open if not connection.still_permitted()]
        await asyncio.gather(*(_end(connection, _FORBIDDEN) for connection in lost))

    async def drain(self, stop: StopDeadline) -> None:
        """Accept no more connections, and close each in its turn."""
        self._draining = True
        ending = [partial(_end, connection, _GOING_AWAY) for connection in self._open]
        await one_by_one(ending, stop.for_sockets())

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

    async def _hold(self, connection: Connection) -> None:
        waiting = [each for each in self._open if each.principal is None]
        self._open[connection] = None
        try:
            if len(waiting) >= self._limits.most_waiting:
                self._open.pop(waiting[0])
                waiting[0].end(_FULL)
            self._parts.metrics.facade_sockets.set(len(self._open))
            await connection.run()
        finally:
            self._open.pop(connection, None)
            self._parts.metrics.facade_sockets.set(len(self._open))

    def _count_subscriptions(self) -> int:
        return sum(each.subscriptions for each in self._open)

    def _asking(self) -> int:
        return sum(each.principal is not None for each in self._open)

    def _admit(self, joining: Connection, principal: Principal) -> Ending | None:
        if joining.principal is None and self._asking() >= self._limits.most:
            return _FULL
        held = Counter(each.principal for each in self._open if each is not joining)
        if held[principal] >= self._limits.most_of_principal:
            return _FULL_OF_PRINCIPAL
        return None


async def _end(connection: Connection, ending: Ending) -> None:
    connection.end(ending)
    await connection.ended()
