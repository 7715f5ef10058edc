"""What really happened at the exchange and how things stand, whatever anybody was told."""

from collections.abc import Iterable
from itertools import chain

from gateway.sandbox.endpoints import Venue
from gateway.sandbox.events import Order, OrderType, Side, Trade
from gateway.sandbox.record import Received, Record
from gateway.sandbox.replies import Body, plain, wallet
from gateway.sandbox.transfers import Deposit, Withdrawal


class Truth:
    """The truth of one exchange about ``accounts``, the house's included."""

    def __init__(self, venue: Venue, record: Record, accounts: Iterable[str]) -> None:
        self._engine = venue.engine
        self._assets = venue.treasury.assets
        self._transfers = venue.treasury.transfers
        self._record = record
        self.accounts = tuple(accounts)

    def body(self, account: str | None) -> Body:
        """Everything, or what concerns one account; ``dropped`` counts what was not kept.

        orders: those of clients, as they are now. trades: all, oldest first. openOrders: what
        rests, hidden stops included. deposits, withdrawals: newest first, not only the last 5.
        fees, deposited, withdrawn: by asset, of all accounts together.
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
            "balances": {one: wallet(ledger.balances(one), self._assets) for one in asked},
            "deposits": [
                _transfer_row(one) for each in asked for one in self._transfers.deposits(each)
            ],
            "withdrawals": [
                _withdrawal_row(one) for each in asked for one in self._transfers.withdrawals(each)
            ],
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
    """An order with all its members, whatever its type: what it does not have is zero or null."""
    is_stop = order.type is OrderType.STOP_LIMIT
    return {
        "account": order.account_id,
        "orderId": order.order_id,
        "status": order.status.value,
        "market": order.symbol,
        "orderType": order.type.text,
        "side": order.side.name,
        "price": plain(order.price),
        "target": plain(order.target),
        "stopType": order.stop_type.name if is_stop else None,
        "amount": plain(order.quantity),
        "filledAmount": plain(order.filled),
        "total": plain(order.total),
        "filledTotal": plain(order.filled_total),
        "time": order.time,
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


def _transfer_row(transfer: Deposit | Withdrawal) -> Body:
    return {
        "id": transfer.transfer_id,
        "account": transfer.account_id,
        "symbol": transfer.asset.symbol,
        "amount": plain(transfer.quantity),
        "state": transfer.state,
        "time": transfer.time,
        "txid": transfer.txid,
    }


def _withdrawal_row(withdrawal: Withdrawal) -> Body:
    return {
        **_transfer_row(withdrawal),
        "commission": plain(withdrawal.fee),
        "node": withdrawal.channel,
        "address": withdrawal.address,
        "secondParameter": withdrawal.tag,
    }


def _request_row(received: Received) -> Body:
    return {
        "sequence": received.sequence,
        "time": received.time,
        "method": received.method,
        "path": received.path,
        "parameters": received.parameters,
        "account": received.account,
        "digest": received.digest,
        "fault": received.fault,
        "executed": received.executed,
        "orderId": received.order_id,
        "status": received.status,
        "answered": received.answered,
    }
