"""A server that does to a connection what a test tells it to, over a real socket."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

Writer = asyncio.StreamWriter
Answer = Callable[[Writer], Awaitable[None]]


@dataclass
class Peer:
    """What arrived: raw requests, and how many connections."""

    port: int = 0
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def targets(self) -> list[str]:
        """Path and query of each request, as they came over the wire."""
        return [request.split(b" ", 2)[1].decode("ascii") for request in self.requests]


@asynccontextmanager
async def serving(*answers: Answer) -> AsyncIterator[Peer]:
    """Answer the first request by the first of `answers`, and so on; the last one goes on."""
    peer = Peer()
    tasks: set[asyncio.Task[None]] = set()

    async def converse(reader: asyncio.StreamReader, writer: Writer) -> None:
        while not writer.is_closing():
            request = await _request(reader)
            peer.requests.append(request)
            peer.arrived.set()
            await answers[min(len(peer.requests), len(answers)) - 1](writer)

    async def accepted(reader: asyncio.StreamReader, writer: Writer) -> None:
        peer.connections += 1
        tasks.add(asyncio.current_task())  # type: ignore[arg-type]
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            await converse(reader, writer)
        writer.close()

    server = await asyncio.start_server(accepted, "127.0.0.1", 0)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)
        await asyncio.sleep(0)


async def _request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return head + await reader.readexactly(int(line.partition(b":")[2]))
    return head


def raw(content: bytes) -> Answer:
    """Write `content` and keep the connection."""

    async def answer(writer: Writer) -> None:
        writer.write(content)
        await writer.drain()

    return answer


def reply(body: str | bytes, *headers: str, status: str = "200 OK") -> Answer:
    """Answer with a whole HTTP reply."""
    content = body.encode() if isinstance(body, str) else body
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(content)}", *headers, "", ""]
    return raw("\r\n".join(head).encode() + content)


async def close(writer: Writer) -> None:
    """Close the connection in good order."""
    writer.close()


async def reset(writer: Writer) -> None:
    """Break the connection off."""
    connection: socket.socket = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def silence(_writer: Writer) -> None:
    """Say nothing, for longer than any test waits."""
    await asyncio.sleep(3600)


def after(seconds: float, answer: Answer) -> Answer:
    """Answer later."""

    async def later(writer: Writer) -> None:
        await asyncio.sleep(seconds)
        await answer(writer)

    return later


def both(*answers: Answer) -> Answer:
    """Do one thing after the other."""

    async def answer(writer: Writer) -> None:
        for one in answers:
            await one(writer)

    return answer


async def drip(writer: Writer) -> None:
    """Send one byte of a long body every 50 ms."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.05)


async def flood(writer: Writer) -> None:
    """Send a body that never ends, as fast as it is taken."""
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
        await writer.drain()
