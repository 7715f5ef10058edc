"""What really happened at the exchange and how things stand, whatever anybody was told."""

from collections.abc import Iterable
from itertools import chain

from gateway.sandbox.engine import Engine
from gateway.sandbox.events import Order, Side, Trade
from gateway.sandbox.record import Received, Record
from gateway.sandbox.replies import Body, placed_order, plain, wallet


class Truth:
    """The truth of one exchange about ``accounts``, the house's included."""

    def __init__(self, engine: Engine, record: Record, accounts: Iterable[str]) -> None:
        self._engine = engine
        self._record = record
        self.accounts = tuple(accounts)

    def body(self, account: str | None) -> Body:
        """Everything, or what concerns one account; ``dropped`` counts what was not kept.

        orders: those of clients, as they are now. trades: all, oldest first. openOrders: what
        rests, hidden stops included. fees, deposited, withdrawn: by asset, of all accounts.
        """
        ledger = self._engine.ledger
        asked = self.accounts if account is None else (account,)
        resting = chain.from_iterable(self._engine.open_orders(one) for one in asked)
        return {
            "orders": [
                _order_row(order)
                for order in self._record.orders.values()
                if order.account_id in asked
            ],
            "trades": [
                _trade_row(trade) for trade in self._record.trades if _concerns(trade, asked)
            ],
            "openOrders": [_order_row(order) for order in resting],
            "balances": {one: wallet(ledger.balances(one)) for one in asked},
            "fees": ledger.fees,
            "deposited": ledger.deposited,
            "withdrawn": ledger.withdrawn,
            "dropped": dict(self._record.dropped),
        }

    def requests(self, account: str | None) -> Body:
        """Every request received, or those with a key of one account; ``counts`` is by path."""
        rows = [
            _request_row(received)
            for received in self._record.requests
            if account in (None, received.account)
        ]
        dropped = self._record.dropped["requests"]
        return {"counts": dict(self._record.counts), "requests": rows, "dropped": dropped}


def _concerns(trade: Trade, accounts: tuple[str, ...]) -> bool:
    return trade.maker.account_id in accounts or trade.taker.account_id in accounts


def _order_row(order: Order) -> Body:
    return {
        "account": order.account_id,
        "orderId": order.order_id,
        "filledAmount": plain(order.filled),
        "filledTotal": plain(order.filled_total),
        **placed_order(order),
    }


def _trade_row(trade: Trade) -> Body:
    buy_is_taker = trade.taker.side is Side.BUY
    buy, sell = (trade.taker, trade.maker) if buy_is_taker else (trade.maker, trade.taker)
    return {
        "symbol": trade.symbol,
        "price": plain(trade.price),
        "amount": plain(trade.quantity),
        "time": trade.time,
        "takerSide": trade.taker.side.name,
        "buyer": {"account": buy.account_id, "orderId": buy.order_id},
        "seller": {"account": sell.account_id, "orderId": sell.order_id},
        "buyerFee": plain(trade.buyer_fee),
        "sellerFee": plain(trade.seller_fee),
    }


def _request_row(received: Received) -> Body:
    return {
        "time": received.time,
        "method": received.method,
        "path": received.path,
        "parameters": received.parameters,
        "account": received.account,
        "fault": received.fault,
        "executed": received.executed,
        "status": received.status,
        "answered": received.answered,
    }
