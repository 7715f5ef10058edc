"""What the platform asks: is the process alive, is it ready, and how is it doing."""

from collections.abc import Callable, Mapping

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

Check = Callable[[], str | None]
"""Gives a sentence about what is wrong, or None."""


class StartGate:
    """What a new process has not reached yet, and has to, once, before it is sent requests.

    `reached` tells of each part whether it answers by now. What goes away later does not count, and
    `wait_s` seconds after the start nothing does any more: then the others are no better.
    """

    def __init__(
        self,
        reached: Mapping[str, Callable[[], bool]],
        *,
        wait_s: float,
        clock: Callable[[], float],
    ) -> None:
        self._awaited = dict(reached)
        self._clock = clock
        self._until = clock() + wait_s

    def missing(self) -> list[str]:
        """The parts that are still awaited. Each is looked at whenever this is called."""
        if self._clock() >= self._until:
            self._awaited.clear()
        self._awaited = {part: reached for part, reached in self._awaited.items() if not reached()}
        return list(self._awaited)


class Health:
    """Answers /healthz, /startupz, /readyz and /metrics.

    A part that is away makes the service worse, not unready: market data goes on without Redis,
    and every replica would be unready at once. Unready is a process that is stopping.
    """

    def __init__(
        self,
        checks: Mapping[str, Check],
        start: StartGate,
        registry: CollectorRegistry,
        redact: Callable[[str], str],
    ) -> None:
        self._checks = checks
        self._start = start
        self._registry = registry
        self._redact = redact
        self.stopping = False

    async def live(self, _request: Request) -> Response:
        """Answer /healthz: the event loop turns."""
        return PlainTextResponse("ok\n")

    async def started(self, _request: Request) -> Response:
        """Answer /startupz: 200 started, 503 starting; `missing` names parts as /readyz does."""
        missing = self._start.missing()
        content = {"status": "starting" if missing else "started", "missing": missing}
        return JSONResponse(content, 503 if missing else 200)

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
