"""Runs every comparison and prints the table: `python -m bench`, three minutes, Linux only."""

import asyncio
import resource
import sys

from bench.comparisons import Comparisons
from bench.load_process import load_process
from bench.report import show
from bench.stage import Interrupted


def main() -> int:
    """Run all comparisons: 0, or 1 when a signal ended them, 2 where they cannot run."""
    if sys.platform != "linux":
        print("the benchmark reads /proc: it runs on Linux only", file=sys.stderr)
        return 2
    _allow_sockets()
    try:
        with load_process() as load:
            show(asyncio.run(Comparisons(load).run()))
    except Interrupted:
        print("stopped", file=sys.stderr)
        return 1
    return 0


def _allow_sockets() -> None:
    """Let this process and its children open more files than the usual 1024, as far as allowed."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    sys.exit(main())
