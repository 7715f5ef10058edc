"""GraphQL errors as callers see them: a stable code on each, nothing inside the gateway shown."""

import re
from collections.abc import Sequence
from typing import Any

import structlog
from graphql import GraphQLError

from gateway.domain.errors import GatewayError

_log = structlog.get_logger(__name__)

PARSE_FAILED = "GRAPHQL_PARSE_FAILED"
VALIDATION_FAILED = "GRAPHQL_VALIDATION_FAILED"
TOO_COMPLEX = "TOO_COMPLEX"
BAD_USER_INPUT = "BAD_USER_INPUT"
INTERNAL = "INTERNAL"


_BAD_VARIABLE = re.compile(
    r"Variable '\$(?P<variable>\w+)' has invalid value(?: at (?P<path>[.\w\[\]]+))?: "
    r"(?:Expected value of type '\w+' (?:not )?to include \w+ field '(?P<member>[^']+)')?",
    re.ASCII,
)
"""graphql-core tells the path to a bad value in a variable in the error's message alone."""


def coded(error: GraphQLError, code: str) -> GraphQLError:
    """Give `error` a code unless it has one."""
    error.extensions = {"code": code, "retryable": False, **(error.extensions or {})}
    return error


def too_complex(problem: str) -> GraphQLError:
    """The error of a document that asks for too much."""
    return coded(GraphQLError(problem), TOO_COMPLEX)


def shown(error: GraphQLError, trace_id: str) -> dict[str, Any]:
    """One member of a response's `errors`.

    What no author of an error meant for callers is logged, and shown as INTERNAL with the trace
    id under which the log has it.
    """
    cause = error.original_error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    if isinstance(cause, GatewayError):
        member = {**error.formatted, "message": str(cause), "extensions": cause.extensions()}
    elif cause is None:
        coded(error, BAD_USER_INPUT)
        if (field := _field_of(error.message)) is not None:
            error.extensions = {**(error.extensions or {}), "field": field}
        member = dict(error.formatted)
    else:
        _log.error("graphql.internal", trace_id=trace_id, exc_info=cause)
        extensions = {"code": INTERNAL, "retryable": True, "traceId": trace_id}
        message = "something went wrong inside the gateway; its log has the trace id"
        member = {**error.formatted, "message": message, "extensions": extensions}
    return member


def body(errors: Sequence[GraphQLError], trace_id: str) -> dict[str, Any]:
    """The response of a request that was not executed."""
    return {"errors": [shown(error, trace_id) for error in errors]}


def failure(error: GatewayError) -> dict[str, Any]:
    """The response of a request that was refused before it was read."""
    return {"errors": [{"message": str(error), "extensions": error.extensions()}]}


def code_of(response: dict[str, Any]) -> str:
    """The code of the first error of a response, or OK."""
    errors = response.get("errors")
    return str(errors[0]["extensions"]["code"]) if errors else "OK"


def _field_of(message: str) -> str | None:
    """What is wrong in a variable: a path into its value, or the variable itself."""
    found = _BAD_VARIABLE.match(message)
    if found is None:
        return None
    path, member = found["path"] or "", found["member"]
    whole = path if member is None else f"{path}.{member}"
    return whole.removeprefix(".") if whole.startswith(".") else f"{found['variable']}{whole}"
