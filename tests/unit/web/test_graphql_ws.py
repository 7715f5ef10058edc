import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import pytest
from structlog.testing import capture_logs

from gateway.access.policy import Action, Policy
from gateway.domain.streams import Topic, TopicKind
from gateway.web.graphql_ws import Connection, SocketLimits
from tests.unit.schema.examples import EVERYTHING, Desk
from tests.unit.schema.examples import desk_of as schema_desk
from tests.unit.services.examples import BTC, listing, policy, top, trade, turns, until
from tests.unit.web.examples import LEFT, TOKEN, Peer, parts_of, with_token

pytestmark = pytest.mark.anyio

TOP = 'subscription { topOfBook(symbol: "BTCUSDT") { bid { price } } }'
TRADES = 'subscription { trades(symbol: "BTCUSDT") { ... on Trade { price } } }'
ORDERS = 'subscription { orders(account: "demo") { ... on Order { orderId } } }'
MARKETS = "{ markets { symbol } }"
TOP_TOPIC = Topic(TopicKind.TOP_OF_BOOK, BTC)
TRADES_TOPIC = Topic(TopicKind.TRADES, BTC)
ACCOUNT = Topic(TopicKind.ACCOUNT)


@dataclass
class Line:
    """One connection and its peer."""

    desk: Desk
    peer: Peer
    connection: Connection
    running: asyncio.Task[None]


@asynccontextmanager
async def line_of(
    granted: Policy = EVERYTHING,
    *,
    init_s: float = 20,
    subscriptions: int = 10,
    outbox: int = 100,
    init: bool = True,
) -> AsyncIterator[Line]:
    async with schema_desk(with_token(granted)) as desk:
        peer = Peer()
        await peer.socket.accept("graphql-transport-ws")
        limits = SocketLimits(init_s=init_s, subscriptions=subscriptions, outbox=outbox)
        connection = Connection(peer.socket, parts_of(desk), limits, lambda *_: None)
        running = asyncio.create_task(connection.run())
        if init:
            peer.init()
            await peer.hears("connection_ack")
        try:
            yield Line(desk, peer, connection, running)
        finally:
            peer.hear_again()
            peer.hang_up()
            await running
            open_streams = desk.metrics.registry.get_sample_value
            assert not open_streams("gateway_subscriptions", {"field": "topOfBook"})
            await turns()


async def test_a_subscription_goes_from_its_snapshot_to_complete() -> None:
    async with line_of() as line:
        line.peer.subscribe(TOP, "a")
        await line.peer.hears("next")
        line.desk.feed.tell(TOP_TOPIC, top(2))
        first, second = await line.peer.hears("next", 2)
        data = {"topOfBook": {"bid": {"price": "2"}}}
        assert second == {"id": "a", "type": "next", "payload": {"data": data}}
        assert first["payload"]["data"]["topOfBook"]["bid"] == {"price": "1"}
        line.peer.say({"type": "complete", "id": "a"})
        await turns()
        line.desk.feed.tell(TOP_TOPIC, top(3))
        line.peer.say({"type": "ping"})
        await line.peer.hears("pong")
        assert len(line.peer.of("next")) == 2


async def test_a_query_is_answered_once_and_completed() -> None:
    async with line_of() as line:
        line.peer.subscribe(MARKETS, "q")
        await line.peer.hears("complete")
        symbols = [{"symbol": "BTCUSDT"}, {"symbol": "ETHUSDT"}]
        payload = {"data": {"markets": symbols}, "extensions": LEFT}
        assert line.peer.heard[1:] == [
            {"id": "q", "type": "next", "payload": payload},
            {"id": "q", "type": "complete"},
        ]


async def test_a_stream_id_may_hold_anything_that_json_can() -> None:
    async with line_of() as line:
        for stream_id in ('"', "\\", "\u2028", "\x00", "é" * 100):
            line.peer.subscribe(MARKETS, stream_id)
            await until(partial(line.peer.of, "complete", stream_id))


