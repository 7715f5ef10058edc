"""A deploy that nobody notices: three replicas behind a real proxy, stopped one after the other."""

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from gateway.sandbox import default_markets
from tests.cluster.haproxy import proxy_for
from tests.cluster.subscribing import listening
from tests.cluster.trading import trading
from tests.functional.conftest import running_service
from tests.functional.exchange import QUIET
from tests.functional.service import Service
from tests.functional.under_load import UNBOUNDED
from tests.processes import eventually

LIVELY = replace(QUIET, market_maker=True, markets=default_markets())
"""Prices move, so that there is something to hear; nobody trades where the orders rest."""


@pytest.fixture
def replicas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Service]]:
    with ExitStack() as stack:
        first = stack.enter_context(running_service(tmp_path_factory, LIVELY, settings=UNBOUNDED))
        others = [stack.enter_context(closing(first.replica())) for _ in range(2)]
        for other in others:
            other.start()
        yield [first, *others]


@pytest.mark.timeout(300)
def test_a_rolling_restart_under_load_loses_no_order_and_every_subscriber_is_soon_back(
    replicas: list[Service], tmp_path: Path
) -> None:
    token = replicas[0].caller().token
    assert token is not None
    with (
        proxy_for([each.port for each in replicas], tmp_path) as port,
        ExitStack() as load,
    ):
        address = f"127.0.0.1:{port}"
        assert eventually(lambda: _is_ready(address))
        audience = load.enter_context(listening(address, token, graphql=60, facade=30, events=30))
        trade = load.enter_context(trading(f"http://{address}", token, apps=4))
        assert eventually(audience.all_served)
        for replica in replicas:
            time.sleep(2)
            replica.signal(signal.SIGTERM)
            assert replica.exit_code() == 0
            replica.start()
        time.sleep(2)
        assert eventually(audience.all_served)
        load.close()
    print(f"\nrolling restart: {trade.figures()}\nrolling restart: {audience.figures()}")
    assert len(trade.orders) > 100
    assert trade.lost() == []
    assert trade.untrue(replicas[0].exchange) == []
    assert len(trade.accepted()) == len(trade.orders)
    assert audience.longest_gap() < 10
    assert [line for each in replicas for line in each.complaints()] == []


def _is_ready(address: str) -> bool:
    try:
        return httpx.get(f"http://{address}/readyz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
