"""What an order or a cancel must pass before anything is signed."""

from gateway.access.policy import Action, Grant, OrderTerms
from gateway.access.principal import Caller
from gateway.domain.account import TradingState
from gateway.domain.errors import OverLimit
from gateway.domain.orders import PlaceOrder
from gateway.services.authority import Authority
from gateway.services.order_limits import OrderLimiter
from gateway.services.ownership import Ownership
from gateway.services.rates import Rates
from gateway.services.trading_switch import TradingSwitch
from gateway.store.budgets import BudgetClaim


class OrderGate:
    """Asks, in this order: the policy, the switch, whose an order is, the rates, the limits."""

    def __init__(
        self,
        *,
        authority: Authority,
        switch: TradingSwitch,
        ownership: Ownership,
        rates: Rates,
        limiter: OrderLimiter,
    ) -> None:
        self._authority = authority
        self._switch = switch
        self._ownership = ownership
        self._rates = rates
        self._limiter = limiter

    async def permit(self, caller: Caller, command: PlaceOrder) -> Grant:
        """Return the grant that allows the order, while no switch stops it.

        Raises `UnknownAccount`, `Forbidden`, `TradingHalted` and `SwitchesUnread`.
        """
        terms = OrderTerms(command.symbol, command.side, command.type)
        decision = self._authority.require(caller, Action.ORDERS_PLACE, command.account, terms)
        assert decision.grant is not None  # noqa: S101  # it is a grant that allows
        await self._switch.check_place(caller.id, command.account)
        return decision.grant

    async def take_order(self, caller: Caller, grant: Grant) -> None:
        """Take an order from the rate of the grant. Raises `RateLimited`."""
        await self._rates.take_order(caller.id, grant)

    async def claim(
        self, caller: Caller, grant: Grant, command: PlaceOrder, placement_id: str
    ) -> BudgetClaim | None:
        """See that limits and the account's rate allow the order; give what its record claims.

        The account's calls come last: they are shared with other callers, and what a limit refuses
        must not use them up. Raises `RateLimited` and `OverLimit`.
        """
        claim = await self._limiter.claim(caller.id, grant, command, placement_id)
        await self._rates.take_call(command.account)
        return claim

    async def relieve(self, claim: BudgetClaim, over: OverLimit) -> None:
        """Make room in the budget that was full; raise `over`, or `NotRecorded`, if there is none.

        Orders that count as open may have ended.
        """
        await self._limiter.relieve(claim.key, over)

    async def recheck(self, caller: Caller, command: PlaceOrder) -> None:
        """See that no switch stops the order now: what came since `permit` may have taken seconds.

        Raises `TradingHalted` and `SwitchesUnread`.
        """
        await self._switch.check_place(caller.id, command.account)

    async def admit_cancel(self, caller: Caller, account: str, order_id: str) -> str:
        """Return the id of the grant that allows the cancel.

        Raises `UnknownAccount`, `Forbidden`, `TradingHalted`, `NotYours`, `NotLookedUp`, and
        `RateLimited`.
        """
        decision = self._authority.require(caller, Action.ORDERS_CANCEL, account)
        await self._switch.check_cancel(caller.id, account)
        await self._ownership.require_cancel(caller.id, account, order_id)
        await self._rates.take_call(account, cancel=True)
        return decision.rule

    async def admit_own_cancel(self, principal_id: str, account: str) -> None:
        """See that the gateway may cancel an order of the principal's without being asked to now.

        Raises `TradingHalted` and `RateLimited`.
        """
        await self._switch.check_own_cancel(principal_id, account)
        await self._rates.take_call(account, cancel=True)

    async def trading_state(self, caller: Caller, account: str) -> TradingState:
        """What the switches let the caller send for the account now."""
        switch = await self._switch.state(caller.id, account)
        return TradingState.ACTIVE if switch is None else switch.state
