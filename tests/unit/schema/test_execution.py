import gc

import pytest
from graphql.execution.collect_fields import CollectedFields

from gateway.domain.streams import Topic, TopicKind
from tests.unit.schema.examples import desk_of
from tests.unit.schema.test_operation_groups import TRADES, Peer, join
from tests.unit.services.examples import BTC, trade, until

pytestmark = pytest.mark.anyio


def collected_fields() -> int:
    """How many of what graphql-core computes for each event are still in memory."""
    gc.collect()
    return sum(isinstance(known, CollectedFields) for known in gc.get_objects())


async def test_a_subscription_keeps_nothing_of_the_events_that_it_has_executed() -> None:
    topic = Topic(TopicKind.TRADES, BTC)
    async with desk_of() as desk:
        peer = Peer()
        join(desk, TRADES, peer)
        await until(lambda: desk.feed.wanted)
        desk.feed.start(topic)
        await until(lambda: len(peer.payloads) == 2)
        before = collected_fields()
        for number in range(3, 63):
            desk.feed.tell(topic, trade(number))
        await until(lambda: len(peer.payloads) == 62)
        assert collected_fields() - before < 10
