"""The addresses of the service."""

from collections.abc import Sequence

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route, WebSocketRoute

from gateway.web.graphql_http import GraphQLOverHttp
from gateway.web.health import Health
from gateway.web.sockets import Sockets


def web_application(
    *,
    graphql: GraphQLOverHttp,
    sockets: Sockets,
    health: Health,
    allowed_origins: Sequence[str],
) -> FastAPI:
    """The ASGI application: /graphql (HTTP and WebSocket), /healthz, /readyz, /metrics."""
    # A redirect would be built from the Host header, which is the caller's.
    application = FastAPI(title="Narkasa gateway", openapi_url=None, redirect_slashes=False)
    application.router.routes += [
        Route("/graphql", graphql, methods=["GET", "POST"]),
        WebSocketRoute("/graphql", sockets.serve),
        Route("/healthz", health.live),
        Route("/readyz", health.ready),
        Route("/metrics", health.metrics),
    ]
    application.add_middleware(
        CORSMiddleware,
        allow_origins=list(allowed_origins),
        allow_methods=["GET", "POST"],
        allow_headers=["authorization", "content-type", "traceparent"],
        expose_headers=["x-trace-id", "retry-after"],
    )
    return application
