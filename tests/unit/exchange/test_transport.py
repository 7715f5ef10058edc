"""What each failure proves, over real sockets.

httpx-aiohttp's exceptions do not tell: each case is its own proof that the request left or not.
"""

import asyncio
import gzip
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from gateway.domain.errors import ExchangeFailure, NotSent, Unclear
from gateway.exchange.transport import Reply, Request, Timeouts, Transport, open_transport
from tests.unit.exchange.peer import (
    Answer,
    after,
    both,
    close,
    drip,
    flood,
    raw,
    reply,
    reset,
    serving,
    silence,
)

pytestmark = pytest.mark.anyio

READ = Request("wallet", "GET", "/v3/api/balance/wallet?timestamp=1&signature=5ec2e7")
ORDER = Request(
    "limit-buy", "POST", "/v3/api/market/limit-buy?price=1&signature=5ec2e7", changes=True
)
BOTH = pytest.mark.parametrize("request_", [READ, ORDER], ids=["read", "order"])
OK = reply('{"code":"00000"}')
SHORT = Timeouts(connect=0.2, read=0.2)
PATIENT = Timeouts(connect=10, read=10)


def opened(
    address: str, *, connections: int = 4, timeouts: Timeouts = PATIENT
) -> AbstractAsyncContextManager[Transport]:
    return open_transport(address, timeouts=timeouts, connections=connections, max_reply=10_000)


async def failure(transport: Transport, request: Request) -> ExchangeFailure:
    with pytest.raises(ExchangeFailure) as caught:
        await transport.send(request)
    return caught.value


