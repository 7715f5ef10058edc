"""How one call is signed, sent, judged, counted and, if it only reads, repeated."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeGuard, TypeVar

import stamina
import structlog
from stamina.instrumentation import RetryDetails

from gateway.domain.encoding import Pairs, encode
from gateway.domain.errors import ExchangeFailure, NotSent, RateLimited, Refused, Unclear
from gateway.domain.signing import KeyId, PostForm, Sign, SignedText, SigningRequest
from gateway.exchange.clock import ExchangeClock
from gateway.exchange.error_codes import ERROR_CODES, KEY_REFUSED_CODES
from gateway.exchange.parameters import Parameters, as_json
from gateway.exchange.readers import read_time
from gateway.exchange.replies import require_success
from gateway.exchange.transport import Request, Transport
from gateway.exchange.wire import SUCCESS, Unparsable

_log = structlog.get_logger(__name__)

T = TypeVar("T")

BACKING_OFF = "backing_off"
"""Why a read of market data was not sent: the exchange has refused calls as too many."""

_API = "/v3/api"
_TIME = "time"


@dataclass(frozen=True, slots=True)
class Retry:
    """How reads are repeated: `attempts` at most, none begun after `timeout` seconds.

    The waits between them grow from `wait` seconds, each with a random part on top.
    """

    attempts: int = 3
    timeout: float = 3.0
    wait: float = 0.1


@dataclass(frozen=True, slots=True)
class PreparedRequest:
    """A signed mutation, ready to go out once.

    `signed_at` (ms, by the exchange's clock) and `window` (ms) say until when the exchange may
    accept it, `digest` (SHA-256 of the signed text, hex) which request it was.
    """

    endpoint: str
    signed_at: int
    window: int
    digest: str
    request: Request = field(repr=False)


class Calls:
    """Calls endpoints by their path below /v3/api; `read` turns the body of a success into a value.

    A `read` that raises `ValueError` makes the answer `Unclear`, with the cause of an `Unparsable`:
    "unparsable", "crossed_book" or "mismatch". `on_call` is told the endpoint of
    every request, and the exchange's code, "unlisted", or why there was no answer; `on_refused` the
    key and the code of a signed request whose key the exchange does not take.

    `gate` is asked before every call but that for the time, by its endpoint, and raises
    `RateLimited` to keep it from being made.
    """

    def __init__(
        self,
        transport: Transport,
        clock: ExchangeClock,
        *,
        post_form: PostForm,
        window_ms: int,
        on_call: Callable[[str, str], None],
        on_refused: Callable[[KeyId, str], None],
        gate: Callable[[str], None],
        retry: Retry,
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._post_form = post_form
        self._window_ms = window_ms
        self._on_call = on_call
        self._on_refused = on_refused
        self._gate = gate
        self._retry = retry

    async def public(self, path: str, pairs: Pairs, read: Callable[[bytes], T]) -> T:
        """Read without a signature; what the gate holds back is `NotSent`, as in an outage."""
        request = _get(path, encode(pairs))

        async def attempt() -> T:
            self._gate(request.endpoint)
            return await self.once(request, read)

        try:
            return await self._repeated(attempt)
        except RateLimited:
            raise NotSent(request.endpoint, BACKING_OFF) from None

    async def signed(self, path: str, sign: Sign, read: Callable[[bytes], T]) -> T:
        """Read as an account, signed anew for each attempt."""

        async def attempt() -> T:
            self._gate(_name(path))
            _, signed = await self._sign(path, sign, "query", ())
            return await self.once(_get(path, signed.text, signed), read)

        return await self._repeated(attempt)

    async def signed_expired(
        self, path: str, sign: Sign, read: Callable[[bytes], T], late_ms: int
    ) -> T:
        """Read as an account, once, by a request whose window ended `late_ms` ago."""
        self._gate(_name(path))
        now = await self._exchange_time(_name(path))
        signed = self._signed_at(now - self._window_ms - late_ms, path, sign, "query", ())
        return await self.once(_get(path, signed.text, signed), read)

    async def signed_post(
        self, path: str, sign: Sign, parameters: Parameters, read: Callable[[bytes], T]
    ) -> T:
        """Read as an account where the exchange reads by POST: repeated as any read is."""

        async def attempt() -> T:
            self._gate(_name(path))
            _, signed = await self._sign(path, sign, self._post_form, parameters)
            return await self.once(self._post(path, signed, changes=False), read)

        return await self._repeated(attempt)

    async def synchronise_clock(self) -> None:
        """Take one sample of the exchange's time ('Check Server Time')."""

        async def fetch() -> int:
            return await self.once(_get(_TIME, ""), read_time)

        await self._clock.synchronise(fetch)

    async def prepare(self, path: str, sign: Sign, parameters: Parameters) -> PreparedRequest:
        """Sign a mutation; raise `NotSent` if the exchange's time cannot be had.

        Raise `RateLimited` if the gate holds it back.
        """
        self._gate(_name(path))
        signed_at, signed = await self._sign(path, sign, self._post_form, parameters)
        return PreparedRequest(
            endpoint=_name(path),
            signed_at=signed_at,
            window=self._window_ms,
            digest=hashlib.sha256(signed.covered.encode()).hexdigest(),
            request=self._post(path, signed, changes=True),
        )

    def _post(self, path: str, signed: SignedText, *, changes: bool) -> Request:
        name, target = _name(path), f"{_API}/{path}"
        if self._post_form == "query":
            target = f"{target}?{signed.text}"
            return Request(name, "POST", target, (signed.header,), changes=changes, key=signed.key)
        headers = (signed.header, ("Content-Type", "application/json"))
        body = as_json(signed.text)
        return Request(name, "POST", target, headers, body, changes=changes, key=signed.key)

    async def once(self, request: Request, read: Callable[[bytes], T]) -> T:
        """Send `request` once and count it."""
        try:
            value = await self._judged(request, read)
        except ExchangeFailure as failure:
            self._on_call(request.endpoint, _label(failure))
            if request.key and _refuses_the_key(failure):
                self._on_refused(request.key, failure.exchange_code)
            raise
        self._on_call(request.endpoint, SUCCESS)
        return value

    async def _judged(self, request: Request, read: Callable[[bytes], T]) -> T:
        reply = await self._transport.send(request)
        require_success(request.endpoint, reply)
        try:
            return read(reply.body)
        except Unparsable as fault:
            raise Unclear(request.endpoint, fault.cause, SUCCESS) from None
        except ValueError:
            raise Unclear(request.endpoint, Unparsable.cause, SUCCESS) from None

    async def _sign(
        self, path: str, sign: Sign, form: PostForm, parameters: Parameters
    ) -> tuple[int, SignedText]:
        now = await self._exchange_time(_name(path))
        return now, self._signed_at(now, path, sign, form, parameters)

    def _signed_at(
        self, time: int, path: str, sign: Sign, form: PostForm, parameters: Parameters
    ) -> SignedText:
        stamps = (("timestamp", time), ("windowSize", self._window_ms))
        return sign(SigningRequest(path, (*parameters, *stamps), form))

    async def _exchange_time(self, endpoint: str) -> int:
        if (now := self._clock.now()) is not None:
            return now
        try:
            await self.synchronise_clock()
        except ExchangeFailure:
            # Whatever became of that question, the call it was asked for has not begun.
            raise NotSent(endpoint, "clock_unknown") from None
        return await self._exchange_time(endpoint)

    async def _repeated(self, attempt: Callable[[], Awaitable[T]]) -> T:
        caller = stamina.AsyncRetryingCaller(
            attempts=self._retry.attempts,
            timeout=self._retry.timeout,
            wait_initial=self._retry.wait,
            wait_jitter=self._retry.wait,
        )
        return await caller((NotSent, Unclear), attempt)


def log_retry(details: RetryDetails) -> None:
    """Write that a read is repeated: what `stamina` calls for each time, in place of its own."""
    failure = details.caused_by
    if isinstance(failure, NotSent | Unclear):
        _log.info(
            "exchange.retry",
            endpoint=failure.endpoint,
            cause=failure.cause,
            attempt=details.retry_num,
        )


def _get(path: str, text: str, signed: SignedText | None = None) -> Request:
    target = f"{_API}/{path}?{text}" if text else f"{_API}/{path}"
    if signed is None:
        return Request(_name(path), "GET", target)
    return Request(_name(path), "GET", target, (signed.header,), key=signed.key)


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _label(failure: ExchangeFailure) -> str:
    if isinstance(failure, Refused):
        return failure.exchange_code
    if isinstance(failure, Unclear) and failure.exchange_code in ERROR_CODES:
        return failure.exchange_code
    return failure.cause if isinstance(failure, NotSent | Unclear) else failure.code


def _refuses_the_key(failure: ExchangeFailure) -> TypeGuard[Refused]:
    return isinstance(failure, Refused) and failure.exchange_code in KEY_REFUSED_CODES
