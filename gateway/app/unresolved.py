"""The placements without an outcome, on the accounts that this replica leads."""

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import chain

from gateway.domain.placements import Placement, PlacementState


class Unresolved:
    """What the resolver sees at each of its looks, for the gauges and for /readyz.

    `now` is the time in ms.
    """

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._seen: dict[str, tuple[Placement, ...]] = {}

    def take(self, account: str, placements: Iterable[Placement]) -> None:
        """Take note of an account's placements; none, once another replica leads it."""
        self._seen[account] = tuple(placements)

    def count(self, state: PlacementState) -> int:
        """How many are in the state."""
        return sum(each.state is state for each in self._all())

    def age(self, state: PlacementState) -> float:
        """How many seconds ago the oldest of those in the state was made; 0 if none is."""
        made = [each.created_at for each in self._all() if each.state is state]
        return max(self._now() - min(made), 0) / 1000 if made else 0.0

    @property
    def problem(self) -> str | None:
        """Which accounts have orders that only a person settles; time settles all others."""
        doubtful = Counter(
            each.command.account for each in self._all() if each.state is PlacementState.IN_DOUBT
        )
        names = ", ".join(f"{account} ({count})" for account, count in sorted(doubtful.items()))
        return f"orders in doubt wait for a person's judgement on {names}" if names else None

    def _all(self) -> Iterable[Placement]:
        return chain.from_iterable(self._seen.values())
