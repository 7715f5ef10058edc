"""The environments that `dev` starts its servers with.

The gateway's settings in the caller's shell hold here too, so that `NGW_LOG_LEVEL=DEBUG make dev`
does what it says; those that decide whom the gateway talks to, and with which keys, do not.
"""

from collections.abc import Mapping
from pathlib import Path

from gateway.cli.dev import embedded
from gateway.cli.dev.ports import HOST, Ports
from gateway.cli.dev.workspace import Workspace
from gateway.settings import PREFIX

_KEYS_OF_THE_SHELL = frozenset(
    PREFIX + name
    for name in ("CREDENTIALS", "KEYS_FILE", "KEY_ENCRYPTION_KEY", "KEY_ENCRYPTION_KEY_FILE")
)
STATE_REDIS = f"{PREFIX}STATE_REDIS_URL"
KEK_FILE = f"{PREFIX}KEY_ENCRYPTION_KEY_FILE"
POLICY_FILE = f"{PREFIX}POLICY_FILE"
_COMFORT = {f"{PREFIX}LOG_FORMAT": "console", f"{PREFIX}SHUTDOWN_GRACE_S": "3"}


def own_settings(ports: Ports, workspace: Workspace, redis_socket: Path) -> dict[str, str]:
    """The settings that are `dev`'s to decide."""
    values = {
        "HOST": HOST,
        "PORT": str(ports.gateway),
        "POLICY_FILE": str(workspace.policy_file),
        "CREDENTIALS_DIR": str(workspace.credentials),
        "KEY_ENCRYPTION_KEY_FILE": str(workspace.kek_file),
        "AUDIT_FILE": str(workspace.audit_file),
        "CACHE_REDIS_URL": embedded.address(redis_socket, 0),
        "STATE_REDIS_URL": embedded.address(redis_socket, 1),
        "JOURNAL_ACCEPT_VOLATILE": "true",
        "EXCHANGE_REST_URL": ports.sandbox_url,
        "EXCHANGE_WS_URL": ports.sandbox_stream_url,
    }
    return {PREFIX + name: value for name, value in values.items()}


def gateway_environ(inherited: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """The gateway's environment: the caller's, with `own` settings in place of the same ones."""
    kept = {name: value for name, value in inherited.items() if name not in _KEYS_OF_THE_SHELL}
    return {**_COMFORT, **kept, **own}


def other_environ(inherited: Mapping[str, str]) -> dict[str, str]:
    """The other servers' environment: the caller's, without the gateway's settings."""
    return {name: value for name, value in inherited.items() if not name.startswith(PREFIX)}


def displaced(inherited: Mapping[str, str], own: Mapping[str, str]) -> list[str]:
    """The settings in the caller's environment that do not hold here."""
    return sorted(inherited.keys() & {*own, *_KEYS_OF_THE_SHELL})
