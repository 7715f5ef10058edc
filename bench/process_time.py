"""CPU time of another process, as Linux counts it."""

import os
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_USER, _SYSTEM = 11, 12  # positions in /proc/PID/stat behind the name, which may hold anything


def cpu_seconds(pid: int) -> float:
    """Seconds of user and system time that a process has used; Linux counts in steps of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[_USER]) + int(fields[_SYSTEM])) / _TICKS_PER_SECOND
