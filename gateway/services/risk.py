"""What keeps an order from being sent because market or account could not bear it.

The exchange would refuse most of it, too; here it costs no call, leaves no record, and is told with
the figures. The order of the checks is the exchange's.
"""

from collections.abc import Callable
from decimal import Decimal

from gateway.domain.errors import GatewayError
from gateway.domain.market import MarketKey, MarketKind, MarketRules, Ticker
from gateway.domain.order_errors import AgainstRules
from gateway.domain.orders import PlaceOrder
from gateway.services.account_rereads import AccountRereads, Reread
from gateway.services.baselines import AccountView
from gateway.services.market_data import MarketData, MarketView
from gateway.services.reference_prices import ReferencePrices
from gateway.services.risk_of_account import check_account
from gateway.services.risk_of_market import check_price_band, check_terms, check_total


class RiskRules:
    """Checks orders against the rules of their market and what stands on their account.

    What an account's stream told last may be older than a cancel that was just carried out: before
    it refuses an order, the account is read once more. `now` gives the time in ms.
    """

    def __init__(
        self, *, market_data: MarketData, rereads: AccountRereads, now: Callable[[], int]
    ) -> None:
        self._market_data = market_data
        self._rereads = rereads
        self._prices = ReferencePrices(market_data)
        self._now = now

    async def check(self, command: PlaceOrder, view: AccountView) -> None:
        """Raise `AgainstRules` for an order that must not be sent.

        Raises `SourceUnavailable`, `UnknownSymbol` and `Refused` when the rules of its market
        cannot be had. What prices tell is checked while fresh ones are known.
        """
        rules = await self._rules(command.symbol)
        check_terms(command, rules)
        price = await self._price(command)
        check_total(command, rules, price)
        check_price_band(command, self._last(command.symbol))
        market = await MarketView(self._market_data, self._now).market(command.symbol)
        try:
            check_account(command, price, market, view.open_orders, view.balances)
        except AgainstRules as refusal:
            reread = await self._reread(command.account, refusal)
            check_account(command, price, market, reread.open_orders, reread.balances)

    async def aclose(self) -> None:
        """Cancel what is under way."""
        await self._prices.aclose()

    async def _reread(self, account: str, refusal: AgainstRules) -> Reread:
        try:
            return await self._rereads.of(account)
        except GatewayError:
            raise refusal from None

    async def _rules(self, symbol: str) -> MarketRules:
        snapshot = await self._market_data.read(MarketKey(MarketKind.RULES, symbol))
        rules: MarketRules = snapshot.value
        return rules

    async def _price(self, command: PlaceOrder) -> Decimal | None:
        """What the order trades at, as far as that is known: its own price, or the far side's."""
        if command.spec.price is not None:
            return command.spec.price
        return await self._prices.far_side(command.symbol, command.side)

    def _last(self, symbol: str) -> Decimal | None:
        snapshot = self._market_data.fresh(MarketKey(MarketKind.TICKER, symbol))
        if snapshot is None:
            return None
        ticker: Ticker = snapshot.value
        return ticker.last
