"""What is told from the start, at 0: a series that appears with its first count never rises.

Prometheus' increase() and rate() see the step from 0 to 1 only where the 0 was told before.
"""

from itertools import product
from typing import get_args

from graphql import GraphQLSchema, OperationType

from gateway.access.proving import Cause
from gateway.domain.errors import GatewayError
from gateway.domain.placements import PlacementState
from gateway.domain.streams import FeedEvent, TopicKind
from gateway.exchange.feed import Ending
from gateway.exchange.stream_wire import Malformed
from gateway.metrics import Metrics
from gateway.web.facade.endpoints import ENDPOINTS

_FEEDS = ("public", "account")


def begin_at_zero(metrics: Metrics) -> None:
    """Tell of the feeds, orders and callers, and of the facade's endpoints, before any is seen."""
    for cause in Cause:
        metrics.unauthenticated.labels(cause.value)
    for outcome in (*PlacementState, *sorted(_codes(GatewayError))):
        metrics.orders.labels(outcome)
    for method, path in ENDPOINTS:
        metrics.facade_seconds.labels(f"{method} {path}")
    _begin_feeds(metrics)


def begin_fields_at_zero(metrics: Metrics, schema: GraphQLSchema) -> None:
    """The same for each field that a request or a subscription can begin with."""
    for operation in (OperationType.QUERY, OperationType.MUTATION):
        for field in _fields(schema, operation):
            metrics.graphql_seconds.labels(operation.value, field)
    for field in _fields(schema, OperationType.SUBSCRIPTION):
        metrics.subscriptions.labels(field)


def _begin_feeds(metrics: Metrics) -> None:
    for feed, reason in product(_FEEDS, Malformed):
        metrics.feed_malformed.labels(feed, reason.value)
    for feed, ending in product(_FEEDS, Ending):
        metrics.feed_endings.labels(feed, ending.value)
    for feed, event in product(_FEEDS, get_args(FeedEvent)):
        metrics.feed_handler_failures.labels(feed, event.__name__)
    for topic in TopicKind:
        feed = "account" if topic is TopicKind.ACCOUNT else "public"
        metrics.feed_refusals.labels(feed, topic.value)


def _codes(kind: type[GatewayError]) -> set[str]:
    return {kind.code}.union(*map(_codes, kind.__subclasses__()))


def _fields(schema: GraphQLSchema, operation: OperationType) -> list[str]:
    root = schema.get_root_type(operation)
    return [] if root is None else list(root.fields)