BAD_CLOSES = [
    ([{"type": "subscribe", "id": "1", "payload": {"query": TOP}}], 4401),
    (["nonsense"], 4400),
    (["[" * 20_000 + "]" * 20_000], 4400),
    (["[]"], 4400),
    ([{"type": "start"}], 4400),
    ([{"id": "1"}], 4400),
    (['{"type": "ping", "id": "\\ud800"}'], 4400),
    ([{"type": "connection_init", "payload": {}}], 4403),
    ([{"type": "connection_init"}], 4403),
    ([{"type": "connection_init", "payload": {"Authorization": "Bearer nobody"}}], 4403),
    ([{"type": "connection_init", "payload": 7}], 4403),
]


@pytest.mark.parametrize(("messages", "code"), BAD_CLOSES, ids=range(len(BAD_CLOSES)))
async def test_a_bad_beginning_closes_with_the_protocol_s_code(
    messages: list[dict[str, object] | str], code: int
) -> None:
    async with line_of(init=False) as line:
        for message in messages:
            line.peer.say(message)
        closed = await line.peer.is_closed()
        assert closed is not None
        assert closed[0] == code


BAD_LATER = [
    ([{"type": "connection_init"}], 4429),
    ([{"type": "subscribe", "payload": {"query": TOP}}], 4400),
    ([{"type": "subscribe", "id": "", "payload": {"query": TOP}}], 4400),
    ([{"type": "subscribe", "id": "1" * 129, "payload": {"query": TOP}}], 4400),
    ([{"type": "subscribe", "id": "1"}], 4400),
    ([{"type": "subscribe", "id": "1", "payload": {"query": 7}}], 4400),
    ([{"type": "subscribe", "id": 7, "payload": {"query": TOP}}], 4400),
    ([{"type": "subscribe", "id": "1", "payload": {"query": TOP}}] * 2, 4409),
]


@pytest.mark.parametrize(("messages", "code"), BAD_LATER, ids=range(len(BAD_LATER)))
async def test_a_bad_message_closes_with_the_protocol_s_code(
    messages: list[dict[str, object] | str], code: int
) -> None:
    async with line_of() as line:
        for message in messages:
            line.peer.say(message)
        closed = await line.peer.is_closed()
        assert closed is not None
        assert closed[0] == code


async def test_an_init_that_comes_too_late_closes_with_4408_whatever_else_was_said() -> None:
    async with line_of(init=False, init_s=0.05) as line:
        line.peer.say({"type": "ping"})
        line.peer.say({"type": "pong"})
        assert await line.peer.is_closed() == (4408, "Connection initialisation timeout")
        assert line.peer.of("pong")


BAD_SUBSCRIBES = [
    ({"query": "{"}, "GRAPHQL_PARSE_FAILED"),
    ({"query": "{ nothing }"}, "GRAPHQL_VALIDATION_FAILED"),
    ({"query": TOP, "variables": []}, "BAD_USER_INPUT"),
    ({"query": TOP, "operationName": "Other"}, "GRAPHQL_VALIDATION_FAILED"),
    ({"query": 'subscription { topOfBook(symbol: "NOPE") { asOf } }'}, "UNKNOWN_SYMBOL"),
    ({"query": 'subscription { orders(account: "x") { __typename } }'}, "UNKNOWN_ACCOUNT"),
    (
        {"query": 'subscription { orderBook(symbol: "BTCUSDT", depth: 0) { asOf } }'},
        "BAD_USER_INPUT",
    ),
]


