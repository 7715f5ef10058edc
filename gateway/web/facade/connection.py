"""One stream connection in the exchange's protocol, from its opening to its end."""

import asyncio
from collections.abc import Callable, Collection, Hashable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect

from gateway.access.policy import Action
from gateway.access.principal import Caller, Principal
from gateway.access.proving import NotProven
from gateway.domain.errors import GatewayError
from gateway.domain.limits import Rate
from gateway.domain.market import MarketListing
from gateway.observability import trace_id
from gateway.services.market_data import LISTING
from gateway.web.authentication import note_refusal
from gateway.web.facade.account_following import AccountFollowing, Listener
from gateway.web.facade.message_rate import MessageRate
from gateway.web.facade.parts import FacadeParts
from gateway.web.facade.requests import Body
from gateway.web.facade.stream_identity import Identity, identity_of_key
from gateway.web.facade.stream_protocol import (
    INVALID_REQUEST,
    NOT_ALLOWED,
    TOO_MANY,
    UNAUTHORIZED,
    UNEXPECTED,
    BadCommand,
    Change,
    Command,
    Login,
    Method,
    Plain,
    StreamName,
    failed,
    read_command,
    succeeded,
    write,
)
from gateway.web.facade.subscriptions import Subscriber, Subscriptions
from gateway.web.open_sockets import TRY_LATER
from gateway.web.outbox import Outbox, OutboxFull

_log = structlog.get_logger(__name__)

GOING_AWAY, NOT_PERMITTED, RESTARTED = 1001, 1008, 1012
MESSAGES = Rate(200, 10)
"""Enough for a client that subscribes to every stream with a message of its own when it begins."""

_CLOSE_WITHIN_S = 1.0


@dataclass(frozen=True, slots=True)
class Ending:
    """How the gateway closes a connection: with `code`, and `reason` for people."""

    code: int
    reason: str


