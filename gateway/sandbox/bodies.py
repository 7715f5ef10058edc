"""The body of a request, bounded: it comes before anybody knows from whom."""

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from gateway.sandbox.codes import Code
from gateway.sandbox.faulty_replies import coded

LONGEST_BODY = 64 * 1024


class BodyTooLong(Exception):
    """More than LONGEST_BODY bytes came."""


async def read_body(request: Request) -> bytes:
    """All of a body. Raises BodyTooLong as soon as it is, and ClientDisconnect."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST_BODY:
            raise BodyTooLong
    return bytes(body)


async def _refuse(_request: Request, _error: Exception) -> Response:
    reply = coded(Code.INVALID_REQUEST.value, status=413)
    # The rest of the body is still on its way, and nobody will read it.
    headers = {"connection": "close"}
    return Response(reply.body, reply.status, headers, media_type=reply.media_type)


async def _answer_nobody(_request: Request, _error: Exception) -> Response:
    return Response()


BODY_FAULTS = {BodyTooLong: _refuse, ClientDisconnect: _answer_nobody}
"""What an application answers to what `read_body` raises."""
