"""The edges, by which requests come in."""

import os
from dataclasses import dataclass

from gateway.access.identities import Identities
from gateway.app.given import Given
from gateway.schema import build_schema
from gateway.schema.context import Services
from gateway.schema.documents import Documents
from gateway.schema.execution import Execution
from gateway.schema.limits import DocumentLimits
from gateway.schema.operation_groups import OperationGroups
from gateway.web.graphql_http import GraphQLOverHttp
from gateway.web.graphql_ws import SocketLimits
from gateway.web.kept_answers import KeptAnswers
from gateway.web.parts import GraphQLParts
from gateway.web.sockets import Sockets
from gateway.web.under_way import UnderWay


@dataclass(frozen=True, slots=True)
class Edges:
    """GraphQL over HTTP and over WebSockets, and the subscriptions that sockets share."""

    graphql: GraphQLOverHttp
    sockets: Sockets
    groups: OperationGroups


def build_edges(given: Given, services: Services, identities: Identities) -> Edges:
    """Build them on the one schema."""
    settings, metrics = given.settings, given.metrics
    schema = build_schema()
    execution = Execution(schema)
    parts = GraphQLParts(
        services=services,
        identities=identities,
        documents=Documents(schema, DocumentLimits.of(settings), settings.document_entries),
        execution=execution,
        groups=OperationGroups(execution, metrics),
        metrics=metrics,
        under_way=UnderWay(
            metrics,
            requests=settings.max_requests,
            subscriptions=settings.max_subscriptions_per_principal,
        ),
        rates=services.rates,
        random_bytes=os.urandom,
    )
    return Edges(
        graphql=GraphQLOverHttp(
            parts,
            KeptAnswers(services.market_data, settings.answer_bytes),
            max_body=settings.max_body_bytes,
        ),
        sockets=Sockets(
            parts,
            SocketLimits(
                init_s=settings.connection_init_s,
                subscriptions=settings.max_subscriptions_per_connection,
                outbox=settings.stream_queue,
            ),
            allowed_origins=settings.allowed_origins,
            most=settings.max_connections,
            most_waiting=settings.max_waiting_connections,
            most_of_principal=settings.max_connections_per_principal,
        ),
        groups=parts.groups,
    )
