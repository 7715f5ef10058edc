"""What a grant's limits say of an order, before anything is signed or recorded."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal

from gateway.access.policy import Grant
from gateway.domain.budgets import Bounds, Budget, Notional, listed
from gateway.domain.errors import GatewayError, NotRecorded, OverLimit
from gateway.domain.market import OrderSide
from gateway.domain.money import exact_product, exact_sum, shortest
from gateway.domain.orders import OrderType, PlaceOrder
from gateway.services.account_rereads import AccountRereads
from gateway.services.market_data import MarketData, MarketView
from gateway.services.reference_prices import ReferencePrices
from gateway.store.budgets import BudgetClaim, BudgetKey, Budgets
from gateway.store.redis import StoreUnavailable

_RESTING = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})
_ONE_PERCENT = Decimal("0.01")
_ASK_AGAIN_S = 1.0


class OrderLimiter:
    """Keeps orders within the limits of the grants that allow them; `now` in ms."""

    def __init__(
        self,
        *,
        market_data: MarketData,
        budgets: Budgets,
        rereads: AccountRereads,
        now: Callable[[], int],
    ) -> None:
        self._market_data = market_data
        self._prices = ReferencePrices(market_data)
        self._budgets = budgets
        self._rereads = rereads
        self._now = now

    async def claim(
        self, principal_id: str, grant: Grant, command: PlaceOrder, placement_id: str
    ) -> BudgetClaim | None:
        """See that the grant's limits allow the order; give what it claims of its budget.

        The journal makes the claim together with the order's record, or raises `OverLimit`. None
        where no limit counts orders: a grant without limits costs nothing. Raises `OverLimit`,
        and `UnknownSymbol` and `SourceUnavailable` when the order's market is not known.
        """
        limits = grant.limits
        await self._check_collar(grant, command)
        notional = await self.notional(command, grant)
        if limits.order_notional is not None and notional is not None:
            _check_order(grant.id, notional, limits.order_notional)
        rests = command.type in _RESTING and limits.open_orders is not None
        if limits.day_notional is None and not rests:
            return None
        key = BudgetKey(command.account, principal_id, grant.id)
        bounds = Bounds(
            rule=grant.id, day_notional=limits.day_notional, open_orders=limits.open_orders
        )

        def change(budget: Budget) -> Budget:
            return budget.reserve(placement_id, notional, bounds, self._now(), rests=rests)

        return BudgetClaim(key, change)

    async def relieve(self, key: BudgetKey, over: OverLimit) -> None:
        """Count orders that have ended as open no more; raise `over` where that frees nothing.

        Raises `NotRecorded` when Redis is away.
        """
        if over.limit != "open_orders":
            raise over
        try:
            ended = await self._ended(key, over)
            if not ended:
                raise over
            await self._budgets.update(key, lambda budget: budget.closed(ended))
        except StoreUnavailable as away:
            raise NotRecorded from away

    async def notional(self, command: PlaceOrder, grant: Grant) -> Notional | None:
        """What the order counts; None where no limit of the grant asks for it.

        At the market it is the far side of a fresh top of book plus the collar. Raises as
        `claim` does.
        """
        limits = grant.limits
        if limits.order_notional is None and limits.day_notional is None:
            return None
        market = await MarketView(self._market_data, self._now).market(command.symbol)
        return Notional(market.quote_asset, await self._total(command, grant))

    async def aclose(self) -> None:
        """Cancel what is under way."""
        await self._prices.aclose()

    async def _total(self, command: PlaceOrder, grant: Grant) -> Decimal:
        spec = command.spec
        if spec.quote_total is not None:
            return spec.quote_total
        quantity = spec.quantity or Decimal(0)
        if spec.price is not None:
            return exact_product(spec.price, quantity)
        if grant.limits.collar_percent is None:
            raise OverLimit(grant.id, "collar_percent", f"{command.type} orders need one")
        price = await self._prices.far_side(command.symbol, command.side)
        if price is None:
            raise _no_fresh_price(grant, command)
        return _beyond(exact_product(quantity, price), grant.limits.collar_percent)

    async def _check_collar(self, grant: Grant, command: PlaceOrder) -> None:
        price, percent = command.spec.price, grant.limits.collar_percent
        if price is None or percent is None:
            return
        reference = command.spec.stop_price
        if reference is None:
            reference = await self._prices.reference(command.symbol, command.side)
        if reference is None:
            raise _no_fresh_price(grant, command)
        _check_price(grant.id, command.side, price, reference, percent)

    async def _ended(self, key: BudgetKey, over: OverLimit) -> frozenset[str]:
        """The orders that count as open and that the exchange, asked after that, does not list."""
        counted = (await self._budgets.read(key)).order_ids()
        if not counted:
            raise over
        try:
            reread = await self._rereads.of(key.account)
        except GatewayError as failure:
            problem = f"{over.problem}; the exchange could not be asked which still are"
            raise replace(over, problem=problem, retry_after=_ASK_AGAIN_S) from failure
        return counted - {order.order_id for order in reread.open_orders}


def _check_order(rule: str, notional: Notional, limits: Mapping[str, Decimal]) -> None:
    limit = listed(notional, limits, rule, "order_notional")
    if notional.total > limit:
        counts = f"the order counts {shortest(notional.total)} {notional.asset}"
        problem = f"{counts}; {shortest(limit)} are the most"
        raise OverLimit(rule, "order_notional", problem)


def _check_price(
    rule: str, side: OrderSide, price: Decimal, reference: Decimal, percent: Decimal
) -> None:
    buys = side is OrderSide.BUY
    bound = _beyond(reference, percent if buys else percent.copy_negate())
    if price > bound if buys else price < bound:
        word = "above" if buys else "below"
        far = f"the price {shortest(price)} lies {word} {shortest(bound)}"
        problem = f"{far}, which is {shortest(percent)} % {word} {shortest(reference)}"
        raise OverLimit(rule, "collar_percent", problem)


def _beyond(value: Decimal, percent: Decimal) -> Decimal:
    return exact_product(value, exact_sum(Decimal(100), percent), _ONE_PERCENT)


def _no_fresh_price(grant: Grant, command: PlaceOrder) -> OverLimit:
    problem = f"no fresh price of {command.symbol} is known to measure the order by"
    return OverLimit(grant.id, "collar_percent", problem, _ASK_AGAIN_S)
