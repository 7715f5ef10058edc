"""How often principals may ask, accounts may be called for, and grants may be used."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.access.policy import Grant, Policy
from gateway.access.principal import ANONYMOUS
from gateway.domain.limits import LimitState, Rate
from gateway.services.allowance import Allowance, Clocks
from gateway.store.rates import RateStore


@dataclass(frozen=True, slots=True)
class StandingRates:
    """The rates that are not the policy's.

    Those of a `principal` and an `account` hold where the policy says nothing, or says more: of two
    rates the one with the lower average holds. `cancel_share_percent` of both are for cancels
    alone; a cancel may use the rest too. `anonymous` is for the principal of that name where the
    policy gives it no rate, `market` for calls to the exchange by which all read markets.
    """

    principal: Rate
    anonymous: Rate
    account: Rate
    market: Rate
    cancel_share_percent: int


class Rates:
    """The rates of the policy in force and the `standing` ones, shared by all replicas.

    `wall_ms` gives the time of day in ms, `monotonic` seconds that never go back.
    """

    def __init__(
        self,
        policy: Callable[[], Policy],
        store: RateStore,
        *,
        standing: StandingRates,
        wall_ms: Callable[[], int],
        monotonic: Callable[[], float],
    ) -> None:
        self._policy = policy
        self._store = store
        self._standing = standing
        self._clocks = Clocks(wall_ms, monotonic)
        self._market_reads = self._whole("reads of markets", "market", standing.market)
        self._of_policy = policy()
        self._requests: dict[str, Allowance] = {}
        self._calls: dict[str, Allowance] = {}
        self._orders: dict[tuple[str, str, Rate], Allowance] = {}
        self._shown: dict[str, tuple[Allowance, ...]] = {}

    async def take_request(self, principal_id: str, *, cancel: bool = False) -> None:
        """Count a request of a principal; raise `RateLimited` if it has had too many."""
        allowance = self._request_allowance(principal_id)
        await (allowance.take_for_cancel() if cancel else allowance.take())

    async def take_call(self, account: str, *, cancel: bool = False, own: bool = False) -> None:
        """Count a signed call for an account; raise `RateLimited` if there were too many.

        `own`: what the gateway reads by itself, to follow the account. It is never refused, and
        counts as long as any but the cancels' share is left.
        """
        allowance = self._call_allowance(account)
        if own:
            await allowance.count()
        else:
            await (allowance.take_for_cancel() if cancel else allowance.take())

    async def take_market_read(self, *, own: bool = False) -> None:
        """Count a read of a market by the exchange; raise `RateLimited` if there were too many.

        `own`: what orders and the gateway itself need. It is never refused, and counts as long as
        any is left.
        """
        await (self._market_reads.count() if own else self._market_reads.take())

    async def take_order(self, principal_id: str, grant: Grant) -> None:
        """Count an order under a grant; raise `RateLimited` if its rate allows no more now."""
        if grant.limits.rate is not None:
            await self._order_allowance(principal_id, grant, grant.limits.rate).take()

    def states(self, principal_id: str) -> tuple[LimitState, ...]:
        """What is left of each limit that holds for a principal, as far as this replica knows.

        Its requests, the calls of each account that it may know of, and the orders under each of
        its grants with a rate.
        """
        policy = self._current()
        shown = self._shown.get(principal_id)
        if shown is None:
            shown = self._shown[principal_id] = self._allowances_of(principal_id, policy)
        return tuple([allowance.state() for allowance in shown])

    def _allowances_of(self, principal_id: str, policy: Policy) -> tuple[Allowance, ...]:
        return (
            self._request_allowance(principal_id),
            *(self._call_allowance(account) for account in policy.visible_accounts(principal_id)),
            *(
                self._order_allowance(principal_id, grant, grant.limits.rate)
                for grant in policy.grants(principal_id)
                if grant.limits.rate is not None
            ),
        )

    def _request_allowance(self, principal_id: str) -> Allowance:
        policy = self._current()
        if (standing := self._requests.get(principal_id)) is not None:
            return standing
        made = self._allowance_for_requests(principal_id, policy.rate_of(principal_id))
        self._requests[principal_id] = made
        return made

    def _allowance_for_requests(self, principal_id: str, granted: Rate | None) -> Allowance:
        key = f"requests:{principal_id}"
        if principal_id != ANONYMOUS:
            rate = _lower(self._standing.principal, granted)
            return self._shared_with_cancels("requests", key, rate)
        rate = _lower(self._standing.principal, granted or self._standing.anonymous)
        return self._whole("requests", key, rate)  # it has nothing to cancel

    def _call_allowance(self, account: str) -> Allowance:
        policy = self._current()
        if (standing := self._calls.get(account)) is not None:
            return standing
        rate = _lower(self._standing.account, policy.account_rate(account))
        made = self._shared_with_cancels(f"calls {account}", f"calls:{account}", rate)
        self._calls[account] = made
        return made

    def _order_allowance(self, principal_id: str, grant: Grant, rate: Rate) -> Allowance:
        self._current()
        # With its rate: an order may have got its grant from the policy before.
        key = (principal_id, grant.id, rate)
        if (standing := self._orders.get(key)) is not None:
            return standing
        name, in_store = f"orders {grant.id}", f"orders:{principal_id}:{grant.id}"
        made = self._whole(name, in_store, rate)
        self._orders[key] = made
        return made

    def _whole(self, name: str, key: str, rate: Rate) -> Allowance:
        return Allowance(name, key, rate, rate.count, self._store, self._clocks)

    def _shared_with_cancels(self, name: str, key: str, rate: Rate) -> Allowance:
        cap = max(1, rate.count * (100 - self._standing.cancel_share_percent) // 100)
        return Allowance(name, key, rate, cap, self._store, self._clocks)

    def _current(self) -> Policy:
        """The policy in force; with a new one, rates are looked up anew."""
        policy = self._policy()
        if policy is not self._of_policy:
            self._of_policy = policy
            for kept in (self._requests, self._calls, self._orders, self._shown):
                kept.clear()
        return policy


def _lower(most: Rate, granted: Rate | None) -> Rate:
    if granted is None or granted.count * most.per_s > most.count * granted.per_s:
        return most
    return granted
