"""What is known of an account's unknown outcomes, and what a judgement of one says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from gateway.domain.account import Fill
from gateway.domain.market import Market
from gateway.domain.orders import Order
from gateway.domain.placements import Placement, PlacementState, Rejection

FRAMES_LATE_MS = 2_000
"""By how much what an account's stream tells may come later than its lists show it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One complete reading of an account, during which nothing of it changed.

    `read_at`: when it began (ms by the exchange's clock, at the most). `orders` are open, `fills`
    the newest, newest first, `totals` the balances by asset. `ended`: the orders that the stream
    told the end of. `stream_since`: from when on (ms, the same clock) the stream is unbroken and
    whole up to this reading; None when it is not.
    """

    read_at: int
    orders: tuple[Order, ...]
    fills: tuple[Fill, ...]
    totals: Mapping[str, Decimal]
    ended: tuple[Order, ...] = ()
    stream_since: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """When silence proves something; all in ms.

    `guard`: how long after its window the exchange may still execute an order. `spacing`: how far
    two readings must lie apart. `within`: how long after window and guard an outcome may stay
    UNKNOWN before it is IN_DOUBT. `late_watch`: how long after window and guard what was given up
    may turn out to be executed. `fenced`: the exchange was seen to enforce the window; without that
    nothing is ever concluded from silence.
    """

    guard: int
    spacing: int
    within: int
    late_watch: int
    fenced: bool

    def over(self, placement: Placement) -> int:
        """The last moment (ms, by the exchange's clock) at which it may be executed."""
        return placement.signed_at + placement.window + self.guard

    def reach(self, placement: Placement, time: int) -> bool:
        """Whether what the exchange executed at `time` (ms) may still be the placement."""
        given_up = placement.state is PlacementState.NOT_PLACED
        return not given_up or time <= self.over(placement) + self.late_watch


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """All that is known of an account's placements without an outcome; `now` by the exchange.

    `unresolved` are UNKNOWN or IN_DOUBT, `sending` under way, `given_up` lately NOT_PLACED.
    `accepted` are those accepted since the oldest of them was recorded, and for some seconds
    before. `claimed_orders` are the ids of orders that are somebody's, or known to be EXTERNAL,
    `claimed_fills` the names (`fill_names`) of fills that made an order. `markets`: those of the
    placements and of the fills. `quantity_steps`, by symbol: the smallest difference between two
    quantities, without which a FAST buy is not recognised. `pictures`: the readings since the
    oldest of them became unknown, oldest first. The placements are read after the newest of them,
    so that whatever a picture shows of this gateway's is among what is known, unless the journal
    may have lost records (`quarantined`).
    """

    now: int
    unresolved: tuple[Placement, ...]
    sending: tuple[Placement, ...] = ()
    given_up: tuple[Placement, ...] = ()
    accepted: tuple[Placement, ...] = ()
    claimed_orders: frozenset[str] = frozenset()
    claimed_fills: frozenset[str] = frozenset()
    markets: Mapping[str, Market] = field(default_factory=dict)
    quantity_steps: Mapping[str, Decimal] = field(default_factory=dict)
    pictures: tuple[Picture, ...] = ()
    quarantined: bool = False

    @property
    def intents(self) -> tuple[Placement, ...]:
        """All that an order or a fill which nobody has claimed may belong to."""
        return (*self.unresolved, *self.sending, *self.given_up)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a placement is found to be: `state` and why, for people.

    `order` when it is one; `claims`: the names of the fills that it takes for itself. A REJECTED
    one has no `rejection` yet where the exchange's code is in the placement's `answered`.
    """

    placement: Placement
    state: PlacementState
    evidence: str
    order: Order | None = None
    rejection: Rejection | None = None
    claims: frozenset[str] = frozenset()
