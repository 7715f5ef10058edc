"""All that a Redis holds, whatever its type, as one text for each key."""

from collections.abc import Callable, Mapping
from typing import Any

from redis import Redis

# What a key's value is made of depends on its type.
_READERS: Mapping[bytes, Callable[["Redis", bytes], Any]] = {
    b"string": lambda store, key: store.get(key),
    b"hash": lambda store, key: store.hgetall(key),
    b"list": lambda store, key: store.lrange(key, 0, -1),
    b"set": lambda store, key: store.smembers(key),
    b"zset": lambda store, key: store.zrange(key, 0, -1, withscores=True),
    b"stream": lambda store, key: store.xrange(key),
}


def stored(url: str, database: int) -> dict[str, bytes]:
    """Every key of a database with all that it holds."""
    with Redis.from_url(url, db=database) as store:
        return {
            f"database {database}, {key!r}": key
            + b" "
            + _flat(_READERS[store.type(key)](store, key))
            for key in store.scan_iter()
        }


def _flat(value: Any) -> bytes:  # noqa: ANN401 - as above
    match value:
        case bytes():
            return value
        case dict():
            return b" ".join(_flat(part) for pair in value.items() for part in pair)
        case list() | tuple() | set():
            return b" ".join(map(_flat, value))
        case _:
            return str(value).encode()
