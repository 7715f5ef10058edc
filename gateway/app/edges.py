"""The edges, by which requests come in."""

import os
from dataclasses import dataclass

from gateway.app.first_samples import begin_fields_at_zero
from gateway.app.foundation import Foundation
from gateway.app.given import Given, wall_ms
from gateway.schema import build_schema
from gateway.schema.context import Services
from gateway.schema.documents import Documents
from gateway.schema.execution import Execution
from gateway.schema.limits import DocumentLimits
from gateway.schema.operation_groups import OperationGroups
from gateway.services.replay_guard import ReplayGuard
from gateway.web.event_streams import EventStreams
from gateway.web.facade.connection import ConnectionLimits
from gateway.web.facade.parts import FacadeParts
from gateway.web.facade.rest import FacadeRest
from gateway.web.facade.signed import LONGEST_GOOD_MS
from gateway.web.facade.sockets import FacadeSockets
from gateway.web.graphql_http import GraphQLOverHttp
from gateway.web.graphql_sse import EventStreamLimits
from gateway.web.graphql_ws import SocketLimits
from gateway.web.kept_answers import KeptAnswers
from gateway.web.open_sockets import OpenSockets, SocketPlaces
from gateway.web.parts import GraphQLParts
from gateway.web.sockets import Sockets
from gateway.web.under_way import UnderWay


@dataclass(frozen=True, slots=True)
class Edges:
    """GraphQL over HTTP, WebSockets and event streams, with the subscriptions that these share.

    `rest` and `streams` speak the exchange's own protocol. `opened` are the WebSockets of
    `sockets` and `streams`.
    """

    graphql: GraphQLOverHttp
    event_streams: EventStreams
    sockets: Sockets
    groups: OperationGroups
    rest: FacadeRest
    streams: FacadeSockets
    opened: OpenSockets


def build_edges(base: Foundation, services: Services) -> Edges:
    """Build them on the one schema and the one set of use cases."""
    given = base.given
    parts = _graphql_parts(given, services, base)
    settings = given.settings
    kept = KeptAnswers(services.market_data, settings.answer_bytes)
    facade = _facade_parts(base, services, parts.under_way, kept)
    event_streams = _event_streams(parts, given)
    opened = _open_sockets(given)
    return Edges(
        graphql=GraphQLOverHttp(
            parts,
            kept,
            event_streams,
            max_body=settings.max_body_bytes,
        ),
        event_streams=event_streams,
        sockets=_sockets(parts, given, opened),
        groups=parts.groups,
        rest=FacadeRest(facade),
        streams=_streams(facade, given, opened),
        opened=opened,
    )


def _graphql_parts(given: Given, services: Services, base: Foundation) -> GraphQLParts:
    settings, metrics = given.settings, given.metrics
    schema = build_schema()
    begin_fields_at_zero(metrics, schema)
    execution = Execution(schema, given.spans)
    return GraphQLParts(
        services=services,
        identities=base.governance.identities,
        documents=Documents(schema, DocumentLimits.of(settings), settings.document_entries),
        execution=execution,
        groups=OperationGroups(execution, metrics),
        metrics=metrics,
        under_way=UnderWay(
            metrics,
            requests=settings.max_requests,
            subscriptions=settings.max_subscriptions_per_principal,
            stopping=lambda: given.stop.begun,
        ),
        rates=services.rates,
        random_bytes=os.urandom,
        spans=given.spans,
    )


def _event_streams(parts: GraphQLParts, given: Given) -> EventStreams:
    settings = given.settings
    return EventStreams(
        parts,
        EventStreamLimits(outbox=settings.stream_queue),
        most=settings.max_connections,
        most_of_principal=settings.max_connections_per_principal,
    )


def _open_sockets(given: Given) -> OpenSockets:
    settings = given.settings
    places = SocketPlaces(
        allowed_origins=settings.allowed_origins,
        most=settings.max_connections,
        most_waiting=settings.max_waiting_connections,
        most_of_principal=settings.max_connections_per_principal,
    )
    return OpenSockets(places)


def _sockets(parts: GraphQLParts, given: Given, opened: OpenSockets) -> Sockets:
    settings = given.settings
    limits = SocketLimits(
        init_s=settings.connection_init_s,
        subscriptions=settings.max_subscriptions_per_connection,
        outbox=settings.stream_queue,
    )
    return Sockets(parts, limits, opened)


def _facade_parts(
    base: Foundation, services: Services, under_way: UnderWay, kept: KeptAnswers
) -> FacadeParts:
    governance, clock = base.governance, base.upstream.clock

    def server_ms() -> int:
        """The time that the facade tells its clients, so that they may set theirs by it."""
        return clock.now() or wall_ms()

    return FacadeParts(
        services=services,
        identities=governance.identities,
        virtual_keys=governance.virtual_keys,
        replay_guard=ReplayGuard(base.stores.replays, LONGEST_GOOD_MS),
        kept=kept,
        metrics=base.given.metrics,
        under_way=under_way,
        rates=services.rates,
        server_ms=server_ms,
        random_bytes=os.urandom,
        spans=base.given.spans,
    )


def _streams(parts: FacadeParts, given: Given, opened: OpenSockets) -> FacadeSockets:
    settings = given.settings
    limits = ConnectionLimits(init_s=settings.connection_init_s, outbox=settings.stream_queue)
    return FacadeSockets(parts, limits, opened)