@pytest.mark.parametrize(("payload", "code"), BAD_SUBSCRIBES, ids=range(len(BAD_SUBSCRIBES)))
async def test_a_bad_subscription_is_an_error_of_its_own_and_the_line_stays(
    payload: dict[str, object], code: str
) -> None:
    async with line_of() as line:
        with capture_logs() as lines:
            line.peer.say({"type": "subscribe", "id": "1", "payload": payload})
            (error,) = await line.peer.hears("error")
        assert [each["extensions"]["code"] for each in error["payload"]] == [code]
        logged = [(each["event"], each["log_level"], each["code"]) for each in lines]
        assert logged == [("request.failed", "info", code)]
        line.peer.subscribe(TOP, "1")
        await line.peer.hears("next")
        assert line.peer.closed is None


async def test_more_subscriptions_than_allowed_are_refused_one_by_one() -> None:
    async with line_of(subscriptions=2) as line:
        for stream_id in "abc":
            line.peer.subscribe(TOP, stream_id)
        (error,) = await line.peer.hears("error")
        assert (error["id"], error["payload"][0]["extensions"]["code"]) == ("c", "RATE_LIMITED")
        line.peer.say({"type": "complete", "id": "a"})
        line.peer.subscribe(TOP, "d")
        await until(lambda: line.peer.of("next", "d"))


async def test_without_the_grant_a_group_that_others_began_is_not_joined() -> None:
    async with line_of(policy(Action.ACCOUNT_READ)) as line:
        line.peer.subscribe(TOP, "1")
        (error,) = await line.peer.hears("error")
        assert error["payload"][0]["extensions"]["code"] == "FORBIDDEN"


async def test_a_grant_that_is_withdrawn_ends_the_streams_that_need_it() -> None:
    async with line_of() as line:
        line.peer.subscribe(TOP, "public")
        line.peer.subscribe(ORDERS, "private")
        await until(lambda: line.desk.account_feed.wanted and line.peer.of("next", "public"))
        line.desk.policy = with_token(policy(Action.MARKET_READ))
        assert line.connection.still_permitted()
        (error,) = await line.peer.hears("error")
        assert (error["id"], error["payload"][0]["extensions"]["code"]) == (
            "private",
            "UNKNOWN_ACCOUNT",
        )
        line.desk.policy = with_token(policy(Action.ACCOUNT_READ))
        assert line.connection.still_permitted()
        assert (await line.peer.hears("error", 2))[1]["id"] == "public"
        line.desk.policy = policy(*Action)
        assert not line.connection.still_permitted()


async def test_a_token_s_end_is_its_connection_s() -> None:
    async with line_of(init=False) as line:
        line.desk.policy = with_token(expires=line.desk.clock.now + 50)
        line.peer.init()
        line.peer.subscribe(TOP)
        await line.peer.hears("next")
        assert await line.peer.is_closed() == (4403, "Forbidden: the token has expired")


async def test_a_token_that_ends_in_a_century_ends_nothing_now() -> None:
    async with line_of(init=False) as line:
        line.desk.policy = with_token(expires=line.desk.clock.now + 100 * 365 * 86_400_000)
        line.peer.init()
        line.peer.subscribe(TOP)
        assert await line.peer.hears("next")


async def test_what_a_connection_s_token_lacks_is_for_the_operator() -> None:
    async with line_of(init=False) as line:
        with capture_logs() as lines:
            line.peer.init("ngw_of-nobody")
            closed = await line.peer.is_closed()
        assert closed == (4403, "Forbidden: the token is missing or unknown")
        assert [(each["event"], each["cause"]) for each in lines] == [("socket.refused", "unknown")]
        count = line.desk.metrics.registry.get_sample_value
        assert count("gateway_unauthenticated_total", {"cause": "unknown"}) == 1


async def test_before_init_there_is_nothing_to_permit() -> None:
    async with line_of(init=False) as line:
        assert line.connection.still_permitted()


