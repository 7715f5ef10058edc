"""What each principal has under way, over HTTP and WebSocket together, and how it ended."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

from gateway.access.principal import Principal
from gateway.domain.errors import RateLimited
from gateway.domain.stop_errors import NotBegun
from gateway.metrics import Metrics
from gateway.schema.documents import Operation
from gateway.schema.errors import code_of

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose a request is, None while that is not known, and its trace id."""

    principal: Principal | None
    trace: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a request or a subscription ended: OK, or with the code of its first error.

    `operation` is its kind, "none" when it never became one, `field` the first field that it asks
    for, `cause` why a token proved nothing. All of it is from closed sets: nothing here is a
    caller's own text.
    """

    operation: str
    field: str | None
    code: str
    exchange_code: str | None
    cause: str | None = None

    @classmethod
    def of(cls, operation: Operation | None, response: dict[str, Any]) -> "Outcome":
        """Read it off a response, or off the errors that ended a subscription."""
        errors = response.get("errors")
        return cls(
            operation="none" if operation is None else operation.type.value,
            field=None if operation is None else operation.field,
            code=code_of(response),
            exchange_code=errors[0]["extensions"].get("exchangeCode") if errors else None,
        )


class Share:
    """How many of one thing each principal has; `most` at once."""

    def __init__(self, what: str, most: int) -> None:
        self._what = what
        self._most = most
        self._taken: Counter[str] = Counter()

    def take(self, principal: Principal) -> None:
        """Count one more; raises `RateLimited` when the principal has all that it may."""
        if self._taken[principal.id] >= self._most:
            raise RateLimited(self._what, retry_after=1)
        self._taken[principal.id] += 1

    def give_back(self, principal: Principal) -> None:
        """Count one less: what was taken has ended."""
        self._taken[principal.id] -= 1


class UnderWay:
    """The requests and subscriptions that have begun; counts how they end, and logs failures.

    While the gateway is `stopping`, those that have begun go on, and no request begins.
    """

    def __init__(
        self,
        metrics: Metrics,
        *,
        requests: int,
        subscriptions: int,
        stopping: Callable[[], bool],
    ) -> None:
        self._metrics = metrics
        self._stopping = stopping
        self.requests = Share("requests under way", requests)
        self.subscriptions = Share("subscriptions", subscriptions)

    def may_begin(self) -> None:
        """See that a request may begin now; raises `NotBegun` while the gateway is stopping."""
        if self._stopping():
            raise NotBegun

    def answered(self, outcome: Outcome, origin: Origin, seconds: float) -> None:
        """Take note of a request that was answered, and of how long that took."""
        field = outcome.field or "none"
        self._metrics.graphql_seconds.labels(outcome.operation, field).observe(seconds)
        self._note(outcome, origin, ms=round(seconds * 1000))

    def ended(self, outcome: Outcome, origin: Origin) -> None:
        """Take note of what has no duration: a subscription lasts as long as its reader likes."""
        self._note(outcome, origin)

    def _note(self, outcome: Outcome, origin: Origin, **more: int) -> None:
        field = outcome.field or "none"
        self._metrics.graphql_requests.labels(outcome.operation, field, outcome.code).inc()
        if outcome.code != "OK":
            _log.info(
                "request.failed",
                trace_id=origin.trace,
                principal=origin.principal and origin.principal.id,
                operation=outcome.operation,
                field=outcome.field,
                code=outcome.code,
                exchange_code=outcome.exchange_code,
                cause=outcome.cause,
                **more,
            )
