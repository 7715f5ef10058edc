"""Where the gateway and the sandbox exchange listen: the loopback address, and two ports."""

import errno
import socket
from collections.abc import Mapping
from dataclasses import dataclass

HOST = "127.0.0.1"
GATEWAY_PORT = "GATEWAY_PORT"
SANDBOX_PORT = "SANDBOX_PORT"
_DEFAULTS = {GATEWAY_PORT: 8000, SANDBOX_PORT: 8001}
_HIGHEST = 65_535


class BadPorts(Exception):
    """The ports cannot be used; `problems` has a sentence for each reason."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        """One line for each problem."""
        return "\n".join(self.problems)


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports on `HOST`."""

    gateway: int
    sandbox: int

    @property
    def gateway_url(self) -> str:
        """Base address of the gateway."""
        return f"http://{HOST}:{self.gateway}"

    @property
    def sandbox_url(self) -> str:
        """Base address of the sandbox exchange's REST interface."""
        return f"http://{HOST}:{self.sandbox}"

    @property
    def sandbox_stream_url(self) -> str:
        """Address of the sandbox exchange's WebSocket."""
        return f"ws://{HOST}:{self.sandbox}/v3"


def choose_ports(environ: Mapping[str, str]) -> Ports:
    """Read `GATEWAY_PORT` and `SANDBOX_PORT`; raise `BadPorts` unless both can be listened on."""
    chosen = {name: environ.get(name) or str(port) for name, port in _DEFAULTS.items()}
    problems = [problem for name, text in chosen.items() if (problem := _problem(name, text))]
    if not problems and chosen[GATEWAY_PORT] == chosen[SANDBOX_PORT]:
        problems = [f"{GATEWAY_PORT} and {SANDBOX_PORT} must be different ports"]
    if problems:
        raise BadPorts(tuple(problems))
    return Ports(int(chosen[GATEWAY_PORT]), int(chosen[SANDBOX_PORT]))


def _problem(name: str, text: str) -> str | None:
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= _HIGHEST):
        return f"{name}: expected a port from 1 to {_HIGHEST}, not {text[:32]!r}"
    try:
        socket.create_server((HOST, int(text))).close()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            other = _DEFAULTS[name] + 10_000
            return f"port {text} is in use; set {name} to another, as in: {name}={other} make dev"
        return f"{name}: cannot listen on port {text}: {error.strerror}"
    return None
