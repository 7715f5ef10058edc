"""An order against what stands on its account. Pure.

Each check raises `AgainstRules`, with the name that the exchange's own code for it has.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from gateway.domain.account import Balance
from gateway.domain.market import Market, OrderSide
from gateway.domain.money import exact_product, shortest
from gateway.domain.orders import Order, OrderType, PlaceOrder
from gateway.services.risk_of_market import against

_SELF_CROSS, _BALANCE = "account.self_cross", "account.balance"
_NOTHING = Decimal(0)


def check_account(
    command: PlaceOrder,
    price: Decimal | None,
    market: Market,
    open_orders: Iterable[Order],
    balances: Mapping[str, Balance],
) -> None:
    """See that the account can bear the order, which trades at `price` as far as that is known."""
    check_self_cross(command, price, open_orders)
    check_balance(command, price, market, balances)


def check_self_cross(
    command: PlaceOrder, price: Decimal | None, open_orders: Iterable[Order]
) -> None:
    """See that the order would meet no open order of the account, whoever placed that one.

    `price`: its own, or the best on the far side for an order at the market; None if nobody knows.
    A stop waits outside the book: it meets nothing before a trade reaches it.
    """
    if price is None or command.type is OrderType.STOP_LIMIT:
        return
    opposite = [
        order.price
        for order in open_orders
        if order.symbol == command.symbol
        and order.side is not command.side
        and order.price is not None
        and _in_the_book(order)
    ]
    if not opposite:
        return
    buys = command.side is OrderSide.BUY
    best = min(opposite) if buys else max(opposite)
    if best <= price if buys else best >= price:
        # Not which order it is: it may be one that the caller must not know of.
        open_side = "sell" if buys else "buy"
        problem = f"it would meet an open {open_side} at {shortest(best)} of the same account"
        raise against(_SELF_CROSS, "10041", f"at {shortest(price)} {problem}")


def check_balance(
    command: PlaceOrder, price: Decimal | None, market: Market, balances: Mapping[str, Balance]
) -> None:
    """See that what the order takes is available; `price` as for `check_self_cross`.

    What the wallet does not list, the account does not have. Fees come off what is received.
    """
    buys = command.side is OrderSide.BUY
    asset = market.quote_asset if buys else market.base_asset
    needed = _cost(command, price) if buys else command.spec.quantity
    if needed is None:
        return
    balance = balances.get(asset)
    available = _NOTHING if balance is None else balance.available
    if needed > available:
        figures = f"{shortest(needed)} {asset}; {shortest(available)} are available"
        raise against(_BALANCE, "10031", f"the order takes {figures}")


def _in_the_book(order: Order) -> bool:
    """Whether it is certain to be: of a stop, only fills tell that it was reached."""
    return order.type is OrderType.LIMIT or bool(order.filled_quantity)


def _cost(command: PlaceOrder, price: Decimal | None) -> Decimal | None:
    """What a buy spends of the quote asset, as far as that is known."""
    if command.spec.quote_total is not None:
        return command.spec.quote_total
    if price is None or command.spec.quantity is None:
        return None
    return exact_product(price, command.spec.quantity)
