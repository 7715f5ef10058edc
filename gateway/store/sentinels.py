"""Connections to the master that Redis Sentinels name.

The library has such a pool, but one that fails at once when all of its connections are in use.
"""

import weakref
from typing import Any
from urllib.parse import urlsplit

from redis.asyncio import BlockingConnectionPool
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import (
    Sentinel,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)
from redis.backoff import NoBackoff

SCHEMES = {
    "redis+sentinel": SentinelManagedConnection,
    "rediss+sentinel": SentinelManagedSSLConnection,
}
_PORT = 26379


class MasterPool(BlockingConnectionPool):
    """A pool that asks the Sentinels at each new connection; the library's connections expect it.

    When they name another master than before, the idle connections to that one are closed.
    """

    is_master = True
    check_connection = False

    def __init__(
        self,
        sentinel: Sentinel,
        service: str,
        **connection: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(**connection)
        self.connection_kwargs["connection_pool"] = weakref.proxy(self)
        self._sentinel = sentinel
        self._service = service
        self._master: tuple[str, int] | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__}(service={self._service})>"

    async def get_master_address(self) -> tuple[str, int]:
        """Host and port of the master, as the first Sentinel that knows it says."""
        master: tuple[str, int] = await self._sentinel.discover_master(self._service)
        if master != self._master:
            self._master = master
            await self.disconnect(inuse_connections=False)
        return master

    async def disconnect(self, inuse_connections: bool = True) -> None:  # noqa: FBT001, FBT002
        """Close the connections; with those in use, those to the Sentinels too: it is the end."""
        await super().disconnect(inuse_connections)
        if inuse_connections:
            await self._sentinel.aclose()


def master_pool(url: str, **connection: Any) -> MasterPool:  # noqa: ANN401
    """Give a pool for `redis+sentinel://[user:password@]host:port,host:port/service[/database]`.

    `rediss+sentinel://` speaks TLS to Sentinels and servers. User and password are the servers';
    the options sentinel_username and sentinel_password are the Sentinels'. `connection` is what the
    pool takes besides. Raises ValueError where `url` is no such address.
    """
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    service, _, database = parts.path.strip("/").partition("/")
    if not service or not (database or "0").isdecimal():
        raise ValueError(parts.scheme)
    plain = "rediss" if parts.scheme.startswith("rediss") else "redis"
    given: dict[str, Any] = dict(parse_url(f"{plain}://{user}{at}master/{database}?{parts.query}"))
    for overruled in ("host", "connection_class"):
        given.pop(overruled, None)
    their_own = {
        name: given.pop(f"sentinel_{name}")
        for name in ("username", "password")
        if f"sentinel_{name}" in given
    }
    tls = {name: value for name, value in given.items() if name.startswith("ssl_")}
    sentinel = Sentinel(  # type: ignore[no-untyped-call]
        [_address(host) for host in hosts.split(",")],
        sentinel_kwargs={
            **{name: connection[name] for name in ("socket_connect_timeout", "socket_timeout")},
            "retry": Retry(NoBackoff(), retries=0),
            "ssl": plain == "rediss",
            **tls,
            **their_own,
        },
    )
    return MasterPool(
        sentinel,
        service,
        connection_class=SCHEMES[parts.scheme],
        **given,
        **connection,
    )


def _address(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError
    return parts.hostname, parts.port or _PORT
