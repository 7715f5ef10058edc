import asyncio
import json

import pytest

from tests.unit.web.served import LINE, PIECE, SIZE, house_of

pytestmark = pytest.mark.anyio

CLOSING = b"connection: close\r\n\r\n"


def filled(size: int) -> bytes:
    """A whole head whose target and headers have `size` bytes as the limit counts them."""
    fixed = len(b"/") + len(b"host: gateway\r\nconnection: close\r\nx: \r\n")
    return LINE + b"x: " + b"a" * (size - fixed) + b"\r\n" + CLOSING


async def test_a_head_up_to_the_limit_is_served() -> None:
    async with house_of() as house:
        answer = await (await house.say(filled(SIZE))).read()
        assert answer.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "pieces",
    [
        (filled(SIZE + 1),),
        (LINE, b"x: " + b"a" * 400, b"a" * 400, b"a" * 400),
        (b"GET /" + b"a" * 600, b"a" * 600),
        (LINE + b"a: b\r\n" * 200,),
        (LINE, *[b"a: b\r\n" * 50] * 4),
    ],
    ids=["whole", "endless value", "endless target", "many headers", "headers in pieces"],
)
async def test_a_head_over_the_limit_is_answered_with_a_code_and_closed(
    pieces: tuple[bytes, ...],
) -> None:
    async with house_of() as house:
        head, _, body = (await (await house.say(*pieces)).read()).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 431 ")
        (error,) = json.loads(body)["errors"]
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert "1000 bytes" in error["message"]


