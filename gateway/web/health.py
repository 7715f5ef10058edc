"""What the platform asks: is the process alive, is it ready, and how is it doing."""

from collections.abc import Callable, Mapping

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

Check = Callable[[], str | None]
"""Gives a sentence about what is wrong, or None."""


class Health:
    """Answers /healthz, /readyz and /metrics.

    A part that is away makes the service worse, not unready: market data goes on without Redis,
    and every replica would be unready at once. Unready is a process that is stopping.
    """

    def __init__(
        self,
        checks: Mapping[str, Check],
        registry: CollectorRegistry,
        redact: Callable[[str], str],
    ) -> None:
        self._checks = checks
        self._registry = registry
        self._redact = redact
        self.stopping = False

    async def live(self, _request: Request) -> Response:
        """Answer /healthz: the event loop turns."""
        return PlainTextResponse("ok\n")

    async def ready(self, _request: Request) -> Response:
        """Answer /readyz: 200 ready or degraded, 503 stopping; `problems` says what is wrong.

        Anybody may ask, and a problem may quote a file in which a secret stands in a wrong place.
        """
        problems = {
            name: self._redact(text) for name, check in self._checks.items() if (text := check())
        }
        status = "stopping" if self.stopping else "degraded" if problems else "ready"
        content = {"status": status, "problems": problems}
        return JSONResponse(content, 503 if self.stopping else 200)

    async def metrics(self, _request: Request) -> Response:
        """Answer /metrics in Prometheus' text format."""
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)
