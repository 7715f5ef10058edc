"""Runs operations: documents in, responses out."""

from collections.abc import AsyncIterator
from inspect import isawaitable
from typing import Any

from graphql import ExecutionResult, GraphQLSchema, execute, subscribe

from gateway.schema.context import Context
from gateway.schema.documents import Operation
from gateway.schema.errors import shown


class Execution:
    """Runs operations of one schema."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema

    async def execute(
        self, operation: Operation, variables: dict[str, Any] | None, context: Context
    ) -> dict[str, Any]:
        """Run a query or a mutation; return its response."""
        result = execute(
            self._schema,
            operation.document,
            variable_values=variables,
            operation_name=operation.name,
            context_value=context,
        )
        return response(await result if isawaitable(result) else result, context)

    async def subscribe(
        self, operation: Operation, variables: dict[str, Any] | None, context: Context
    ) -> AsyncIterator[ExecutionResult] | ExecutionResult:
        """Begin a subscription; return its results, or the one result that says why not."""
        begun = subscribe(
            self._schema,
            operation.document,
            variable_values=variables,
            operation_name=operation.name,
            context_value=context,
        )
        return await begun if isawaitable(begun) else begun


def response(result: ExecutionResult, context: Context) -> dict[str, Any]:
    """A response as GraphQL writes it: errors first, and data unless nothing was executed."""
    if not result.errors:
        return {"data": result.data}
    errors = [shown(error, context.trace_id) for error in result.errors]
    if result.data is None and not any(error.path for error in result.errors):
        return {"errors": errors}
    return {"errors": errors, "data": result.data}
