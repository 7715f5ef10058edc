"""GraphQL over HTTP (the GraphQL-over-HTTP specification): POST, and GET but for mutations."""

import asyncio
import math
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from typing import Any

import msgspec
from graphql import OperationType
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.access.policy import Action, Principal
from gateway.access.proving import Cause, NotProven
from gateway.domain.errors import (
    BadUserInput,
    GatewayError,
    RateLimited,
)
from gateway.domain.stop_errors import NotBegun, Stopping
from gateway.observability import bind_trace, trace_id
from gateway.schema.context import Context
from gateway.schema.documents import DocumentFault, Operation
from gateway.schema.errors import body as error_body
from gateway.schema.errors import failure
from gateway.tracing import Span
from gateway.web.authentication import Proven, authorization, bearer_token, note_refusal
from gateway.web.event_streams import EventStreams
from gateway.web.graphql_sse import COMPLETE, EVENT_STREAM, EventStream, next_event
from gateway.web.kept_answers import KeptAnswers
from gateway.web.limits import (
    CANCEL,
    count_request,
    limit_headers,
    only_cancels,
    with_limits,
)
from gateway.web.parts import GraphQLParts
from gateway.web.subscription import Wanted
from gateway.web.under_way import Origin, Outcome

JSON = "application/json"
_METHODS = ("GET", "POST")
_BEARER = (("www-authenticate", "Bearer"),)
GRAPHQL_RESPONSE = "application/graphql-response+json"


class GraphQLRequest(msgspec.Struct):
    """A request's members, as the specification names them."""

    query: str
    variables: dict[str, Any] | None = None
    operationName: str | None = None  # noqa: N815  # the name on the wire
    extensions: dict[str, Any] | None = None


@dataclass(eq=False)
class HttpRefusal(Exception):
    """The request is refused before GraphQL sees it, with this status."""

    status: int
    error: GatewayError
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Accepted:
    """What a caller takes: the media type of an answer, and whether `events` are named too."""

    answer: str = JSON
    events: bool = False

    @property
    def refusal(self) -> str:
        """The media type in which a request is refused."""
        return JSON if self.answer == EVENT_STREAM else self.answer


@dataclass(frozen=True, slots=True)
class _Call:
    """A request, by what it is answered, and its trace id."""

    request: Request
    send: Send
    trace: str


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    outcome: Outcome
    media_type: str


_REQUESTS = msgspec.json.Decoder(GraphQLRequest)
_VARIABLES = msgspec.json.Decoder(dict[str, Any])
_OBJECT = "expected a JSON object"
_EXPECTED = {
    "query": "expected the text of a document",
    "variables": _OBJECT,
    "operationName": "expected the name of an operation",
    "extensions": _OBJECT,
}
_MEMBER = re.compile(rf"(?:at `\$\.|required field `)({'|'.join(_EXPECTED)})\b")
"""msgspec tells which member is wrong in its message alone."""

_NO_REQUEST = BadUserInput(
    "body", f'{_OBJECT}: {{"query": "…", "variables": {{…}}, "operationName": "…"}}'
)
_KEPT = Outcome("query", None, "OK", None)


