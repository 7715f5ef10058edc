"""The keys of the policy's JWT issuers, read over HTTP and kept up to date."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TypeAlias

import httpx
import msgspec
import structlog

from gateway.access.key_set import KeySet, NoKeys, parse_key_set
from gateway.access.policy import Issuer, Policy

_log = structlog.get_logger(__name__)

_DISCOVERY = "/.well-known/openid-configuration"
_MAX_BYTES = 262_144
_TIMEOUT_S = 5.0
_LOOK_S = 0.5
_BETWEEN_S = 2.0
"""Whatever happens, an issuer is asked no more often than that."""

_Source: TypeAlias = tuple[str, str | None]
"""What keys belong to: the issuer, and where the policy says that they are."""


class NotRead(Exception):
    """The keys could not be had, for a reason that holds nothing of what was received."""


class _Discovery(msgspec.Struct):
    issuer: str
    jwks_uri: str


@dataclass(slots=True)
class _Kept:
    """What is known of one issuer, times in seconds by the clock of `IssuerKeys`."""

    keys: KeySet | None = None
    read_at: float = 0
    asked_at: float | None = None
    problem: str | None = None
    reading: asyncio.Task[None] | None = None


class IssuerKeys:
    """The keys of every issuer in the policy, read again each `refresh_s` while `run` runs.

    While they cannot be read, the last ones hold for `keep_s`. `clock` is monotonic, in seconds.
    """

    def __init__(
        self,
        policy: Callable[[], Policy],
        *,
        refresh_s: float,
        keep_s: float,
        clock: Callable[[], float],
    ) -> None:
        self._policy = policy
        self._refresh_s = refresh_s
        self._keep_s = keep_s
        self._clock = clock
        self._kept: dict[_Source, _Kept] = {}

    @property
    def problem(self) -> str | None:
        """Which issuers' keys cannot be read, and why."""
        problems = [
            f"the keys of issuer {issuer.id!r} cannot be read: {kept.problem}"
            for issuer in self._policy().issuers
            if (kept := self._kept.get(_source(issuer))) is not None and kept.problem
        ]
        return "; ".join(problems) or None

    def of(self, issuer: Issuer) -> KeySet | None:
        """The keys of `issuer`; None when there are none, or none that is recent enough."""
        kept = self._kept.get(_source(issuer))
        if kept is None or self._clock() - kept.read_at > self._keep_s:
            return None
        return kept.keys

    async def refresh(self, issuer: Issuer) -> None:
        """Read the keys of `issuer` again, together with all who ask for that meanwhile.

        If they were read a moment ago, it waits until they may be: a stranger's token cannot make
        the gateway call an issuer at will, and nobody is refused for a key that is just new.
        """
        kept = self._kept.setdefault(_source(issuer), _Kept())
        reading = kept.reading or self._begin(issuer, kept)
        await asyncio.wait({reading})

    async def run(self) -> None:
        """Read the keys of the issuers of the policy in force, for ever."""
        try:
            while True:
                self._look()
                await asyncio.sleep(_LOOK_S)
        finally:
            under_way = [kept.reading for kept in self._kept.values() if kept.reading is not None]
            for reading in under_way:
                reading.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    def _look(self) -> None:
        issuers = {_source(issuer): issuer for issuer in self._policy().issuers}
        for gone in self._kept.keys() - issuers.keys():
            if self._kept[gone].reading is None:
                del self._kept[gone]
        for source, issuer in issuers.items():
            kept = self._kept.setdefault(source, _Kept())
            if kept.reading is None and self._is_due(kept):
                self._begin(issuer, kept)

    def _is_due(self, kept: _Kept) -> bool:
        if kept.asked_at is None:
            return True
        pause = min(self._refresh_s, _BETWEEN_S) if kept.problem else self._refresh_s
        return self._clock() - kept.asked_at >= pause

    def _begin(self, issuer: Issuer, kept: _Kept) -> asyncio.Task[None]:
        kept.reading = asyncio.create_task(self._read(issuer, kept))
        return kept.reading

    async def _read(self, issuer: Issuer, kept: _Kept) -> None:
        try:
            if kept.asked_at is not None:
                await asyncio.sleep(kept.asked_at + _BETWEEN_S - self._clock())
            kept.asked_at = self._clock()
            kept.keys = await fetch_keys(issuer)
        except NotRead as failure:
            if str(failure) != kept.problem:
                _log.warning("issuer.not_read", issuer=issuer.id, problem=str(failure))
            kept.problem = str(failure)
        else:
            kept.read_at, kept.problem = self._clock(), None
        finally:
            kept.reading = None