MISSED = Ending(RESTARTED, "Frames are missing: connect again")
TOO_SLOW = Ending(TRY_LATER, "Frames are read too slowly")
NOBODY = Ending(NOT_PERMITTED, UNAUTHORIZED)
FORBIDDEN = Ending(NOT_PERMITTED, "Forbidden")
LEFT = Ending(GOING_AWAY, "Going away")


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Who is granted nothing has `init_s` seconds to log in.

    `outbox` frames may wait for a slow peer, which may send `messages`.
    """

    init_s: float
    outbox: int
    messages: Rate = MESSAGES


class Connection:
    """One peer: what it subscribed to, and the account that it follows."""

    def __init__(
        self,
        socket: WebSocket,
        parts: FacadeParts,
        subscriptions: Subscriptions,
        limits: ConnectionLimits,
        admit: Callable[["Connection", Principal], str | None],
        identity: Identity,
    ) -> None:
        loop = asyncio.get_running_loop()
        self._socket = socket
        self._parts = parts
        self._subscriptions = subscriptions
        self._limits = limits
        self._admit = admit
        self._identity = identity
        self._trace = trace_id(socket.headers.get("traceparent"), parts.random_bytes)
        self._now = loop.time
        self._rate = MessageRate(limits.messages, loop.time())
        self._outbox = Outbox(socket.send_text, limits.outbox)
        self._subscriber = Subscriber(self._tell, lambda: self.end(MISSED))
        self._topics: dict[StreamName, Identity] = {}
        self._account: AccountFollowing | None = None
        self._ending: asyncio.Future[Ending] = loop.create_future()
        self._closed = asyncio.Event()
        self._late = False
        self.principal: Principal | None = None
        """Who is served; None while nothing has been asked for that takes a grant."""

    async def run(self) -> None:
        """Serve the connection until either side ends it."""
        writer = asyncio.create_task(self._outbox.run())
        reader = asyncio.create_task(self._listen())
        timer = asyncio.get_running_loop().call_later(self._limits.init_s, self._expect_somebody)
        first: tuple[asyncio.Future[Any], ...] = (writer, reader, self._ending)
        try:
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            if self._ending.done():
                await self._close(self._ending.result())
        finally:
            timer.cancel()
            self._closed.set()
            self._leave_all()
            await _ended(writer, reader)
            if self._account is not None:
                await self._account.aclose()
        _raise_unless_gone(writer, reader)

    def end(self, ending: Ending) -> None:
        """Have the connection closed; what ended it first is what its peer is told."""
        if not self._ending.done():
            self._ending.set_result(ending)
            _log.info(
                "stream.closed",
                trace_id=self._trace,
                principal=self.principal and self.principal.id,
                code=ending.code,
                problem=ending.reason,
            )

    async def make_room(self, reason: str) -> None:
        """Have it closed: another has taken its place."""
        self.end(Ending(TRY_LATER, reason))

    async def forbid(self) -> None:
        """Close it: what is served here may not be any longer."""
        await self._end(FORBIDDEN)

    async def leave(self, _within_s: float, /) -> None:
        """Close it because the gateway goes; no request waits here for its answer."""
        await self._end(LEFT)

    @property
    def subscriptions(self) -> int:
        """How many streams are told here, an account's as one."""
        return len(self._topics) + (self._account is not None)

    def still_permitted(self) -> bool:
        """Ask again whether all that is served here may be."""
        readers = set(self._topics.values())
        if not all(identity.is_good() for identity in {self._identity, *readers}):
            return False
        if not all(each.may_read_markets(self._parts, self._trace) for each in readers):
            return False
        if self._account is not None:
            return self._identity.may_read_account(self._parts, self._trace)
        return self._is_granted_something() or not self._late

    def _is_granted_something(self) -> bool:
        policy = self._parts.services.policy()
        return policy.decide(self._identity.principal.id, Action.MARKET_READ, None).allowed

    def _expect_somebody(self) -> None:
        self._late = True
        if self._account is None and not self._is_granted_something():
            self.end(NOBODY)

    async def _listen(self) -> None:
        while not self._ending.done():
            await self._outbox.room()  # who asks without reading the answers is not heard further
            frame = await self._socket.receive()
            if frame["type"] == "websocket.disconnect":
                return
            text = frame.get("text")
            await self._take(frame["bytes"] if text is None else text)

    async def _take(self, message: str | bytes) -> None:
        if not self._rate.take(self._now()):
            self._reply(failed(TOO_MANY))
            return
        try:
            command = read_command(message)
        except BadCommand as bad:
            self._reply(bad.reply)
        else:
            await self._do(command)

    async def _do(self, command: Command) -> None:
        match command:
            case Change(method=Method.SUBSCRIBE):
                await self._subscribe(command.names)
            case Change():
                await self._unsubscribe(command.names)
            case Plain.LISTING:
                listed = [name.members() for name in self._topics]
                self._reply(succeeded(Method.LIST_SUBSCRIPTIONS, result=listed))
            case Plain.TOKEN_LOGIN:
                await self._log_in(self._identity)
            case Login():
                await self._log_in_by_key(command)

    async def _subscribe(self, names: Collection[StreamName | None]) -> None:
        identity = self._identity
        if not identity.is_good() or not identity.may_read_markets(self._parts, self._trace):
            await self._refuse_all(names, NOT_ALLOWED)
            return
        symbols = await self._symbols()
        if symbols is None:
            await self._refuse_all(names, UNEXPECTED)
            return
        topics = {name.topic for name in names if name is not None and not name.fault(symbols)}
        with self._subscriptions.asked_for(topics):
            await self._subscriptions.begun(topics)
            for name in names:
                await self._outbox.room()
                self._reply(self._joined(name, symbols, identity))

    def _joined(
        self, name: StreamName | None, symbols: Collection[str], identity: Identity
    ) -> Body:
        fault = INVALID_REQUEST if name is None else name.fault(symbols)
        if name is None or fault is not None:
            return failed(fault or INVALID_REQUEST, Method.SUBSCRIBE)
        if name not in self._topics:
            if self._ending.done() or not self._is_admitted(identity):
                return failed(UNEXPECTED, Method.SUBSCRIBE)
            if not self._subscriptions.join(name, self._subscriber):
                return failed(UNEXPECTED, Method.SUBSCRIBE)
            self._topics[name] = identity
        return succeeded(Method.SUBSCRIBE, **name.members())

    async def _unsubscribe(self, names: Collection[StreamName | None]) -> None:
        symbols = await self._symbols()
        if symbols is None:
            symbols = {name.symbol for name in self._topics if name.symbol is not None}
        for name in names:
            await self._outbox.room()
            fault = INVALID_REQUEST if name is None else name.fault(symbols)
            if name is None or fault is not None:
                self._reply(failed(fault or INVALID_REQUEST, Method.UNSUBSCRIBE))
                continue
            if self._topics.pop(name, None) is not None:
                self._subscriptions.leave(name, self._subscriber)
            self._reply(succeeded(Method.UNSUBSCRIBE, **name.members()))

    async def _refuse_all(self, names: Collection[StreamName | None], message: str) -> None:
        for _ in names:
            await self._outbox.room()
            self._reply(failed(message, Method.SUBSCRIBE))

    async def _symbols(self) -> Collection[str] | None:
        """The markets that there are; None while nobody can tell."""
        try:
            listing: MarketListing = (await self._parts.services.market_data.read(LISTING)).value
        except GatewayError:
            return None
        return {market.symbol for market in listing.markets}

    async def _log_in_by_key(self, login: Login) -> None:
        try:
            identity = await identity_of_key(self._parts, login)
        except NotProven as refused:
            note_refusal(refused, self._parts.services.audit, self._parts.metrics, self._trace)
            self._reply(failed(UNAUTHORIZED, Method.USER_STREAMS))
        else:
            await self._log_in(identity)

    async def _log_in(self, identity: Identity) -> None:
        account, good = identity.account, identity.is_good()
        if account is None or not (good and identity.may_read_account(self._parts, self._trace)):
            self._reply(failed(UNAUTHORIZED, Method.USER_STREAMS))
            return
        try:
            following = await AccountFollowing.begin(
                self._parts.services.accounts,
                Caller(identity.principal, self._trace),
                account,
                Listener(self._tell_change, lambda: self.end(MISSED), self._too_slow),
            )
        except GatewayError:
            self._reply(failed(UNEXPECTED, Method.USER_STREAMS))
            return
        before, self._account, self._identity = self._account, following, identity
        if before is not None:
            await before.aclose()
        if self._is_admitted(identity):
            following.start()
            self._reply(succeeded(Method.USER_STREAMS))

    def _is_admitted(self, identity: Identity) -> bool:
        """Count the connection as the principal's; False: it has too many, and this one ends."""
        if self.principal != identity.principal:
            if (full := self._admit(self, identity.principal)) is not None:
                self.end(Ending(TRY_LATER, full))
                return False
            self.principal = identity.principal
        return True

    def _tell(self, frame: str, slot: Hashable | None) -> None:
        if self._ending.done():
            return
        try:
            self._outbox.put(frame, slot)
        except OutboxFull:
            self._too_slow()

    async def _tell_change(self, frame: str) -> None:
        await self._outbox.room()
        self._tell(frame, None)

    def _reply(self, body: Body) -> None:
        self._tell(write(body), None)

    def _too_slow(self) -> None:
        self._parts.metrics.slow_streams.inc()
        self.end(TOO_SLOW)

    def _leave_all(self) -> None:
        for name in self._topics:
            self._subscriptions.leave(name, self._subscriber)
        self._topics.clear()

    async def _end(self, ending: Ending) -> None:
        """Have it closed, and wait until the peer has been told, or cannot be."""
        self.end(ending)
        await self._closed.wait()

    async def _close(self, ending: Ending) -> None:
        """Close from this side; a peer that reads nothing cannot be told, and holds up nobody."""
        with suppress(RuntimeError, WebSocketDisconnect, OSError, TimeoutError):
            async with asyncio.timeout(_CLOSE_WITHIN_S):
                await self._socket.close(ending.code, ending.reason)


async def _ended(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _raise_unless_gone(*tasks: asyncio.Task[None]) -> None:
    """Raise a fault of ours; that the peer has gone is none."""
    for task in tasks:
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(
            error, WebSocketDisconnect | RuntimeError | OSError
        ):
            raise error
