import asyncio
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


async def opened_at(house: House) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """An open WebSocket that says nothing."""
    reader = await house.say(upgrade(b"GET /"))
    await reader.readuntil(b"\r\n\r\n")
    return reader, house.writers[-1]


MASK = bytes(4)
FLOODS = {
    "pings": b"\x89\x80" + MASK,
    "pongs": b"\x8a\x80" + MASK,
    "pieces of nothing": b"\x00\x80" + MASK,
}


async def test_a_message_in_pieces_with_pings_between_is_taken_whole() -> None:
    async with house_of() as house:
        reader, writer = await opened_at(house)
        pieces = b"".join(b"\x00\x81" + MASK + b"a" + FLOODS["pings"] for _ in range(400))
        writer.write(b"\x01\x81" + MASK + b"a" + pieces + b"\x80\x80" + MASK)
        assert await reader.readexactly(800) == b"\x8a\x00" * 400
        house.go_on.set()
        await reader.readuntil(b"still here")


@pytest.mark.parametrize("name", FLOODS)
async def test_who_floods_with_frames_that_end_no_message_is_cut_off(name: str) -> None:
    transport = StandInTransport(0)
    protocol = opened(transport, stays=True)
    await until(lambda: b" 101 " in transport.written)
    before = len(transport.written)
    begun = b"\x01\x80" + MASK if name == "pieces of nothing" else b""
    protocol.data_received(begun + FLOODS[name] * 100_000)
    told = transport.written[before:]
    end = told.index(b"\x88")
    assert told[end + 2 : end + 4] == (1008).to_bytes(2)
    # What was sent before the end was seen is not answered a hundred thousand times.
    assert told.count(b"\x8a\x00") <= 2_000
    assert transport.closed
    protocol.connection_lost(None)


async def test_after_the_end_nobody_is_read_for_long() -> None:
    transport = StandInTransport(0)
    protocol = opened(transport, stays=True)
    await until(lambda: b" 101 " in transport.written)
    await protocol.send({"type": "websocket.close", "code": 1000, "reason": ""})
    assert not transport.closed
    protocol.data_received((b"\x81\x80" + MASK) * 2_000)
    assert transport.closed
    protocol.connection_lost(None)


async def test_a_peer_that_reads_nothing_has_no_answers_to_pings_waiting() -> None:
    transport = StandInTransport(0)
    protocol = opened(transport, stays=True)
    await until(lambda: b" 101 " in transport.written)
    before = len(transport.written)
    protocol.pause_writing()
    protocol.data_received(FLOODS["pings"] * 500)
    assert len(transport.written) == before
    protocol.resume_writing()
    protocol.data_received(FLOODS["pings"])
    assert transport.written[before:] == b"\x8a\x00"
    protocol.connection_lost(None)


async def test_an_upgrade_that_is_answered_with_a_status_is_no_fault(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with house_of() as house:
        answer = await (await house.say(upgrade(b"GET /nowhere"))).read()
        assert answer.startswith(b"HTTP/1.1 404 ")
    assert [each for each in caplog.records if each.levelname == "ERROR"] == []


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
