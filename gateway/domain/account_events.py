"""Everything that happens on an account, in the order in which it was learnt."""

from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.account import Balance, Fill
from gateway.domain.orders import Order
from gateway.domain.placements import Placement
from gateway.domain.streams import Gap


class Origin(StrEnum):
    """Who placed an order: this gateway, as its journal knows, or somebody else.

    UNSETTLED: an intent whose outcome is not known yet may have.
    """

    GATEWAY = "GATEWAY"
    EXTERNAL = "EXTERNAL"
    UNSETTLED = "UNSETTLED"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountEvent:
    """One event; exactly one of the last five members is set.

    `sequence` counts an account's events without a hole; `time` in ms. `order` comes with `origin`
    and, where it is this gateway's, `placement_id`. `placement` is one whose state changed.
    """

    sequence: int
    time: int
    order: Order | None = None
    origin: Origin | None = None
    placement_id: str | None = None
    placement: Placement | None = None
    fill: Fill | None = None
    balance: Balance | None = None
    gap: Gap | None = None
