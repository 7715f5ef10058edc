"""One execution for all subscribers of the same document and variables on public data."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import aclosing
from dataclasses import dataclass
from itertools import count
from typing import Any

import msgspec
from graphql import ExecutionResult, GraphQLError

from gateway.domain.errors import GatewayError
from gateway.metrics import Metrics
from gateway.schema.context import Context
from gateway.schema.documents import Operation
from gateway.schema.errors import shown
from gateway.schema.execution import Execution, response

_EVENTS_REPLAYED = 50


@dataclass(frozen=True, eq=False, slots=True)
class Member:
    """One subscription of one socket, as its group sees it. None of these may wait.

    `deliver` passes a response on, with the slot in which it takes the place of one that still
    waits (None: it takes no other's place); `fail` says that the stream ended with errors.
    """

    deliver: Callable[[str, Hashable | None], None]
    fail: Callable[[list[dict[str, Any]]], None]
    complete: Callable[[], None]


class OperationGroup:
    """Executes a subscription once an event and hands the same text to each member.

    Who joins later first gets what a subscriber of his own would have got: the latest payload of
    each slot, or the last events of a stream that never conflates.
    """

    def __init__(
        self,
        execution: Execution,
        operation: Operation,
        variables: dict[str, Any] | None,
        context: Context,
        metrics: Metrics,
    ) -> None:
        self._execution = execution
        self._operation = operation
        self._variables = variables
        self._context = context
        self._begun = context.services.now()
        self._seconds = metrics.delivery_seconds.labels(operation.field)
        self._members: set[Member] = set()
        self._replay: OrderedDict[Hashable, tuple[str, Hashable | None]] = OrderedDict()
        self._count = count()
        self.ended = False
        self.task = asyncio.get_running_loop().create_task(self._run())

    @property
    def context(self) -> Context:
        """The context in which the operation is executed."""
        return self._context

    def join(self, member: Member) -> None:
        """Add a member, and tell it what is known."""
        self._members.add(member)
        for payload, slot in self._replay.values():
            member.deliver(payload, slot)

    def leave(self, member: Member) -> None:
        """Remove a member; the last one ends the execution."""
        self._members.discard(member)
        if not self._members:
            self.ended = True
            self.task.cancel()

    async def _run(self) -> None:
        try:
            results = await self._execution.subscribe(
                self._operation, self._variables, self._context
            )
            if isinstance(results, ExecutionResult):
                self._fail(response(results, self._context)["errors"])
                return
            # At once, not when what refers to it is collected: that may be on another thread.
            async with aclosing(results):
                async for result in results:
                    self._spread(result)
                    if self._context.slot is None:
                        # Many events may be there at once: what reads them must get its turn.
                        await asyncio.sleep(0)
        except GatewayError as error:
            self._fail([{"message": str(error), "extensions": error.extensions()}])
        except Exception as error:  # noqa: BLE001  # whatever it is, members are told and it is logged
            unexpected = GraphQLError("unexpected", original_error=error)
            self._fail([shown(unexpected, self._context.trace_id)])
        else:
            for member in tuple(self._members):
                member.complete()

    def _spread(self, result: ExecutionResult) -> None:
        payload = msgspec.json.encode(response(result, self._context)).decode()
        slot = self._context.slot
        place = next(self._count) if slot is None else (slot,)
        self._replay[place] = (payload, slot)
        self._replay.move_to_end(place)
        if slot is None and len(self._replay) > _EVENTS_REPLAYED:
            self._replay.popitem(last=False)
        for member in tuple(self._members):
            member.deliver(payload, slot)
        self._take_time()

    def _take_time(self) -> None:
        """What came before the group began was not on its way until now."""
        if (as_of := self._context.as_of) is not None and as_of >= self._begun:
            self._seconds.observe((self._context.services.now() - as_of) / 1000)

    def _fail(self, errors: list[dict[str, Any]]) -> None:
        for member in tuple(self._members):
            member.fail(errors)


class OperationGroups:
    """Finds the group of a subscription; begins one when there is none to share."""

    def __init__(self, execution: Execution, metrics: Metrics) -> None:
        self._execution = execution
        self._metrics = metrics
        self._shared: dict[Hashable, OperationGroup] = {}
        self._groups: set[OperationGroup] = set()

    def find(
        self,
        operation: Operation,
        variables: dict[str, Any] | None,
        context: Context,
        key: Hashable,
    ) -> OperationGroup:
        """The group to join: that of `key` if the operation is public and it lives, else a new one.

        `key` must be the same for equal documents, operation names and variables, and different
        for others.
        """
        group = self._shared.get(key) if operation.public else None
        if group is None or group.ended:
            group = self._begin(operation, variables, context, key)
        return group

    async def aclose(self) -> None:
        """End every group."""
        tasks = [group.task for group in self._groups]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(
        self,
        operation: Operation,
        variables: dict[str, Any] | None,
        context: Context,
        key: Hashable,
    ) -> OperationGroup:
        group = OperationGroup(self._execution, operation, variables, context, self._metrics)
        self._groups.add(group)
        if operation.public:
            self._shared[key] = group
        group.task.add_done_callback(lambda _: self._end(group, key))
        self._metrics.subscription_groups.set(len(self._groups))
        return group

    def _end(self, group: OperationGroup, key: Hashable) -> None:
        group.ended = True
        self._groups.discard(group)
        if self._shared.get(key) is group:
            del self._shared[key]
        self._metrics.subscription_groups.set(len(self._groups))
