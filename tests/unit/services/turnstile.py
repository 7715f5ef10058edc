"""A way to a Valkey that is shut at a chosen command, or at the answer to it."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from enum import Enum, auto

from tests.valkey import ValkeyServer

_MOST = 1 << 20


class Held(Enum):
    """What is held: the command, or the answer to it."""

    COMMAND = auto()
    ANSWER = auto()


class Turnstile:
    """Passes everything on until the command that `hold` names; then nothing, until `release`."""

    def __init__(self, server: ValkeyServer) -> None:
        self._path = server.url.removeprefix("unix://")
        self._marks: tuple[bytes, ...] = ()
        self._held = Held.COMMAND
        self._open = asyncio.Event()
        self._open.set()
        self._pumps: set[asyncio.Task[None]] = set()
        self.reached = asyncio.Event()
        self.url = ""

    def hold(self, held: Held, *marks: bytes) -> None:
        """Shut it at the next command that has all of these."""
        self._held, self._marks = held, marks

    def release(self) -> None:
        """Pass on what was held, in the order in which it came, and all that follows."""
        self._open.set()

    async def pass_on(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        far, forth = await asyncio.open_unix_connection(self._path)
        for source, sink, pump in ((near, forth, self._commands), (far, back, self._answers)):
            task = asyncio.create_task(_closing(pump(source, sink), sink))
            self._pumps.add(task)
            task.add_done_callback(self._pumps.discard)

    async def aclose(self) -> None:
        """Cut all connections."""
        tasks = tuple(self._pumps)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _commands(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(_MOST):
            if self._marks and all(mark in data for mark in self._marks):
                self._marks = ()
                if self._held is Held.ANSWER:
                    sink.write(data)
                    data = b""
                self._open.clear()
                self.reached.set()
            await self._open.wait()
            sink.write(data)

    async def _answers(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(_MOST):
            await self._open.wait()
            sink.write(data)


async def _closing(pump: Coroutine[None, None, None], sink: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        try:
            await pump
        finally:
            sink.close()
            await sink.wait_closed()


@asynccontextmanager
async def turnstile(server: ValkeyServer) -> AsyncIterator[Turnstile]:
    """One before `server`; its `url` is for clients."""
    way = Turnstile(server)
    listener = await asyncio.start_server(way.pass_on, "127.0.0.1", 0)
    way.url = f"redis://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        async with listener:
            yield way
    finally:
        way.release()
        await way.aclose()
