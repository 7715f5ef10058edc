"""A seeded market maker: prices wander, quotes follow, trades print, near orders get filled."""

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from itertools import cycle, islice
from random import Random

from gateway.sandbox.codes import Refusal
from gateway.sandbox.engine import Engine
from gateway.sandbox.events import Side
from gateway.sandbox.markets import Market
from gateway.sandbox.order_requests import LimitOrder, MarketOrder, OrderRequest

# Two accounts, because an account may not trade with itself.
QUOTING_ACCOUNT = "market-maker"
TAKING_ACCOUNT = "market-taker"
HOUSE_ACCOUNTS = (QUOTING_ACCOUNT, TAKING_ACCOUNT)
HOUSE_BALANCE = Decimal(10) ** 10

_LEVELS = 12
_MARKETS_A_TICK = 3
_TAKE_CHANCE = 0.7
_STEP = 0.0006
_PULL = 0.002
_HALF_SPREAD = 0.0003
_LEVEL_GAP = 0.0004
_SMALL_TOTAL = 100
# In the smallest totals that a market takes, so that any quote asset has sensible levels.
_LEVEL_TOTALS = (1_000, 10_000)


class MarketMaker:
    """Quotes the markets that take and give back orders; each tick moves a few of them, in turn."""

    def __init__(self, engine: Engine, rng: Random) -> None:
        self._engine = engine
        self._rng = rng
        self._markets = [
            market
            for market in engine.markets.values()
            if market.enabled and market.order_enabled and market.cancel_enabled
        ]
        self._mids = {
            market.symbol: int(market.opening_price / market.tick) for market in self._markets
        }
        self._turns = cycle(self._markets)
        self._markets_of = Counter(
            asset for market in self._markets for asset in (market.base, market.quote)
        )

    def open(self, now: int) -> None:
        """Quote every market for the first time."""
        for market in self._markets:
            self._quote(market, now)

    def tick(self, now: int) -> None:
        """Move the next few markets: shift the mid, quote anew, and mostly trade."""
        for market in islice(self._turns, _MARKETS_A_TICK):
            self._shift(market)
            self._quote(market, now)
            if self._rng.random() < _TAKE_CHANCE:
                self._take(market, now)

    def _shift(self, market: Market) -> None:
        """Step at random, drawn a little towards the opening price so that nothing runs away."""
        mid = self._mids[market.symbol]
        opening = int(market.opening_price / market.tick)
        step = self._rng.gauss(0, _STEP) * mid + (opening - mid) * _PULL
        self._mids[market.symbol] = max(1, round(mid + step))

    def _quote(self, market: Market, now: int) -> None:
        # The old quotes go first: else a moved mid would meet its own orders.
        for order in self._engine.open_orders(QUOTING_ACCOUNT):
            if order.symbol == market.symbol:
                self._engine.cancel(QUOTING_ACCOUNT, order.order_id)
        self._place(QUOTING_ACCOUNT, self._quotes(market), now)

    def _quotes(self, market: Market) -> Iterable[LimitOrder]:
        """Levels on both sides; a price of a few ticks leaves room for fewer bids."""
        mid = self._mids[market.symbol]
        for level in range(_LEVELS):
            away = max(1 + level, round(mid * (_HALF_SPREAD + level * _LEVEL_GAP)))
            for side, ticks in ((Side.BUY, mid - away), (Side.SELL, mid + away)):
                if ticks > 0:
                    price = ticks * market.tick
                    quantity = self._quantity(market, side, price)
                    yield LimitOrder(market.symbol, side, price, quantity)

    def _take(self, market: Market, now: int) -> None:
        """Trade with the best order of a random side, whosever it is: a small one as a whole."""
        side = self._rng.choice((Side.BUY, Side.SELL))
        best = self._engine.books[market.symbol].side(side.opposite).best()
        if best is None:
            return
        share = Decimal(self._rng.randint(5, 60)) / 100
        small = best.price * best.quantity < _SMALL_TOTAL * market.min_total
        part = (best.quantity * share).quantize(market.quantity_step)
        quantity = best.quantity if small else max(part, market.min_quantity)
        self._place(TAKING_ACCOUNT, [_taking(market, side, best.price, quantity)], now)

    def _quantity(self, market: Market, side: Side, price: Decimal) -> Decimal:
        total = self._rng.randint(*_LEVEL_TOTALS) * market.min_total
        affordable = (
            self._share(market.quote) / price if side is Side.BUY else self._share(market.base)
        )
        quantity = min(total / price, affordable).quantize(market.quantity_step)
        return max(quantity, market.min_quantity)

    def _share(self, asset: str) -> Decimal:
        """What one level may bind, so that every level of every market of the asset has as much."""
        total = self._engine.ledger.balance(QUOTING_ACCOUNT, asset).total
        return total / (self._markets_of[asset] * _LEVELS)

    def _place(self, account_id: str, requests: Iterable[OrderRequest], now: int) -> None:
        """Place what the rules allow.

        Clients may have driven the last price so far off that a quote is refused; the next take
        at market brings it back.
        """
        for request in requests:
            try:
                self._engine.place(account_id, request, now)
            except Refusal:
                continue


def _taking(market: Market, side: Side, price: Decimal, quantity: Decimal) -> OrderRequest:
    """Prefer a market order: no distance from the last price forbids it."""
    if market.market_orders:
        return MarketOrder(market.symbol, side, quantity)
    return LimitOrder(market.symbol, side, price, quantity)