class GraphQLOverHttp:
    """The ASGI application at /graphql; `max_body` bounds a body's bytes."""

    def __init__(
        self, parts: GraphQLParts, answers: KeptAnswers, streams: EventStreams, *, max_body: int
    ) -> None:
        self._services = parts.services
        self._identities = parts.identities
        self._documents = parts.documents
        self._execution = parts.execution
        self._metrics = parts.metrics
        self._under_way = parts.under_way
        self._rates = parts.rates
        self._random_bytes = parts.random_bytes
        self._spans = parts.spans
        self._answers = answers
        self._streams = streams
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        began = time.perf_counter()
        request = Request(scope, receive)
        parent = request.headers.get("traceparent")
        trace = trace_id(parent, self._random_bytes)
        with bind_trace(trace), self._spans.request("HTTP /graphql", trace, parent) as span:
            respond = await self._respond(_Call(request, send, trace), began, span)
        if respond is not None:
            await respond()

    async def _respond(
        self, call: _Call, began: float, span: Span
    ) -> Callable[[], Awaitable[None]] | None:
        """What sends the response; None where nobody is there any more to read it."""
        request = call.request
        headers = {"x-trace-id": call.trace, "cache-control": "no-store", "vary": "accept"}
        accepted, proven = _Accepted(), None
        try:
            accepted = _accepted(request.headers.get("accept", "*/*"))
            _check_verb(request.method)
            proven = await self._prove(call)
            answer = await self._answer(call, proven, accepted)
        except HttpRefusal as refusal:
            headers |= dict(refusal.headers)
            answer = _refuse(refusal.status, refusal.error, accepted)
        except ClientDisconnect:
            return None
        except asyncio.CancelledError:  # the server stops, and the grace is over
            answer = _refuse(503, Stopping(), accepted)
        if isinstance(answer, EventStream):
            span.set_attributes({"status": 200, "code": "OK"})
            headers |= limit_headers(self._rates.states(answer.principal.id)[0])
            return partial(self._streams.serve, answer, headers)
        span.set_attributes({"status": answer.status, "code": answer.outcome.code})
        principal = None if proven is None else proven.principal
        origin = Origin(principal, call.trace)
        self._under_way.answered(answer.outcome, origin, time.perf_counter() - began)
        response = self._whole(answer, principal, headers)
        return partial(response, request.scope, request.receive, call.send)

    def _whole(
        self, answer: _Answer, principal: Principal | None, headers: dict[str, str]
    ) -> Response:
        body = answer.body
        # Who is refused now was the principal when the request came.
        if principal is not None and answer.status != HTTPStatus.UNAUTHORIZED:
            limits = self._rates.states(principal.id)
            headers = headers | limit_headers(limits[0])
            body = with_limits(body, limits)
        if answer.media_type == EVENT_STREAM:
            body = (next_event(body.decode()) + COMPLETE).encode()
        return Response(body, answer.status, headers, answer.media_type)

    async def _answer(
        self, call: _Call, proven: Proven, accepted: _Accepted
    ) -> _Answer | EventStream:
        principal = proven.principal
        try:
            self._under_way.requests.take(principal)
        except RateLimited as limited:
            raise _too_many(limited) from None
        try:
            text = await self._text(call.request)
            await self._prove_again(call, proven)
            self._see_that_it_may_begin()
            await self._count(call.request, text, proven)
            if self._services.policy().decide(principal.id, Action.MARKET_READ).allowed:
                kept = self._answers.find(text)
                self._metrics.answers.labels("no" if kept is None else "yes").inc()
                if kept is not None:
                    return _Answer(200, kept, _KEPT, accepted.answer)
            return await self._execute(call, text, proven, accepted)
        finally:
            self._under_way.requests.give_back(principal)

    def _see_that_it_may_begin(self) -> None:
        try:
            self._under_way.may_begin()
        except NotBegun as stopping:
            # The next request on this connection would come here again, and not to another replica.
            headers = (_come_back(stopping.retry_after), ("connection", "close"))
            raise HttpRefusal(503, stopping, headers) from None

    async def _prove_again(self, call: _Call, proven: Proven) -> None:
        # A body comes when its sender likes: after a suspension, or after the token was withdrawn.
        if call.request.method != "POST":
            return
        if (await self._prove(call)).principal != proven.principal:
            raise HttpRefusal(401, NotProven(cause=Cause.UNKNOWN), _BEARER)

    async def _count(self, request: Request, text: bytes, proven: Proven) -> None:
        def cancels() -> bool:
            if request.method != "POST" or CANCEL.encode() not in text:
                return False
            asked = _read_post(text)
            return only_cancels(self._documents, asked.query, asked.operationName)

        try:
            await count_request(self._rates, proven.principal, cancels)
        except RateLimited as limited:
            raise _too_many(limited) from None

    async def _prove(self, call: _Call) -> Proven:
        try:
            token = bearer_token(authorization(call.request.headers))
            return Proven(token, await self._identities.authenticate(token))
        except NotProven as refused:
            note_refusal(refused, self._services.audit, self._metrics, call.trace)
            raise HttpRefusal(401, refused, _BEARER) from None

    async def _text(self, request: Request) -> bytes:
        """The bytes that make the request: the body, or the query string of a GET."""
        if request.method == "GET":
            return b"?" + bytes(request.scope["query_string"])
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type != JSON:
            raise HttpRefusal(415, BadUserInput("Content-Type", f"send {JSON}"))
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > self._max_body:
                problem = f"is over {self._max_body} bytes"
                raise HttpRefusal(413, BadUserInput("body", problem), (("connection", "close"),))
        if body.startswith(b"?"):  # no JSON, and what a GET that asks for a kept answer begins with
            raise HttpRefusal(400, _NO_REQUEST)
        return bytes(body)

    async def _execute(
        self, call: _Call, text: bytes, proven: Proven, accepted: _Accepted
    ) -> _Answer | EventStream:
        request, trace = call.request, call.trace
        asked = _read_get(request) if request.method == "GET" else _read_post(text)
        refused = 400 if accepted.answer == GRAPHQL_RESPONSE else 200
        try:
            operation = self._documents.operation(asked.query, asked.operationName)
        except DocumentFault as fault:
            response = error_body(fault.errors, trace)
            outcome = Outcome.of(None, response)
            return _Answer(refused, msgspec.json.encode(response), outcome, accepted.answer)
        _check_method(request.method, operation, accepted)
        context = Context(self._services, proven.principal, trace)
        if operation.type is OperationType.SUBSCRIPTION:
            wanted = Wanted(asked.query, operation, asked.variables)
            return self._subscribe(call, proven, wanted, context)
        response = await self._execution.execute(operation, asked.variables, context)
        body = msgspec.json.encode(response)
        outcome = Outcome.of(operation, response)
        if operation.public and outcome.code == "OK":
            self._answers.keep(text, body, context.markets.used)
        status = 200 if "data" in response else refused
        return _Answer(status, body, outcome, accepted.answer)

    def _subscribe(
        self, call: _Call, proven: Proven, wanted: Wanted, context: Context
    ) -> _Answer | EventStream:
        self._see_that_it_may_begin()  # the stop may have come while the request was counted
        try:
            return self._streams.open(call.request, call.send, proven, wanted, context)
        except RateLimited as limited:
            raise _too_many(limited) from None
        except GatewayError as error:
            response = failure(error)
            outcome = Outcome.of(wanted.operation, response)
            return _Answer(200, msgspec.json.encode(response), outcome, EVENT_STREAM)


