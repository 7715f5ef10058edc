"""The listener's bounds, over raw sockets."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from websockets.asyncio.client import connect

from gateway.sandbox import SandboxConfig, serve
from gateway.sandbox.http_protocol import Bounds
from tests.unit.sandbox.clients import ask

pytestmark = pytest.mark.anyio

CONFIG = SandboxConfig(port=0, history=False, market_maker=False, control=True)
PING = b"GET /v3/api/ping HTTP/1.1\r\nHost: x\r\n"
HALF_A_BODY = b"POST /v3/api/ping HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc"
HASTY = Bounds(seconds=0.2)


@asynccontextmanager
async def dialled(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def said(port: int, *pieces: bytes) -> bytes:
    """All that is answered to these bytes until the sandbox closes the connection."""
    async with dialled(port) as (reader, writer):
        for piece in pieces:
            writer.write(piece)
        return await asyncio.wait_for(reader.read(), timeout=20)


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        PING + b"X: " + b"x" * 20_000 + b"\r\n\r\n",
        PING + b"X: y\r\n" * 5_000 + b"\r\n",
        PING + b"X: " + b"x" * 20_000,
        b"GET /" + b"x" * 20_000,
    ],
    ids=["a target", "a header", "many headers", "a header without an end", "an endless target"],
)
async def test_a_head_that_is_too_long_is_refused_and_the_connection_closed(head: bytes) -> None:
    async with serve(CONFIG) as sandbox:
        assert (await said(sandbox.port, head)).startswith(b"HTTP/1.1 400 ")


async def test_a_head_counts_for_itself_however_many_came_before() -> None:
    head = PING + b"X: " + b"x" * 10_000 + b"\r\n"
    async with serve(CONFIG) as sandbox:
        told = await said(sandbox.port, *[head + b"\r\n"] * 4, head + b"Connection: close\r\n\r\n")
    assert told.count(b"HTTP/1.1 200 ") == 5


@pytest.mark.parametrize("sent", [b"", PING, HALF_A_BODY, PING + b"\r\n" + HALF_A_BODY])
async def test_a_request_that_is_not_whole_in_time_ends_the_connection(
    sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(CONFIG, bounds=HASTY) as sandbox:
        assert b"HTTP/1.1 500" not in await said(sandbox.port, sent)
    assert not caplog.records


async def test_an_open_stream_and_a_slow_answer_are_no_late_requests() -> None:
    async with (
        serve(CONFIG, bounds=HASTY) as sandbox,
        httpx.AsyncClient(trust_env=False) as client,
        connect(sandbox.stream_url, proxy=None) as connection,
    ):
        fault = {"endpoint": "v3/api/ping", "delayMs": 600}
        (await client.post(f"{sandbox.url}/control/faults", json=fault)).raise_for_status()
        assert (await client.get(f"{sandbox.url}/v3/api/ping")).status_code == 200
        told = await ask(connection, {"method": "LIST_SUBSCRIPTIONS"})
    assert told["status"] == "success"


async def test_connections_beyond_the_bound_are_closed_and_the_others_stay() -> None:
    async with (
        serve(CONFIG, bounds=Bounds(connections=2)) as sandbox,
        connect(sandbox.stream_url, proxy=None) as stream,
        dialled(sandbox.port) as (reader, writer),
    ):
        await ask(stream, {"method": "LIST_SUBSCRIPTIONS"})
        assert await said(sandbox.port) == b""
        writer.write(PING + b"Connection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        await ask(stream, {"method": "LIST_SUBSCRIPTIONS"})


async def test_a_client_that_breaks_off_leaves_no_trace(caplog: pytest.LogCaptureFixture) -> None:
    async with serve(CONFIG) as sandbox:
        async with dialled(sandbox.port) as (_, writer):
            writer.write(HALF_A_BODY)
            await writer.drain()
        async with httpx.AsyncClient(trust_env=False) as client:
            await client.get(f"{sandbox.url}/v3/api/ping")
    assert not caplog.records


async def test_a_request_that_is_not_whole_does_not_hold_up_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serve(CONFIG) as sandbox:
        reader, writer = await asyncio.open_connection("127.0.0.1", sandbox.port)
        # The answer to the first request shows that the sandbox has read on.
        writer.write(PING + b"\r\n" + HALF_A_BODY)
        await reader.readuntil(b"PONG")
    assert not caplog.records
    writer.close()


async def test_a_request_with_another_behind_it_is_hung_up_on_and_forgotten(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    async with serve(CONFIG) as sandbox:
        async with httpx.AsyncClient(trust_env=False) as client:
            fault = {"endpoint": "v3/api/ping", "outcome": "drop-before", "count": 1}
            await client.post(f"{sandbox.url}/control/faults", json=fault)
        assert await said(sandbox.port, (PING + b"\r\n") * 2) == b""
    assert not caplog.records


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 99999999999\r\n\r\n" + b"x" * 100_000,
        b"Transfer-Encoding: chunked\r\n\r\n" + b"8000\r\n%b\r\n" % (b"x" * 0x8000) * 3,
    ],
    ids=["a length", "chunks"],
)
@pytest.mark.parametrize("path", [b"v3/api/market/limit-buy", b"nope", b"control/faults"])
async def test_a_body_that_is_too_long_is_refused_before_it_has_come(
    body: bytes, path: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    head = b"POST /" + path + b" HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    async with serve(CONFIG) as sandbox, dialled(sandbox.port) as (reader, writer):
        writer.write(head + body)
        told = await asyncio.wait_for(reader.readuntil(b'Request"}'), timeout=20)
    assert told.startswith(b"HTTP/1.1 413 ")
    assert b"\r\nconnection: close\r\n" in told
    assert told.endswith(b'{"code":"90001","msg":"Invalid Request"}')
    assert not caplog.records
