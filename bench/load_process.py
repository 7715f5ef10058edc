"""The process that makes the load, apart from the one that drives and from those it loads."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import TypeVar

from gateway.cli.dev.tether import tie

T = TypeVar("T")


class LoadProcess:
    """Runs functions there, one at a time."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    async def run(self, work: Callable[..., T], *arguments: object) -> T:
        """Call a module's function there; what goes in and comes out is pickled."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, work, *arguments)


@contextmanager
def load_process() -> Iterator[LoadProcess]:
    """Start the process when it is first needed; at the end wait for what it does."""
    with ProcessPoolExecutor(
        1, get_context("spawn"), initializer=_begin, initargs=(os.getpid(),)
    ) as executor:
        yield LoadProcess(executor)


def _begin(parent: int) -> None:
    """Leave Ctrl-C to the parent, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    tie(parent, signal.SIGKILL)
