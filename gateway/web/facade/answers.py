"""What is answered with 00000."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from gateway.web.facade import codes
from gateway.web.facade.requests import Body

JSON = "application/json"

_ENCODER = msgspec.json.Encoder(decimal_format="number")


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply's bytes, its code among them, and what its headers say beside those of every reply.

    Bytes, so that an answer on public data can be kept as such.
    """

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def encode(code: str, members: Body) -> bytes:
    """Write a reply as JSON; a Decimal becomes a number with all of its digits."""
    return _ENCODER.encode({"code": code, **members})


def success(members: Body, headers: Mapping[str, str] | None = None) -> Answer:
    """The answer 00000 with `members` beside the code."""
    return Answer(encode(codes.SUCCESS, members), headers or {})
