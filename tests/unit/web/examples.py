"""The edges over stand-ins: their parts, and a WebSocket whose peer is the test."""

import asyncio
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from starlette.types import Message
from starlette.websockets import WebSocket

from gateway.access.identities import Identities
from gateway.access.jwks import IssuerKeys
from gateway.access.policy import AccountRule, Grant, Member, Policy, TokenRecord
from gateway.access.principal import Principal
from gateway.access.tokens import hash_token
from gateway.domain.limits import LimitState
from gateway.stopping import StopDeadline
from gateway.web.event_streams import EventStreams
from gateway.web.graphql_sse import EventStreamLimits
from gateway.web.graphql_ws_messages import SUBPROTOCOL
from gateway.web.parts import GraphQLParts
from gateway.web.under_way import UnderWay
from tests.unit.schema.examples import EVERYTHING, Desk
from tests.unit.services.examples import APP, until
from tests.unit.services.governing import StandInRates

TOKEN = "ngw_a-token-that-is-made-up"


LEFT = {"limits": [{"name": "requests", "limit": "2", "remaining": "1", "resetsAt": None}]}
"""What the extensions of an answer say of the caller's limits."""


def with_token(
    granted: Policy = EVERYTHING, *, expires: int | None = None, holder: Principal = APP
) -> Policy:
    """The policy's grants, for the holder of the token, until it expires (ms)."""
    grants: tuple[Grant, ...] = granted.grants(APP.id)
    return Policy(
        revision="1",
        accounts=tuple(map(AccountRule, granted.accounts)),
        members=(Member(holder, (TokenRecord(hash_token(TOKEN), expires),), grants),),
        wall_ms=lambda: 0,
    )


def identities_of(current: Callable[[], Policy]) -> Identities:
    """Whose the policy's own tokens are; nobody is suspended, and no issuer is asked."""
    keys = IssuerKeys(current, refresh_s=300, keep_s=3600, clock=lambda: 0)
    return Identities(current, keys, suspended=lambda _: False, wall_ms=lambda: 0)


class SpentRates(StandInRates):
    """Of every caller's requests one is left."""

    def states(self, _principal_id: str) -> tuple[LimitState, ...]:
        return (LimitState("requests", Decimal(2), Decimal(1), per_s=1),)


def stop_now() -> StopDeadline:
    """A stop without grace, of which nobody has been told yet."""
    return StopDeadline(0, lambda: 0)


def parts_of(
    desk: Desk,
    *,
    requests: int = 100,
    subscriptions: int = 100,
    stop: StopDeadline | None = None,
) -> GraphQLParts:
    stop = stop or stop_now()
    return GraphQLParts(
        services=desk.services,
        identities=identities_of(lambda: desk.policy),
        documents=desk.documents,
        execution=desk.execution,
        groups=desk.groups,
        metrics=desk.metrics,
        under_way=UnderWay(
            desk.metrics,
            requests=requests,
            subscriptions=subscriptions,
            stopping=lambda: stop.begun,
        ),
        rates=SpentRates().rates,
        random_bytes=bytes,
    )


def event_streams_of(
    parts: GraphQLParts,
    limits: EventStreamLimits | None = None,
    *,
    most: int = 100,
    most_of_principal: int = 100,
) -> EventStreams:
    limits = limits or EventStreamLimits(outbox=100)
    return EventStreams(parts, limits, most=most, most_of_principal=most_of_principal)


class Peer:
    """The other end of a WebSocket. While it is deaf, nothing that is sent to it gets through."""

    def __init__(self, *, subprotocol: str | None = SUBPROTOCOL, **headers: str) -> None:
        self.heard: list[dict[str, Any]] = []
        self.closed: tuple[int, str] | None = None
        self.accepted: str | None = None
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self._hears = asyncio.Event()
        self._hears.set()
        scope = {
            "type": "websocket",
            "path": "/graphql",
            "query_string": b"",
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "subprotocols": [] if subprotocol is None else [subprotocol],
        }
        self._messages.put_nowait({"type": "websocket.connect"})
        self.socket = WebSocket(scope, self._receive, self._send)

    def go_deaf(self) -> None:
        self._hears.clear()

    def hear_again(self) -> None:
        self._hears.set()

    def say(self, message: dict[str, Any] | str) -> None:
        text = message if isinstance(message, str) else json.dumps(message)
        self._messages.put_nowait({"type": "websocket.receive", "text": text})

    def init(self, token: str = TOKEN) -> None:
        self.say({"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}})

    def subscribe(self, text: str, stream_id: str = "1", **more: object) -> None:
        self.say({"type": "subscribe", "id": stream_id, "payload": {"query": text, **more}})

    def hang_up(self) -> None:
        self._messages.put_nowait({"type": "websocket.disconnect", "code": 1001})

    def of(self, kind: str, stream_id: str | None = None) -> list[dict[str, Any]]:
        """What was heard of one type, and of one stream if it is named."""
        return [
            message
            for message in self.heard
            if message["type"] == kind and stream_id in (None, message.get("id"))
        ]

    async def hears(self, kind: str, count: int = 1) -> list[dict[str, Any]]:
        await until(lambda: len(self.of(kind)) >= count or self.closed)
        return self.of(kind)

    async def is_closed(self) -> tuple[int, str] | None:
        await until(lambda: self.closed)
        return self.closed

    async def _receive(self) -> Message:
        return await self._messages.get()

    async def _send(self, message: Message) -> None:
        await self._hears.wait()
        match message["type"]:
            case "websocket.accept":
                self.accepted = message.get("subprotocol")
            case "websocket.send":
                self.heard.append(json.loads(message["text"]))
            case "websocket.close":
                self.closed = (message["code"], message["reason"])
                self._messages.put_nowait({"type": "websocket.disconnect", "code": 1005})


class Reader:
    """Who reads the response to a request. While it is deaf, nothing gets through to it."""

    def __init__(self, query: str, *, accept: str = "text/event-stream", **headers: str) -> None:
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.text = ""
        self.ended = False
        given = {"accept": accept, "authorization": f"Bearer {TOKEN}", **headers}
        self.scope = {
            "type": "http",
            "method": "GET",
            "path": "/graphql",
            "query_string": urlencode({"query": query}).encode(),
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        }
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self._messages.put_nowait({"type": "http.request", "body": b"", "more_body": False})
        self._hears = asyncio.Event()
        self._hears.set()

    def go_deaf(self) -> None:
        self._hears.clear()

    def hear_again(self) -> None:
        self._hears.set()

    def hang_up(self) -> None:
        self._messages.put_nowait({"type": "http.disconnect"})
        self._hears.set()

    @property
    def events(self) -> list[str]:
        """What was read, but for the line that says when to come back."""
        assert self.text.startswith("retry: "), self.text
        return self.text.split("\n\n")[1:-1]

    @property
    def results(self) -> list[dict[str, Any]]:
        """The execution results that were read."""
        begin = "event: next\ndata: "
        return [json.loads(each[len(begin) :]) for each in self.events if each.startswith(begin)]

    @property
    def completed(self) -> bool:
        return self.events[-1:] == ["event: complete\ndata:"]

    async def reads(self, count: int) -> list[dict[str, Any]]:
        """Wait for so many results."""
        await until(lambda: self.text and len(self.results) >= count)
        return self.results

    async def is_ended(self) -> None:
        """Wait for the end of the response."""
        await until(lambda: self.ended)

    async def receive(self) -> Message:
        return await self._messages.get()

    async def send(self, message: Message) -> None:
        await self._hears.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self.text += message["body"].decode()
            self.ended = not message.get("more_body", False)
