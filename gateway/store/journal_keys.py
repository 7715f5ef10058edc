"""The journal's names in Redis. The braces make the account the hash slot of all its keys."""

from urllib.parse import quote

from gateway.domain.placements import Placement

Identity = tuple[str, str, str]
"""Principal, account and client order id: one placement at most has them."""

EXTERNAL = b"EXTERNAL"
"""What stands in the place of a pointer from an order that is nobody's here."""


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
    """The pointer from an order's id to the record of its placement, or `EXTERNAL`."""
    return key_of(account, "order", order_id)


def refusal_key(principal: str, account: str, client_order_id: str) -> str:
    """When an order was last refused, without a record of it, and by which process."""
    return key_of(account, "refusal", principal, client_order_id)


def index_key(principal: str, account: str) -> str:
    """The positions of a principal's placements."""
    return key_of(account, "index", principal)


def unresolved_key(account: str) -> str:
    """A hash of what has no outcome: what decides over others, by the placement's id."""
    return key_of(account, "unresolved")


def ended_key(account: str) -> str:
    """The records that have an outcome, by when that was recorded (ms, by Redis' clock)."""
    return key_of(account, "ended")


def given_up_key(account: str) -> str:
    """The records that were lately found NOT_PLACED, by the time (ms) of that."""
    return key_of(account, "given-up")


def fills_key(account: str) -> str:
    """The names of the fills that made an order, by the time (ms) at which they were claimed."""
    return key_of(account, "fills")


def guard_key(account: str) -> str:
    """A hash of what is true of the account as a whole.

    `server`, `generation`, `begun`, `reopened` and `quarantine` say whether records were lost,
    `sequence` counts its events, `lane:<lane>` the intents of a lane.
    """
    return key_of(account, "guard")


def events_key(account: str) -> str:
    """The stream of the account's events; an entry's id is the event's number."""
    return key_of(account, "events")


def _quoted(part: str) -> str:
    # Keeps parts from running together. An id may come from anyone, half a surrogate pair in it.
    return quote(part, safe="", errors="surrogatepass")
