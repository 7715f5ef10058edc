"""The HTTP edge: bytes to the exchange and back, with the faults that are asked for."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.sandbox.bodies import read_body
from gateway.sandbox.codes import Code, Refusal
from gateway.sandbox.endpoints import Clock
from gateway.sandbox.exchange import ENDPOINTS, Exchange
from gateway.sandbox.faults import Fault, Faults, Outcome
from gateway.sandbox.faulty_replies import JSON, Reply, coded, faulty_reply
from gateway.sandbox.parameters import Parameters, RawRequest, read_parameters
from gateway.sandbox.record import LONGEST_TEXT, Received, Record
from gateway.sandbox.replies import encode

_API_KEY_NAMES = frozenset({"apikey", "x-apnk-apikey"})


class RestEdge:
    """An ASGI application that answers every path.

    ``publish`` is called after each execution with the request that was executed; ``owners`` gives
    the account of each API key.
    """

    def __init__(
        self,
        exchange: Exchange,
        publish: Callable[[Received], None],
        faults: Faults,
        record: Record,
        *,
        owners: Mapping[str, str],
        clock: Clock,
    ) -> None:
        self._exchange = exchange
        self._publish = publish
        self._faults = faults
        self._record = record
        self._owners = owners
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        raw = await _read(request)
        received = self._note(raw)
        fault = self._faults.take(raw.method, raw.path, received.account)
        received.fault = fault.outcome
        await asyncio.sleep(fault.delay_ms / 1000)
        reply = self._reply(raw, fault, received)
        await asyncio.sleep(fault.reply_delay_ms / 1000)
        if reply is None:
            request.state.hang_up()
        else:
            received.status, received.answered = reply.status, reply.code
            await _deliver(reply, request, send, whole=fault.outcome is not Outcome.TRUNCATED)
        if fault.outcome is Outcome.EXECUTE_LATE:
            await asyncio.sleep(fault.late_ms / 1000)
            self._execute(raw, received, received.time)

    def _note(self, raw: RawRequest) -> Received:
        parameters = _readable(raw)
        received = Received(
            method=raw.method,
            path=raw.path[:LONGEST_TEXT],
            parameters=_recordable(parameters),
            account=self._owners.get(raw.api_key or ""),
            time=self._clock(),
            digest=_digest(parameters),
        )
        self._record.note_request(received)
        return received

    def _reply(self, raw: RawRequest, fault: Fault, received: Received) -> Reply | None:
        """Execute unless the fault prevents it, and make the reply; None hangs up."""
        if fault.outcome is None or fault.outcome is Outcome.TRUNCATED:
            return self._execute(raw, received, self._clock())
        if fault.executes_first:
            self._execute(raw, received, self._clock())
        return faulty_reply(fault)

    def _execute(self, raw: RawRequest, received: Received, arrived: int) -> Reply:
        if (raw.method, raw.path) not in ENDPOINTS:
            reply = coded(Code.INVALID_REQUEST.value, status=404)
        else:
            reply = self._ask(raw, received, arrived)
        received.executed = reply.code
        return reply

    def _ask(self, raw: RawRequest, received: Received, arrived: int) -> Reply:
        try:
            body = self._exchange.answer(raw, arrived)
        except Refusal as refusal:
            return coded(refusal.code.value)
        self._publish(received)
        return Reply(200, JSON, encode(body), Code.SUCCESS.value)


async def _read(request: Request) -> RawRequest:
    return RawRequest(
        method=request.method,
        path=request.url.path.removeprefix("/"),
        api_key=request.headers.get("x-apnk-apikey"),
        query=request.scope["query_string"].decode("latin-1"),
        content_type=request.headers.get("content-type", "").partition(";")[0].strip().lower(),
        body=await read_body(request),
        client=request.client.host if request.client else "",
    )


def _readable(raw: RawRequest) -> Parameters:
    """The parameters; none where they cannot be read."""
    try:
        return read_parameters(raw)
    except Refusal:
        return Parameters({})


def _recordable(parameters: Parameters) -> dict[str, str]:
    """The parameters without credentials, and without more of each than is worth keeping."""
    return {
        name[:LONGEST_TEXT]: value[:LONGEST_TEXT]
        for name, value in parameters.values.items()
        if name.lower() not in _API_KEY_NAMES
    }


def _digest(parameters: Parameters) -> str | None:
    """Tell one signed request from all others without showing it."""
    if parameters.signature is None:
        return None
    return hashlib.sha256(parameters.signed_text.encode()).hexdigest()


async def _deliver(reply: Reply, request: Request, send: Send, *, whole: bool) -> None:
    response = Response(reply.body, reply.status, media_type=reply.media_type)
    if whole:
        await response(request.scope, request.receive, send)
        return
    start = {"status": response.status_code, "headers": response.raw_headers}
    await send({"type": "http.response.start", **start})
    half = response.body[: len(response.body) // 2]
    await send({"type": "http.response.body", "body": half, "more_body": True})
    request.state.hang_up()
