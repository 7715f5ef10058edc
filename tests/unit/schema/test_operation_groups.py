import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from graphql import GraphQLSchema, build_schema

from gateway.domain.market import CandleInterval, CandleUpdate
from gateway.domain.streams import Topic, TopicKind
from gateway.metrics import Metrics
from gateway.schema.documents import Documents
from gateway.schema.execution import Execution
from gateway.schema.operation_groups import Member, OperationGroup
from gateway.tracing import Spans
from gateway.web.outbox import Outbox
from tests.unit.schema.examples import LIMITS, Desk, desk_of
from tests.unit.services.examples import (
    BTC,
    candle,
    order,
    ticker,
    top,
    trade,
    turns,
    until,
)

pytestmark = pytest.mark.anyio

TOP = 'subscription { topOfBook(symbol: "BTCUSDT") { bid { price } } }'
TRADES = 'subscription { trades(symbol: "BTCUSDT") { __typename ... on Trade { price } } }'
MINUTES = 'subscription { candles(symbol: "BTCUSDT", interval: M1) { candle { openTime } } }'
ORDERS = 'subscription { orders(account: "demo") { ... on Order { orderId } } }'
UNKNOWN = 'subscription { topOfBook(symbol: "NOPE") { asOf } }'
TOP_TOPIC = Topic(TopicKind.TOP_OF_BOOK, BTC)
TRADES_TOPIC = Topic(TopicKind.TRADES, BTC)


class Peer:
    """A member that keeps what it is told."""

    def __init__(self) -> None:
        self.payloads: list[str] = []
        self.slots: list[object] = []
        self.errors: list[dict[str, Any]] = []
        self.completed = False
        self.member = Member(deliver=self._deliver, fail=self._fail, complete=self._complete)

    def _deliver(self, payload: str, slot: object) -> None:
        self.payloads.append(payload)
        self.slots.append(slot)

    def _fail(self, errors: list[dict[str, Any]]) -> None:
        self.errors = errors

    def _complete(self) -> None:
        self.completed = True

    @property
    def told(self) -> list[Any]:
        return [next(iter(json.loads(payload)["data"].values())) for payload in self.payloads]


def join(desk: Desk, text: str, peer: Peer, key: object = None) -> OperationGroup:
    operation = desk.documents.operation(text, None)
    group = desk.groups.find(operation, None, desk.context(), (text, key))
    group.join(peer.member)
    return group


def delivered(peer: Peer, count: int) -> bool:
    return len(peer.payloads) == count


def bid(price: int) -> dict[str, Any]:
    return {"bid": {"price": str(price)}}


def groups(desk: Desk) -> float:
    return desk.metrics.registry.get_sample_value("gateway_subscription_groups") or 0


async def test_equal_subscriptions_are_executed_once_and_get_the_same_text() -> None:
    async with desk_of() as desk:
        peers = [Peer() for _ in range(50)]
        assert len({join(desk, TOP, peer) for peer in peers}) == 1
        await until(lambda: peers[0].payloads)
        desk.feed.tell(TOP_TOPIC, top(2))
        await until(lambda: len(peers[0].payloads) == 2)
        assert peers[0].told == [bid(1), bid(2)]
        for peer in peers:
            assert [id(text) for text in peer.payloads] == [id(text) for text in peers[0].payloads]
        assert desk.exchange.asked.count(f"top {BTC}") == 1
        assert groups(desk) == 1


async def test_who_joins_late_gets_the_latest_of_each_slot() -> None:
    async with desk_of() as desk:
        first, late = Peer(), Peer()
        join(desk, TOP, first)
        await until(lambda: first.payloads)
        desk.feed.tell(TOP_TOPIC, top(2))
        await until(lambda: len(first.payloads) == 2)
        join(desk, TOP, late)
        assert late.payloads == first.payloads[-1:]
        assert late.slots == [BTC]


async def test_who_joins_late_gets_the_candle_now_open_and_none_before_it() -> None:
    async with desk_of() as desk:
        first, late = Peer(), Peer()
        join(desk, MINUTES, first)
        await until(lambda: first.payloads)
        topic = Topic(TopicKind.CANDLES, BTC, CandleInterval.M1)
        for minute in range(3, 30):
            desk.feed.tell(topic, CandleUpdate(BTC, CandleInterval.M1, candle(minute)))
            await until(partial(delivered, first, minute - 1))
        join(desk, MINUTES, late)
        assert late.payloads == first.payloads[-1:]


async def test_who_joins_late_gets_the_last_events_of_a_stream_that_never_conflates() -> None:
    async with desk_of() as desk:
        first, late = Peer(), Peer()
        join(desk, TRADES, first)
        await until(lambda: desk.feed.wanted)
        desk.feed.start(TRADES_TOPIC)
        await until(lambda: len(first.payloads) == 2)
        for number in range(3, 63):
            desk.feed.tell(TRADES_TOPIC, trade(number))
        await until(lambda: len(first.payloads) == 62)
        join(desk, TRADES, late)
        assert late.payloads == first.payloads[-50:]
        assert set(late.slots) == {None}


