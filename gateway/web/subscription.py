"""One subscriber's subscription: the same over WebSockets and event streams."""

from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.access.policy import Action
from gateway.domain.errors import RateLimited
from gateway.schema.context import Context, permit
from gateway.schema.documents import Operation
from gateway.schema.operation_groups import Member
from gateway.web.parts import GraphQLParts
from gateway.web.under_way import Origin, Outcome


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is subscribed to: `operation`, which is one of the document `text`'s."""

    text: str
    operation: Operation
    variables: dict[str, Any] | None


class Subscription:
    """A subscription, which counts against the caller's limits until `end`.

    Raises `Forbidden` to who may not read markets, which a group that another began does not ask,
    and `RateLimited` to who has all the subscriptions that a principal may have.
    """

    def __init__(
        self, parts: GraphQLParts, wanted: Wanted, context: Context, member: Member
    ) -> None:
        operation = wanted.operation
        if operation.public:
            permit(parts.services, context.caller, (Action.MARKET_READ, None))
        parts.under_way.subscriptions.take(context.principal)
        self._parts = parts
        self._operation = operation
        self._caller = context.caller
        self._member = member
        variables = msgspec.json.encode(wanted.variables, order="sorted")
        key = (wanted.text, operation.name, variables)
        with parts.spans.step("graphql subscription", field=operation.field):
            self._group = parts.groups.find(operation, wanted.variables, context, key)
        parts.metrics.subscriptions.labels(operation.field).inc()

    def join(self) -> None:
        """Let the member hear what is known and what comes; at once, or the group may end first."""
        self._group.join(self._member)

    def require_permission(self) -> None:
        """Ask the policy again; raises `Forbidden` or `UnknownAccount`."""
        market = [(Action.MARKET_READ, None)]
        for need in market if self._operation.public else self._group.context.needs:
            permit(self._parts.services, self._caller, need)

    def end(self, response: dict[str, Any] | None = None) -> None:
        """End it, once: well unless `response` has its errors."""
        parts, principal = self._parts, self._caller.principal
        outcome = Outcome.of(self._operation, response or {})
        if outcome.code == RateLimited.code:  # under way it has no other limit to reach
            parts.metrics.slow_streams.inc()
        parts.under_way.subscriptions.give_back(principal)
        parts.under_way.ended(outcome, Origin(principal, self._caller.trace_id))
        parts.metrics.subscriptions.labels(self._operation.field).dec()
        self._group.leave(self._member)
