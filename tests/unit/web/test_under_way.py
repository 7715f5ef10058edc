import asyncio
from functools import partial
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from gateway.domain.errors import Unclear
from gateway.web.graphql_http import GraphQLOverHttp
from gateway.web.graphql_ws import Connection, SocketLimits
from gateway.web.kept_answers import KeptAnswers
from gateway.web.parts import GraphQLParts
from tests.unit.schema.examples import Desk, codes, desk_of
from tests.unit.services.examples import turns, until
from tests.unit.web.examples import TOKEN, Peer, event_streams_of, parts_of, stop_now, with_token

pytestmark = pytest.mark.anyio

TOP = 'subscription { topOfBook(symbol: "BTCUSDT") { bid { price } } }'
MARKETS = "{ markets { symbol } }"


class Line:
    """A peer and the connection that serves it."""

    def __init__(self, parts: GraphQLParts) -> None:
        self.peer = Peer()
        limits = SocketLimits(init_s=20, subscriptions=10, outbox=10)
        self._connection = Connection(self.peer.socket, parts, limits, lambda *_: None)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Peer:
        await self.peer.socket.accept("graphql-transport-ws")
        self._task = asyncio.create_task(self._connection.run())
        self.peer.init()
        await self.peer.hears("connection_ack")
        return self.peer

    async def __aexit__(self, *_: object) -> None:
        self.peer.hang_up()
        assert self._task is not None
        await self._task
        await turns()


async def post(desk: Desk, parts: GraphQLParts, query: str) -> httpx.Response:
    kept, streams = KeptAnswers(desk.market_data, 0), event_streams_of(parts)
    graphql = GraphQLOverHttp(parts, kept, streams, max_body=10_000)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(graphql),
        base_url="http://gateway",
        headers={"authorization": f"Bearer {TOKEN}"},
    ) as client:
        return await client.post("/graphql", json={"query": query})


def counted(desk: Desk, operation: str, code: str) -> float:
    labels = {"operation": operation, "code": code}
    return sum(
        sample.value
        for family in desk.metrics.graphql_requests.collect()
        for sample in family.samples
        if sample.name == "gateway_graphql_requests_total"
        and labels.items() <= sample.labels.items()
    )


def code_of(message: dict[str, Any]) -> str:
    return str(message["payload"][0]["extensions"]["code"])


async def test_a_request_over_one_edge_counts_against_the_other() -> None:
    async with desk_of(with_token()) as desk:
        parts = parts_of(desk, requests=1)
        async with Line(parts) as peer:
            desk.exchange.hold()
            peer.subscribe(MARKETS, "a")
            await turns()
            refused = await post(desk, parts, MARKETS)
            assert (refused.status_code, codes(refused.json())) == (429, ["RATE_LIMITED"])
            peer.subscribe(MARKETS, "b")
            assert code_of((await peer.hears("error"))[0]) == "RATE_LIMITED"
            desk.exchange.release()
            await peer.hears("complete")
            await turns()
            assert (await post(desk, parts, MARKETS)).status_code == 200


async def test_a_call_that_is_ended_before_it_begins_counts_no_longer() -> None:
    async with desk_of(with_token()) as desk:
        parts = parts_of(desk, requests=1)
        async with Line(parts) as peer:
            peer.subscribe(MARKETS, "a")
            peer.say({"type": "complete", "id": "a"})
            await turns()
            peer.subscribe(MARKETS, "b")
            await until(lambda: peer.of("complete", "b"))


async def test_subscriptions_are_bounded_over_all_sockets_of_a_principal() -> None:
    async with desk_of(with_token()) as desk:
        parts = parts_of(desk, subscriptions=2)
        async with Line(parts) as first, Line(parts) as second:
            for peer in (first, second):
                peer.subscribe(TOP, "a")
                await peer.hears("next")
            second.subscribe(TOP, "b")
            assert code_of((await second.hears("error"))[0]) == "RATE_LIMITED"
            first.say({"type": "complete", "id": "a"})
            await turns()
            second.subscribe(TOP, "c")
            await until(lambda: second.of("next", "c"))
        async with Line(parts) as third:
            for stream_id in ("a", "b"):
                third.subscribe(TOP, stream_id)
                await until(partial(third.of, "next", stream_id))


