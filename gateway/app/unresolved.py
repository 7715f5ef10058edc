"""How many placements have no outcome, on the accounts that this replica leads."""

from collections.abc import Mapping

from gateway.domain.placements import PlacementState


class Unresolved:
    """What the resolver sees at each of its looks, for the gauge and for /readyz."""

    def __init__(self) -> None:
        self._counts: dict[str, Mapping[str, int]] = {}

    def take(self, account: str, counts: Mapping[str, int]) -> None:
        """Take note of an account's placements by state; none, once another replica leads it."""
        self._counts[account] = counts

    def count(self, state: str) -> int:
        """How many are in the state."""
        return sum(counts.get(state, 0) for counts in self._counts.values())

    @property
    def problem(self) -> str | None:
        """Which accounts have orders that only a person settles; time settles all others."""
        doubtful = (
            f"{account} ({count})"
            for account, counts in sorted(self._counts.items())
            if (count := counts.get(PlacementState.IN_DOUBT, 0))
        )
        names = ", ".join(doubtful)
        return f"orders in doubt wait for a person's judgement on {names}" if names else None