async def fetch_keys(issuer: Issuer) -> KeySet:
    """Read an issuer's keys once; raises `NotRead`.

    The token of `token_file` goes to the issuer's own address and to a `jwks_url` of the policy,
    never to an address that the issuer merely names.
    """
    tls, headers = await asyncio.to_thread(_trust, issuer)
    client = httpx.AsyncClient(verify=tls, trust_env=False, timeout=_TIMEOUT_S)
    try:
        async with asyncio.timeout(2 * _TIMEOUT_S), client:
            url = issuer.jwks_url
            if url is None:
                url = await _discover(client, issuer, headers)
                headers = headers if _same_origin(url, issuer.issuer) else {}
            return parse_key_set(await _get(client, url, headers))
    except NoKeys as empty:
        raise NotRead(str(empty)) from None
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as failure:
        raise NotRead(type(failure).__name__) from None
    except TimeoutError:
        raise NotRead("no answer in time") from None


def _source(issuer: Issuer) -> _Source:
    return issuer.issuer, issuer.jwks_url


def _trust(issuer: Issuer) -> tuple[ssl.SSLContext, dict[str, str]]:
    """Whom to trust, and what to show; both are read anew, for Kubernetes renews the files."""
    try:
        tls = ssl.create_default_context(cafile=issuer.ca_file)
        if issuer.token_file is None:
            return tls, {}
        token = Path(issuer.token_file).read_text("ascii").strip()
    except (OSError, ValueError):  # ssl.SSLError is an OSError
        raise NotRead("its ca_file or token_file cannot be read") from None
    return tls, {"Authorization": f"Bearer {token}"}


async def _discover(client: httpx.AsyncClient, issuer: Issuer, headers: dict[str, str]) -> str:
    text = await _get(client, issuer.issuer.rstrip("/") + _DISCOVERY, headers)
    try:
        found = msgspec.json.decode(text, type=_Discovery)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise NotRead("no OpenID Connect discovery document") from None
    if found.issuer != issuer.issuer:
        raise NotRead("the discovery document is another issuer's")
    named = httpx.URL(found.jwks_uri)
    if named.scheme != "https" and httpx.URL(issuer.issuer).scheme == "https":
        raise NotRead("the discovery document's jwks_uri is not https")
    return found.jwks_uri


async def _get(client: httpx.AsyncClient, url: str, headers: dict[str, str]) -> bytes:
    """Read a document: its address must be safe, and it must be small and come without detours."""
    if not _is_safe(httpx.URL(url)):
        raise NotRead("its address is not https")
    # What is not packed cannot unpack to more than it is.
    asked = {**headers, "Accept": "application/json", "Accept-Encoding": "identity"}
    async with client.stream("GET", url, headers=asked) as response:
        if response.status_code != httpx.codes.OK:
            raise NotRead(f"HTTP status {response.status_code}")
        return await _body(response)


async def _body(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > _MAX_BYTES:
            raise NotRead(f"the answer is over {_MAX_BYTES} bytes")
    return bytes(body)


def _is_safe(url: httpx.URL) -> bool:
    """Over TLS, or within this machine."""
    return url.scheme == "https" or (url.scheme == "http" and _is_loopback(url.host))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _same_origin(one: str, other: str) -> bool:
    first, second = httpx.URL(one), httpx.URL(other)
    return (first.scheme, first.host, first.port) == (second.scheme, second.host, second.port)