async def test_the_last_to_leave_ends_the_execution_and_the_next_begins_a_new_one() -> None:
    async with desk_of() as desk:
        peers = [Peer(), Peer()]
        group = join(desk, TOP, peers[0])
        join(desk, TOP, peers[1])
        await until(lambda: peers[0].payloads)
        group.leave(peers[0].member)
        await turns()
        assert not group.task.done()
        group.leave(peers[1].member)
        again = Peer()
        assert join(desk, TOP, again) is not group
        await until(group.task.done)
        await until(lambda: again.payloads)
        assert groups(desk) == 1
        assert not peers[0].errors


def counting(ended: list[int]) -> GraphQLSchema:
    """A schema whose subscription counts at once, and notes what was last when it is ended."""

    async def numbers(*_: object) -> AsyncIterator[dict[str, int]]:
        number = 0
        try:
            while True:
                number += 1
                yield {"numbers": number}
        finally:
            ended.append(number)

    schema = build_schema("type Query { none: Int } type Subscription { numbers: Int }")
    assert schema.subscription_type is not None
    schema.subscription_type.fields["numbers"].subscribe = numbers
    return schema


async def test_an_execution_that_is_ended_between_two_events_leaves_nothing_running() -> None:
    ended: list[int] = []
    schema = counting(ended)
    operation = Documents(schema, LIMITS, capacity=1).operation("subscription { numbers }", None)
    async with desk_of() as desk:
        group = OperationGroup(
            Execution(schema, Spans()), operation, None, desk.context(), Metrics()
        )
        member = Member(
            deliver=lambda *_: group.leave(member),
            fail=lambda errors: pytest.fail(str(errors)),
            complete=lambda: pytest.fail("it does not end by itself"),
        )
        group.join(member)
        await until(group.task.done)
        await turns()
        assert ended == [1]


async def test_an_error_ends_every_member_and_the_group() -> None:
    async with desk_of() as desk:
        peers = [Peer(), Peer()]
        group = join(desk, UNKNOWN, peers[0])
        join(desk, UNKNOWN, peers[1])
        await until(group.task.done)
        await turns()
        for peer in peers:
            assert [error["extensions"]["code"] for error in peer.errors] == ["UNKNOWN_SYMBOL"]
        assert groups(desk) == 0


async def test_a_defect_ends_the_members_with_a_masked_error() -> None:
    async with desk_of() as desk:
        peer = Peer()
        desk.exchange.answers[f"top {BTC}"] = LookupError("the secret of the house")
        group = join(desk, TOP, peer)
        await until(group.task.done)
        assert [error["extensions"]["code"] for error in peer.errors] == ["INTERNAL"]
        assert "house" not in str(peer.errors)


async def test_what_is_not_public_is_executed_for_each_subscriber() -> None:
    async with desk_of() as desk:
        peers = [Peer(), Peer()]
        assert len({join(desk, ORDERS, peer) for peer in peers}) == 2
        await until(lambda: desk.account_feed.wanted)
        desk.account_feed.start(Topic(TopicKind.ACCOUNT))
        await until(lambda: peers[0].payloads and peers[1].payloads)
        desk.account_feed.tell(Topic(TopicKind.ACCOUNT), order("o2"))
        await until(lambda: len(peers[1].payloads) == 2)
        assert peers[1].told == [{"orderId": "o1"}, {"orderId": "o2"}]


async def test_a_snapshot_longer_than_an_outbox_reaches_who_reads_it() -> None:
    async with desk_of() as desk:
        orders = tuple(order(f"o{number}") for number in range(300))
        desk.exchange.answers["open orders"] = orders
        written: list[str] = []

        async def send(frame: str) -> None:
            written.append(frame)

        outbox = Outbox(send, capacity=10)
        writer = asyncio.create_task(outbox.run())
        peer = Peer()
        operation = desk.documents.operation(ORDERS, None)
        group = desk.groups.find(operation, None, desk.context(), "snapshot")
        group.join(Member(deliver=outbox.put, fail=peer.errors.extend, complete=lambda: None))
        await until(lambda: desk.account_feed.wanted)
        desk.account_feed.start(Topic(TopicKind.ACCOUNT))
        await until(lambda: len(written) == len(orders) or group.task.done())
        ids = [json.loads(frame)["data"]["orders"]["orderId"] for frame in written]
        assert ids == [each.order_id for each in orders]
        assert peer.errors == []
        writer.cancel()


async def test_other_keys_are_other_groups() -> None:
    async with desk_of() as desk:
        assert len({join(desk, TOP, Peer(), key) for key in ("a", "b", "a")}) == 2


async def test_tickers_have_a_slot_for_each_market() -> None:
    async with desk_of() as desk:
        peer, late = Peer(), Peer()
        text = "subscription { tickers { symbol last } }"
        join(desk, text, peer)
        await until(lambda: len(peer.payloads) == 2)
        desk.feed.tell(Topic(TopicKind.ALL_TICKERS), ticker(9, BTC))
        await until(lambda: len(peer.payloads) == 3)
        join(desk, text, late)
        assert [each["last"] for each in late.told] == ["2", "9"]


async def test_closing_ends_every_group_and_leaves_no_task() -> None:
    before = asyncio.all_tasks()
    async with desk_of() as desk:
        for key in range(3):
            join(desk, TOP, Peer(), key)
        await until(lambda: desk.feed.wanted)
    await turns(30)
    assert asyncio.all_tasks() == before
