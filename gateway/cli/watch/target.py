"""Which gateway to ask, and as whom."""

import shlex
from collections.abc import Mapping, Sequence
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


def find_target(
    environ: Mapping[str, str], env_file: Path, tokens: Sequence[str] = ("GATEWAY_TOKEN",)
) -> Target:
    """GATEWAY_URL and a token of `environ`, or of `env_file` if none of them is set.

    The token is the first of `tokens`, names of variables, that is set. Raises `NoTarget`.
    """
    given = environ if environ.keys() & {"GATEWAY_URL", *tokens} else _read(env_file)
    token = next((given[name] for name in tokens if given.get(name)), None)
    missing = [] if given.get("GATEWAY_URL") else ["GATEWAY_URL"]
    if token is None:
        missing.append(" or ".join(tokens))
    if token is None or missing:
        problem = (
            f"{' and '.join(missing)} not set; where 'narkasa-gateway dev' runs, "
            f"it keeps them in {env_file}"
        )
        raise NoTarget(problem)
    return Target(_socket_address(given["GATEWAY_URL"]), token)


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
