"""An exchange of a few lines, in virtual time, that knows the truth about every order.

It shares nothing with what is tested but the domain's values. Who placed what is in `Truth`; an
account's view of it is what lists and the stream tell.
"""

from dataclasses import dataclass, field, replace
from decimal import Decimal

from gateway.domain.account import Fill
from gateway.domain.market import Market, OrderSide
from gateway.domain.orders import Order, OrderSpec, OrderStatus, OrderType

MARKETS = {
    "BTCUSDT": Market("BTCUSDT", "Bitcoin", "BTC", "USDT"),
    "ETHUSDT": Market("ETHUSDT", "Ethereum", "ETH", "USDT"),
}
STEP = Decimal("0.000001")
LISTED = 50
_NOTHING = Decimal(0)


@dataclass
class Truth:
    """One order as it really is; `placer` is a placement's id, or None for an outsider."""

    placer: str | None
    order: Order
    fills: list[Fill] = field(default_factory=list)


class ModelExchange:
    """One account: its orders, its fills (oldest first), its totals; and a clock in ms."""

    def __init__(self, *, stream_has_own_ids: bool) -> None:
        self.now = 1_000_000
        self.truths: dict[str, Truth] = {}
        self.fills: list[Fill] = []
        self.totals = {"BTC": Decimal(10_000), "ETH": Decimal(10_000), "USDT": Decimal(9_000_000)}
        self._own_ids = stream_has_own_ids
        self._ended: list[Order] = []
        self.stream_since: int | None = self.now
        self.now += 5_000

    def open_orders(self) -> tuple[Order, ...]:
        return tuple(
            each.order
            for each in self.truths.values()
            if not each.order.status.terminal
            and each.order.type not in (OrderType.MARKET, OrderType.FAST)
        )

    def listed_fills(self) -> tuple[Fill, ...]:
        return tuple(reversed(self.fills[-LISTED:]))

    def ended(self) -> tuple[Order, ...]:
        return tuple(self._ended)

    def break_stream(self) -> None:
        self.stream_since = None
        self._ended.clear()

    def restore_stream(self) -> None:
        if self.stream_since is None:
            self.stream_since = self.now

    def place(
        self,
        placer: str | None,
        symbol: str,
        side: OrderSide,
        spec: OrderSpec,
        price: Decimal,
        share: int,
    ) -> Truth:
        """Execute an order at once for `share` fourths of it, at `price`."""
        quantity = spec.quantity
        if spec.quote_total is not None:
            quantity = spec.quote_total // (price * STEP) * STEP
        assert quantity is not None
        order = Order(
            order_id=f"o{len(self.truths)}",
            symbol=symbol,
            side=side,
            type=spec.type,
            status=OrderStatus.NEW,
            time=self.now,
            price=spec.price,
            quantity=quantity,
            stop_price=spec.stop_price,
            filled_quantity=_NOTHING,
            filled_total=_NOTHING,
        )
        truth = self.truths[order.order_id or ""] = Truth(placer, order)
        self.fill(truth, share, price)
        if spec.type in (OrderType.MARKET, OrderType.FAST):
            self.cancel(truth)
        return truth

    def fill(self, truth: Truth, share: int, price: Decimal) -> None:
        """Fill up to `share` fourths of the whole order, no more than is left."""
        order = truth.order
        assert order.quantity is not None
        assert order.filled_quantity is not None
        assert order.filled_total is not None
        quantity = min(order.quantity * share / 4, order.quantity - order.filled_quantity)
        if quantity <= 0 or order.status.terminal:
            return
        fill = self._fill(order, quantity, price)
        self.fills.append(fill)
        truth.fills.append(fill)
        filled = order.filled_quantity + quantity
        done = filled == order.quantity
        truth.order = replace(
            order,
            filled_quantity=filled,
            filled_total=order.filled_total + quantity * price,
            status=OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED,
        )
        self._tell_end(truth)

    def cancel(self, truth: Truth) -> None:
        if truth.order.status.terminal:
            return
        truth.order = replace(truth.order, status=OrderStatus.CANCELLED)
        self._tell_end(truth)

    def told(self, truth: Truth) -> Order:
        """What the reply to an order shows: no id of one that is executed at once."""
        if truth.order.type not in (OrderType.MARKET, OrderType.FAST):
            return truth.order
        return replace(truth.order, order_id=None)

    def _fill(self, order: Order, quantity: Decimal, price: Decimal) -> Fill:
        market, buys = MARKETS[order.symbol], order.side is OrderSide.BUY
        total = quantity * price
        received = (market.base_asset, quantity) if buys else (market.quote_asset, total)
        fee = received[1] / 500
        self.totals[market.base_asset] += quantity if buys else -quantity
        self.totals[market.quote_asset] += -total if buys else total
        self.totals[received[0]] -= fee
        return Fill(
            order.symbol, price, quantity, order.side, order.type, fee, received[0], self.now
        )

    def _tell_end(self, truth: Truth) -> None:
        if self.stream_since is None or not truth.order.status.terminal:
            return
        own = f"stream-{truth.order.order_id}"
        named = replace(truth.order, order_id=own) if self._own_ids else truth.order
        self._ended.append(replace(named, filled_total=None))
