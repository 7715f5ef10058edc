"""The page that shows the facade's OpenAPI document; all of it comes from the gateway itself."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from importlib.resources import files
from typing import TypeAlias

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.web.facade.openapi import document

_PAGE = b"""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Narkasa gateway: the exchange's API</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="/docs/favicon-32x32.png">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
# No validator: it is a service on the internet, which would be told the address. Fields of a form
# begin empty, and then are not sent: Swagger UI would fill them with values that it makes up.
_START = b"""\
const EmptyForms = ({ React }) => ({
  components: { ParameterIncludeEmpty: () => null },
  wrapComponents: {
    JsonSchemaForm: (Field) => (props) =>
      React.createElement(Field, {
        ...props,
        ...("dispatchInitialValue" in props && { dispatchInitialValue: false }),
      }),
  },
});

SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  plugins: [EmptyForms],
  tryItOutEnabled: true,
  validatorUrl: null,
});
"""
_HEADERS: Mapping[str, str] = {
    "cache-control": "no-cache",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
_CARRIED = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}

Serve: TypeAlias = Callable[[Request], Awaitable[Response]]


def docs_routes() -> list[Route]:
    """'/docs' (and '/docs/'), what that page loads, and '/openapi.json'; anybody may read them."""
    described = msgspec.json.Encoder(decimal_format="number").encode(document())
    carried = files("fastapi_swagger") / "resources"
    return [
        Route("/openapi.json", _serving(described, "application/json")),
        Route("/docs", _serving(_PAGE, "text/html")),
        Route("/docs/", _serving(_PAGE, "text/html")),
        Route("/docs/start.js", _serving(_START, "text/javascript")),
        *(
            Route(f"/docs/{name}", _serving((carried / name).read_bytes(), media_type))
            for name, media_type in _CARRIED.items()
        ),
    ]


def _serving(content: bytes, media_type: str) -> Serve:
    etag = f'"{hashlib.sha256(content).hexdigest()}"'
    headers = {**_HEADERS, "etag": etag}

    async def serve(request: Request) -> Response:
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        return Response(content, headers=headers, media_type=media_type)

    return serve
