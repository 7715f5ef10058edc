"""What the edges of GraphQL share."""

from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.access.identities import Identities
from gateway.metrics import Metrics
from gateway.schema.context import Services
from gateway.schema.documents import Documents
from gateway.schema.execution import Execution
from gateway.schema.operation_groups import OperationGroups
from gateway.services.rates import Rates
from gateway.tracing import Spans
from gateway.web.under_way import UnderWay


@dataclass(frozen=True, slots=True)
class GraphQLParts:
    """What every request and every connection works with."""

    services: Services
    identities: Identities
    documents: Documents
    execution: Execution
    groups: OperationGroups
    metrics: Metrics
    under_way: UnderWay
    rates: Rates
    random_bytes: Callable[[int], bytes]
    spans: Spans = field(default_factory=Spans)
