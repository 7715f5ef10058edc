"""What the exchange, the journal, the budgets and the audit log say, read past the gateway.

Nothing here imports the gateway: the names of its keys and fields are written down a second time,
so that no mistake is shared.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias, cast
from urllib.parse import unquote

import httpx
import redis

Row: TypeAlias = Mapping[str, Any]

ORDER_PATHS = frozenset(
    f"v3/api/market/{kind}-{side}"
    for kind in ("limit", "market", "stop-limit", "fast")
    for side in ("buy", "sell")
)


@dataclass(frozen=True)
class Evidence:
    """All that there is; rows as they were written, amounts as Decimal.

    `requests` are the order requests that the exchange received, `orders` those of all accounts by
    id. `records` are the journal's, `events` its accounts' by account, each a sequence and what it
    says, and `budgets` by account, principal and grant. `entries` are the audit log's.
    """

    requests: Sequence[Row] = ()
    orders: Mapping[str, Row] = field(default_factory=dict)
    records: Sequence[Row] = ()
    events: Mapping[str, Sequence[tuple[int, Row]]] = field(default_factory=dict)
    budgets: Mapping[tuple[str, str, str], Row] = field(default_factory=dict)
    entries: Sequence[Row] = ()


def gather(
    exchange: httpx.Client,
    store: redis.Redis,
    audit_files: Iterable[Path],
    requests: Sequence[Row] | None = None,
) -> Evidence:
    """Read everything; `requests` where they were collected before, for the exchange forgets."""
    truth = _json(exchange.get("/control/truth").text)
    assert not truth["dropped"]["orders"], "some orders were forgotten"
    return Evidence(
        requests=orders_among(received(exchange) if requests is None else requests),
        orders={row["orderId"]: row for row in truth["orders"]},
        records=list(_values(store, "ngw:1:journal:{*}:record:*")),
        events={_account(key): list(_events(store, key)) for key in _keys(store, "events")},
        budgets={_budget(key): value for key, value in _items(store, "ngw:1:budget:{*}:*")},
        entries=[entry for file in audit_files for entry in _entries(file)],
    )


def received(exchange: httpx.Client) -> list[Row]:
    """Every request that the exchange still knows of."""
    told = _json(exchange.get("/control/requests").text)
    assert not told["dropped"], "some requests were forgotten"
    return list(told["requests"])


def orders_among(requests: Iterable[Row]) -> list[Row]:
    """Those that carry an order."""
    return [row for row in requests if row["path"] in ORDER_PATHS and row["method"] == "POST"]


def _json(text: str) -> Any:  # noqa: ANN401 - the rows are looked at where they are judged
    return json.loads(text, parse_float=Decimal)


def _keys(store: redis.Redis, last_part: str) -> Iterator[str]:
    return _scan(store, f"ngw:1:journal:{{*}}:{last_part}")


def _scan(store: redis.Redis, pattern: str) -> Iterator[str]:
    found = cast("Iterator[bytes]", store.scan_iter(match=pattern, count=1000))
    return (key.decode() for key in found)


def _items(store: redis.Redis, pattern: str) -> Iterator[tuple[str, Row]]:
    for key in _scan(store, pattern):
        text = cast("bytes | None", store.get(key))
        if text is not None:
            yield key, _json(text.decode())


def _values(store: redis.Redis, pattern: str) -> Iterator[Row]:
    return (value for _, value in _items(store, pattern))


def _events(store: redis.Redis, key: str) -> Iterator[tuple[int, Row]]:
    for entry_id, fields in cast("list[tuple[bytes, dict[bytes, bytes]]]", store.xrange(key)):
        sequence = int(entry_id.decode().partition("-")[0])
        yield sequence, {name.decode(): _told(value) for name, value in fields.items()}


def _told(value: bytes) -> object:
    try:
        return _json(value.decode())
    except ValueError:
        return value.decode()


def _account(key: str) -> str:
    return unquote(key.partition("{")[2].partition("}")[0])


def _budget(key: str) -> tuple[str, str, str]:
    principal, grant = map(unquote, key.rpartition("}:")[2].split(":"))
    return _account(key), principal, grant


def _entries(file: Path) -> Iterator[Row]:
    for line in file.read_text().splitlines():
        yield json.loads(line)["audit"]
