"""What keeps an order from being recorded, and what from changing its record."""

from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.domain.order_errors import DuplicateOrder, LaneUnresolved, Quarantined
from gateway.domain.placements import Placement, PlacementState
from gateway.store.journal_keys import identity_of, record_key

Obstacle = DuplicateOrder | LaneUnresolved | Quarantined

_LOSSES = {
    "SERVER": "the journal is on another Redis server than before, or that was started anew",
    "OLDER": "the journal is an older copy of itself: records of this account are missing",
}
_SOON_S, _LATE_S = 0.1, 60.0


class LaneMoved(Exception):
    """Another order of the lane was recorded since the look that its baseline followed."""


class Moved(Exception):
    """The record is not what it was when this change was decided on."""


class Claimed(Exception):
    """The order, or a fill of it, is another placement's, or known to be EXTERNAL."""


@dataclass(frozen=True, slots=True)
class Look:
    """What stands for an order that is to be placed.

    `standing` has its client order id. `obstacle` keeps it from being recorded now;
    `obstacle_sending`: it may pass within moments, for the order in the way is under way. `lane`
    counts the intents of the lane: `begin` refuses to record after another one came. `asked_at`:
    when the order was asked for (ms, by Redis' clock), or when this was looked up.
    """

    standing: Placement | None
    obstacle: Obstacle | None
    obstacle_sending: bool
    lane: int
    asked_at: int


class Entry(msgspec.Struct, frozen=True):
    """What the rules know of a placement without an outcome; times in ms."""

    record: str
    state: PlacementState
    lane: str
    immediate: bool
    canonical: str
    lease_until: int
    resolve_by: int | None


_ENTRIES = msgspec.json.Decoder(Entry)


def entry_text(placement: Placement) -> bytes:
    """A placement's entry among the unresolved of its account."""
    command = placement.command
    entry = Entry(
        record=record_key(*identity_of(placement)),
        state=placement.state,
        lane=command.lane,
        immediate=command.immediate,
        canonical=command.canonical(),
        lease_until=placement.lease_until,
        resolve_by=placement.resolve_by,
    )
    return msgspec.json.encode(entry)


def loss_of(account: str, why: str) -> Quarantined:
    """The refusal for what the scripts found to be lost."""
    return Quarantined(account, _LOSSES.get(why, why))


def obstacle_of(account: str, hindrance: list[Any]) -> tuple[Obstacle, bool]:
    """What a script found in the way, and whether that is an order under way."""
    rule = hindrance[0].decode()
    if rule == "QUARANTINED":
        return loss_of(account, hindrance[1].decode()), False
    placement_id, entry, now = hindrance[1].decode(), _ENTRIES.decode(hindrance[2]), hindrance[3]
    refusal = DuplicateOrder if rule == "DUPLICATE" else LaneUnresolved
    sending = entry.state is PlacementState.SENDING
    return refusal(placement_id, _retry_after(entry, now)), sending


def record_of(entry: bytes) -> str:
    """Where the record of an entry lives."""
    return _ENTRIES.decode(entry).record


def _retry_after(entry: Entry, now: int) -> float:
    if entry.state is PlacementState.SENDING:
        return _SOON_S
    if entry.state is PlacementState.IN_DOUBT or entry.resolve_by is None:
        return _LATE_S
    return min(max((entry.resolve_by - now) / 1000, _SOON_S), _LATE_S)