@pytest.fixture(scope="module", params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Prove each failure on both event loops: the gateway runs on uvloop where there is one."""
    return "asyncio", {"use_uvloop": request.param}


@asynccontextmanager
async def unused_port() -> AsyncIterator[int]:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]


@asynccontextmanager
async def full_backlog() -> AsyncIterator[int]:
    """Give a port whose connection attempts nobody answers: its queue is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for connection in waiting:
            connection.setblocking(False)  # noqa: FBT003  # the socket's own way
            connection.connect_ex(listener.getsockname())
        await asyncio.sleep(0.05)
        yield listener.getsockname()[1]
        for connection in waiting:
            connection.close()


@BOTH
async def test_a_refused_connection_proves_that_nothing_was_sent(request_: Request) -> None:
    async with unused_port() as port, opened(f"http://127.0.0.1:{port}") as transport:
        error = await failure(transport, request_)
    assert isinstance(error, NotSent)
    assert error.cause == "connect_failed"


@BOTH
async def test_a_connection_that_times_out_proves_that_nothing_was_sent(request_: Request) -> None:
    async with (
        full_backlog() as port,
        opened(f"http://127.0.0.1:{port}", timeouts=SHORT) as transport,
    ):
        error = await failure(transport, request_)
    assert isinstance(error, NotSent)
    assert error.cause == "connect_timeout"


@BOTH
async def test_no_free_connection_proves_that_nothing_was_sent(request_: Request) -> None:
    timeouts = Timeouts(connect=0.1, read=0.5)
    async with serving(silence) as peer:
        async with opened(peer.address, connections=1, timeouts=timeouts) as transport:
            first = asyncio.create_task(failure(transport, request_))
            await peer.arrived.wait()
            error = await failure(transport, request_)
            assert isinstance(await first, Unclear)
        assert len(peer.requests) == 1
    assert isinstance(error, NotSent)
    assert error.cause == "connect_timeout"


@BOTH
async def test_a_tls_handshake_that_fails_proves_that_nothing_was_sent(request_: Request) -> None:
    async def accepted(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"this is no handshake\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(accepted, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, opened(f"https://127.0.0.1:{port}") as transport:
        error = await failure(transport, request_)
    assert isinstance(error, NotSent)
    assert error.cause == "connect_failed"


@BOTH
async def test_a_server_mute_in_the_tls_handshake_was_sent_nothing(request_: Request) -> None:
    async with serving(silence) as peer:
        async with opened(f"https://127.0.0.1:{peer.port}", timeouts=SHORT) as transport:
            error = await failure(transport, request_)
        assert peer.requests == []
    assert isinstance(error, NotSent)
    assert error.cause == "connect_timeout"


HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"
UNCLEAR = {
    "closed after reading": (close, "broken_off"),
    "reset after reading": (reset, "broken_off"),
    "closed within the head": (both(raw(b"HTTP/1.1 200 O"), close), "broken_off"),
    "closed within the body": (both(raw(HALF), close), "broken_off"),
    "reset within the body": (both(raw(HALF), after(0.05, reset)), "broken_off"),
    "silent": (silence, "timeout"),
    "silent within the body": (both(raw(HALF), silence), "timeout"),
    "a byte now and then": (drip, "timeout"),
    "not HTTP": (both(raw(b"SSH-2.0-Exchange\r\n\r\n"), close), "broken_off"),
    "an endless header": (
        both(raw(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 99_999), close),
        "broken_off",
    ),
    "broken compression": (reply("no gzip", "Content-Encoding: gzip"), "broken_off"),
    "a broken chunk": (
        both(raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), close),
        "broken_off",
    ),
    "an unreadable length": (
        both(raw(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}"), close),
        "broken_off",
    ),
    "two lengths": (reply("{}", "Content-Length: 3"), "broken_off"),
    "more than allowed": (reply(b" " * 10_001), "too_large"),
    "more than allowed announced": (
        both(raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10001\r\n\r\n"), silence),
        "too_large",
    ),
    "without an end": (flood, "too_large"),
    "a compressed bomb": (
        reply(gzip.compress(b" " * 1_000_000), "Content-Encoding: gzip"),
        "too_large",
    ),
}


@BOTH
@pytest.mark.parametrize(("answer", "cause"), UNCLEAR.values(), ids=UNCLEAR.keys())
async def test_whatever_fails_after_the_request_left_is_unclear_and_sent_once(
    request_: Request, answer: Answer, cause: str
) -> None:
    timeouts = Timeouts(connect=1, read=0.2) if cause == "timeout" else PATIENT
    async with serving(answer) as peer:
        async with opened(peer.address, timeouts=timeouts) as transport:
            error = await failure(transport, request_)
        assert len(peer.requests) == 1
    assert isinstance(error, Unclear)
    assert error.cause == cause
    assert error.endpoint == request_.endpoint


@BOTH
async def test_a_server_that_closes_without_reading_leaves_it_unclear(request_: Request) -> None:
    accepted = []

    def close_at_once(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.append(writer)
        writer.close()

    server = await asyncio.start_server(close_at_once, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, opened(f"http://127.0.0.1:{port}") as transport:
        assert isinstance(await failure(transport, request_), Unclear)
    assert len(accepted) == 1


@pytest.mark.parametrize("status", ["200 OK", "429 Too Many Requests", "502 Bad Gateway"])
async def test_a_whole_reply_comes_back_with_its_status_whatever_that_is(status: str) -> None:
    answer = reply("<html>", status=status)
    async with serving(answer) as peer, opened(peer.address) as transport:
        assert await transport.send(READ) == Reply(int(status[:3]), b"<html>")


async def test_a_compressed_reply_is_unpacked() -> None:
    answer = reply(gzip.compress(b"{}"), "Content-Encoding: gzip")
    async with serving(answer) as peer, opened(peer.address) as transport:
        assert (await transport.send(READ)).body == b"{}"


async def test_reads_share_a_connection_and_each_order_has_its_own() -> None:
    async with serving(OK) as peer, opened(peer.address) as transport:
        for _ in range(3):
            await transport.send(READ)
        assert peer.connections == 1
        for _ in range(3):
            await transport.send(ORDER)
        assert peer.connections == 4


async def test_a_read_on_a_connection_gone_stale_is_not_silently_sent_again() -> None:
    async with serving(OK, close, OK) as peer, opened(peer.address) as transport:
        await transport.send(READ)
        assert isinstance(await failure(transport, READ), Unclear)
        assert len(peer.requests) == 2


async def test_an_order_never_meets_a_connection_gone_stale() -> None:
    async with serving(both(OK, close)) as peer, opened(peer.address) as transport:
        for _ in range(20):
            await transport.send(ORDER)
        assert len(peer.requests) == peer.connections == 20


async def test_a_redirect_is_not_followed_and_a_cookie_not_kept() -> None:
    moved = reply("", "Location: /elsewhere", "Set-Cookie: a=b", status="302 Found")
    async with serving(moved) as peer, opened(peer.address) as transport:
        assert (await transport.send(READ)).status == 302
        await transport.send(READ)
        assert peer.targets == [READ.target, READ.target]
        assert b"cookie" not in peer.requests[1].lower()


async def test_an_order_goes_on_when_its_caller_is_cancelled() -> None:
    async with serving(OK) as peer, opened(peer.address) as transport:
        task = asyncio.create_task(transport.send(ORDER))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert peer.requests == []
        await transport.aclose(within=5)
        assert len(peer.requests) == 1


async def test_cancelled_callers_leave_no_connection_taken() -> None:
    async with serving(after(0.01, OK)) as peer:
        async with opened(peer.address, connections=2, timeouts=Timeouts()) as transport:
            for turn in range(50):
                task = asyncio.create_task(transport.send(READ))
                await asyncio.sleep(0.001 * (turn % 5))
                task.cancel()
            assert (await transport.send(READ)).status == 200
        assert peer.connections == 2


async def test_closing_waits_for_what_is_under_way_and_refuses_what_comes_later() -> None:
    async with serving(after(0.1, OK)) as peer, opened(peer.address) as transport:
        task = asyncio.create_task(transport.send(ORDER))
        await peer.arrived.wait()
        await transport.aclose(within=5)
        assert (await task).status == 200
        late = await failure(transport, ORDER)
        assert isinstance(late, NotSent)
        assert late.cause == "closing"
        assert len(peer.requests) == 1


async def test_closing_does_not_wait_for_ever() -> None:
    async with serving(silence) as peer, opened(peer.address, timeouts=Timeouts()) as transport:
        task = asyncio.create_task(transport.send(ORDER))
        await peer.arrived.wait()
        await transport.aclose(within=0.01)
        assert task.cancelled() or task.cancelling()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("answer", [OK, close, silence], ids=["answered", "closed", "silent"])
async def test_nothing_that_is_logged_or_raised_shows_the_address(
    answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving(answer) as peer, opened(peer.address, timeouts=SHORT) as transport:
        for request in (READ, ORDER):
            error: BaseException | None = None
            try:
                await transport.send(request)
            except ExchangeFailure as raised:
                error = raised
            while error is not None:
                assert "5ec2e7" not in f"{error!r} {error}"
                error = error.__cause__ or error.__context__
    assert "5ec2e7" not in caplog.text
    assert "5ec2e7" not in repr((READ, ORDER, transport))
