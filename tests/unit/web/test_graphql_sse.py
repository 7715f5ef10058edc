import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.access.policy import Action, Policy
from gateway.domain.streams import Topic, TopicKind
from gateway.schema.errors import code_of
from gateway.web.event_streams import EventStreams
from gateway.web.graphql_http import GraphQLOverHttp
from gateway.web.graphql_sse import EventStreamLimits, next_event, retry_field
from gateway.web.kept_answers import KeptAnswers
from gateway.web.parts import GraphQLParts
from tests.unit.schema.examples import EVERYTHING, Desk, desk_of
from tests.unit.services.examples import APP, BTC, policy, top, trade, turns, until
from tests.unit.web.examples import Reader, event_streams_of, parts_of, stop_now, with_token

pytestmark = pytest.mark.anyio

TOP = 'subscription { topOfBook(symbol: "BTCUSDT") { bid { price } } }'
TRADES = 'subscription { trades(symbol: "BTCUSDT") { ... on Trade { price } } }'
ORDERS = 'subscription { orders(account: "demo") { ... on Order { orderId } } }'
MARKETS = "{ markets { symbol } }"
TOP_TOPIC = Topic(TopicKind.TOP_OF_BOOK, BTC)
TRADES_TOPIC = Topic(TopicKind.TRADES, BTC)


@dataclass
class House:
    """The HTTP edge, its event streams, and those who read them."""

    desk: Desk
    parts: GraphQLParts
    streams: EventStreams
    graphql: GraphQLOverHttp
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    readers: list[Reader] = field(default_factory=list)

    def send(self, reader: Reader) -> Reader:
        answering = self.graphql(reader.scope, reader.receive, reader.send)
        self.tasks.append(asyncio.create_task(answering))
        self.readers.append(reader)
        return reader

    async def subscribed(self) -> Reader:
        reader = self.send(Reader(TOP))
        await reader.reads(1)
        return reader

    def metric(self, name: str, **labels: str) -> float:
        return self.desk.metrics.registry.get_sample_value(f"gateway_{name}", labels) or 0


@asynccontextmanager
async def house_of(
    granted: Policy = EVERYTHING,
    *,
    outbox: int = 100,
    alive_s: float = 15,
    most: int = 100,
    most_of_principal: int = 100,
) -> AsyncIterator[House]:
    async with desk_of(with_token(granted)) as desk:
        parts = parts_of(desk)
        limits = EventStreamLimits(outbox=outbox, alive_s=alive_s)
        streams = event_streams_of(parts, limits, most=most, most_of_principal=most_of_principal)
        kept = KeptAnswers(desk.market_data, 1_000_000)
        house = House(desk, parts, streams, GraphQLOverHttp(parts, kept, streams, max_body=1000))
        try:
            yield house
        finally:
            for reader in house.readers:
                reader.hang_up()
            await asyncio.gather(*house.tasks)
            assert house.metric("event_streams") == 0
            assert house.metric("subscriptions", field="topOfBook") == 0
            await turns()


def codes(reader: Reader) -> list[str]:
    return [code_of(result) for result in reader.results]


async def test_a_subscription_goes_from_its_snapshot_through_what_comes() -> None:
    async with house_of() as house:
        reader = await house.subscribed()
        house.desk.feed.tell(TOP_TOPIC, top(2))
        results = await reader.reads(2)
        assert [each["data"]["topOfBook"]["bid"]["price"] for each in results] == ["1", "2"]
        assert (reader.status, reader.ended, reader.completed) == (200, False, False)
        assert house.metric("event_streams") == 1
        assert house.metric("subscriptions", field="topOfBook") == 1


async def test_a_stream_is_for_its_reader_alone_and_no_proxy_may_hold_it_back() -> None:
    async with house_of() as house:
        reader = await house.subscribed()
        assert reader.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert reader.headers["cache-control"] == "no-cache, no-store, no-transform"
        assert reader.headers["x-accel-buffering"] == "no"
        assert reader.headers["connection"] == "close"
        assert reader.headers["ratelimit"] == '"requests";r=1'
        assert len(reader.headers["x-trace-id"]) == 32


