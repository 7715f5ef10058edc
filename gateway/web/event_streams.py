"""The event streams that are open: who may open one, who may keep it, and their end."""

from collections import Counter
from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.types import Send

from gateway.access.principal import Principal
from gateway.domain.errors import RateLimited
from gateway.schema.context import Context
from gateway.stopping import StopDeadline, one_by_one
from gateway.web.authentication import Proven
from gateway.web.graphql_sse import EVENT_STREAM, EventStream, EventStreamLimits
from gateway.web.parts import GraphQLParts
from gateway.web.subscription import Wanted

_HEADERS: Final = {
    "content-type": f"{EVENT_STREAM}; charset=utf-8",
    "cache-control": "no-cache, no-store, no-transform",
    "x-accel-buffering": "no",
    # Who comes back after a drain must not come to the replica that goes.
    "connection": "close",
}


class EventStreams:
    """Opens event streams within the limits: `most` of all, `most_of_principal` of each."""

    def __init__(
        self,
        parts: GraphQLParts,
        limits: EventStreamLimits,
        *,
        most: int,
        most_of_principal: int,
    ) -> None:
        self._parts = parts
        self._limits = limits
        self._most = most
        self._most_of_principal = most_of_principal
        self._open: dict[EventStream, None] = {}

    def open(
        self, request: Request, send: Send, proven: Proven, wanted: Wanted, context: Context
    ) -> EventStream:
        """Begin a subscription, which `serve` must follow.

        Raises `RateLimited`, and what `Subscription` does.
        """
        self._admit(proven.principal)
        stream = EventStream(request, send, self._parts, self._limits, proven)
        stream.begin(wanted, context)
        self._open[stream] = None
        self._count()
        return stream

    async def serve(self, stream: EventStream, headers: Mapping[str, str]) -> None:
        """Send it, with these headers and those of an event stream, to its end."""
        try:
            await stream.serve({**headers, **_HEADERS})
        finally:
            del self._open[stream]
            self._count()

    async def recheck(self) -> None:
        """Ask about every stream again; end those that are not permitted any longer."""
        for stream in list(self._open):
            stream.recheck()

    async def drain(self, stop: StopDeadline) -> None:
        """Break each off in its turn."""
        await one_by_one([stream.leave for stream in self._open], stop.for_sockets())

    def _count(self) -> None:
        self._parts.metrics.event_streams.set(len(self._open))

    def _admit(self, principal: Principal) -> None:
        if len(self._open) >= self._most:
            raise RateLimited("event streams", retry_after=1)
        held = Counter(stream.principal for stream in self._open)
        if held[principal] >= self._most_of_principal:
            raise RateLimited("event streams of a principal", retry_after=1)
