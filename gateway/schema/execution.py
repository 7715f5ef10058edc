"""Runs operations: documents in, responses out."""

from collections.abc import AsyncGenerator
from inspect import isawaitable
from typing import Any, cast

from graphql import ExecutionResult, Executor, GraphQLSchema, execute, subscribe

from gateway.schema.context import Context
from gateway.schema.documents import Operation
from gateway.schema.errors import shown
from gateway.tracing import Spans


class _Subscriber(Executor[Any]):
    """Executes the events of a subscription, and keeps nothing of them.

    Of each event graphql-core keeps the fields that it collected, by the identity of a list that
    is made anew for the next one. All events share that memory, so it grew by kilobytes an event
    for as long as the subscription lived. Here each event has a memory of its own.
    """

    def build_per_event_executor(self, payload: object) -> Executor[Any]:
        executor = super().build_per_event_executor(payload)
        executor._relevant_sub_fields = {}  # noqa: SLF001 - it has no public name
        return executor


class Execution:
    """Runs operations of one schema."""

    def __init__(self, schema: GraphQLSchema, spans: Spans) -> None:
        self._schema = schema
        self._spans = spans

    async def execute(
        self, operation: Operation, variables: dict[str, Any] | None, context: Context
    ) -> dict[str, Any]:
        """Run a query or a mutation; return its response."""
        with self._spans.step(f"graphql {operation.type.value}", field=operation.field):
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
    ) -> AsyncGenerator[ExecutionResult] | ExecutionResult:
        """Begin a subscription; return its results, or the one result that says why not.

        Who takes results must close them: until then what they are made of goes on.
        """
        begun = subscribe(
            self._schema,
            operation.document,
            variable_values=variables,
            operation_name=operation.name,
            context_value=context,
            executor_class=_Subscriber,
        )
        results = await begun if isawaitable(begun) else begun
        # graphql-core makes a generator of them, and calls it an iterator.
        return cast("AsyncGenerator[ExecutionResult] | ExecutionResult", results)


def response(result: ExecutionResult, context: Context) -> dict[str, Any]:
    """A response as GraphQL writes it: errors first, and data unless nothing was executed."""
    if not result.errors:
        return {"data": result.data}
    errors = [shown(error, context.trace_id) for error in result.errors]
    if result.data is None and not any(error.path for error in result.errors):
        return {"errors": errors}
    return {"errors": errors, "data": result.data}
