"""Request parameters as they came, and the exact text that a signature covers ("Security").

A signed request carries its pairs in the query string, in a form body or in a JSON body: in the
one of them that holds ``signature``. The signed text of the first two is what was sent, byte for
byte, without the signature pair. That of a JSON body is its pairs in their order, urlencoded;
numbers are taken as written. Pure.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NoReturn
from urllib.parse import parse_qsl, urlencode

from gateway.sandbox.codes import Code, Refusal

SIGNATURE = "signature"
MOST_PARAMETERS = 50

_TOO_LARGE = Decimal(10) ** 12

_NUMBER = re.compile(r"\d{1,12}(\.\d{1,12})?([eE][+-]?\d)?", re.ASCII)
_SYMBOL = re.compile(r"[A-Z0-9]{2,20}", re.ASCII)
_INTEGER = re.compile(r"\d{1,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class RawRequest:
    """What an HTTP request carries: method, path, header, query string and body, undecoded.

    ``client`` is the address that it came from.
    """

    method: str
    path: str
    api_key: str | None
    query: str
    content_type: str
    body: bytes
    client: str


@dataclass(frozen=True, slots=True)
class Parameters:
    """Named values as text, and the text that was to be signed; the signature is apart."""

    values: Mapping[str, str]
    signed_text: str = ""
    signature: str | None = None

    def text(self, name: str) -> str:
        """A parameter that must be there. Raises Refusal 20005."""
        value = self.values.get(name)
        if not value:
            raise Refusal(Code.MISSING_PARAMETERS)
        return value

    def symbol(self) -> str:
        """What may be the symbol of a market or an asset. Raises Refusal 20005, 20006."""
        text = self.text("symbol")
        if not _SYMBOL.fullmatch(text):
            raise Refusal(Code.NOT_A_SYMBOL)
        return text

    def money(self, name: str, otherwise: Code) -> Decimal:
        """A positive decimal, exactly as written. Raises Refusal 20005, or ``otherwise``.

        ``otherwise`` also refuses what is too large for the exchange to reckon with exactly.
        """
        text = self.text(name)
        if not _NUMBER.fullmatch(text) or not 0 < (value := Decimal(text)) < _TOO_LARGE:
            raise Refusal(otherwise)
        return value

    def integer(self, name: str) -> int | None:
        """An optional whole number. Raises Refusal 90001."""
        text = self.values.get(name)
        if text is None:
            return None
        if not _INTEGER.fullmatch(text):
            raise Refusal(Code.INVALID_REQUEST)
        return int(text)


def read_parameters(request: RawRequest) -> Parameters:
    """Find the pairs of a request. Raises Refusal 90001 when they cannot be read."""
    if request.content_type == "application/x-www-form-urlencoded":
        body = _from_urlencoded(_utf8(request.body))
    elif request.content_type == "application/json" and request.body:
        body = _from_json(request.body)
    else:
        body = Parameters({})
    query = _from_urlencoded(request.query)
    if body.signature is not None and query.signature is None:
        return body
    return query if query.values or query.signature is not None else body


def _from_urlencoded(text: str) -> Parameters:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict")
    except ValueError:
        raise Refusal(Code.INVALID_REQUEST) from None
    values = dict(pairs)
    if not len(values) == len(pairs) <= MOST_PARAMETERS:
        raise Refusal(Code.INVALID_REQUEST)
    signature = values.pop(SIGNATURE, None)
    signed_text = "&".join(pair for pair in text.split("&") if pair.partition("=")[0] != SIGNATURE)
    return Parameters(values, signed_text, signature)


def _from_json(body: bytes) -> Parameters:
    try:
        members = _JSON.decode(body.decode())
        pairs = members if isinstance(members, tuple) else _no_parameters(members)
        text = urlencode([(name, _scalar_text(value)) for name, value in pairs])
    except (ValueError, RecursionError):
        raise Refusal(Code.INVALID_REQUEST) from None
    return _from_urlencoded(text)


def _scalar_text(value: object) -> str:
    """Give a string's content, or any other scalar as it was written."""
    match value:
        case str():
            return value
        case None | bool():
            return json.dumps(value)
        case _:
            return _no_parameters(value)


def _no_parameters(found: object) -> NoReturn:
    raise ValueError(found)


# Objects become their pairs, so that none hides another; numbers stay the text that they are.
_JSON = json.JSONDecoder(
    object_pairs_hook=tuple, parse_float=str, parse_int=str, parse_constant=_no_parameters
)


def _utf8(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise Refusal(Code.INVALID_REQUEST) from None
