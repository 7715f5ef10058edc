"""Which gateway to ask, and as whom."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

_SOCKET_SCHEMES = {"http": "ws", "https": "wss"}


class NoTarget(Exception):
    """It is not known which gateway to ask, or as whom."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        """Say what is wrong."""
        return self.problem


@dataclass(frozen=True, slots=True)
class Target:
    """The address of a gateway's WebSocket, and the token to show there."""

    address: str
    token: str = field(repr=False)


def find_target(environ: Mapping[str, str], env_file: Path) -> Target:
    """GATEWAY_URL and GATEWAY_TOKEN of `environ`, or of `env_file` if neither is set.

    Raises `NoTarget`.
    """
    given = environ if environ.keys() & {"GATEWAY_URL", "GATEWAY_TOKEN"} else _read(env_file)
    missing = [name for name in ("GATEWAY_URL", "GATEWAY_TOKEN") if not given.get(name)]
    if missing:
        problem = (
            f"{' and '.join(missing)} not set; where 'narkasa-gateway dev' runs, "
            f"it keeps them in {env_file}"
        )
        raise NoTarget(problem)
    return Target(_socket_address(given["GATEWAY_URL"]), given["GATEWAY_TOKEN"])


def _read(env_file: Path) -> dict[str, str]:
    try:
        words = shlex.split(env_file.read_text(encoding="utf-8"))
    except OSError:
        return {}
    pairs = (word.partition("=") for word in words if word != "export")
    return {name: value for name, _, value in pairs}


def _socket_address(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in _SOCKET_SCHEMES or not parts.hostname:
        problem = f"GATEWAY_URL: expected an address such as http://host:8000, not {url!r}"
        raise NoTarget(problem)
    path = f"{parts.path.rstrip('/')}/graphql"
    return f"{_SOCKET_SCHEMES[parts.scheme]}://{parts.netloc}{path}"