async def test_a_query_is_one_result_and_complete_also_when_its_answer_was_kept() -> None:
    query = '{ market(symbol: "BTCUSDT") { topOfBook { bid { price } } } }'
    async with house_of() as house:
        for _ in range(2):
            reader = house.send(Reader(query))
            await reader.is_ended()
            (begin, end) = reader.text.split("\n\n")[:-1]
            result = json.loads(begin.removeprefix("event: next\ndata: "))
            assert result["data"] == {"market": {"topOfBook": {"bid": {"price": "1"}}}}
            assert result["extensions"]["limits"]
            assert end == "event: complete\ndata:"
        assert house.metric("answers_total", kept="yes") == 1


async def test_what_is_wrong_in_a_document_is_told_in_the_stream() -> None:
    async with house_of() as house:
        for query, code in (("{", "GRAPHQL_PARSE_FAILED"), ("{ no }", "GRAPHQL_VALIDATION_FAILED")):
            reader = house.send(Reader(query))
            await reader.is_ended()
            assert (reader.status, reader.text.count(code)) == (200, 1)
            assert reader.text.endswith("event: complete\ndata:\n\n")


async def test_what_the_policy_denies_is_told_in_the_stream() -> None:
    async with house_of(policy(Action.ACCOUNT_READ)) as house:
        reader = house.send(Reader(TOP))
        await reader.is_ended()
        assert (reader.status, reader.text.count("FORBIDDEN")) == (200, 1)
        assert reader.text.endswith("event: complete\ndata:\n\n")


@pytest.mark.parametrize(
    ("accept", "authorization", "status"),
    [("text/html", None, 406), ("*/*", None, 400), (None, "Bearer nobody", 401)],
)
async def test_a_request_that_is_refused_is_answered_in_json(
    accept: str | None, authorization: str | None, status: int
) -> None:
    given = {"accept": accept, "authorization": authorization}
    async with house_of() as house:
        reader = house.send(Reader(TOP, **{k: v for k, v in given.items() if v is not None}))
        await reader.is_ended()
        assert (reader.status, reader.headers["content-type"]) == (status, "application/json")
        assert json.loads(reader.text)["errors"][0]["extensions"]["code"]


async def test_a_subscription_is_streamed_to_who_takes_json_too() -> None:
    async with house_of() as house:
        reader = house.send(Reader(TOP, accept="application/json, text/event-stream"))
        await reader.reads(1)
        assert reader.headers["content-type"].startswith("text/event-stream")


async def test_streams_that_ask_for_the_same_share_one_execution() -> None:
    async with house_of() as house:
        await house.subscribed()
        await house.subscribed()
        assert house.metric("subscription_groups") == 1


async def test_who_hangs_up_leaves_nothing_behind() -> None:
    async with house_of() as house:
        reader = await house.subscribed()
        reader.hang_up()
        await asyncio.gather(*house.tasks)
        assert house.metric("event_streams") == 0
        assert house.metric("subscriptions", field="topOfBook") == 0
        await until(lambda: house.metric("subscription_groups") == 0)


async def test_a_deaf_reader_who_hangs_up_leaves_nothing_behind_either() -> None:
    async with house_of() as house:
        reader = await house.subscribed()
        reader.go_deaf()
        house.desk.feed.tell(TOP_TOPIC, top(2))
        await turns()
        reader.hang_up()
        await asyncio.gather(*house.tasks)
        assert house.metric("event_streams") == 0


async def test_a_value_that_waits_gives_way_to_the_newer_one() -> None:
    async with house_of(outbox=2) as house:
        reader = await house.subscribed()
        reader.go_deaf()
        for bid in range(2, 30):
            house.desk.feed.tell(TOP_TOPIC, top(bid))
            await turns()
        reader.hear_again()
        results = await reader.reads(3)
        prices = [each["data"]["topOfBook"]["bid"]["price"] for each in results]
        assert (len(prices), prices[-1]) == (3, "29")


async def test_a_reader_too_slow_for_what_must_not_drop_is_told_so_and_loses_its_stream() -> None:
    async with house_of(outbox=2) as house:
        reader = house.send(Reader(TRADES))
        await until(lambda: reader.text and TRADES_TOPIC in house.desk.feed.wanted)
        reader.go_deaf()
        for number in range(1, 6):
            house.desk.feed.tell(TRADES_TOPIC, trade(number))
            await turns()
        assert house.metric("slow_streams_total") == 1
        assert house.metric("subscriptions", field="trades") == 0
        reader.hear_again()
        await reader.is_ended()
        assert (codes(reader)[-1], reader.completed) == ("RATE_LIMITED", True)


