"""What each principal has under way, over HTTP and WebSocket together."""

from collections import Counter

from gateway.access.policy import Principal
from gateway.domain.errors import RateLimited
from gateway.observability import Metrics


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
    """The requests and subscriptions that have begun, and the metrics of those that ended."""

    def __init__(self, metrics: Metrics, *, requests: int, subscriptions: int) -> None:
        self._metrics = metrics
        self.requests = Share("requests under way", requests)
        self.subscriptions = Share("subscriptions", subscriptions)

    def answered(self, operation: str, code: str, seconds: float) -> None:
        """Count a request that was answered, and how long that took."""
        self.ended(operation, code)
        self._metrics.graphql_seconds.labels(operation).observe(seconds)

    def ended(self, operation: str, code: str) -> None:
        """Count what has no duration to tell: a subscription lasts as long as its reader likes."""
        self._metrics.graphql_requests.labels(operation, code).inc()
