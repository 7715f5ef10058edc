"""The exchange's REST interface, served: bytes to an endpoint and back.

The body is there before it is asked who sent it: a sender who takes his time must not act by a key
that was revoked meanwhile.
"""

import asyncio
import math
import time
from dataclasses import dataclass, field

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.access.policy import Action
from gateway.access.principal import Caller, Principal
from gateway.access.proving import NotProven
from gateway.domain.errors import GatewayError, JournalUnavailable, RateLimited
from gateway.domain.stop_errors import NotBegun, Stopping
from gateway.domain.virtual_keys import VirtualKey
from gateway.observability import bind_trace, trace_id
from gateway.schema.context import permit
from gateway.web.facade import codes
from gateway.web.facade.access import Access
from gateway.web.facade.answers import JSON, encode
from gateway.web.facade.callers import (
    Asker,
    admit_once,
    find_asker,
    order_id_for,
    was_admitted,
)
from gateway.web.facade.endpoints import ENDPOINTS, Endpoint
from gateway.web.facade.outcomes import refusal_for, unsure
from gateway.web.facade.parameters import Parameters, read_parameters
from gateway.web.facade.parts import FacadeParts
from gateway.web.facade.refusals import Refusal, refusal_of
from gateway.web.facade.requests import FacadeCall
from gateway.web.limits import count_request

_log = structlog.get_logger(__name__)

LONGEST_BODY = 64 * 1024

_NOT_FOUND, _TOO_LARGE = 404, 413
_NOT_LOOKED_UP = (JournalUnavailable, NotBegun, RateLimited)
"""What may keep a request from being done before anybody has looked up what became of it."""


@dataclass(slots=True)
class _Asked:
    """A request to a known endpoint, or to none; and who sent it, once that is known.

    `key` is the virtual key that it named, and that proved nothing. An endpoint that has `begun`
    looks up what the same request did before, unless the journal is away.
    """

    request: Request
    trace: str
    name: str = "none"
    endpoint: Endpoint | None = None
    principal: Principal | None = None
    key: VirtualKey | None = None
    begun: bool = False

    @property
    def access(self) -> Access:
        """What it does; nothing can have failed before an endpoint is known."""
        return Access.PUBLIC if self.endpoint is None else self.endpoint.access


@dataclass(frozen=True, slots=True)
class _Reply:
    """What goes back; `cause` is the gateway's own code behind a refusal, or a `Cause`."""

    code: str
    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cause: str | None = None


