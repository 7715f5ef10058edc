"""What is sound in a policy file, but hardly what its writer meant."""

from collections.abc import Iterator
from itertools import combinations

from gateway.access.policy import Action, Grant, Policy


def remarks(policy: Policy) -> Iterator[str]:
    """A sentence for each grant of orders:place that never decides, for one before it always does.

    Its limits are then void.
    """
    for principal in policy.principals():
        for earlier, later in combinations(policy.grants(principal.id), 2):
            if _decides_for(earlier, later):
                yield (
                    f"line {later.line}: the grant {later.id!r} never decides about orders: all "
                    f"that it allows, {earlier.id!r} on line {earlier.line} allows before it"
                )


def _decides_for(earlier: Grant, later: Grant) -> bool:
    return (
        Action.ORDERS_PLACE in earlier.actions & later.actions
        and earlier.account == later.account
        and earlier.narrowing.covers(later.narrowing)
    )
