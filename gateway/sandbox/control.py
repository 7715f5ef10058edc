"""The control endpoint: faults on demand and the truth. For tests; only a loopback listener has it.

Every answer is JSON; what cannot be done answers 400 and ``error``. docs/sandbox-control.md is its
reference. It has no authentication, so it takes nothing from a web page, whose browser may be on
this machine.
"""

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from gateway.sandbox.bodies import read_body
from gateway.sandbox.clock import AdjustableClock
from gateway.sandbox.codes import Refusal
from gateway.sandbox.config import is_loopback
from gateway.sandbox.endpoints import Venue
from gateway.sandbox.exchange import ENDPOINTS
from gateway.sandbox.faults import Fault, FaultMethod, Faults, Outcome
from gateway.sandbox.faulty_replies import JSON
from gateway.sandbox.hub import Audience, StreamHub
from gateway.sandbox.record import Record
from gateway.sandbox.replies import Body, encode
from gateway.sandbox.stream_protocol import Topic
from gateway.sandbox.transfers import Ending, NotUnderWay
from gateway.sandbox.truth import Truth

_Wanted = TypeVar("_Wanted")
_DAY_MS = 86_400_000
_MOST = Decimal(10) ** 12


class Impossible(ValueError):
    """What the control endpoint is asked for cannot be done; ``reason`` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class _Action(StrEnum):
    CUT = "cut"
    MUTE = "mute"
    UNMUTE = "unmute"


class _StreamOrder(msgspec.Struct, forbid_unknown_fields=True):
    action: _Action
    account: str | None = None
    topic: Topic | None = None


class _Frame(msgspec.Struct, forbid_unknown_fields=True):
    text: str
    account: str | None = None
    topic: Topic | None = None


class _CancelAll(msgspec.Struct, forbid_unknown_fields=True):
    account: str
    symbol: str | None = None


class _Deposit(msgspec.Struct, forbid_unknown_fields=True):
    account: str
    asset: str
    quantity: Decimal

    def __post_init__(self) -> None:
        if not (self.quantity.is_finite() and 0 < self.quantity < _MOST):
            raise ValueError(f"a deposit is of a quantity above 0 and below {_MOST:f}")


class _EndName(StrEnum):
    REJECTED = "rejected"
    CANCELLED = "cancelled"


class _WithdrawalEnd(msgspec.Struct, forbid_unknown_fields=True):
    id: str
    ending: _EndName


_CHOICES: Mapping[str, type[StrEnum]] = MappingProxyType(
    {"$.outcome": Outcome, "$.action": _Action, "$.ending": _EndName, "$.method": FaultMethod}
)


class _ClockSetting(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    skew_ms: Annotated[int, msgspec.Meta(ge=-_DAY_MS, le=_DAY_MS)]


class Control:
    """Steers one sandbox and tells the truth about it."""

    def __init__(
        self,
        *,
        venue: Venue,
        publish: Callable[[], None],
        faults: Faults,
        record: Record,
        hub: StreamHub,
        truth: Truth,
        clock: AdjustableClock,
    ) -> None:
        self._engine = venue.engine
        self._treasury = venue.treasury
        self._publish = publish
        self._faults = faults
        self._record = record
        self._hub = hub
        self._truth = truth
        self._clock = clock

    def mount(self) -> Mount:
        """The routes under ``/control``."""
        routes = [
            _route("GET", "/faults", self._show_faults),
            _route("POST", "/faults", self._add_fault),
            _route("DELETE", "/faults", self._clear_faults),
            _route("DELETE", "/faults/{number:int}", self._remove_fault),
            _route("GET", "/streams", self._show_streams),
            _route("POST", "/streams", self._steer_streams),
            _route("POST", "/frames", self._inject),
            _route("POST", "/cancel-all", self._cancel_all),
            _route("POST", "/deposits", self._deposit),
            _route("POST", "/withdrawals", self._end_withdrawal),
            _route("GET", "/clock", self._show_clock),
            _route("POST", "/clock", self._set_clock),
            _route("GET", "/requests", self._show_requests),
            _route("DELETE", "/requests", self._forget_requests),
            _route("GET", "/truth", self._show_truth),
        ]
        return Mount("/control", routes=routes)

    async def _show_faults(self, _request: Request) -> Body:
        rows = [{"number": number, **msgspec.to_builtins(fault)} for number, fault in self._faults]
        return {"faults": rows}

    async def _add_fault(self, request: Request) -> Body:
        fault = await _decode(request, Fault)
        if not any(fault.fits_endpoint(*endpoint) for endpoint in ENDPOINTS):
            raise Impossible(
                f"no endpoint {' '.join(filter(None, (fault.method, fault.endpoint)))}"
            )
        self._check_account(fault.account)
        return {"number": self._faults.add(fault)}

    async def _clear_faults(self, request: Request) -> Body:
        self._faults.clear()
        return await self._show_faults(request)

    async def _remove_fault(self, request: Request) -> Body:
        self._faults.remove(request.path_params["number"])
        return await self._show_faults(request)

    async def _show_streams(self, _request: Request) -> Body:
        rows = [
            {
                "account": subscriber.protocol.account_id,
                "topics": [topic.body() for topic in subscriber.protocol.topics],
            }
            for subscriber in self._hub.subscribers
        ]
        return {"muted": [msgspec.to_builtins(one) for one in self._hub.muted], "connections": rows}

    async def _steer_streams(self, request: Request) -> Body:
        order = await _decode(request, _StreamOrder)
        audience = self._audience(order.account, order.topic)
        match order.action:
            case _Action.CUT:
                self._hub.cut(audience)
            case _Action.MUTE:
                self._hub.mute(audience)
            case _Action.UNMUTE:
                self._hub.unmute(audience)
        return await self._show_streams(request)

    async def _inject(self, request: Request) -> Body:
        frame = await _decode(request, _Frame)
        audience = self._audience(frame.account, frame.topic)
        return {"connections": self._hub.inject(audience, frame.text)}

    async def _cancel_all(self, request: Request) -> Body:
        order = await _decode(request, _CancelAll)
        self._check_account(order.account)
        symbols = self._engine.markets if order.symbol is None else [order.symbol]
        try:
            cancelled = [self._engine.cancel_all(order.account, symbol) for symbol in symbols]
        except Refusal as refusal:
            raise Impossible(str(refusal)) from refusal
        self._publish()
        return {"orderIds": [one.order_id for orders in cancelled for one in orders]}

    async def _deposit(self, request: Request) -> Body:
        order = await _decode(request, _Deposit)
        self._check_account(order.account)
        try:
            asset = self._treasury.asset(order.asset)
        except Refusal:
            raise Impossible(f"no asset {order.asset}") from None
        if order.quantity % asset.step:
            raise Impossible(f"{asset.symbol} goes in steps of {asset.step}")
        transfers = self._treasury.transfers
        deposit = transfers.deposit(order.account, asset, order.quantity, self._clock())
        return {"id": deposit.transfer_id, "state": deposit.state}

    async def _end_withdrawal(self, request: Request) -> Body:
        order = await _decode(request, _WithdrawalEnd)
        try:
            ended = self._treasury.transfers.end(order.id, Ending[order.ending.name])
        except NotUnderWay as mistake:
            raise Impossible(str(mistake)) from mistake
        self._publish()
        return {"id": ended.transfer_id, "state": ended.state}

    async def _show_clock(self, _request: Request) -> Body:
        return {"skewMs": self._clock.skew_ms, "time": self._clock()}

    async def _set_clock(self, request: Request) -> Body:
        self._clock.skew_ms = (await _decode(request, _ClockSetting)).skew_ms
        return await self._show_clock(request)

    async def _show_requests(self, request: Request) -> Body:
        return self._truth.requests(self._asked_account(request))

    async def _forget_requests(self, request: Request) -> Body:
        self._record.forget_requests()
        return await self._show_requests(request)

    async def _show_truth(self, request: Request) -> Body:
        return self._truth.body(self._asked_account(request))

    def _audience(self, account: str | None, topic: Topic | None) -> Audience:
        self._check_account(account)
        if topic is not None:
            try:
                topic.check(self._engine.markets)
            except Refusal as refusal:
                raise Impossible(f"no topic {topic.body()}") from refusal
        return Audience(account, topic)

    def _asked_account(self, request: Request) -> str | None:
        account = request.query_params.get("account")
        self._check_account(account)
        return account

    def _check_account(self, account: str | None) -> None:
        if account is not None and account not in self._truth.accounts:
            raise Impossible(f"no account {account}")


def _route(method: str, path: str, answer: Callable[[Request], Awaitable[Body]]) -> Route:
    async def endpoint(request: Request) -> Response:
        _check_caller(request)
        return _json(await answer(request))

    return Route(path, endpoint, methods=[method])


def _check_caller(request: Request) -> None:
    """Refuse what a browser may send for a web page, by its origin or by a name that it made up."""
    headers = request.headers
    if "origin" in headers or not _is_this_machine(headers.get("host", "")):
        raise Impossible("web pages are not obeyed: no Origin, and a Host that is this machine")


def _is_this_machine(host: str) -> bool:
    try:
        return is_loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False


async def _decode(request: Request, shape: type[_Wanted]) -> _Wanted:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != JSON:
        raise Impossible(f"orders are of Content-Type {JSON}")
    try:
        return msgspec.json.decode(await read_body(request), type=shape)
    except msgspec.DecodeError as error:
        raise Impossible(_explained(error)) from None


def _explained(error: msgspec.DecodeError) -> str:
    """What is wrong, and where it is a choice, what there is to choose from."""
    text = str(error)
    for place, choices in _CHOICES.items():
        if text.startswith("Invalid enum value") and text.endswith(f"`{place}`"):
            return f"{text}: one of {', '.join(choices)}"
    return text


def _json(body: Body, status: int = 200) -> Response:
    return Response(encode(body), status_code=status, media_type=JSON)


async def _refuse(_request: Request, impossible: Exception) -> Response:
    return _json({"error": str(impossible)}, status=400)


async def _refuse_unknown(request: Request, _error: Exception) -> Response:
    return _json({"error": f"there is no {request.method} {request.url.path}"}, status=400)


CONTROL_FAULTS = {Impossible: _refuse, 404: _refuse_unknown, 405: _refuse_unknown}
"""What an application answers when the control endpoint cannot do what it is asked for."""
