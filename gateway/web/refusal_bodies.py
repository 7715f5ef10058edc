"""What is said of a request that no route answers: as the exchange would, or as GraphQL."""

import re

import msgspec

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
