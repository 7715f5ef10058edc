"""Everything that a measurement needs, running: Valkey, sandbox, gateway, feeder, textbook."""

import asyncio
import json
import os
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
from redis import Redis

from bench.measured import Target
from bench.operations import SYMBOL
from bench.stored import LISTING
from bench.trader import Trader
from gateway.cli.dev import embedded, inquiry, programs, virtual_key
from gateway.cli.dev.environment import (
    STATE_REDIS,
    gateway_environ,
    other_environ,
    own_settings,
)
from gateway.cli.dev.fleet import Fleet
from gateway.cli.dev.ports import Ports
from gateway.cli.dev.processes import Program
from gateway.cli.dev.workspace import KeyPair, Secrets, Workspace, make_secrets
from gateway.domain.signing import Purpose

_LEVELS = 20
_MIDDLE = 54_000
_SETTLE_S = 1.5
RATES = {
    "NGW_PRINCIPAL_RATE": "50000/s",
    "NGW_ANONYMOUS_RATE": "50000/s",
    "NGW_ACCOUNT_RATE": "50000/s",
    "NGW_MARKET_RATE": "50000/s",
}
"""More than any load here asks for: requests are counted, and none is refused."""


class Interrupted(Exception):
    """A signal has stopped the servers."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What runs.

    `gateway_executing` keeps no answers, `textbook_keeping` keeps parsed and validated documents.
    `outsider` is an account of the exchange that the gateway does not hold; `own` is a pair of the
    one that it does, and `issued` one of the gateway's making for the same account.
    """

    gateway: Target
    gateway_executing: Target
    textbook: Target
    textbook_keeping: Target
    exchange: Target
    outsider: KeyPair
    own: KeyPair
    issued: KeyPair

    @property
    def exchange_url(self) -> str:
        """The address of the exchange's REST interface."""
        return f"http://127.0.0.1:{self.exchange.port}"


@asynccontextmanager
async def stage(*, market_maker: bool) -> AsyncIterator[Stage]:
    """Start all servers, stop them at the end.

    With a market maker prices move by themselves. Without one nothing changes unasked, and the
    outsider has filled the book of `SYMBOL`. Raises `Interrupted` on SIGINT or SIGTERM.
    """
    with tempfile.TemporaryDirectory(prefix="ngw-bench-") as folder:
        workspace = Workspace(Path(folder))
        secrets = make_secrets(os.urandom)
        with workspace.claimed(), embedded.room_for_socket(workspace.store) as redis_socket:
            workspace.write(secrets)
            async with Fleet(lambda _: None) as fleet:
                servers = _Servers(workspace, redis_socket, secrets, market_maker=market_maker)
                started = await servers.start(fleet)
                if not market_maker:
                    await fleet.unless_one_ends(_fill_book(started))
                yield started
                return
    raise Interrupted  # the fleet has stopped everything, and swallowed the cancellation


class _Servers:
    """The programs of a stage, on free ports."""

    def __init__(
        self, workspace: Workspace, redis_socket: Path, secrets: Secrets, *, market_maker: bool
    ) -> None:
        self._workspace = workspace
        self._redis_socket = redis_socket
        self._secrets = secrets
        self._market_maker = market_maker
        self._sandbox_port = free_port()
        self._environ = other_environ(os.environ)

    async def start(self, fleet: Fleet) -> Stage:
        binary = embedded.find_server(os.environ.get("PATH"))
        redis = programs.redis_server(binary, self._redis_socket, self._workspace, self._environ)
        await fleet.start(redis)
        sandbox = await fleet.start(self._sandbox())
        await fleet.start(self._feeder())
        return Stage(
            gateway=await self._target(fleet, self._gateway),
            gateway_executing=await self._target(fleet, self._gateway_executing),
            textbook=await self._target(fleet, self._textbook),
            textbook_keeping=await self._target(fleet, self._textbook_keeping),
            exchange=Target("direct", self._sandbox_port, sandbox.pid, ""),
            outsider=self._secrets.outsider,
            own=self._secrets.demo[Purpose.READ],
            issued=await self._issue(),
        )

    async def _issue(self) -> KeyPair:
        own = own_settings(self._ports(0), self._workspace, self._redis_socket)
        issued = await virtual_key.issue(self._workspace, own[STATE_REDIS])
        return KeyPair(issued.api_key, issued.api_secret)

    async def _target(self, fleet: Fleet, make: Callable[[int], Program]) -> Target:
        port = free_port()
        server = await fleet.start(make(port))
        return Target(server.name, port, server.pid, self._secrets.token)

    def _ports(self, gateway: int) -> Ports:
        return Ports(gateway=gateway, sandbox=self._sandbox_port)

    def _sandbox(self) -> Program:
        if not self._market_maker:
            _forgo_market_maker(self._workspace.scenario_file)
        return programs.sandbox(self._ports(0), self._workspace, self._environ)

    def _gateway(self, port: int) -> Program:
        ports = self._ports(port)
        own = own_settings(ports, self._workspace, self._redis_socket)
        environ = gateway_environ(self._environ, {**own, **RATES})
        return programs.gateway(ports, self._workspace, environ)

    def _gateway_executing(self, port: int) -> Program:
        program = self._gateway(port)
        return replace(
            program,
            name="gateway, keeping no answers",
            environ={**program.environ, "NGW_ANSWER_BYTES": "0"},
            log_file=self._workspace.logs / "gateway-executing.log",
        )

    def _feeder(self) -> Program:
        def ready() -> bool:
            with Redis(unix_socket_path=str(self._redis_socket)) as redis:
                return bool(redis.exists(LISTING))

        return self._own("feeder", self._sandbox_port, self._environ, ready)

    def _textbook(self, port: int) -> Program:
        environ = {**self._environ, "BENCH_TOKEN": self._secrets.token}
        return self._own("textbook", port, environ, lambda: inquiry.is_up(port, "/docs"))

    def _textbook_keeping(self, port: int) -> Program:
        program = self._textbook(port)
        return replace(
            program,
            name="textbook, keeping documents",
            environ={**program.environ, "BENCH_KEEP_DOCUMENTS": "1"},
            log_file=self._workspace.logs / "textbook-keeping.log",
        )

    def _own(
        self, name: str, port: int, environ: Mapping[str, str], ready: Callable[[], bool]
    ) -> Program:
        """A program of the benchmark: `bench.<name> PORT REDIS_SOCKET`."""
        return Program(
            name=name,
            command=[sys.executable, "-m", f"bench.{name}", str(port), str(self._redis_socket)],
            environ=environ,
            log_file=self._workspace.logs / f"{name}.log",
            ready=ready,
        )


async def _fill_book(stage: Stage) -> None:
    """Place orders on both sides, and wait until everybody can know of them."""
    async with httpx.AsyncClient(base_url=stage.exchange_url) as http:
        outsider = Trader(http, stage.outsider.api_key, stage.outsider.api_secret)
        for level in range(1, _LEVELS + 1):
            await outsider.place("buy", SYMBOL, str(_MIDDLE - level), "0.001")
            await outsider.place("sell", SYMBOL, str(_MIDDLE + level), "0.001")
    await asyncio.sleep(_SETTLE_S)


def _forgo_market_maker(scenario_file: Path) -> None:
    scenario = json.loads(scenario_file.read_text(encoding="utf-8"))
    changed = json.dumps({**scenario, "marketMaker": False})
    scenario_file.write_text(changed, encoding="utf-8")


def free_port() -> int:
    """A port on the loopback address that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
