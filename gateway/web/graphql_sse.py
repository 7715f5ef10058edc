"""GraphQL over server-sent events, in the protocol's distinct connections mode.

One operation for each response (GraphQL over Server-Sent Events Protocol, 'Distinct connections
mode'): `next` carries an execution result, `complete` says that no other follows. A stream that
ends without `complete` broke off: whoever reads it asks again.
"""

import asyncio
from collections.abc import Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.types import Send

from gateway.access.principal import Principal
from gateway.domain.errors import GatewayError, RateLimited, Unauthenticated
from gateway.schema.context import Context
from gateway.schema.errors import failure
from gateway.schema.operation_groups import Member
from gateway.web.authentication import Proven
from gateway.web.outbox import Outbox, OutboxFull
from gateway.web.parts import GraphQLParts
from gateway.web.subscription import Subscription, Wanted

EVENT_STREAM = "text/event-stream"
COMPLETE = "event: complete\ndata:\n\n"
"""With data, though empty: a browser's EventSource passes over an event without any."""

_ALIVE = ":\n\n"
_LEAVE_WITHIN_S = 1.0
_RETRY_MS = 1000
_RETRY_SPREAD_MS = 2000

_LOST = "the token is not good any longer"
_EXPIRED = "the token has expired"


def next_event(payload: str) -> str:
    """The event of an execution result, which as JSON is one line."""
    return f"event: next\ndata: {payload}\n\n"


def retry_field(random_bytes: bytes) -> str:
    """When an EventSource comes back if the stream breaks off: in one to three seconds, by chance.

    So those whose replica goes do not come all at once.
    """
    spread = int.from_bytes(random_bytes) % (_RETRY_SPREAD_MS + 1)
    return f"retry: {_RETRY_MS + spread}\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventStreamLimits:
    """`outbox` events may wait for a slow reader; a comment comes every `alive_s` seconds."""

    outbox: int
    alive_s: float = 15


class EventStream:
    """The response to one subscription: its events until either side ends it.

    The subscription begins at once; raises what `Subscription` does. `serve` must follow.
    """

    def __init__(
        self,
        request: Request,
        send: Send,
        parts: GraphQLParts,
        limits: EventStreamLimits,
        proven: Proven,
    ) -> None:
        self._receive = request.receive
        self._send = send
        self._parts = parts
        self._alive_s = limits.alive_s
        self._proven = proven
        self._outbox = Outbox(self._write, limits.outbox)
        self._subscription: Subscription | None = None
        self._over = asyncio.Event()
        self._served = asyncio.Event()

    @property
    def principal(self) -> Principal:
        """Who reads it."""
        return self._proven.principal

    def begin(self, wanted: Wanted, context: Context) -> None:
        """Subscribe; what comes waits for `serve`. Raises what `Subscription` does."""
        member = Member(deliver=self._deliver, fail=self._fail, complete=self._complete)
        self._subscription = subscription = Subscription(self._parts, wanted, context, member)
        subscription.join()

    async def serve(self, headers: Mapping[str, str]) -> None:
        """Send the response, with these headers, until the stream is over or its reader is gone."""
        tasks = []
        try:
            await self._start(headers)
            tasks += [
                asyncio.create_task(waited)
                for waited in (self._outbox.run(), self._until_gone(), self._until_over())
            ]
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for ended in done:
                ended.result()
        finally:
            for task in tasks:
                task.cancel()
            self._leave()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._served.set()
        await self._send({"type": "http.response.body", "body": b""})

    def recheck(self) -> None:
        """End it if its token is not good any longer, or the policy does not allow it any more."""
        if not self._parts.identities.still_good(self._proven.token, self.principal):
            self._cut(Unauthenticated(_LOST))
        elif self._subscription is not None:
            try:
                self._subscription.require_permission()
            except GatewayError as error:
                self._cut(error)

    async def leave(self) -> None:
        """Break it off because the gateway goes; a reader that reads nothing is not waited for."""
        self._leave()
        self._over.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LEAVE_WITHIN_S):
                await self._served.wait()

    async def _start(self, headers: Mapping[str, str]) -> None:
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": 200, "headers": raw})
        await self._write(retry_field(self._parts.random_bytes(4)))

    async def _write(self, frame: str) -> None:
        body = frame.encode()
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _until_over(self) -> None:
        try:
            async with asyncio.timeout(self._seconds_left()):
                await self._keep_alive()
        except TimeoutError:
            self._cut(Unauthenticated(_EXPIRED))
        await self._outbox.emptied()

    async def _keep_alive(self) -> None:
        """Send a comment again and again, until the stream is over."""
        while not self._over.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._alive_s):
                    await self._over.wait()
                return
            self._outbox.put(_ALIVE, "alive")

    def _seconds_left(self) -> float | None:
        return self._proven.seconds_left(self._parts.services.now())

    def _deliver(self, payload: str, slot: Hashable | None) -> None:
        if self._over.is_set():
            return
        try:
            self._outbox.put(next_event(payload), None if slot is None else ("next", slot))
        except OutboxFull:
            slow = RateLimited("events that wait for a slow subscriber", retry_after=1)
            self._fail(failure(slow)["errors"])

    def _fail(self, errors: list[dict[str, Any]]) -> None:
        response = {"errors": errors}
        self._end(next_event(msgspec.json.encode(response).decode()) + COMPLETE, response)

    def _complete(self) -> None:
        self._end(COMPLETE)

    def _cut(self, error: GatewayError) -> None:
        """End it without what waits: its reader may not have that any more."""
        self._outbox.clear()
        self._fail(failure(error)["errors"])

    def _end(self, last: str, response: dict[str, Any] | None = None) -> None:
        self._outbox.put(last, "end")
        self._over.set()
        self._leave(response)

    def _leave(self, response: dict[str, Any] | None = None) -> None:
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            subscription.end(response)
