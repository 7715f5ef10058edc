"""What is sound in a policy file, but hardly what its writer meant."""

from collections.abc import Iterator
from itertools import combinations

from gateway.access.policy import Action, Grant, Policy


def remarks(policy: Policy, now: int) -> Iterator[str]:
    """A sentence for each principal that nothing proves, or a token of which has expired at `now`.

    And for each grant of orders:place that never decides, for one before it always does: its limits
    are then void.
    """
    for principal in policy.principals():
        yield from _unproven(policy, principal.id, now)
        for earlier, later in combinations(policy.grants(principal.id), 2):
            if _decides_for(earlier, later):
                yield (
                    f"line {later.line}: the grant {later.id!r} never decides about orders: all "
                    f"that it allows, {earlier.id!r} on line {earlier.line} allows before it"
                )


def _unproven(policy: Policy, principal_id: str, now: int) -> Iterator[str]:
    tokens = policy.tokens(principal_id)
    expired = sum(token.expires is not None and token.expires <= now for token in tokens)
    if expired:
        yield f"principal {principal_id!r}: expired tokens: {expired} of {len(tokens)}"
    if expired == len(tokens) and not policy.identities(principal_id):
        yield f"principal {principal_id!r}: nothing proves it, no token that is good, no identity"


def _decides_for(earlier: Grant, later: Grant) -> bool:
    return (
        Action.ORDERS_PLACE in earlier.actions & later.actions
        and earlier.account == later.account
        and earlier.narrowing.covers(later.narrowing)
    )
