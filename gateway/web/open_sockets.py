"""The WebSockets that are open, of both protocols: who may open one, who may keep it, their end."""

import asyncio
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

import structlog
from starlette.websockets import WebSocket

from gateway.access.principal import Principal
from gateway.stopping import StopDeadline, one_by_one

_log = structlog.get_logger(__name__)

TRY_LATER = 1013
_NOT_PERMITTED = 1008
_FULL = "Try again later"


class OpenSocket(Protocol):
    """A connection of either protocol, each of which has codes of its own to close with."""

    @property
    def principal(self) -> Principal | None:
        """Who is at the other end; None while nothing has been asked that takes to know that."""

    async def run(self) -> None:
        """Serve it until either side ends it."""

    def still_permitted(self) -> bool:
        """Ask again whether it may stay, whole or in part."""

    async def make_room(self, reason: str) -> None:
        """Close it: another has taken its place."""

    async def forbid(self) -> None:
        """Close it: it may not stay."""

    async def leave(self, within_s: float, /) -> None:
        """Close it because the gateway goes, once the requests that it has begun are answered."""


_Socket = TypeVar("_Socket", bound=OpenSocket)


@dataclass(frozen=True, slots=True, kw_only=True)
class SocketPlaces:
    """How many may be open, whatever they speak, and to whose pages.

    A browser's page may connect from `allowed_origins` alone: a program sends no Origin, a browser
    always does, and its page cannot forge it. `most` and `most_of_principal` count the connections
    whose principal is known. Of the others, `most_waiting` may be open: one more takes the place of
    the oldest, so that who stays silent keeps nobody out.
    """

    allowed_origins: Collection[str]
    most: int
    most_waiting: int
    most_of_principal: int


class OpenSockets:
    """Counts all of them together, asks again about each, and sends each away at the end."""

    def __init__(self, places: SocketPlaces) -> None:
        self._places = places
        self._open: dict[OpenSocket, None] = {}
        self._draining = False

    def of(self, kind: type[_Socket]) -> list[_Socket]:
        """Those that are open of one protocol."""
        return [each for each in self._open if isinstance(each, kind)]

    async def is_welcome(self, socket: WebSocket) -> bool:
        """Look at the Origin of an upgrade; one that is not allowed is refused, by HTTP 403."""
        origin = socket.headers.get("origin")
        if origin is None or origin in self._places.allowed_origins:
            return True
        # A browser tells its page nothing of the refusal, so the log must name the setting.
        problem = "its Origin is none of NGW_ALLOWED_ORIGINS"
        _log.info("socket.refused", code=403, path=socket.scope["path"], problem=problem)
        await socket.close(_NOT_PERMITTED, "Origin not allowed")
        return False

    async def has_room(self, socket: WebSocket) -> bool:
        """Whether one more may be open; if not, the socket, which was accepted, is closed."""
        if not self._draining and self._known() < self._places.most:
            return True
        await socket.close(TRY_LATER, _FULL)
        return False

    async def hold(self, joining: OpenSocket) -> None:
        """Serve a connection to its end, as one of them."""
        waiting = [each for each in self._open if each.principal is None]
        self._open[joining] = None
        try:
            if len(waiting) >= self._places.most_waiting:
                self._open.pop(waiting[0])
                await waiting[0].make_room(_FULL)
            await joining.run()
        finally:
            self._open.pop(joining, None)

    def refusal_of(self, joining: OpenSocket, principal: Principal) -> str | None:
        """Why a connection cannot be its principal's as well; None if it can."""
        if joining.principal is None and self._known() >= self._places.most:
            return _FULL
        held = Counter(each.principal for each in self._open if each is not joining)
        if held[principal] >= self._places.most_of_principal:
            return "Too many connections of this principal"
        return None

    async def recheck(self) -> None:
        """Ask again about every connection; close those that are not permitted any longer."""
        lost = [each for each in self._open if not each.still_permitted()]
        await asyncio.gather(*(each.forbid() for each in lost))

    async def drain(self, stop: StopDeadline) -> None:
        """Accept no more, and close with 1001: each in its turn, once its requests are answered."""
        self._draining = True
        leaving = [partial(_leave, each, stop) for each in self._open]
        await one_by_one(leaving, stop.for_sockets())

    def _known(self) -> int:
        return sum(each.principal is not None for each in self._open)


async def _leave(each: OpenSocket, stop: StopDeadline) -> None:
    await each.leave(stop.for_requests())
