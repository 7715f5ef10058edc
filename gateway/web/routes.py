"""The addresses of the service."""

from collections.abc import Sequence
from http import HTTPStatus

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from gateway.domain.errors import BadUserInput
from gateway.schema.errors import failure
from gateway.web.facade.answers import JSON
from gateway.web.facade.callers import ACCOUNT
from gateway.web.facade.docs_page import docs_routes
from gateway.web.facade.kept_replies import AS_OF, STALE
from gateway.web.facade.rest import FacadeRest
from gateway.web.facade.signed import API_KEY
from gateway.web.facade.sockets import FacadeSockets
from gateway.web.graphql_http import GraphQLOverHttp
from gateway.web.health import Health
from gateway.web.refusal_bodies import refusal_body
from gateway.web.sockets import Sockets

_THERE_ARE = (
    "there are /graphql, /v3, /docs, /openapi.json, /healthz, /startupz, /readyz and /metrics"
)


def web_application(
    *,
    graphql: GraphQLOverHttp,
    sockets: Sockets,
    rest: FacadeRest,
    streams: FacadeSockets,
    health: Health,
    allowed_origins: Sequence[str],
) -> FastAPI:
    """The ASGI application.

    /graphql and /v3 (HTTP and WebSocket), /docs and /openapi.json, /healthz, /startupz, /readyz,
    /metrics.
    """
    # A redirect would be built from the Host header, which is the caller's.
    application = FastAPI(title="Narkasa gateway", openapi_url=None, redirect_slashes=False)
    application.add_exception_handler(HTTPException, _not_routed)
    application.router.routes += [
        Route("/graphql", graphql),
        WebSocketRoute("/graphql", sockets.serve),
        Route("/v3", rest),
        Route("/v3/{path:path}", rest),
        WebSocketRoute("/v3", streams.serve),
        *docs_routes(),
        Route("/healthz", health.live),
        Route("/startupz", health.started),
        Route("/readyz", health.ready),
        Route("/metrics", health.metrics),
        WebSocketRoute("/{path:path}", _no_such_stream),
    ]
    application.add_middleware(
        CORSMiddleware,
        allow_origins=list(allowed_origins),
        allow_methods=["GET", "POST"],
        allow_headers=["authorization", "content-type", "traceparent", API_KEY.decode(), ACCOUNT],
        expose_headers=[
            "x-trace-id",
            "retry-after",
            "ratelimit",
            "ratelimit-policy",
            STALE,
            AS_OF,
        ],
    )
    return application


async def _no_such_stream(socket: WebSocket) -> None:
    refusal = BadUserInput("path", "WebSockets are served at /graphql and /v3")
    body = refusal_body(socket.scope["path"].encode(), refusal)
    await socket.send_denial_response(Response(body, HTTPStatus.NOT_FOUND, media_type=JSON))


async def _not_routed(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # it is registered for no other
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        refusal = BadUserInput("method", "this address takes GET")
    else:
        refusal = BadUserInput("path", _THERE_ARE)
    return JSONResponse(failure(refusal), error.status_code, error.headers)
