"""Starts everything in its order, tells how to use it, and stays until it is stopped."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.cli.dev import embedded, inquiry, programs, virtual_key
from gateway.cli.dev.environment import (
    KEK_FILE,
    POLICY_FILE,
    STATE_REDIS,
    displaced,
    gateway_environ,
    other_environ,
    own_settings,
)
from gateway.cli.dev.fleet import Fleet
from gateway.cli.dev.ports import BadPorts, Ports, choose_ports
from gateway.cli.dev.processes import Program, ServerFailed
from gateway.cli.dev.welcome import SYMBOL, Running, sure_price, welcome
from gateway.cli.dev.workspace import (
    ACCOUNT,
    AlreadyRunning,
    Secrets,
    UnusableFolder,
    Workspace,
    make_secrets,
)
from gateway.cli.vkeys.issuing import Issued
from gateway.settings import SettingsFault, load_settings

_MISUSE = (
    BadPorts,
    programs.BadControl,
    embedded.NoRedisServer,
    AlreadyRunning,
    UnusableFolder,
    SettingsFault,
)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a run takes from outside.

    `folder` gets `.dev`; `program` runs the command line from there, as in a shell; `clock`
    counts seconds; `say` prints lines.
    """

    environ: Mapping[str, str]
    folder: Path
    program: str
    clock: Callable[[], float]
    random_bytes: Callable[[int], bytes]
    say: Callable[[str], None]


def run(around: Surroundings) -> int:
    """Run until stopped: 0. A server that fails: 1. Something to set right before: 2."""
    try:
        workspace = Workspace(around.folder / ".dev")
        workspace.require_free()
        ports = choose_ports(around.environ)
        control = programs.wants_control(around.environ)
        binary = embedded.find_server(around.environ.get("PATH"))
        with workspace.claimed(), embedded.room_for_socket(workspace.store) as redis_socket:
            asyncio.run(_Run(around, ports, workspace, redis_socket).hold(binary, control=control))
    except _MISUSE as misuse:
        around.say(str(misuse))
        return 2
    except (ServerFailed, inquiry.NoAnswer, virtual_key.NotIssued) as failure:
        around.say(str(failure))
        return 1
    return 0


class _Run:
    def __init__(
        self, around: Surroundings, ports: Ports, workspace: Workspace, redis_socket: Path
    ) -> None:
        self._around = around
        self._ports = ports
        self._workspace = workspace
        self._redis_socket = redis_socket
        self._began = around.clock()

    async def hold(self, binary: Path, *, control: bool) -> None:
        environ = self._gateway_environ()
        secrets = make_secrets(self._around.random_bytes)
        self._workspace.write(secrets)
        async with Fleet(self._around.say) as fleet:
            store, *others = self._programs(binary, environ, control=control)
            await self._start(fleet, store)
            issued = await virtual_key.issue(self._workspace, environ[STATE_REDIS])
            for program in others:
                await self._start(fleet, program)
            await fleet.unless_one_ends(self._greet(secrets, issued))
            await fleet.unless_one_ends(asyncio.Event().wait())
        self._around.say("Stopped")

    def _gateway_environ(self) -> dict[str, str]:
        inherited = self._around.environ
        own = self._own()
        if replaced := displaced(inherited, own):
            self._around.say(f"Not used, as dev has its own: {', '.join(replaced)}")
        environ = gateway_environ(inherited, own)
        load_settings(environ)
        return environ

    def _own(self) -> dict[str, str]:
        return own_settings(self._ports, self._workspace, self._redis_socket)

    def _programs(
        self, binary: Path, environ: Mapping[str, str], *, control: bool
    ) -> tuple[Program, ...]:
        others = other_environ(self._around.environ)
        return (
            programs.redis_server(binary, self._redis_socket, self._workspace, others),
            programs.sandbox(self._ports, self._workspace, others, control=control),
            programs.gateway(self._ports, self._workspace, environ),
        )

    async def _start(self, fleet: Fleet, program: Program) -> None:
        self._around.say(f"Starting {program.name}")
        await fleet.start(program)

    async def _greet(self, secrets: Secrets, issued: Issued) -> None:
        answer = await asyncio.to_thread(
            inquiry.ask, self._ports.gateway, secrets.token, "market", {"symbol": SYMBOL}
        )
        self._workspace.write_env(self._variables(secrets, issued))
        running = Running(
            self._ports,
            self._workspace,
            self._redis_socket,
            self._around.program,
            secrets.token,
        )
        seconds = self._around.clock() - self._began
        self._around.say(welcome(running, sure_price(answer["market"]), seconds))

    def _variables(self, secrets: Secrets, issued: Issued) -> dict[str, str]:
        own = self._own()
        return {
            "GATEWAY_URL": self._ports.gateway_url,
            "GATEWAY_TOKEN": secrets.token,
            "OPERATOR_TOKEN": secrets.operator_token,
            "GATEWAY_ACCOUNT": ACCOUNT,
            "VIRTUAL_API_KEY": issued.api_key,
            "VIRTUAL_API_SECRET": issued.api_secret,
            # For the commands of `audit` and `vkeys`.
            STATE_REDIS: own[STATE_REDIS],
            KEK_FILE: own[KEK_FILE],
            POLICY_FILE: own[POLICY_FILE],
            "SANDBOX_URL": self._ports.sandbox_url,
            "OUTSIDER_API_KEY": secrets.outsider.api_key,
            "OUTSIDER_API_SECRET": secrets.outsider.api_secret,
        }
