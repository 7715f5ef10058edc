"""An order against the rules of its market ('Get Symbol Detailed Info'). Pure.

Each check raises `AgainstRules`, with the name that the exchange's own code for it has.
"""

from decimal import Decimal

from gateway.domain.market import MarketRules, OrderSide
from gateway.domain.money import exact_product, shortest
from gateway.domain.order_errors import AgainstRules
from gateway.domain.orders import PlaceOrder
from gateway.exchange import ERROR_CODES

MOST_OF_LAST = Decimal("2.5")
"""A sell priced above this multiple of the last price is refused (10061)."""

LEAST_OF_LAST = Decimal("0.4")
"""A buy priced below this multiple of the last price is refused (10062)."""


def against(rule: str, exchange_code: str, problem: str) -> AgainstRules:
    """The refusal by `rule` of what the exchange refuses with `exchange_code`."""
    known = ERROR_CODES[exchange_code]
    return AgainstRules(rule, problem, known.name, known.retryable)


def check_terms(command: PlaceOrder, rules: MarketRules) -> None:
    """See that the market takes orders, and that it can express the order's terms."""
    if not (rules.enabled and rules.order_enabled):
        raise against("market.enabled", "10038", f"{rules.symbol} takes no orders now")
    spec = command.spec
    _check_decimals("price", spec.price, rules.price_precision, "20007")
    _check_decimals("stopPrice", spec.stop_price, rules.price_precision, "20008")
    if spec.quantity is not None and spec.quantity < rules.min_quantity:
        figures = f"{shortest(spec.quantity)}; the least is {shortest(rules.min_quantity)}"
        raise against("market.min_quantity", "10040", f"the quantity is {figures}")
    _check_decimals("quantity", spec.quantity, rules.quantity_precision, "20009")
    _check_decimals("quoteTotal", spec.quote_total, rules.total_precision, "20012")


def check_total(command: PlaceOrder, rules: MarketRules, price: Decimal | None) -> None:
    """See that the order is worth enough; `price`: what it trades at, None if nobody knows."""
    total = command.spec.quote_total
    if total is None:
        if price is None or command.spec.quantity is None:
            return
        total = exact_product(price, command.spec.quantity)
    if total < rules.min_total:
        figures = f"{shortest(total)}; the least is {shortest(rules.min_total)}"
        raise against("market.min_total", "10039", f"the order's total is {figures}")


def check_price_band(command: PlaceOrder, last: Decimal | None) -> None:
    """See that its price is not too far on its own side of the `last` one, if that is known."""
    price = command.spec.price
    if price is None or last is None:
        return
    if command.side is OrderSide.SELL and price > (bound := exact_product(last, MOST_OF_LAST)):
        problem = f"the sell price {shortest(price)} is above {shortest(bound)}, 250 % of the last"
        raise against("market.price_band", "10061", f"{problem}, {shortest(last)}")
    if command.side is OrderSide.BUY and price < (bound := exact_product(last, LEAST_OF_LAST)):
        problem = f"the buy price {shortest(price)} is below {shortest(bound)}, 40 % of the last"
        raise against("market.price_band", "10062", f"{problem}, {shortest(last)}")


_RULES = {
    "price": "market.price_precision",
    "stopPrice": "market.price_precision",
    "quantity": "market.quantity_precision",
    "quoteTotal": "market.total_precision",
}


def _check_decimals(term: str, value: Decimal | None, most: int, exchange_code: str) -> None:
    if value is None:
        return
    text = shortest(value)
    if len(text.partition(".")[2]) > most:
        problem = f"{term} {text} has more than {most} decimals"
        raise against(_RULES[term], exchange_code, problem)
