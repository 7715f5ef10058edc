"""A running gateway between a sandbox exchange and a Valkey, all over real sockets.

`service` is shared by all tests: each takes client order ids of its own, and leaves no fault
behind. `fresh_service` makes one for a test that changes the world.
Every gateway writes its log to `gateway.log` in a folder of its own under pytest's base folder.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TypeAlias

import httpx
import pytest

from gateway.sandbox import Account, SandboxConfig
from tests.faults.secrecy import check_log
from tests.faults.tap import Tap
from tests.functional.callers import Caller
from tests.functional.exchange import DEMO, QUIET, VAULT, Exchange
from tests.functional.service import PEOPLE, Member, Service
from tests.valkey import ValkeyServer

FreshService: TypeAlias = Callable[..., Service]


@contextmanager
def _running_valkey(password: str | None = None) -> Iterator[ValkeyServer]:
    folder = Path(tempfile.mkdtemp(prefix="ngw-"))
    server = ValkeyServer(folder, password=password)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@contextmanager
def running_service(
    folders: pytest.TempPathFactory,
    config: SandboxConfig = QUIET,
    accounts: Sequence[Account] = (DEMO, VAULT),
    people: Sequence[Member] = PEOPLE,
    settings: Mapping[str, str] | None = None,
    ready: Sequence[str] = ("ready",),
) -> Iterator[Service]:
    """Run a gateway with an exchange and a Valkey of its own; no secret shows in its log."""
    with _running_valkey() as valkey, closing(Exchange(config)) as exchange:
        folder = folders.mktemp("gateway")
        made = Service(folder, exchange, valkey, dict(settings or {}), accounts, people)
        with closing(made) as service:
            service.start(ready)
            yield service
        check_log(made)


@contextmanager
def tapped_service(
    folders: pytest.TempPathFactory,
    config: SandboxConfig = QUIET,
    people: Sequence[Member] = PEOPLE,
    settings: Mapping[str, str] | None = None,
    password: str | None = None,
) -> Iterator[tuple[Service, Tap]]:
    """Run one for the account demo whose wire to the exchange is listened to.

    Its Valkey asks for the password, if there is one, and caches in a database of its own.
    """
    with (
        _running_valkey(password) as valkey,
        closing(Exchange(config)) as exchange,
        closing(Tap(httpx.URL(exchange.url).port or 0)) as tap,
    ):
        addresses = {
            "NGW_EXCHANGE_REST_URL": f"http://127.0.0.1:{tap.port}",
            "NGW_EXCHANGE_WS_URL": f"ws://127.0.0.1:{tap.port}/v3",
            "NGW_CACHE_REDIS_URL": f"{valkey.tcp_url}/1",
        }
        folder = folders.mktemp("gateway")
        given = addresses | dict(settings or {})
        with closing(Service(folder, exchange, valkey, given, (DEMO,), people)) as made:
            made.start()
            yield made, tap
        check_log(made)


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The gateway that tests share."""
    with running_service(tmp_path_factory) as running:
        yield running


@pytest.fixture
def fresh_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FreshService]:
    """Make a gateway of this test alone, with settings of its own."""
    with ExitStack() as stack:

        def make(
            config: SandboxConfig = QUIET,
            **settings: str,
        ) -> Service:
            running = running_service(tmp_path_factory, config, settings=settings)
            return stack.enter_context(running)

        yield make


@pytest.fixture
def exchange(service: Service) -> Iterator[Exchange]:
    """The exchange behind `service`; the test's orders are taken out of its books afterwards."""
    yield service.exchange
    service.exchange.sweep()


@pytest.fixture(scope="session")
def trader(service: Service) -> Caller:
    """A caller who may do everything on the account demo."""
    return service.caller("trader")