async def test_operations_of_a_socket_are_counted_by_kind_and_outcome() -> None:
    async with desk_of(with_token()) as desk:
        async with Line(parts_of(desk)) as peer:
            peer.subscribe(MARKETS, "a")
            peer.subscribe("{ nothing }", "b")
            peer.subscribe(TOP, "c")
            peer.subscribe('subscription { topOfBook(symbol: "NONE") { asOf } }', "d")
            await until(lambda: peer.of("next", "c") and peer.of("error", "d"))
            await until(lambda: peer.of("complete", "a"))
        assert counted(desk, "query", "OK") == 1
        assert counted(desk, "none", "GRAPHQL_VALIDATION_FAILED") == 1
        assert counted(desk, "subscription", "OK") == 1
        assert counted(desk, "subscription", "UNKNOWN_SYMBOL") == 1
        seconds = desk.metrics.registry.get_sample_value
        timed = {"operation": "query", "field": "markets"}
        assert seconds("gateway_graphql_seconds_count", timed) == 1
        assert seconds("gateway_graphql_seconds_count", {"operation": "subscription"}) is None


async def test_what_fails_leaves_a_line_with_the_caller_the_field_and_the_codes() -> None:
    async with desk_of(with_token()) as desk:
        desk.exchange.answers["balances"] = Unclear("wallet", "exchange_code", "90000")
        with capture_logs() as lines:
            await post(desk, parts_of(desk), 'query Mine { market(symbol: "NONE") { symbol } }')
            await post(desk, parts_of(desk), MARKETS)
            async with Line(parts_of(desk)) as peer:
                peer.subscribe('subscription { topOfBook(symbol: "NONE") { asOf } }', "a")
                await peer.hears("error")
                peer.subscribe('{ account(id: "demo") { balances { asset } } }', "b")
                await peer.hears("complete")
        failed = [
            (line["operation"], line["field"], line["code"], line["exchange_code"])
            for line in lines
        ]
        assert failed == [
            ("query", "market", "UNKNOWN_SYMBOL", None),
            ("subscription", "topOfBook", "UNKNOWN_SYMBOL", None),
            ("query", "account", "EXCHANGE_UNAVAILABLE", "90000"),
        ]
        assert {line["principal"] for line in lines} == {"app"}
        assert ["ms" in line for line in lines] == [True, False, True]


async def test_a_socket_that_proves_nobody_leaves_a_line_without_what_it_wrote() -> None:
    async with desk_of(with_token()) as desk:
        limits = SocketLimits(init_s=20, subscriptions=10, outbox=10)
        peer = Peer()
        await peer.socket.accept("graphql-transport-ws")
        connection = Connection(peer.socket, parts_of(desk), limits, lambda *_: None)
        peer.init("ngw_made-up-by-somebody")
        with capture_logs() as lines:
            await connection.run()
        (line,) = lines
        assert (line["event"], line["code"], line["principal"]) == ("socket.refused", 4403, None)
        assert "somebody" not in str(line)


async def test_a_gateway_that_stops_begins_no_request_and_sends_its_callers_elsewhere() -> None:
    async with desk_of(with_token()) as desk:
        stop = stop_now()
        parts = parts_of(desk, stop=stop)
        async with Line(parts) as peer:
            assert (await post(desk, parts, MARKETS)).status_code == 200
            stop.begin()
            refused = await post(desk, parts, MARKETS)
            assert (refused.status_code, codes(refused.json())) == (503, ["STOPPING"])
            headers = [refused.headers[name] for name in ("retry-after", "connection")]
            assert headers == ["1", "close"]
            peer.subscribe(MARKETS, "a")
            assert code_of((await peer.hears("error"))[0]) == "STOPPING"
            peer.subscribe(TOP, "b")
            await peer.hears("next")
