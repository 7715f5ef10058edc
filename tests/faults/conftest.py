"""A gateway for each test, whose Valkey, exchange and process the test may break as it likes."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.faults.secrecy import check_log
from tests.functional.exchange import Exchange
from tests.functional.service import Service
from tests.valkey import ValkeyServer

StartGateway: TypeAlias = Callable[..., Service]


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    """An exchange of this test alone."""
    with closing(Exchange()) as running:
        yield running


UNDER_LOAD = {
    "NGW_PRINCIPAL_RATE": "100000/s",
    "NGW_ACCOUNT_RATE": "100000/s",
    "NGW_MARKET_RATE": "100000/s",
}


@pytest.fixture
def start_gateway(
    tmp_path: Path, exchange: Exchange, own_valkey: ValkeyServer
) -> Iterator[StartGateway]:
    """Start a gateway with settings of the test's own; no secret shows in its log."""
    with ExitStack() as stack:

        def start(**settings: str) -> Service:
            folder = tmp_path / "gateway"
            folder.mkdir()
            service = Service(folder, exchange, own_valkey, UNDER_LOAD | settings)
            stack.callback(check_log, service)  # once the gateway has ended
            stack.enter_context(closing(service))
            service.start()
            return service

        yield start
