"""One account as it stands at the exchange: orders, balances and fills together."""

from collections.abc import Iterable

from gateway.domain.account import Balance, BalanceChange
from gateway.domain.orders import Order
from gateway.services.balance_mirror import BalanceMirror
from gateway.services.fill_mirror import FillMirror
from gateway.services.order_mirror import OrderMirror


class AccountMirror:
    """What the account's frames say, by what they say it of."""

    def __init__(self) -> None:
        self.orders = OrderMirror()
        self.balances = BalanceMirror()
        self.fills = FillMirror()

    def apply(self, value: Order | BalanceChange) -> Iterable[Order | Balance]:
        """Take a frame; return what is news, in order.

        Whatever an account's frame tells, a fill may be behind it. An order's frame parts what was
        told before from what comes after: a part of a balance waits no longer for its other part.
        """
        self.fills.outdate()
        if isinstance(value, BalanceChange):
            return self.balances.apply(value)
        settled = self.balances.settle_all()
        changed = self.orders.apply(value)
        return settled if changed is None else (*settled, changed)
