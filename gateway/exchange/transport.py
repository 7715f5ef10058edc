"""The one place where failures of HTTP become `NotSent` or `Unclear`.

A request that certainly never left is `NotSent`; whatever else goes wrong is `Unclear`, and
nothing is ever sent twice. Neither httpx-aiohttp's exceptions nor aiohttp's own behaviour allow
that as they are, so a middleware stands between the two:

- httpx-aiohttp calls a connection that broke after the request was sent `httpx.ConnectTimeout`;
- aiohttp sends a GET a second time when the first connection broke.

No failure keeps the exception it came from: its text holds the address, and so the signature.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from gateway.domain.errors import ExchangeFailure, NotSent, Unclear
from gateway.domain.signing import KeyId
from gateway.exchange.retry_after import seconds_to_wait
from gateway.tracing import Watch, unwatched

TOO_MANY_REQUESTS = 429
_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "gzip",
    "User-Agent": "narkasa-gateway",
}


@dataclass(frozen=True, slots=True)
class Timeouts:
    """In seconds: `connect` to get a connection, `read` between two bytes of the answer.

    `connect` covers waiting for a free connection, the name's lookup, TCP and TLS.
    """

    connect: float = 2.0
    read: float = 5.0

    @property
    def total(self) -> float:
        """The end of an answer that comes a byte now and then."""
        return self.connect + 2 * self.read


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `endpoint` names it in errors and metrics; `target` is path and query, exact.

    `changes` marks what must not be lost to a connection that the server is just closing: it goes
    out on a fresh one. `key` signed it. Only these show in a repr: the rest may hold a signature.
    """

    endpoint: str
    method: str = field(repr=False)
    target: str = field(repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    changes: bool = False
    key: KeyId | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, whole."""

    status: int
    body: bytes = field(repr=False)


class _NotConnected(Exception):
    """No connection was had, so not a byte was sent."""


class _NoAnswer(Exception):
    """There was a connection, and then no answer."""


class _TooLarge(Exception):
    """The answer is longer than allowed."""


class Transport:
    """Sends each request once, and brings back a whole reply or raises `NotSent` or `Unclear`.

    `address` is the exchange's REST address without a path; `max_reply` in bytes, unpacked.
    `on_too_many` is told of each 429, with the seconds that the exchange asks to wait, if it does.
    Each request runs in what `watch` gives for its endpoint.
    """

    def __init__(
        self,
        address: str,
        *,
        timeouts: Timeouts,
        connections: int,
        max_reply: int,
        tls: ssl.SSLContext | None,
        on_too_many: Callable[[float | None], None],
        watch: Watch,
    ) -> None:
        self._address = address.rstrip("/")
        self._timeouts = timeouts
        self._max_reply = max_reply
        self._on_too_many = on_too_many
        self._watch = watch
        tls = httpx.create_ssl_context(trust_env=False) if tls is None else tls
        self._kept = _pool(tls, connections, fresh=False)
        self._fresh = _pool(tls, connections, fresh=True)
        self._running: set[asyncio.Task[Reply]] = set()
        self._closing = False

    async def send(self, request: Request) -> Reply:
        """Send `request` once.

        It goes on when the caller is cancelled: an order must not be broken off halfway, and a
        cancelled read must not cost its connection.
        """
        if self._closing:
            raise NotSent(request.endpoint, "closing")
        task = asyncio.create_task(self._watched(request))
        self._running.add(task)
        task.add_done_callback(self._finished)
        return await asyncio.shield(task)

    async def aclose(self, within: float) -> None:
        """Let no more requests start, give those under way `within` seconds, and close all."""
        self._closing = True
        if self._running:
            await asyncio.wait(self._running, timeout=within)
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._kept.aclose()
        await self._fresh.aclose()

    def _finished(self, task: asyncio.Task[Reply]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # asked for, so that asyncio logs nothing when the caller has left

    async def _watched(self, request: Request) -> Reply:
        with self._watch(request.endpoint):
            return await self._send(request)

    async def _send(self, request: Request) -> Reply:
        failure: ExchangeFailure
        try:
            async with asyncio.timeout(self._timeouts.total):
                return await self._exchange(request)
        except _NotConnected as error:
            failure = NotSent(request.endpoint, str(error))
        except (_NoAnswer, _TooLarge) as error:
            failure = Unclear(request.endpoint, str(error))
        except (TimeoutError, httpx.TimeoutException):
            failure = Unclear(request.endpoint, "timeout")
        except (httpx.HTTPError, aiohttp.ClientError, OSError):
            failure = Unclear(request.endpoint, "broken_off")
        # Raised here and not above, so that it drags no exception along that shows the address.
        raise failure

    async def _exchange(self, request: Request) -> Reply:
        pool = self._fresh if request.changes else self._kept
        response = await pool.handle_async_request(
            httpx.Request(
                request.method,
                self._address + request.target,
                headers=[*_HEADERS.items(), *request.headers],
                content=request.body,
                extensions={"timeout": self._phases()},
            )
        )
        try:
            if response.status_code == TOO_MANY_REQUESTS:
                self._on_too_many(seconds_to_wait(response.headers))
            return Reply(response.status_code, await self._read(response))
        finally:
            await response.aclose()

    async def _read(self, response: httpx.Response) -> bytes:
        self._bound(int(response.headers.get("Content-Length", 0)))
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            self._bound(len(body))
        return bytes(body)

    def _bound(self, length: int) -> None:
        if length > self._max_reply:
            message = "too_large"
            raise _TooLarge(message)

    def _phases(self) -> dict[str, float | None]:
        # httpx-aiohttp gives 'pool' to aiohttp's 'connect', which bounds both.
        connect, read = self._timeouts.connect, self._timeouts.read
        return httpx.Timeout(connect=connect, pool=connect, read=read, write=read).as_dict()


@asynccontextmanager
async def open_transport(
    address: str,
    *,
    timeouts: Timeouts | None = None,
    connections: int = 32,
    max_reply: int = 4_000_000,
    tls: ssl.SSLContext | None = None,
    close_within: float = 1.0,
    on_too_many: Callable[[float | None], None] = lambda _: None,
    watch: Watch = unwatched,
) -> AsyncIterator[Transport]:
    """Open a transport to the exchange at `address`, such as "https://api.narkasa.com".

    At the end the requests under way get `close_within` seconds. `on_too_many` is told of each 429,
    with the seconds that the exchange asks to wait, if it does. Each request runs in what `watch`
    gives for its endpoint.
    """
    transport = Transport(
        address,
        timeouts=timeouts or Timeouts(),
        connections=connections,
        max_reply=max_reply,
        tls=tls,
        on_too_many=on_too_many,
        watch=watch,
    )
    try:
        yield transport
    finally:
        await transport.aclose(close_within)


def _pool(tls: ssl.SSLContext, connections: int, *, fresh: bool) -> AiohttpTransport:
    def session() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls, limit=connections, force_close=fresh),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Content-Type",),
            middlewares=(_once,),
            trust_env=False,
        )

    return AiohttpTransport(verify=tls, trust_env=False, client=session)


async def _once(
    request: aiohttp.ClientRequest,
    handler: Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]],
) -> aiohttp.ClientResponse:
    """Say whether there was a connection, in exceptions that nobody maps and nobody retries on."""
    try:
        return await handler(request)
    except aiohttp.ConnectionTimeoutError:
        raise _NotConnected("connect_timeout") from None
    except aiohttp.ClientConnectorError:
        raise _NotConnected("connect_failed") from None
    except aiohttp.SocketTimeoutError:
        raise _NoAnswer("timeout") from None
    except (aiohttp.ClientError, OSError):
        raise _NoAnswer("broken_off") from None
