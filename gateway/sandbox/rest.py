"""The HTTP edge: bytes to the exchange and back, with the faults that are asked for."""

import asyncio
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from gateway.sandbox.codes import Code, Refusal
from gateway.sandbox.exchange import ENDPOINTS, Exchange
from gateway.sandbox.faults import Fault, Faults, Outcome
from gateway.sandbox.parameters import RawRequest, read_parameters
from gateway.sandbox.record import Received, Record
from gateway.sandbox.replies import Body, encode, failure

_OUTAGE_PAGE = "<html><body><h1>500 Internal Server Error</h1></body></html>"
_API_KEY_NAMES = frozenset({"apikey", "x-apnk-apikey"})


class RestEdge:
    """An ASGI application that answers every path; ``publish`` is called after each execution."""

    def __init__(
        self, exchange: Exchange, publish: Callable[[], None], faults: Faults, record: Record
    ) -> None:
        self._exchange = exchange
        self._publish = publish
        self._faults = faults
        self._record = record

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        raw = await _read(request)
        self._record.note_request(_without_credentials(raw))
        fault = self._faults.take(raw.path)
        await asyncio.sleep(fault.delay_ms / 1000)
        response = self._respond(raw, fault)
        await asyncio.sleep(fault.reply_delay_ms / 1000)
        if response is None:
            await _hang_up(request)
        else:
            await response(scope, receive, send)

    def _respond(self, raw: RawRequest, fault: Fault) -> Response | None:
        """Execute as far as the fault lets it, and make the reply; None hangs up."""
        if fault.outcome is None:
            return self._execute(raw)
        if fault.outcome.executes:
            self._execute(raw)
        match fault.outcome:
            case Outcome.DROP_BEFORE | Outcome.DROP_AFTER:
                return None
            case Outcome.HTML_500:
                return HTMLResponse(_OUTAGE_PAGE, status_code=500)
            case Outcome.UNEXPECTED_BEFORE | Outcome.UNEXPECTED_AFTER:
                return _json(failure(Code.UNEXPECTED_ERROR))

    def _execute(self, raw: RawRequest) -> Response:
        if (raw.method, raw.path) not in ENDPOINTS:
            return _json(failure(Code.INVALID_REQUEST), status=404)
        try:
            body = self._exchange.answer(raw)
        except Refusal as refusal:
            return _json(failure(refusal.code))
        self._publish()
        return _json(body)


async def _read(request: Request) -> RawRequest:
    return RawRequest(
        method=request.method,
        path=request.url.path.removeprefix("/"),
        api_key=request.headers.get("x-apnk-apikey"),
        query=request.scope["query_string"].decode("latin-1"),
        content_type=request.headers.get("content-type", "").partition(";")[0].strip().lower(),
        body=await request.body(),
        client=request.client.host if request.client else "",
    )


def _without_credentials(raw: RawRequest) -> Received:
    try:
        values = read_parameters(raw).values
    except Refusal:
        values = {}
    shown = {name: value for name, value in values.items() if name.lower() not in _API_KEY_NAMES}
    return Received(raw.method, raw.path, shown)


def _json(body: Body, status: int = 200) -> Response:
    return Response(encode(body), status_code=status, media_type="application/json")


async def _hang_up(request: Request) -> None:
    """Close the connection without a reply, and wait until it is closed."""
    request.state.hang_up()
    await request.receive()
