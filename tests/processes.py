"""Looking at other processes: whether they run, and what they take."""

import os
import resource
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

_PATIENCE_S = 20.0


def is_running(pid: int) -> bool:
    """Whether the process exists, and has not merely been left unreaped."""
    if sys.platform != "linux":
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return True
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


def resident_bytes(pid: int) -> int:
    """How much memory the process has in use (Linux)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


def eventually(holds: Callable[[], bool]) -> bool:
    """Wait until `holds` says yes: for what another process does in its own time."""
    deadline = time.monotonic() + _PATIENCE_S
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def free_port() -> int:
    """A port on the loopback address that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
