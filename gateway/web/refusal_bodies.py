"""What is said of a request that no route answers: as the exchange would, or as GraphQL."""

import re
from collections.abc import Iterable

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from gateway.domain.errors import BadUserInput
from gateway.schema.errors import failure
from gateway.web.facade import codes
from gateway.web.facade.answers import encode
from gateway.web.facade.refusals import refusal_of

_OF_FACADE = re.compile(rb"/v3(?:[/?]|$)")


def refusal_body(target: bytes, error: BadUserInput) -> bytes:
    """The JSON that refuses a request for `target`, its path with or without a query."""
    if not _OF_FACADE.match(target):
        return msgspec.json.encode(failure(error))
    refusal = refusal_of(codes.INVALID)
    return encode(refusal.code, {"msg": refusal.msg})


def refusal_answer(
    status: int, target: bytes, error: BadUserInput, headers: Iterable[tuple[bytes, bytes]]
) -> bytes:
    """The whole answer that refuses it, on a connection that is closed then; with `headers`."""
    content = refusal_body(target, error)
    lines = (
        *headers,
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(content)),
        (b"connection", b"close"),
    )
    head = b"".join(b"%b: %b\r\n" % line for line in lines)
    return STATUS_LINE[status] + head + b"\r\n" + content
