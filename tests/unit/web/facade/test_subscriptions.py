from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from gateway.domain.streams import Topic, TopicKind
from gateway.services.streams import ALL_TICKERS
from gateway.web.facade.stream_protocol import StreamName
from gateway.web.facade.subscriptions import Subscriber, Subscriptions
from tests.unit.services.examples import BTC, ETH, book, listing, ticker, trade, until
from tests.unit.services.test_streams import Desk
from tests.unit.services.test_streams import desk_of as hub_desk

pytestmark = pytest.mark.anyio

DEPTH, TRADES = Topic(TopicKind.ORDER_BOOK, BTC), Topic(TopicKind.TRADES, BTC)
BOOK, TRADE = StreamName("depth", BTC), StreamName("trade", BTC)
EVERY = StreamName("allTickers")


@dataclass(eq=False)
class Peer:
    """What a connection is told."""

    frames: list[tuple[str, Hashable | None]] = field(default_factory=list)
    losses: int = 0

    def __post_init__(self) -> None:
        self.subscriber = Subscriber(self._tell, self._lose)

    def _tell(self, frame: str, slot: Hashable | None) -> None:
        self.frames.append((frame, slot))

    def _lose(self) -> None:
        self.losses += 1


@asynccontextmanager
async def desk_of() -> AsyncIterator[tuple[Desk, Subscriptions]]:
    async with hub_desk(linger_s=0) as desk:
        desk.exchange.answers["markets"] = (listing(BTC, ETH), ())
        for topic in (DEPTH, TRADES, ALL_TICKERS):
            desk.feed.start(topic)
        yield desk, Subscriptions(desk.hub, desk.market_data)


async def test_a_frame_is_written_once_for_all_who_get_it() -> None:
    async with desk_of() as (desk, subscriptions):
        peers = [Peer() for _ in range(3)]
        for peer in peers:
            assert subscriptions.join(BOOK, peer.subscriber)
        desk.feed.tell(DEPTH, book(2))
        first, second, third = (peer.frames[0][0] for peer in peers)
        assert first is second is third


async def test_frames_that_tell_all_have_a_slot_and_trades_have_none() -> None:
    async with desk_of() as (desk, subscriptions):
        peer = Peer()
        for name in (BOOK, TRADE, EVERY, StreamName("ticker", ETH)):
            subscriptions.join(name, peer.subscriber)
        desk.feed.tell(DEPTH, book(2))
        desk.feed.tell(TRADES, trade(1))
        desk.feed.tell(ALL_TICKERS, ticker(1, BTC))
        desk.feed.tell(ALL_TICKERS, ticker(1, ETH))
        slots = [slot for _, slot in peer.frames]
        assert slots[1] is None
        assert len(set(slots)) == len(slots) == 5


async def test_nobody_joins_what_the_exchange_does_not_tell_of() -> None:
    async with desk_of() as (desk, subscriptions):
        peer = Peer()
        assert not subscriptions.join(StreamName("orderBook", BTC), peer.subscriber)
        assert desk.feed.wanted == []


async def test_a_topic_is_followed_while_somebody_is_subscribed_to_it() -> None:
    async with desk_of() as (desk, subscriptions):
        one, other = Peer(), Peer()
        for peer in (one, other):
            subscriptions.join(BOOK, peer.subscriber)
        subscriptions.leave(BOOK, one.subscriber)
        desk.feed.tell(DEPTH, book(2))
        assert (len(one.frames), len(other.frames)) == (0, 1)
        subscriptions.leave(BOOK, other.subscriber)
        await until(lambda: desk.feed.wanted == [])


async def test_topics_that_are_asked_for_are_followed_before_anybody_has_joined() -> None:
    async with desk_of() as (desk, subscriptions):
        with subscriptions.asked_for({DEPTH, TRADES}):
            assert set(desk.feed.wanted) == {DEPTH, TRADES}
        await until(lambda: desk.feed.wanted == [])


async def test_a_gap_is_a_loss_to_who_is_subscribed_to_trades_alone() -> None:
    async with desk_of() as (desk, subscriptions):
        of_trades, of_books = Peer(), Peer()
        subscriptions.join(TRADE, of_trades.subscriber)
        subscriptions.join(BOOK, of_books.subscriber)
        desk.feed.cut()
        assert (of_trades.losses, of_books.losses) == (1, 0)


async def test_every_ticker_stays_subscribed_whoever_leaves() -> None:
    async with desk_of() as (desk, subscriptions):
        peer = Peer()
        subscriptions.join(EVERY, peer.subscriber)
        subscriptions.leave(EVERY, peer.subscriber)
        assert desk.feed.wanted == [ALL_TICKERS]
