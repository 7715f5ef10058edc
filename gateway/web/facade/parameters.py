"""A request's parameters as text, and the exact text that its signature covers ("Security").

Parameters stand in the query string, in a form body or in a JSON body. The signed text of the
first two is what was sent, byte for byte, without the pair `signature`; that of a JSON body is its
members in their order, urlencoded, numbers as they are written. Either way the values follow from
the signed text alone, so that of a signed request nothing is read that no signature covers.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NoReturn
from urllib.parse import unquote_to_bytes, urlencode

from gateway.domain.market import CandleInterval
from gateway.exchange import ORDER_NOT_OPEN, is_order_id
from gateway.web.facade import codes
from gateway.web.facade.refusals import refusal_of

SIGNATURE = "signature"
MOST_PARAMETERS = 50
LONGEST_PAIR = 8 * 1024
"""Bytes of a name and its value, encoded."""

_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")

_SYMBOL = re.compile(r"[A-Z0-9]{2,20}", re.ASCII)
_WHOLE = re.compile(r"[0-9]{1,18}", re.ASCII)
_DECIMAL = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,12})?(?:[eE][+-]?[0-9])?", re.ASCII)
_TOO_LARGE = Decimal(10) ** 12
INTERVALS = {interval.value.lower(): interval for interval in CandleInterval}


@dataclass(frozen=True, slots=True)
class Parameters:
    """Values by name, without the signature; every name stands there once.

    Whoever reads one gets what it must be, or raises the Refusal that the exchange has for it.
    """

    values: Mapping[str, str]
    signed_text: bytes = field(default=b"", repr=False)
    signature: str | None = field(default=None, repr=False)

    def text(self, name: str) -> str:
        """A parameter that must be there and not empty. Raises Refusal 20005."""
        value = self.values.get(name)
        if not value:
            raise refusal_of(codes.MISSING)
        return value

    def symbol(self) -> str:
        """What may be the symbol of a market or of an asset. Raises Refusal 20005, 20006."""
        text = self.text("symbol")
        if not _SYMBOL.fullmatch(text):
            raise refusal_of(codes.NOT_A_SYMBOL)
        return text

    def order_id(self) -> str:
        """What may be the id of an order. Raises Refusal 20005, or 10075: no order has it."""
        text = self.text("orderId")
        if not is_order_id(text):
            raise refusal_of(ORDER_NOT_OPEN)
        return text

    def money(self, name: str, code: str) -> Decimal:
        """A decimal above zero and below 10**12, exactly as written; "1e-7" is one.

        Raises Refusal 20005, or `code` for anything else.
        """
        text = self.text(name)
        if not _DECIMAL.fullmatch(text) or not 0 < (value := Decimal(text)) < _TOO_LARGE:
            raise refusal_of(code)
        return value

    def integer(self, name: str) -> int | None:
        """A whole number of at most 18 digits, or None where it is not there.

        Raises Refusal 90001.
        """
        text = self.values.get(name)
        if text is None:
            return None
        if not _WHOLE.fullmatch(text):
            raise refusal_of(codes.INVALID)
        return int(text)

    def interval(self) -> CandleInterval:
        """The interval of candles, "m1" to "d1"; one minute by default. Raises Refusal 90001."""
        name = self.values.get("interval", "m1")
        if name not in INTERVALS:
            raise refusal_of(codes.INVALID)
        return INTERVALS[name]


def read_parameters(query: bytes, content_type: str, body: bytes) -> Parameters:
    """Find a request's parameters, wherever they stand; `content_type` is the header as it came.

    Raises Refusal 90001 for what cannot be read: bad escapes, bytes that are no UTF-8, JSON that is
    no flat object, more than 50 parameters, or one that is too long. Raises 20005 when one stands
    there twice, or when query and body both hold some: it would be a guess which of them counts.
    """
    in_query, in_body = _from_pairs(query), _from_body(content_type, body)
    if _is_empty(in_query):
        return in_body
    if not _is_empty(in_body):
        raise refusal_of(codes.MISSING)
    return in_query


def _is_empty(parameters: Parameters) -> bool:
    return not parameters.values and parameters.signature is None


def _from_body(content_type: str, body: bytes) -> Parameters:
    match content_type.partition(";")[0].strip().lower():
        case _ if not body:
            return Parameters({})
        case "application/x-www-form-urlencoded":
            return _from_pairs(body)
        case "application/json":
            return _from_pairs(_urlencoded(body))
        case _:
            return Parameters({})


def _from_pairs(text: bytes) -> Parameters:
    pairs = text.split(b"&")
    sent = [pair for pair in pairs if pair]
    if len(sent) > MOST_PARAMETERS or any(len(pair) > LONGEST_PAIR for pair in sent):
        raise refusal_of(codes.INVALID)
    values = {_name(pair): _decoded(pair.partition(b"=")[2]) for pair in sent}
    if len(values) < len(sent):
        raise refusal_of(codes.MISSING)
    signature = values.pop(SIGNATURE, None)
    signed_text = b"&".join(pair for pair in pairs if not pair or _name(pair) != SIGNATURE)
    return Parameters(values, signed_text, signature)


def _name(pair: bytes) -> str:
    return _decoded(pair.partition(b"=")[0])


def _decoded(part: bytes) -> str:
    if _BAD_ESCAPE.search(part):
        raise refusal_of(codes.INVALID)
    try:
        return unquote_to_bytes(part.replace(b"+", b" ")).decode()
    except UnicodeDecodeError:
        raise refusal_of(codes.INVALID) from None


class _Members(list[tuple[str, Any]]):
    """An object's members in their order, each as often as it stands there."""


def _not_finite(word: str) -> NoReturn:
    raise ValueError(word)


# Numerals stay the text that they are: they are signed so, and none is too long to be read.
_JSON = json.JSONDecoder(
    object_pairs_hook=_Members, parse_int=str, parse_float=str, parse_constant=_not_finite
)


def _urlencoded(body: bytes) -> bytes:
    try:
        members = _JSON.decode(body.decode())
        if not isinstance(members, _Members):
            raise refusal_of(codes.INVALID)
        return urlencode([(name, _scalar(value)) for name, value in members]).encode()
    except (ValueError, RecursionError):
        raise refusal_of(codes.INVALID) from None


def _scalar(value: object) -> str:
    match value:
        case str():
            return value
        case bool() | None:
            return json.dumps(value)
        case _:
            raise refusal_of(codes.INVALID)
