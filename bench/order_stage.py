"""One exchange, and beside it two gateways that differ in what their journal's Redis survives."""

import json
import os
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bench.measured import Target
from bench.stage import RATES, Interrupted, free_port
from gateway.cli.dev import embedded, programs
from gateway.cli.dev.environment import gateway_environ, other_environ, own_settings
from gateway.cli.dev.fleet import Fleet
from gateway.cli.dev.ports import Ports
from gateway.cli.dev.workspace import ACCOUNT, KeyPair, Secrets, Workspace, make_secrets
from gateway.domain.signing import Purpose

_VOLATILE = {"NGW_JOURNAL_ACCEPT_VOLATILE": "true"}


@dataclass(frozen=True, slots=True)
class Desk:
    """A gateway, and the key of its account, with which others may clear up behind it."""

    gateway: Target
    key: KeyPair


@dataclass(frozen=True, slots=True)
class OrderStage:
    """What runs. `outsider` is an account of the exchange that no gateway holds."""

    volatile: Desk
    durable: Desk
    exchange_url: str
    outsider: KeyPair


@dataclass(frozen=True, slots=True)
class _Home:
    """The files, the secrets and the Redis of one gateway."""

    name: str
    workspace: Workspace
    secrets: Secrets
    redis_socket: Path


@asynccontextmanager
async def order_stage() -> AsyncIterator[OrderStage]:
    """Start all servers, stop them at the end. Raises `Interrupted` on SIGINT or SIGTERM.

    Each gateway has a Valkey and an account of its own, so that none follows the other's orders.
    The data is in the folder for temporary files: what a sync costs, its disk decides.
    """
    with tempfile.TemporaryDirectory(prefix="ngw-bench-") as folder, ExitStack() as homes:
        volatile = homes.enter_context(_home(Path(folder), "volatile"))
        durable = homes.enter_context(_home(Path(folder), "durable"))
        _write_scenario(volatile, durable)
        async with Fleet(lambda _: None) as fleet:
            servers = _Servers(fleet)
            await servers.start_exchange(volatile.workspace)
            yield OrderStage(
                volatile=await servers.start_desk(volatile, "everysec", _VOLATILE),
                durable=await servers.start_desk(durable, "always", {}),
                exchange_url=servers.exchange_url,
                outsider=volatile.secrets.outsider,
            )
            return
    raise Interrupted  # the fleet has stopped everything, and swallowed the cancellation


class _Servers:
    """The programs of a stage, on free ports."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._exchange_port = free_port()
        self._environ = other_environ(os.environ)
        self._binary = embedded.find_server(os.environ.get("PATH"))

    @property
    def exchange_url(self) -> str:
        return self._ports(0).sandbox_url

    async def start_exchange(self, workspace: Workspace) -> None:
        await self._fleet.start(programs.sandbox(self._ports(0), workspace, self._environ))

    async def start_desk(self, home: _Home, fsync: str, settings: Mapping[str, str]) -> Desk:
        redis = programs.redis_server(
            self._binary, home.redis_socket, home.workspace, self._environ
        )
        await self._fleet.start(replace(redis, command=[*redis.command, "--appendfsync", fsync]))
        ports = self._ports(free_port())
        own = own_settings(ports, home.workspace, home.redis_socket)
        environ = gateway_environ(self._environ, {**own, **RATES, **settings})
        server = await self._fleet.start(programs.gateway(ports, home.workspace, environ))
        target = Target(home.name, ports.gateway, server.pid, home.secrets.token)
        return Desk(target, home.secrets.demo[Purpose.TRADE])

    def _ports(self, gateway: int) -> Ports:
        return Ports(gateway=gateway, sandbox=self._exchange_port)


@contextmanager
def _home(folder: Path, name: str) -> Iterator[_Home]:
    workspace, secrets = Workspace(folder / name), make_secrets(os.urandom)
    with workspace.claimed(), embedded.room_for_socket(workspace.store) as redis_socket:
        workspace.write(secrets)
        yield _Home(name, workspace, secrets, redis_socket)


def _write_scenario(first: _Home, second: _Home) -> None:
    """Let the first one's exchange know the second one's account; nobody else moves its prices."""
    scenario, other = (
        json.loads(home.workspace.scenario_file.read_text(encoding="utf-8"))
        for home in (first, second)
    )
    accounts = {account["id"]: account for account in other["accounts"]}
    joined = [*scenario["accounts"], {**accounts[ACCOUNT], "id": second.name}]
    text = json.dumps({**scenario, "accounts": joined, "marketMaker": False})
    first.workspace.scenario_file.write_text(text, encoding="utf-8")
