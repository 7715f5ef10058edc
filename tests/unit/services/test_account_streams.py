import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.domain.errors import UnknownAccount
from gateway.domain.key_errors import NoKey
from gateway.services.account_stream import ACCOUNT, AccountStream, AccountTiming
from gateway.services.account_streams import AccountStreams
from tests.unit.services.desks import Watch, reads_of
from tests.unit.services.examples import StandInExchange, StandInFeed, turns

pytestmark = pytest.mark.anyio


class Opened:
    """Streams of made-up feeds, by their account."""

    def __init__(self) -> None:
        self.feeds: dict[str, StandInFeed] = {}

    def __call__(self, account: str) -> AccountStream:
        self.feeds[account] = feed = StandInFeed()
        return AccountStream(
            account=account,
            feed=feed.feed,
            exchange=StandInExchange().client,
            reads=reads_of(Watch()),
            queue_size=10,
            timing=AccountTiming(linger_s=0),
            exchange_now=lambda: None,
        )


@asynccontextmanager
async def running(streams: AccountStreams) -> AsyncIterator[None]:
    task = asyncio.create_task(streams.run())
    await turns()
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_an_account_that_gets_a_key_gets_a_stream_while_the_others_go_on() -> None:
    opened = Opened()
    streams = AccountStreams(opened, UnknownAccount)
    streams.set_accounts(["desk"])
    async with running(streams):
        first = streams.of("desk")
        streams.set_accounts(["desk", "vault"])
        await turns()
        assert streams.of("desk") is first
        assert sorted(streams.all()) == ["desk", "vault"]
        assert opened.feeds["vault"].receive == streams.of("vault").receive


async def test_subscriptions_of_an_account_that_no_key_reads_end_and_say_why() -> None:
    streams = AccountStreams(Opened(), lambda account: NoKey(account, "read"))
    streams.set_accounts(["desk"])
    async with running(streams):
        events = streams.of("desk").orders()
        waiting = asyncio.ensure_future(anext(events))
        await turns()
        streams.set_accounts([])
        with pytest.raises(NoKey):
            await waiting
        with pytest.raises(NoKey):
            streams.of("desk")


async def test_every_account_is_followed_while_it_has_a_key_though_nobody_listens() -> None:
    opened = Opened()
    streams = AccountStreams(opened, UnknownAccount)
    streams.set_accounts(["desk", "vault"])
    async with running(streams):
        assert set(opened.feeds["vault"].wanted) == set(opened.feeds["desk"].wanted) == {ACCOUNT}
        streams.set_accounts(["desk"])
        await turns()
        assert opened.feeds["vault"].wanted == []
        assert opened.feeds["desk"].wanted
