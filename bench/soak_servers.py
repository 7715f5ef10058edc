"""The servers of `make dev` for a soak: on free ports, in a folder of their own."""

import os
import tempfile
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.soak_tally import Gateway
from bench.stage import Interrupted, free_port
from gateway.cli.dev import embedded, programs
from gateway.cli.dev.environment import gateway_environ, other_environ, own_settings
from gateway.cli.dev.fleet import Fleet
from gateway.cli.dev.ports import Ports
from gateway.cli.dev.workspace import ACCOUNT, Workspace, make_secrets


@dataclass(frozen=True, slots=True)
class Subject:
    """What is watched: the gateway, processes by name, and their logs."""

    gateway: Gateway
    pids: Mapping[str, int]
    logs: Sequence[Path] = ()

    def complaints(self) -> list[str]:
        """The lines of the logs that tell of an error."""
        return [
            f"{log.name}: {line}"
            for log in self.logs
            for line in log.read_text(encoding="utf-8", errors="replace").splitlines()
            if "Traceback" in line or "[error" in line
        ]


async def on_fresh_servers(work: Callable[[Subject], Coroutine[Any, Any, None]]) -> None:
    """Start what `make dev` starts, do the work, stop all.

    Raises `ServerFailed` if one ends by itself, `Interrupted` on SIGINT or SIGTERM.
    """
    with tempfile.TemporaryDirectory(prefix="ngw-soak-") as folder:
        workspace = Workspace(Path(folder))
        secrets = make_secrets(os.urandom)
        with workspace.claimed(), embedded.room_for_socket(workspace.store) as redis_socket:
            workspace.write(secrets)
            ports, environ = Ports(free_port(), free_port()), other_environ(os.environ)
            own = own_settings(ports, workspace, redis_socket)
            binary = embedded.find_server(os.environ.get("PATH"))
            async with Fleet(lambda _: None) as fleet:
                for program in (
                    programs.redis_server(binary, redis_socket, workspace, environ),
                    programs.sandbox(ports, workspace, environ),
                    programs.gateway(ports, workspace, gateway_environ(os.environ, own)),
                ):
                    await fleet.start(program)
                gateway = Gateway(ports.gateway_url, ACCOUNT, secrets.token)
                pids = {server.name: server.pid for server in fleet.servers}
                logs = sorted(workspace.logs.iterdir())
                await fleet.unless_one_ends(work(Subject(gateway, pids, logs)))
                return
    raise Interrupted  # the fleet has stopped everything, and swallowed the cancellation
