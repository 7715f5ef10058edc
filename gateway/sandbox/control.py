"""The control endpoint: faults on demand and the truth. For tests; only a loopback listener has it.

GET, POST, DELETE  /control/faults    what REST endpoints do wrong
GET, POST          /control/streams   open connections; cut, mute, unmute all of them
GET, DELETE        /control/requests  what was received, without keys and signatures
GET                /control/truth     the clients' orders, trades and balances
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import TypeVar

import msgspec
from msgspec import to_builtins
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from gateway.sandbox.events import Order, Side, Trade
from gateway.sandbox.faults import Fault, Faults
from gateway.sandbox.hub import StreamHub
from gateway.sandbox.ledger import Ledger
from gateway.sandbox.record import Record
from gateway.sandbox.replies import Body, encode, placed_order, plain, wallet

_Order = TypeVar("_Order")


class _StreamAction(StrEnum):
    CUT = "cut"
    MUTE = "mute"
    UNMUTE = "unmute"


class _StreamOrder(msgspec.Struct, forbid_unknown_fields=True):
    action: _StreamAction


class Control:
    """Steers one sandbox and tells the truth about it; what it is told wrong answers 400."""

    def __init__(
        self,
        faults: Faults,
        record: Record,
        hub: StreamHub,
        ledger: Ledger,
        accounts: Iterable[str],
    ) -> None:
        self._faults = faults
        self._record = record
        self._hub = hub
        self._ledger = ledger
        self._accounts = tuple(accounts)

    def mount(self) -> Mount:
        """The routes under ``/control``."""
        routes = [
            Route("/faults", self._show_faults, methods=["GET"]),
            Route("/faults", self._add_fault, methods=["POST"]),
            Route("/faults", self._clear_faults, methods=["DELETE"]),
            Route("/streams", self._show_streams, methods=["GET"]),
            Route("/streams", self._steer_streams, methods=["POST"]),
            Route("/requests", self._show_requests, methods=["GET"]),
            Route("/requests", self._forget_requests, methods=["DELETE"]),
            Route("/truth", self._show_truth, methods=["GET"]),
        ]
        return Mount("/control", routes=routes)

    async def _show_faults(self, _request: Request) -> Response:
        rows = [{"number": number, **to_builtins(fault)} for number, fault in self._faults]
        return _json({"faults": rows})

    async def _add_fault(self, request: Request) -> Response:
        fault = await _decode(request, Fault)
        if isinstance(fault, Response):
            return fault
        self._faults.add(fault)
        return await self._show_faults(request)

    async def _clear_faults(self, request: Request) -> Response:
        self._faults.clear()
        return await self._show_faults(request)

    async def _show_streams(self, _request: Request) -> Response:
        rows = [
            {
                "account": subscriber.protocol.account_id,
                "topics": [topic.body() for topic in subscriber.protocol.topics],
            }
            for subscriber in self._hub.subscribers
        ]
        return _json({"muted": self._hub.muted, "connections": rows})

    async def _steer_streams(self, request: Request) -> Response:
        order = await _decode(request, _StreamOrder)
        if isinstance(order, Response):
            return order
        if order.action is _StreamAction.CUT:
            self._hub.cut_all()
        else:
            self._hub.muted = order.action is _StreamAction.MUTE
        return await self._show_streams(request)

    async def _show_requests(self, _request: Request) -> Response:
        rows = [
            {
                "method": received.method,
                "path": received.path,
                "parameters": list(received.parameters.items()),
            }
            for received in self._record.requests
        ]
        return _json({"counts": dict(self._record.counts), "requests": rows})

    async def _forget_requests(self, request: Request) -> Response:
        self._record.forget_requests()
        return await self._show_requests(request)

    async def _show_truth(self, _request: Request) -> Response:
        balances = {
            account_id: wallet(self._ledger.balances(account_id)) for account_id in self._accounts
        }
        return _json(
            {
                "orders": [_order_row(order) for order in self._record.orders.values()],
                "trades": [_trade_row(trade) for trade in self._record.trades],
                "balances": balances,
            }
        )


async def _decode(request: Request, shape: type[_Order]) -> _Order | Response:
    try:
        return msgspec.json.decode(await request.body(), type=shape)
    except msgspec.DecodeError as error:
        return _json({"error": str(error)}, status=400)


def _order_row(order: Order) -> Body:
    return {"account": order.account_id, **placed_order(order)}


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


def _json(body: Body, status: int = 200) -> Response:
    return Response(encode(body), status_code=status, media_type="application/json")
