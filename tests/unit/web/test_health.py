"""What is told to whoever asks how the gateway is, and what is not."""

import json

import pytest
from prometheus_client import CollectorRegistry
from starlette.requests import Request
from starlette.responses import Response

from gateway.observability import Redactor
from gateway.web.health import Check, Health

pytestmark = pytest.mark.anyio

ASKED = Request({"type": "http"})


async def asked(*, stopping: bool = False, **checks: Check) -> Response:
    redact = Redactor()
    redact.learn(["the-secret-of-demo"])
    health = Health(checks, CollectorRegistry(), redact)
    health.stopping = stopping
    return await health.ready(ASKED)


def told(response: Response) -> tuple[int, object]:
    return response.status_code, json.loads(bytes(response.body))


async def test_what_is_wrong_makes_it_worse_and_not_unready() -> None:
    assert told(await asked(feed=lambda: None)) == (200, {"status": "ready", "problems": {}})
    assert told(await asked(feed=lambda: "away", keys=lambda: None)) == (
        200,
        {"status": "degraded", "problems": {"feed": "away"}},
    )


async def test_it_is_unready_while_it_stops() -> None:
    assert told(await asked(stopping=True)) == (503, {"status": "stopping", "problems": {}})


@pytest.mark.parametrize("secret", ["ngw_" + "Zx9" * 14 + "Z", "the-secret-of-demo"])
async def test_a_problem_that_quotes_a_secret_is_told_without_it(secret: str) -> None:
    response = await asked(policy=lambda: f"line 4: account '{secret}' is unknown")
    assert "line 4" in bytes(response.body).decode()
    assert secret not in bytes(response.body).decode()