class FacadeRest:
    """The ASGI application at /v3/api/…; it answers every path and method there."""

    def __init__(self, parts: FacadeParts) -> None:
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        began = time.perf_counter()
        request = Request(scope, receive)
        parent = request.headers.get("traceparent")
        trace = trace_id(parent, self._parts.random_bytes)
        asked = _Asked(request, trace)
        try:
            with bind_trace(trace), self._parts.spans.request("HTTP /v3", trace, parent) as span:
                reply = await self._reply(asked)
                span.set_attributes({"endpoint": asked.name, "code": reply.code})
        except ClientDisconnect:
            return
        self._note(asked, reply, time.perf_counter() - began)
        headers = {"x-trace-id": trace, "cache-control": "no-store", **reply.headers}
        response = Response(reply.body, reply.status, headers, JSON)
        await response(scope, receive, send)

    async def _reply(self, asked: _Asked) -> _Reply:
        try:
            return await self._answer(asked)
        except Refusal as refusal:
            return _refused(refusal)
        except NotProven as error:
            asked.key = error.key
            return _refused(refusal_for(error, asked.access), error.cause.value)
        except GatewayError as error:
            return _refused(refusal_for(error, asked.access), error.code)
        except ClientDisconnect:
            raise
        except asyncio.CancelledError:  # the server stops, and the grace is over
            return _refused(unsure(asked.access), Stopping.code)
        except Exception:  # noqa: BLE001  # a fault of ours, and no business of the caller's
            _log.exception("facade.fault", endpoint=asked.name)
            return _refused(unsure(asked.access), GatewayError.code)

    async def _answer(self, asked: _Asked) -> _Reply:
        method, path = asked.request.method, asked.request.scope["path"]
        endpoint = ENDPOINTS.get((method, path))
        if endpoint is None:
            raise refusal_of(codes.INVALID, _NOT_FOUND)
        asked.endpoint, asked.name = endpoint, f"{method} {path}"
        parameters = await _parameters(asked.request)
        headers, trace = asked.request.headers, asked.trace
        asker = await find_asker(self._parts, endpoint.access, headers, parameters, trace)
        asked.principal = asker.principal
        known = was_admitted(self._parts, endpoint.access, asked.name, asker)
        try:
            return await self._admit(asked, endpoint, asker, parameters)
        except _NOT_LOOKED_UP as error:
            # That this request does nothing says nothing of the order that it made before.
            looked_up = asked.begun and not isinstance(error, JournalUnavailable)
            if known and not looked_up:
                raise unsure(endpoint.access) from None
            raise

    async def _admit(
        self, asked: _Asked, endpoint: Endpoint, asker: Asker, parameters: Parameters
    ) -> _Reply:
        self._parts.under_way.may_begin()
        shares = self._parts.under_way.requests
        shares.take(asker.principal)
        try:
            await self._count(asker.principal, endpoint.access)
            await admit_once(self._parts, endpoint.access, asked.name, asker, asked.trace)
            asked.begun = True
            return await self._ask(endpoint, asker, parameters, asked.trace)
        finally:
            shares.give_back(asker.principal)

    async def _ask(
        self, endpoint: Endpoint, asker: Asker, parameters: Parameters, trace: str
    ) -> _Reply:
        call = FacadeCall(
            caller=Caller(asker.principal, trace),
            parameters=parameters,
            account=asker.account,
            client_order_id=order_id_for(self._parts, asker),
        )
        if endpoint.access is Access.PUBLIC:
            permit(self._parts.services, call.caller, (Action.MARKET_READ, None))
        answer = await endpoint.answer(self._parts, call)
        return _Reply(codes.SUCCESS, answer.body, headers=dict(answer.headers))

    async def _count(self, principal: Principal, access: Access) -> None:
        await count_request(self._parts.rates, principal, lambda: access is Access.CANCEL)

    def _note(self, asked: _Asked, reply: _Reply, seconds: float) -> None:
        metrics = self._parts.metrics
        metrics.facade_requests.labels(asked.name, reply.code).inc()
        metrics.facade_seconds.labels(asked.name).observe(seconds)
        if reply.code != codes.SUCCESS:
            _log.info(
                "facade.refused",
                trace_id=asked.trace,
                principal=asked.principal and asked.principal.id,
                endpoint=asked.name,
                code=reply.code,
                cause=reply.cause,
                **_of_key(asked.key),
                ms=round(seconds * 1000),
            )


def _of_key(key: VirtualKey | None) -> dict[str, str]:
    return {} if key is None else {"key": key.id, "key_principal": key.principal}


async def _parameters(request: Request) -> Parameters:
    body = await _body(request)
    content_type = request.headers.get("content-type", "")
    return read_parameters(request.scope["query_string"], content_type, body)


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST_BODY:
            raise refusal_of(codes.INVALID, _TOO_LARGE)
    return bytes(body)


def _refused(refusal: Refusal, cause: str | None = None) -> _Reply:
    headers = {}
    if refusal.retry_after is not None:
        headers["retry-after"] = str(math.ceil(refusal.retry_after))
    # The rest is still on its way, and nobody will read it; or another replica must do the next.
    if refusal.status == _TOO_LARGE or cause == NotBegun.code:
        headers["connection"] = "close"
    body = encode(refusal.code, {"msg": refusal.msg})
    return _Reply(refusal.code, body, refusal.status, headers, cause)
