"""The three servers of `dev`, as programs to start."""

import sys
from collections.abc import Mapping
from pathlib import Path

from gateway.cli.dev import embedded, inquiry
from gateway.cli.dev.ports import Ports
from gateway.cli.dev.processes import Program
from gateway.cli.dev.workspace import Workspace


def redis_server(
    binary: Path, socket_file: Path, workspace: Workspace, environ: Mapping[str, str]
) -> Program:
    """Valkey, or Redis; ready when it takes commands."""
    return Program(
        name=binary.name,
        command=embedded.server_command(binary, socket_file, workspace.store),
        environ=environ,
        log_file=workspace.logs / f"{binary.name}.log",
        ready=lambda: embedded.answers(socket_file),
    )


CONTROL = "SANDBOX_CONTROL"


class BadControl(Exception):
    """The variable `CONTROL` says neither yes nor no."""

    def __str__(self) -> str:
        """Say what it takes."""
        return f"{CONTROL}: expected 1, for an exchange that tests can steer, or 0"


def wants_control(environ: Mapping[str, str]) -> bool:
    """Read `SANDBOX_CONTROL`: whether the sandbox can be steered; raise `BadControl`."""
    said = environ.get(CONTROL) or "0"
    if said not in {"0", "1"}:
        raise BadControl
    return said == "1"


def sandbox(
    ports: Ports, workspace: Workspace, environ: Mapping[str, str], *, control: bool = False
) -> Program:
    """The sandbox exchange; its secrets are in the scenario file, not in the command."""
    options = ["--scenario", str(workspace.scenario_file), *(["--control"] if control else [])]
    return Program(
        name="sandbox exchange",
        command=_own("sandbox", "--port", str(ports.sandbox), *options),
        environ=environ,
        log_file=workspace.logs / "sandbox.log",
        ready=lambda: inquiry.is_up(ports.sandbox, "/v3/api/ping"),
    )


def gateway(ports: Ports, workspace: Workspace, environ: Mapping[str, str]) -> Program:
    """The gateway; all that it needs is in `environ`."""
    return Program(
        name="gateway",
        command=_own("serve"),
        environ=environ,
        log_file=workspace.logs / "gateway.log",
        ready=lambda: inquiry.is_up(ports.gateway, "/readyz"),
    )


def _own(*arguments: str) -> list[str]:
    # -P: a folder called gateway, where the user happens to be, is not the one that is meant.
    return [sys.executable, "-P", "-m", "gateway.cli", *arguments]
