"""All servers of a run: started in turn, watched, stopped in the opposite order."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self

from gateway.cli.dev.processes import Program, Server

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Fleet:
    """A context that stops every server started in it.

    SIGINT, SIGTERM or SIGHUP ends its block; another one kills what has not stopped yet. `say`
    tells of each stop.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._servers: list[Server] = []
        self._hurry = asyncio.Event()
        self._stopping = False
        self._interrupted = False
        self._task: asyncio.Task[Any] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.current_task()
        for signum in _SIGNALS:
            asyncio.get_running_loop().add_signal_handler(signum, self._on_signal)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, _error: object, _traceback: TracebackType | None
    ) -> bool:
        self._stopping = True
        for server in reversed(self._servers):
            self._say(f"Stopping {server.name}")
            await server.stop(self._hurry)
        for signum in _SIGNALS:
            asyncio.get_running_loop().remove_signal_handler(signum)
        if self._task is None or not self._interrupted:
            return False
        return self._task.uncancel() == 0 and kind is asyncio.CancelledError

    def _on_signal(self) -> None:
        if self._stopping or self._task is None:
            self._hurry.set()
        else:
            self._stopping = self._interrupted = True
            self._task.cancel()

    @property
    def servers(self) -> tuple[Server, ...]:
        """What was started, in that order."""
        return tuple(self._servers)

    async def start(self, program: Program) -> Server:
        """Start `program` and wait until it serves; raise `ServerFailed` if any server does not."""
        server = await Server.start(program)
        self._servers.append(server)
        await self.unless_one_ends(server.until_ready())
        return server

    async def unless_one_ends(self, work: Coroutine[Any, Any, object]) -> None:
        """Await `work`; raise `ServerFailed` as soon as a server ends by itself."""
        working = asyncio.ensure_future(work)
        endings = [asyncio.ensure_future(server.failure()) for server in self._servers]
        try:
            await asyncio.wait({working, *endings}, return_when="FIRST_COMPLETED")
            for ending in endings:
                if ending.done():
                    raise ending.result()
            await working
        finally:
            for task in (working, *endings):
                task.cancel()
