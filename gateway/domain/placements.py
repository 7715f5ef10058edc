"""Placements: the record of an order intent and what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from gateway.domain.account import Fill
from gateway.domain.orders import Order, PlaceOrder


class PlacementState(StrEnum):
    """The states of a placement; `FOLLOWING` says which may follow which."""

    RECEIVED = "RECEIVED"
    DENIED = "DENIED"
    NOT_SENT = "NOT_SENT"
    SENDING = "SENDING"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    UNKNOWN = "UNKNOWN"
    NOT_PLACED = "NOT_PLACED"
    IN_DOUBT = "IN_DOUBT"


_S = PlacementState
NOTHING_STANDS = frozenset({_S.DENIED, _S.NOT_SENT, _S.REJECTED, _S.NOT_PLACED})
"""The states in which nothing of the order is on the exchange."""

UNRESOLVED = frozenset({_S.SENDING, _S.UNKNOWN, _S.IN_DOUBT})
"""The states in which something of it may be."""

FOLLOWING: dict[PlacementState, frozenset[PlacementState]] = {
    _S.RECEIVED: frozenset({_S.DENIED, _S.NOT_SENT, _S.SENDING}),
    _S.SENDING: frozenset({_S.ACCEPTED, _S.REJECTED, _S.NOT_SENT, _S.UNKNOWN}),
    _S.UNKNOWN: frozenset({_S.ACCEPTED, _S.REJECTED, _S.NOT_PLACED, _S.IN_DOUBT}),
    _S.IN_DOUBT: frozenset({_S.ACCEPTED, _S.NOT_PLACED}),
    _S.NOT_PLACED: frozenset({_S.ACCEPTED}),
    _S.DENIED: frozenset(),
    _S.NOT_SENT: frozenset(),
    _S.ACCEPTED: frozenset(),
    _S.REJECTED: frozenset(),
}
"""The placement's state machine; a state without followers is terminal."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why nothing stands on the exchange: a stable `code`, the exchange's own when it spoke.

    `retry_after` (seconds) where time alone may help.
    """

    code: str
    message: str
    exchange_code: str | None = None
    retryable: bool = False
    rule: str | None = None
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """An order that was open when a baseline was taken, and how much of it was filled."""

    order_id: str
    filled: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What stood on the account just before an order was sent; what came after may be its doing.

    `taken_at` in ms by the exchange's clock, at the most. `stream_since`: from when on (ms, the
    same clock) the account's stream was whole that it was taken from; None when it was read over
    REST. `orders` are the open ones of the order's lane, `ended` the ids of those that were over,
    though just placed; `fills` the account's newest, newest first, `totals` the balances of the
    market's two assets.
    """

    taken_at: int
    stream_since: int | None
    orders: tuple[OpenOrder, ...]
    fills: tuple[Fill, ...]
    totals: Mapping[str, Decimal]
    ended: tuple[str, ...] = ()

    @property
    def order_ids(self) -> frozenset[str]:
        """Orders that were there before: none of these is the one that was then sent."""
        return frozenset({*(each.order_id for each in self.orders), *self.ended})


class Answer(StrEnum):
    """What came back for the one request that carried an order."""

    ACCEPTED = "ACCEPTED"
    REFUSED = "REFUSED"
    NOT_SENT = "NOT_SENT"


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer that came too late to settle its placement, or that does not settle it alone.

    It is evidence. `at` in ms; `order` when the exchange showed it, `exchange_code` when it
    refused.
    """

    answer: Answer
    at: int
    order: Order | None = None
    exchange_code: str | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """The journal's record of an order intent.

    `signed_at` (ms, by the exchange's clock), `window` (ms) and `digest` (SHA-256 of the signed
    text, hex) describe the one request that may carry it, `baseline` what stood before. `rule`
    names the policy grant that allowed it; `claimed`: its budget counts the order.

    `owner` is the process that may send it, fenced by `epoch`: who takes over raises that.
    `begun_at` and `lease_until` are ms by Redis' clock, which all processes share, while
    `created_at` is by the wall clock of the one that made it. `begun_at`: when it was recorded; 0
    before that. Still SENDING after `lease_until`, it has lost its sender.

    `resolve_by` (ms): when an unknown outcome is known, or is a person's to judge. `answered` is
    what the exchange said where that did not settle it. `resolved_by` names the person who did,
    and `evidence` says what is known of an outcome that no answer told.
    """

    id: str
    principal: str
    command: PlaceOrder
    state: PlacementState
    created_at: int
    updated_at: int
    rule: str
    signed_at: int
    window: int
    digest: str
    lease_until: int
    begun_at: int = 0
    owner: str = ""
    epoch: int = 0
    claimed: bool = False
    baseline: Baseline | None = None
    order: Order | None = None
    rejection: Rejection | None = None
    answered: Answered | None = None
    evidence: str | None = None
    resolve_by: int | None = None
    resolved_by: str | None = None

    @property
    def new_id_safe(self) -> bool:
        """True when the same command under a new client order id cannot double the order."""
        return self.state in NOTHING_STANDS

    @property
    def unresolved(self) -> bool:
        """True while nobody knows, or not for sure, what stands on the exchange."""
        return self.state in UNRESOLVED


@dataclass(frozen=True, slots=True)
class PlacementPage:
    """Some of a principal's placements in an account, newest first, each with its cursor.

    The next page starts after `end`, a cursor, or None where nothing was read. `has_next`: there
    is more to read, though perhaps nothing that is asked for; a page may even be empty then.
    """

    entries: tuple[tuple[str, Placement], ...]
    end: str | None
    has_next: bool
