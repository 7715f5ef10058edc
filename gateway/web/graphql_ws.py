"""GraphQL over WebSocket: one connection by the graphql-transport-ws protocol."""

import asyncio
import time
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog
from graphql import OperationType
from starlette.websockets import WebSocket, WebSocketDisconnect

from gateway.access.principal import Principal, Proof
from gateway.access.proving import NotProven
from gateway.domain.errors import GatewayError, RateLimited
from gateway.observability import trace_id
from gateway.schema.context import Context
from gateway.schema.documents import DocumentFault, Operation
from gateway.schema.errors import failure, shown
from gateway.schema.operation_groups import Member
from gateway.web.authentication import authorization, no_token, note_refusal, token_of_init
from gateway.web.graphql_ws_messages import (
    BAD_MESSAGE,
    FORBIDDEN,
    ID_TWICE,
    INIT_LATE,
    INIT_TWICE,
    UNACKNOWLEDGED,
    Message,
    SocketRefusal,
    Subscribe,
    next_prefix,
    read_message,
    read_subscribe,
    read_variables,
)
from gateway.web.limits import count_request, only_cancels, with_limits
from gateway.web.open_sockets import TRY_LATER
from gateway.web.outbox import Outbox, OutboxFull
from gateway.web.parts import GraphQLParts
from gateway.web.subscription import Subscription, Wanted
from gateway.web.under_way import Origin, Outcome

_log = structlog.get_logger(__name__)

_LONGEST_ID = 128
_CLOSE_WITHIN_S = 1.0
_GOING_AWAY = 1001


@dataclass(frozen=True, slots=True)
class SocketLimits:
    """The most that one connection may have; `init_s` in seconds."""

    init_s: float
    subscriptions: int
    outbox: int


