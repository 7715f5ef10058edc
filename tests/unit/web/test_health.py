"""What is told to whoever asks how the gateway is, and what is not."""

import json

import pytest
from prometheus_client import CollectorRegistry
from starlette.requests import Request
from starlette.responses import Response

from gateway.observability import Redactor
from gateway.web.health import Check, Health, StartGate

pytestmark = pytest.mark.anyio

ASKED = Request({"type": "http"})


async def asked(*, stopping: bool = False, **checks: Check) -> Response:
    redact = Redactor()
    redact.learn(["the-secret-of-demo"])
    start = StartGate({}, wait_s=1, clock=lambda: 0.0)
    health = Health(checks, start, CollectorRegistry(), redact)
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


class Parts:
    """Two parts that may be reached, and a clock."""

    def __init__(self) -> None:
        self.now = 100.0
        self.reached = {"journal": False, "feed": False}
        reached = {
            "journal": lambda: self.reached["journal"],
            "feed": lambda: self.reached["feed"],
        }
        self.gate = StartGate(reached, wait_s=60, clock=lambda: self.now)

    async def told(self) -> tuple[int, object]:
        health = Health({}, self.gate, CollectorRegistry(), Redactor())
        return told(await health.started(ASKED))


async def test_a_new_process_has_not_started_before_it_has_reached_each_part() -> None:
    parts = Parts()
    assert await parts.told() == (503, {"status": "starting", "missing": ["journal", "feed"]})
    parts.reached["journal"] = True
    assert await parts.told() == (503, {"status": "starting", "missing": ["feed"]})
    parts.reached["feed"] = True
    assert await parts.told() == (200, {"status": "started", "missing": []})


async def test_what_was_reached_once_and_goes_away_later_changes_nothing() -> None:
    parts = Parts()
    parts.reached["journal"] = True
    assert await parts.told() == (503, {"status": "starting", "missing": ["feed"]})
    parts.reached = {"journal": False, "feed": True}
    assert await parts.told() == (200, {"status": "started", "missing": []})
    parts.reached["feed"] = False
    assert await parts.told() == (200, {"status": "started", "missing": []})


async def test_nothing_is_waited_for_once_the_time_is_over() -> None:
    parts = Parts()
    parts.now += 59.9
    assert (await parts.told())[0] == 503
    parts.now += 0.1
    assert await parts.told() == (200, {"status": "started", "missing": []})