def _refuse(status: int, error: GatewayError, accepted: _Accepted) -> _Answer:
    response = failure(error)
    outcome = Outcome.of(None, response)
    if isinstance(error, NotProven):
        outcome = replace(outcome, cause=error.cause.value)
    return _Answer(status, msgspec.json.encode(response), outcome, accepted.refusal)


def _too_many(limited: RateLimited) -> HttpRefusal:
    return HttpRefusal(429, limited, (_come_back(limited.retry_after),))


def _come_back(after_s: float) -> tuple[str, str]:
    return "retry-after", str(math.ceil(after_s))


def _check_verb(method: str) -> None:
    if method not in _METHODS:
        refusal = BadUserInput("method", "send POST, or GET for a query")
        raise HttpRefusal(405, refusal, (("allow", ", ".join(_METHODS)),))


def _accepted(accept: str) -> _Accepted:
    """What an Accept header allows; raises `HttpRefusal` when none of it will do.

    Events are for subscriptions, and for others who take nothing else: clients that name every
    media type that they know expect a query's answer in one piece.
    """
    ranges = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    events = EVENT_STREAM in ranges
    if GRAPHQL_RESPONSE in ranges:
        return _Accepted(GRAPHQL_RESPONSE, events)
    if not {JSON, "*/*", "application/*", ""}.isdisjoint(ranges):
        return _Accepted(JSON, events)
    if events:
        return _Accepted(EVENT_STREAM, events)
    problem = f"must allow {GRAPHQL_RESPONSE}, {JSON} or {EVENT_STREAM}"
    raise HttpRefusal(406, BadUserInput("Accept", problem))


def _read_post(text: bytes) -> GraphQLRequest:
    try:
        return _REQUESTS.decode(text)
    except msgspec.ValidationError as fault:
        found = _MEMBER.search(str(fault))
        refusal = BadUserInput(found[1], _EXPECTED[found[1]]) if found else _NO_REQUEST
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        refusal = _NO_REQUEST
    raise HttpRefusal(400, refusal)


def _read_get(request: Request) -> GraphQLRequest:
    given = request.query_params
    if "query" not in given:
        raise HttpRefusal(400, BadUserInput("query", "name a document: /graphql?query=…"))
    try:
        variables = _VARIABLES.decode(given["variables"]) if given.get("variables") else None
    except (msgspec.MsgspecError, RecursionError):
        raise HttpRefusal(400, BadUserInput("variables", _OBJECT)) from None
    return GraphQLRequest(given["query"], variables, given.get("operationName") or None)


def _check_method(method: str, operation: Operation, accepted: _Accepted) -> None:
    if operation.type is OperationType.SUBSCRIPTION and not accepted.events:
        problem = (
            f"subscribe over a WebSocket (graphql-transport-ws), or with Accept: {EVENT_STREAM}"
        )
        raise HttpRefusal(400, BadUserInput("query", problem))
    if operation.type is OperationType.MUTATION and method == "GET":
        refusal = BadUserInput("method", "send a mutation by POST")
        raise HttpRefusal(405, refusal, (("allow", "POST"),))