async def test_a_token_that_is_good_no_longer_ends_its_streams_without_what_waits() -> None:
    async with house_of() as house:
        reader, deaf = await house.subscribed(), house.send(Reader(TRADES))
        await until(lambda: deaf.text)
        deaf.go_deaf()
        for number in range(2, 5):
            house.desk.feed.tell(TRADES_TOPIC, trade(number))
            await turns()
        house.desk.policy = policy()
        await house.streams.recheck()
        await reader.is_ended()
        assert (codes(reader)[-1], reader.completed) == ("UNAUTHENTICATED", True)
        deaf.hear_again()
        await deaf.is_ended()
        # One event was on its way.
        assert codes(deaf) == ["OK", "UNAUTHENTICATED"]
        assert deaf.completed


async def test_a_grant_taken_away_ends_just_its_streams() -> None:
    async with house_of() as house:
        reader, other = await house.subscribed(), house.send(Reader(ORDERS))
        await until(lambda: other.text)
        house.desk.policy = with_token(policy(Action.ACCOUNT_READ))
        await house.streams.recheck()
        await reader.is_ended()
        assert (codes(reader)[-1], reader.completed) == ("FORBIDDEN", True)
        assert not other.ended


async def test_a_token_that_expires_ends_its_stream() -> None:
    async with house_of() as house:
        house.desk.policy = with_token(expires=house.desk.clock.now + 50)
        reader = house.send(Reader(TOP))
        await reader.is_ended()
        assert (codes(reader)[-1], reader.completed) == ("UNAUTHENTICATED", True)
        assert "the token has expired" in reader.text


async def test_a_silent_stream_sends_comments() -> None:
    async with house_of(alive_s=0.01) as house:
        reader = await house.subscribed()
        await until(lambda: reader.text.endswith(":\n\n:\n\n"))
        assert not reader.ended


@pytest.mark.parametrize(("most", "most_of_principal"), [(1, 10), (10, 1)])
async def test_more_streams_than_allowed_are_told_to_try_later(
    most: int, most_of_principal: int
) -> None:
    async with house_of(most=most, most_of_principal=most_of_principal) as house:
        first = await house.subscribed()
        second = house.send(Reader(TOP))
        await second.is_ended()
        assert (second.status, second.headers["retry-after"]) == (429, "1")
        assert json.loads(second.text)["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
        first.hang_up()
        await house.tasks[0]
        await house.subscribed()


async def test_subscriptions_of_a_principal_are_bounded_over_sockets_and_streams_together() -> None:
    async with house_of() as house:
        for _ in range(100):
            house.parts.under_way.subscriptions.take(APP)
        reader = house.send(Reader(TOP))
        await reader.is_ended()
        assert reader.status == 429


async def test_draining_breaks_streams_off_without_complete_so_that_readers_come_back() -> None:
    async with house_of() as house:
        readers = [await house.subscribed() for _ in range(3)]
        await house.streams.drain(stop_now())
        assert [(each.ended, each.completed) for each in readers] == [(True, False)] * 3


async def test_a_reader_that_reads_nothing_holds_up_no_other_s_end() -> None:
    async with house_of() as house:
        deaf, other = await house.subscribed(), await house.subscribed()
        deaf.go_deaf()
        house.desk.feed.tell(TOP_TOPIC, top(2))
        await turns()
        await house.streams.drain(stop_now())
        assert (deaf.ended, other.ended) == (False, True)


@given(st.text())
async def test_a_result_is_one_event_whatever_it_says(text: str) -> None:
    event = next_event(json.dumps({"data": text}))
    assert event.splitlines(keepends=False)[0] == "event: next"
    assert event.count("\n") == 3
    assert "\r" not in event


def test_readers_come_back_in_one_to_three_seconds() -> None:
    assert retry_field(bytes(4)) == "retry: 1000\n\n"
    for chance in range(5000):
        wait = int(retry_field(chance.to_bytes(4)).removeprefix("retry: "))
        assert 1000 <= wait <= 3000
