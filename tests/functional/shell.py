"""`narkasa-gateway` as a command, and what other users of the machine see of it meanwhile."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Ended:
    """How a command ended, what it printed, and its command line as anybody could read it."""

    status: int
    printed: str
    arguments: bytes


def run(*words: str, env: Mapping[str, str], given: str = "") -> Ended:
    """Run a command to its end, with `given` on its standard input and nothing else around it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", *words],
        env={"PATH": os.environ["PATH"], "COLUMNS": "200", **env},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        printed, _ = process.communicate(given, timeout=50)
    return Ended(process.returncode, printed, arguments)
