import json
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from uvicorn.server import ServerState

from gateway.web.socket_protocol import BoundedSocketProtocol, bounded_socket
from tests.unit.services.examples import until
from tests.unit.web.served import LINE, House, house_of
from tests.unit.web.transports import StandInTransport

pytestmark = pytest.mark.anyio

UPGRADE = (
    b"host: gateway\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
LONG = b"a" * 9_000
ROOMY = 16_384


def upgrade(start: bytes, *headers: bytes) -> bytes:
    """The head of an upgrade."""
    return start + b" HTTP/1.1\r\n" + UPGRADE + b"".join(headers) + b"\r\n"


UNREADABLE = {
    "with a body": (upgrade(b"GET /v3", b"content-length: 3\r\n"), b"abc"),
    "with a promise of one": (upgrade(b"GET /v3", b"content-length: 3\r\n"),),
    "in chunks": (upgrade(b"POST /v3", b"transfer-encoding: chunked\r\n"),),
    "a long header": (upgrade(b"GET /v3", b"x: " + LONG + b"\r\n"),),
    "a long query": (upgrade(b"GET /v3?" + LONG),),
    "many headers": (upgrade(b"GET /v3", b"x: y\r\n" * 200),),
    "after a request": (LINE + b"\r\n", upgrade(b"GET /v3", b"content-length: 3\r\n")),
}


async def refused(house: House, *pieces: bytes) -> Any:  # noqa: ANN401 - as json's
    """The body of the last answer, which refuses and closes."""
    answers = await (await house.say(*pieces)).read()
    head, _, body = answers[answers.rindex(b"HTTP/1.1 ") :].partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    return json.loads(body)


@pytest.mark.parametrize("name", UNREADABLE)
async def test_an_upgrade_that_cannot_be_read_is_refused_and_closed(name: str) -> None:
    async with house_of(size=ROOMY) as house:
        body = await refused(house, *UNREADABLE[name])
        assert body == {"code": "90001", "msg": "Invalid Request"}


async def test_outside_the_facade_it_is_told_what_can_be_read() -> None:
    async with house_of(size=ROOMY) as house:
        body = await refused(house, upgrade(b"GET /graphql", b"content-length: 3\r\n"))
        assert "has no body" in body["errors"][0]["message"]


async def test_a_websocket_whose_peer_takes_nothing_is_cut_off() -> None:
    async with house_of(read_within_s=0.1) as house:
        await house.say(upgrade(b"GET /endless"))
        await house.given_up.wait()


async def test_a_websocket_whose_peer_reads_slowly_is_served() -> None:
    async with house_of(read_within_s=2) as house:
        reader = await house.say(upgrade(b"GET /endless"))
        await reader.readuntil(b"\r\n\r\n")
        for _ in range(100):
            await reader.readexactly(50_000)
        assert not house.given_up.is_set()


def opened(transport: StandInTransport, *, stays: bool) -> BoundedSocketProtocol:
    """The server's end of a WebSocket, whose application `stays` or leaves it at once."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        socket = WebSocket(scope, receive, send)
        await socket.accept()
        if stays:
            await socket.receive()

    config = uvicorn.Config(application, log_config=None)
    config.load()
    made = bounded_socket(0.01)(config=config, server_state=ServerState(), app_state={})
    made.connection_made(transport)
    made.data_received(upgrade(b"GET /v3"))
    return made


async def test_what_the_application_has_left_may_not_wait_for_ever() -> None:
    transport = StandInTransport(0, 2)
    opened(transport, stays=False)
    await until(lambda: transport.aborted)


async def test_what_answers_no_ping_may_not_keep_what_waits_for_ever() -> None:
    transport = StandInTransport(0, 2)
    protocol = opened(transport, stays=True)
    await until(lambda: b" 101 " in transport.written)
    protocol.keepalive_timeout()
    await until(lambda: transport.aborted)
    protocol.connection_lost(None)


async def test_what_an_answer_before_it_left_may_not_wait_for_ever() -> None:
    transport = StandInTransport(2)
    opened(transport, stays=True)
    await until(lambda: transport.aborted)
