"""Requests as they come over the wire: pairs in each of the three places where they may stand."""

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

import pytest

from gateway.web.facade.parameters import Parameters, read_parameters
from gateway.web.facade.refusals import Refusal

FORM, JSON = "application/x-www-form-urlencoded", "application/json"
SECRET = "7v5TnUBX92lgKWlODJbRn3FIoriHNihB3PHFi591Do5ip9DLrCvx0bn9dHZKFZRS"
NOW = 1_578_398_112_000

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Carried:
    """What of a request carries parameters."""

    query: bytes = b""
    content_type: str = ""
    body: bytes = b""

    def read(self) -> Parameters:
        return read_parameters(self.query, self.content_type, self.body)


def in_query(pairs: Pairs) -> Carried:
    return Carried(query=urlencode(pairs).encode())


def in_form(pairs: Pairs) -> Carried:
    return Carried(content_type=FORM, body=urlencode(pairs).encode())


def in_json(pairs: Pairs) -> Carried:
    members = ", ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in pairs)
    return json_body(f"{{{members}}}")


def json_body(text: str) -> Carried:
    return Carried(content_type=JSON, body=text.encode())


CARRIERS = {"query": in_query, "form": in_form, "json": in_json}


def signature_of(text: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()


def signed(pairs: Pairs) -> Pairs:
    """The pairs, and the signature of them as live clients make it."""
    return [*pairs, ("signature", signature_of(urlencode(pairs).encode()))]


def is_proven(parameters: Parameters) -> bool:
    return parameters.signature == signature_of(parameters.signed_text)


def parameters(values: Mapping[str, str]) -> Parameters:
    return in_query(list(values.items())).read()


def refused(carried: Carried) -> str:
    """The code with which it is refused to be read."""
    with pytest.raises(Refusal) as refusal:
        carried.read()
    return refusal.value.code
