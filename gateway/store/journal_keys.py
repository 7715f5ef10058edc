"""The journal's names in Redis. The braces make the account the hash slot of all its keys."""

from urllib.parse import quote

from gateway.domain.placements import Placement

Identity = tuple[str, str, str]
"""Principal, account and client order id: one placement at most has them."""


def identity_of(placement: Placement) -> Identity:
    """What no other placement has."""
    command = placement.command
    return placement.principal, command.account, command.client_order_id


def account_of(placement_id: str) -> str:
    """The account that a placement's id carries."""
    return placement_id.rpartition(".")[0]


def key_of(account: str, *parts: str) -> str:
    """The key of an account's record, pointer or index."""
    return f"ngw:1:journal:{{{_quoted(account)}}}:" + ":".join(map(_quoted, parts))


def record_key(principal: str, account: str, client_order_id: str) -> str:
    """Where the record lives."""
    return key_of(account, "record", principal, client_order_id)


def id_key(placement_id: str) -> str:
    """The pointer from a placement's id to its record."""
    return key_of(account_of(placement_id), "id", placement_id)


def order_key(account: str, order_id: str) -> str:
    """The pointer from an order's id to the record of its placement."""
    return key_of(account, "order", order_id)


def index_keys(principal: str, account: str) -> tuple[str, str]:
    """The positions of a principal's placements; and when those expire that do."""
    return key_of(account, "index", principal), key_of(account, "expiries", principal)


def keys_of(placement: Placement) -> list[str]:
    """The keys that are written with a placement: its record, the indexes, the pointers."""
    principal, account, _ = identity = identity_of(placement)
    keys = [record_key(*identity), *index_keys(principal, account), id_key(placement.id)]
    if placement.order is not None and placement.order.order_id is not None:
        keys.append(order_key(account, placement.order.order_id))
    return keys


def _quoted(part: str) -> str:
    # Keeps parts from running together. An id may come from anyone, half a surrogate pair in it.
    return quote(part, safe="", errors="surrogatepass")