class Connection:
    """One WebSocket, from connection_init to its end."""

    def __init__(
        self,
        socket: WebSocket,
        parts: GraphQLParts,
        limits: SocketLimits,
        admit: Callable[["Connection", Principal], str | None],
    ) -> None:
        self._socket = socket
        self._parts = parts
        self._limits = limits
        self._admit = admit
        self._outbox = Outbox(socket.send_text, limits.outbox)
        self._streams: dict[str, Subscription] = {}
        self._calls: dict[str, asyncio.Task[None]] = {}
        self._reader: asyncio.Task[None] | None = None
        self._closing = False
        self._token = ""
        self._proof: Proof | None = None
        self._trace = trace_id(socket.headers.get("traceparent"), parts.random_bytes)

    @property
    def principal(self) -> Principal | None:
        """Who is at the other end; None before connection_init."""
        return None if self._proof is None else self._proof.principal

    @property
    def _origin(self) -> Origin:
        return Origin(self.principal, self._trace)

    async def run(self) -> None:
        """Serve the connection until either side ends it."""
        writer = asyncio.create_task(self._outbox.run())
        self._reader = reader = asyncio.create_task(self._read())
        try:
            await asyncio.wait({writer, reader}, return_when=asyncio.FIRST_COMPLETED)
            await self._close_because(reader if reader.done() else writer)
        finally:
            for task in (writer, reader, *self._calls.values()):
                task.cancel()
            for stream_id in list(self._streams):
                self._leave(stream_id)
            await asyncio.gather(writer, reader, *self._calls.values(), return_exceptions=True)

    async def close(self, code: int, reason: str) -> None:
        """Close the connection from this side, and end `run`.

        A peer that reads nothing cannot be told: it must hold up neither the end of the process
        nor the others whose token is not good any longer.
        """
        self._closing = True
        # It may be closed already.
        with suppress(RuntimeError, WebSocketDisconnect, OSError, TimeoutError):
            async with asyncio.timeout(_CLOSE_WITHIN_S):
                await self._socket.close(code, reason)
        if self._reader is not None:
            self._reader.cancel()

    async def make_room(self, reason: str) -> None:
        """Close it: another has taken its place."""
        await self.close(TRY_LATER, reason)

    async def forbid(self) -> None:
        """Close it: its token is not good any longer."""
        await self.close(FORBIDDEN, "Forbidden")

    async def leave(self, within_s: float, /) -> None:
        """Close it because the gateway goes, once the requests that it has begun are answered.

        What is not answered within the time is left without an answer.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self._calls:
                    await asyncio.wait(self._calls.values())
                    await self._outbox.emptied()
        await self.close(_GOING_AWAY, "Going away")

    def still_permitted(self) -> bool:
        """Ask the policy again; end the streams that it allows no more. False: close it all."""
        if self.principal is None:
            return True
        if not self._parts.identities.still_good(self._token, self.principal):
            return False
        for stream_id, stream in list(self._streams.items()):
            try:
                stream.require_permission()
            except GatewayError as error:
                self._fail(stream_id, failure(error)["errors"])
        return True

    async def _close_because(self, ended: asyncio.Task[None]) -> None:
        error = None if ended.cancelled() else ended.exception()
        match error:
            case SocketRefusal(code=code, reason=reason, cause=cause):
                # Not the reason: it may repeat what the peer wrote.
                who = self.principal and self.principal.id
                _log.info(
                    "socket.refused", trace_id=self._trace, principal=who, code=code, cause=cause
                )
                await self.close(code, reason)
            case None | WebSocketDisconnect() | RuntimeError() | OSError():
                return  # the peer is gone
            case _:
                raise error

    async def _read(self) -> None:
        try:
            async with asyncio.timeout(self._limits.init_s):
                payload = await self._initialise()
        except TimeoutError:
            raise SocketRefusal(INIT_LATE, "Connection initialisation timeout") from None
        # Out of that time, for it is the peer's: an issuer may have to be asked for its keys.
        await self._authenticate(payload)
        self._put({"type": "connection_ack"}, "ack")
        try:
            async with asyncio.timeout(self._seconds_left()):
                await self._listen()
        except TimeoutError:
            raise SocketRefusal(FORBIDDEN, "Forbidden: the token has expired") from None

    def _seconds_left(self) -> float | None:
        """Until the token expires; None: it never does."""
        if self._proof is None or self._proof.expires is None:
            return None
        return (self._proof.expires - self._parts.services.now()) / 1000

    async def _listen(self) -> None:
        while True:
            await self._outbox.room()  # who asks without reading the answers is not heard further
            message = await self._receive()
            if not self._closing:  # what comes meanwhile is of somebody who is to be gone
                await self._handle(message)

    async def _initialise(self) -> msgspec.Raw:
        """The payload of connection_init."""
        while True:
            message = await self._receive()
            match message.type:
                case "connection_init":
                    return message.payload
                case "subscribe":
                    raise SocketRefusal(UNACKNOWLEDGED, "Unauthorized")
                case _:
                    self._heartbeat(message)

    async def _authenticate(self, payload: msgspec.Raw) -> None:
        try:
            token = token_of_init(_decoded(payload), authorization(self._socket.headers))
            proof = await self._parts.identities.authenticate(token)
        except NotProven as refused:
            parts = self._parts
            note_refusal(refused, parts.services.audit, parts.metrics, self._trace)
            reason = "Forbidden: the token is missing or unknown"
            raise SocketRefusal(FORBIDDEN, reason, refused.cause.value) from None
        if (full := self._admit(self, proof.principal)) is not None:
            raise SocketRefusal(TRY_LATER, full)
        self._token, self._proof = token, proof

    async def _receive(self) -> Message:
        frame = await self._socket.receive()
        if frame["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(frame.get("code", 1005))
        return read_message(frame.get("text") or frame.get("bytes") or b"")

    async def _handle(self, message: Message) -> None:
        match message.type:
            case "connection_init":
                raise SocketRefusal(INIT_TWICE, "Too many initialisation requests")
            case "subscribe":
                await self._subscribe(message)
            case "complete":
                self._end(message.id or "")
            case _:
                self._heartbeat(message)

    def _heartbeat(self, message: Message) -> None:
        if message.type == "ping":
            self._put({"type": "pong"}, "pong")

    async def _subscribe(self, message: Message) -> None:
        stream_id = message.id or ""
        if not 0 < len(stream_id) <= _LONGEST_ID:
            raise SocketRefusal(BAD_MESSAGE, f"subscribe needs an id of 1 to {_LONGEST_ID}")
        if stream_id in self._streams or stream_id in self._calls:
            raise SocketRefusal(ID_TWICE, f"Subscriber for {stream_id} already exists")
        asked = read_subscribe(message.payload)
        try:
            await self._begin(stream_id, asked, time.perf_counter())
        except DocumentFault as fault:
            self._fail(stream_id, [shown(error, self._trace) for error in fault.errors])
        except GatewayError as error:
            self._fail(stream_id, failure(error)["errors"])

    async def _begin(self, stream_id: str, asked: Subscribe, began: float) -> None:
        assert self.principal is not None  # noqa: S101  # connection_init came first
        if len(self._streams) + len(self._calls) >= self._limits.subscriptions:
            raise RateLimited("subscriptions on one connection", retry_after=1)
        await self._count(asked, self.principal)
        operation = self._parts.documents.operation(asked.query, asked.operationName)
        variables = read_variables(asked.variables)
        context = Context(self._parts.services, self.principal, self._trace)
        if operation.type is OperationType.SUBSCRIPTION:
            self._join(stream_id, Wanted(asked.query, operation, variables), context)
        else:
            self._parts.under_way.may_begin()
            self._parts.under_way.requests.take(context.principal)
            call = asyncio.create_task(self._call(stream_id, operation, variables, context, began))
            self._calls[stream_id] = call
            # Not at the end of the call: one that is cancelled at once never begins.
            call.add_done_callback(lambda _: self._called(stream_id, context.principal))

    async def _count(self, asked: Subscribe, principal: Principal) -> None:
        def cancels() -> bool:
            return only_cancels(self._parts.documents, asked.query, asked.operationName)

        await count_request(self._parts.rates, principal, cancels)

    def _join(self, stream_id: str, wanted: Wanted, context: Context) -> None:
        prefix = next_prefix(stream_id)
        member = Member(
            deliver=lambda payload, slot: self._deliver(stream_id, prefix, payload, slot),
            fail=lambda errors: self._fail(stream_id, errors),
            complete=lambda: self._complete(stream_id),
        )
        with self._span():
            subscription = Subscription(self._parts, wanted, context, member)
        self._streams[stream_id] = subscription
        subscription.join()

    async def _call(
        self,
        call_id: str,
        operation: Operation,
        variables: dict[str, Any] | None,
        context: Context,
        began: float,
    ) -> None:
        with self._span():
            response = await self._parts.execution.execute(operation, variables, context)
        limits = self._parts.rates.states(context.principal.id)
        payload = with_limits(msgspec.json.encode(response), limits).decode()
        seconds = time.perf_counter() - began
        outcome = Outcome.of(operation, response)
        self._parts.under_way.answered(outcome, self._origin, seconds)
        self._deliver(call_id, next_prefix(call_id), payload, ("answer", call_id))
        self._put({"id": call_id, "type": "complete"}, ("end", call_id))

    def _span(self) -> AbstractContextManager[object]:
        parent = self._socket.headers.get("traceparent")
        return self._parts.spans.request("WebSocket /graphql", self._trace, parent)

    def _called(self, call_id: str, principal: Principal) -> None:
        self._calls.pop(call_id, None)
        self._parts.under_way.requests.give_back(principal)

    def _deliver(self, stream_id: str, prefix: str, payload: str, slot: Hashable | None) -> None:
        place = None if slot is None else (stream_id, slot)
        try:
            self._outbox.put(f"{prefix}{payload}}}", place)
        except OutboxFull:
            slow = RateLimited("events that wait for a slow subscriber", retry_after=1)
            self._fail(stream_id, failure(slow)["errors"])

    def _fail(self, stream_id: str, errors: list[dict[str, Any]]) -> None:
        self._put({"id": stream_id, "type": "error", "payload": errors}, ("end", stream_id))
        response = {"errors": errors}
        if stream_id in self._streams:
            self._leave(stream_id, response)
        else:
            self._parts.under_way.ended(Outcome.of(None, response), self._origin)

    def _complete(self, stream_id: str) -> None:
        self._put({"id": stream_id, "type": "complete"}, ("end", stream_id))
        self._leave(stream_id)

    def _end(self, stream_id: str) -> None:
        """The peer wants no more."""
        if (call := self._calls.get(stream_id)) is not None:
            call.cancel()
        self._leave(stream_id)

    def _leave(self, stream_id: str, response: dict[str, Any] | None = None) -> None:
        """Forget a stream, which has ended well unless `response` has its errors."""
        subscription = self._streams.pop(stream_id, None)
        if subscription is not None:
            subscription.end(response)

    def _put(self, message: dict[str, Any], slot: Hashable) -> None:
        self._outbox.put(msgspec.json.encode(message).decode(), slot)


def _decoded(payload: msgspec.Raw) -> object:
    try:
        return msgspec.json.decode(payload)
    except (msgspec.MsgspecError, RecursionError):
        raise no_token() from None