async def test_who_reads_slowly_gets_the_latest_and_an_error_where_nothing_may_be_dropped() -> None:
    async with line_of(outbox=5) as line:
        line.peer.subscribe(TOP, "top")
        line.peer.subscribe(TRADES, "trades")
        await until(lambda: line.peer.of("next", "top"))
        line.desk.feed.start(TRADES_TOPIC)
        await until(lambda: len(line.peer.of("next", "trades")) == 2)
        line.peer.go_deaf()
        for number in range(3, 20):
            line.desk.feed.tell(TOP_TOPIC, top(number))
            line.desk.feed.tell(TRADES_TOPIC, trade(number))
            await turns()
        line.peer.hear_again()
        (error,) = await line.peer.hears("error")
        assert (error["id"], error["payload"][0]["extensions"]["code"]) == (
            "trades",
            "RATE_LIMITED",
        )
        await until(lambda: line.peer.of("next", "top")[-1]["payload"]["data"]["topOfBook"] == {
            "bid": {"price": "19"}
        })  # fmt: skip
        assert len(line.peer.of("next", "top")) < 10
        heard_after = line.peer.heard[line.peer.heard.index(error) :]
        assert not [each for each in heard_after if each.get("id") == "trades"][1:]


async def test_who_asks_without_reading_the_answers_is_not_heard_further() -> None:
    async with line_of(outbox=5) as line:
        line.peer.go_deaf()
        for number in range(500):
            line.peer.subscribe("{ nothing }", f"{number}")
        await turns(50)
        waiting = line.peer._messages.qsize()  # noqa: SLF001 - what was not heard yet
        assert waiting > 400
        line.peer.hear_again()
        assert len(await line.peer.hears("error", 500)) == 500


async def test_an_order_under_way_outlives_its_socket() -> None:
    async with line_of() as line:
        line.desk.exchange.answers["markets"] = listing(BTC)
        line.peer.subscribe(MARKETS, "warm")
        await line.peer.hears("complete")
        line.desk.exchange.hold()
        line.peer.subscribe(
            'mutation { cancelOrder(input: {account: "demo", orderId: "a"}) { __typename } }', "m"
        )
        await until(lambda: "cancel" in line.desk.exchange.asked)
        line.peer.hang_up()
        await line.running
        line.desk.exchange.release()
        await line.desk.services.cancels.aclose(20)
        cancels = line.desk.metrics.registry.get_sample_value
        assert cancels("gateway_cancels_total", {"outcome": "Cancelled"}) == 1


async def test_a_peer_that_hangs_up_leaves_no_task_and_no_stream() -> None:
    before = asyncio.all_tasks()
    async with line_of() as line:
        for stream_id in "abc":
            line.peer.subscribe(TOP, stream_id)
        await line.peer.hears("next", 3)
        line.peer.hang_up()
        await line.running
        await until(lambda: not line.desk.groups._groups)  # noqa: SLF001 - nothing else shows it
    await turns(20)
    assert asyncio.all_tasks() == before


async def test_closing_ends_the_connection_even_when_the_peer_reads_nothing() -> None:
    async with line_of() as line:
        line.peer.subscribe(TOP, "1")
        await line.peer.hears("next")
        line.peer.go_deaf()
        await line.connection.close(4403, "Forbidden")
        await line.running
        assert line.peer.closed is None


async def test_closing_twice_is_no_error() -> None:
    async with line_of() as line:
        await line.connection.close(1001, "Going away")
        await line.connection.close(1001, "Going away")
        assert await line.peer.is_closed() == (1001, "Going away")


async def test_the_token_in_the_upgrade_s_header_counts_when_the_payload_has_none() -> None:
    async with schema_desk(with_token()) as desk:
        peer = Peer(authorization=f"Bearer {TOKEN}")
        await peer.socket.accept("graphql-transport-ws")
        limits = SocketLimits(init_s=20, subscriptions=1, outbox=10)
        connection = Connection(peer.socket, parts_of(desk), limits, lambda *_: None)
        running = asyncio.create_task(connection.run())
        peer.say({"type": "connection_init"})
        await peer.hears("connection_ack")
        assert connection.principal is not None
        peer.hang_up()
        await running