async def test_what_is_no_http_is_answered_with_a_code_and_closed() -> None:
    async with house_of() as house:
        head, _, body = (await (await house.say(b"hello\r\n\r\n")).read()).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 ")
        assert json.loads(body)["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


OF_FACADE = b"GET /v3/api/market/depth?symbol=BTCTRY HTTP/1.1\r\nhost: gateway\r\n"


@pytest.mark.parametrize(
    ("status", "pieces"),
    [
        (400, (b"BREW /v3/api/ping HTTP/1.1\r\nhost: gateway\r\n\r\n",)),
        (400, (LINE + b"\r\nBREW /v3/api/ping HTTP/1.1\r\nhost: gateway\r\n\r\n",)),
        (400, ("GET /v3/api/market/24h?symbol=é HTTP/1.1\r\n\r\n".encode(),)),
        (400, (OF_FACADE, b"no header\r\n\r\n")),
        (400, (b"GET /v3 HTTP/1.1\r\nno header\r\n\r\n",)),
        (431, (OF_FACADE, b"x: " + b"a" * SIZE)),
        (431, (b"GET /v3/api/ping?" + b"a" * SIZE, b" HTTP/1.1\r\nhost: gateway\r\n")),
        (408, (b"POST /v3/echo HTTP/1.1\r\nhost: gateway\r\ncontent-length: 9\r\n\r\n", b"a")),
    ],
    ids=[
        "unknown method",
        "pipelined",
        "raw text",
        "no header",
        "at its root",
        "long header",
        "long query",
        "late body",
    ],
)
async def test_what_is_refused_below_v3_is_told_as_the_exchange_would(
    status: int, pieces: tuple[bytes, ...]
) -> None:
    async with house_of(within_s=0.5) as house:
        answers = await (await house.say(*pieces)).read()
        head, _, body = answers[answers.rindex(b"HTTP/1.1 ") :].partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 %d " % status)
        assert json.loads(body) == {"code": "90001", "msg": "Invalid Request"}


@pytest.mark.parametrize("target", [b"/v30", b"/graphql?/v3/api", b"/"])
async def test_what_is_refused_elsewhere_is_told_as_graphql_does(target: bytes) -> None:
    async with house_of() as house:
        answer = await (await house.say(b"BREW " + target + b" HTTP/1.1\r\n\r\n")).read()
        _, _, body = answer.partition(b"\r\n\r\n")
        assert json.loads(body)["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_a_body_does_not_count_as_head() -> None:
    post = b"POST / HTTP/1.1\r\nhost: gateway\r\ncontent-length: 3000\r\n"
    async with house_of() as house:
        body = b"a" * 3000
        together = await (await house.say(post + CLOSING + body)).read()
        apart = await (await house.say(post + CLOSING, body[:2000], body[2000:])).read()
        assert together.endswith(b"\r\n\r\n" + body)
        assert apart.endswith(b"\r\n\r\n" + body)


CHUNKED = (
    b"POST / HTTP/1.1\r\nhost: gateway\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
)


async def test_fields_after_a_body_count_as_head() -> None:
    async with house_of() as house:
        reader = await house.say(CHUNKED + b"0\r\nx: ", *[b"a" * 400] * 4)
        assert (await reader.read()).startswith(b"HTTP/1.1 431 ")


async def test_fields_after_a_body_are_no_headers() -> None:
    async with house_of() as house:
        reader = await house.say(CHUNKED + b"1\r\na\r\n0\r\nx-told: secret\r\n\r\n")
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"secret" not in answer


async def test_a_body_in_many_chunks_does_not_count_as_head() -> None:
    async with house_of() as house:
        chunks = [b"1\r\na\r\n" * 100] * 10
        answer = await (await house.say(CHUNKED, *chunks, b"0\r\n\r\n")).read()
        assert answer.startswith(b"HTTP/1.1 200 ")


async def test_a_connection_on_which_too_many_requests_wait_is_closed() -> None:
    async with house_of() as house:
        slow = b"GET /slow HTTP/1.1\r\nhost: gateway\r\n\r\n"
        patient = await house.say(slow * 101)
        await house.asked.wait()
        assert await (await house.say(slow * 102)).read() == b""
        house.go_on.set()
        answered = b""
        while answered.count(b"HTTP/1.1 200 ") < 101:
            answered += await patient.read(65_536)


async def test_each_request_of_a_connection_has_the_whole_limit() -> None:
    again = LINE + b"x: " + b"a" * 600 + b"\r\n\r\n"
    async with house_of() as house:
        answers = await (await house.say(again + again, again, filled(SIZE))).read()
        assert answers.count(b"HTTP/1.1 200 ") == 4


@pytest.mark.parametrize("pieces", [(), (LINE,), (LINE + b"\r\n", LINE)], ids=range(3))
async def test_a_connection_whose_head_does_not_come_in_time_is_closed(
    pieces: tuple[bytes, ...],
) -> None:
    async with house_of(within_s=0.2) as house:
        answers = await (await house.say(*pieces)).read()
        assert answers.count(b"HTTP/1.1") == max(0, len(pieces) - 1)


async def test_a_request_under_way_is_answered_though_the_next_head_is_late() -> None:
    async with house_of(within_s=0.05) as house:
        reader = await house.say(b"GET /slow HTTP/1.1\r\nhost: gateway\r\n\r\n", LINE)
        await house.asked.wait()
        await asyncio.sleep(0.2)
        house.go_on.set()
        assert (await reader.read()).endswith(b"\r\n\r\nslow")


POST = b"POST / HTTP/1.1\r\nhost: gateway\r\ncontent-length: 10\r\n\r\n"


@pytest.mark.parametrize("pieces", [(POST,), (POST, b"abc"), (LINE + b"\r\n", POST, b"abc")])
async def test_a_body_that_does_not_come_in_time_is_answered_with_a_code_and_closed(
    pieces: tuple[bytes, ...],
) -> None:
    async with house_of(within_s=0.2) as house:
        answers = await (await house.say(*pieces)).read()
        head, _, body = answers[answers.rindex(b"HTTP/1.1 ") :].partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 408 ")
        assert json.loads(body)["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_a_connection_is_closed_whose_body_goes_on_after_the_answer() -> None:
    refused = b"POST /slow HTTP/1.1\r\nhost: gateway\r\ncontent-length: 10\r\n\r\n"
    async with house_of(within_s=0.2) as house:
        answers = await (await house.say(refused, b"a", b"b")).read()
        assert answers.startswith(b"HTTP/1.1 405 ")
        assert answers.count(b"HTTP/1.1") == 1


async def test_a_request_under_way_is_answered_though_the_next_body_is_late() -> None:
    async with house_of(within_s=0.05) as house:
        reader = await house.say(b"GET /slow HTTP/1.1\r\nhost: gateway\r\n\r\n" + POST)
        await house.asked.wait()
        await asyncio.sleep(0.2)
        house.go_on.set()
        answers = await reader.read()
        assert answers.startswith(b"HTTP/1.1 200 ")
        assert b"\r\n\r\nslowHTTP/1.1 408 " in answers


async def test_an_answer_may_take_longer_than_a_body() -> None:
    slow = b"GET /slow HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\r\n"
    async with house_of(within_s=0.05) as house:
        reader = await house.say(slow)
        await house.asked.wait()
        await asyncio.sleep(0.2)
        house.go_on.set()
        assert (await reader.read()).endswith(b"\r\n\r\nslow")


async def test_a_websocket_has_no_head_to_wait_for() -> None:
    upgrade = (
        b"connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
        b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    async with house_of(within_s=0.05) as house:
        reader = await house.say(LINE + upgrade)
        await asyncio.sleep(0.2)
        house.go_on.set()
        assert (await reader.readuntil(b"still here")).startswith(b"HTTP/1.1 101 ")


async def test_who_takes_nothing_of_an_answer_is_cut_off() -> None:
    async with house_of(read_within_s=0.1) as house:
        await house.say(b"GET /endless HTTP/1.1\r\nhost: gateway\r\n" + CLOSING)
        await house.given_up.wait()


async def test_who_reads_slowly_gets_the_whole_answer() -> None:
    async with house_of(read_within_s=2) as house:
        reader = await house.say(b"GET /long HTTP/1.1\r\nhost: gateway\r\n" + CLOSING)
        await reader.readuntil(b"\r\n\r\n")
        for _ in range(100):
            assert await reader.readexactly(len(PIECE)) == PIECE
            await asyncio.sleep(0.03)
