"""The contract's scalars: strict in, exact out."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import NewType

import strawberry
from graphql import GraphQLError, StringValueNode, ValueNode
from strawberry.types.scalar import ScalarDefinition

from gateway.domain.money import NotADecimal, parse_plain, plain

Timestamp = NewType("Timestamp", int)
"""Milliseconds since the Unix epoch; on the wire RFC 3339 in UTC."""


_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z", re.ASCII)


def _refusal(problem: str, written: ValueNode | None) -> GraphQLError:
    extensions = {"code": "BAD_USER_INPUT", "retryable": False}
    return GraphQLError(problem, nodes=written, extensions=extensions)


def _text(node: ValueNode) -> object:
    return node.value if isinstance(node, StringValueNode) else None


def _parse_decimal(value: object, written: ValueNode | None = None) -> Decimal:
    if not isinstance(value, str):
        problem = 'expected a decimal as a string, such as "0.25": a JSON number loses digits'
        raise _refusal(problem, written)
    try:
        return parse_plain(value)
    except NotADecimal as fault:
        raise _refusal(str(fault), written) from None


def _parse_decimal_literal(node: ValueNode, _variables: object = None) -> Decimal:
    return _parse_decimal(_text(node), node)


def timestamp_text(time: int) -> str:
    """Write a time in ms as RFC 3339: 0 is "1970-01-01T00:00:00.000Z"."""
    seconds, milliseconds = divmod(time, 1000)
    moment = datetime.fromtimestamp(seconds, UTC).replace(
        microsecond=milliseconds * 1000, tzinfo=None
    )
    return f"{moment.isoformat(timespec='milliseconds')}Z"


def _parse_timestamp(value: object, written: ValueNode | None = None) -> Timestamp:
    problem = 'expected a time in UTC such as "2026-01-31T12:00:00.000Z"'
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise _refusal(problem, written)
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise _refusal(problem, written) from None
    return Timestamp(round(moment.timestamp() * 1000))


def _parse_timestamp_literal(node: ValueNode, _variables: object = None) -> Timestamp:
    return _parse_timestamp(_text(node), node)


SCALARS: Mapping[object, ScalarDefinition] = {
    Decimal: strawberry.scalar(
        name="Decimal",
        description=(
            'An exact decimal as a string in plain notation ("0.0000001"), finite, '
            "at most 36 significant digits. JSON numbers are refused."
        ),
        serialize=plain,
        parse_value=_parse_decimal,
        parse_literal=_parse_decimal_literal,
    ),
    Timestamp: strawberry.scalar(
        name="Timestamp",
        description='RFC 3339 in UTC with milliseconds ("2026-01-31T12:00:00.000Z").',
        serialize=timestamp_text,
        parse_value=_parse_timestamp,
        parse_literal=_parse_timestamp_literal,
    ),
}
