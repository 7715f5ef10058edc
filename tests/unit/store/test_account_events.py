"""An account's events in a real Valkey."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from gateway.domain.account import Balance
from gateway.domain.account_events import AccountEvent, Origin
from gateway.domain.leadership import Fenced, Leadership
from gateway.domain.streams import Gap
from gateway.store.account_events import AccountEventStore
from gateway.store.journal_keys import events_key, guard_key
from gateway.store.leases import AccountLeases, leader_key
from gateway.store.redis import StoreUnavailable
from tests.unit.store.examples import accepted, open_patient, open_quick, placement
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio


@pytest.fixture
async def redis(valkey: ValkeyServer) -> AsyncIterator[Redis]:
    async with open_patient(valkey.url) as client:
        yield client


@pytest.fixture
def store(redis: Redis) -> AccountEventStore:
    return AccountEventStore(redis, most=100_000)


async def led(redis: Redis, owner: str = "one", account: str = "demo") -> Leadership:
    leadership = await AccountLeases(redis).acquire(account, owner, 60_000)
    assert leadership is not None
    return leadership


def gaps(start: int, stop: int) -> list[AccountEvent]:
    """Events as they are read, numbered from `start` to before `stop`."""
    return [
        AccountEvent(sequence=number, time=number, gap=Gap(number, "test"))
        for number in range(start, stop)
    ]


def every_kind() -> list[AccountEvent]:
    placed = accepted(placement())
    balance = Balance("USDT", Decimal("1.10"), Decimal("1E-8"), Decimal(0))
    return [
        AccountEvent(
            sequence=1,
            time=1,
            order=placed.order,
            origin=Origin.GATEWAY,
            placement_id=placed.id,
        ),
        AccountEvent(sequence=2, time=2, placement=placed),
        AccountEvent(sequence=3, time=3, balance=balance),
        AccountEvent(sequence=4, time=4, gap=Gap(1, "reconnected")),
    ]


async def test_events_come_back_as_they_were_numbered_in_their_order(
    store: AccountEventStore, redis: Redis
) -> None:
    events = every_kind()
    await store.append(await led(redis), [replace(each, sequence=0) for each in events])
    assert list(await store.read("demo", None, 10)) == events


async def test_two_leaders_one_after_the_other_count_on_without_a_hole(
    store: AccountEventStore, redis: Redis
) -> None:
    await store.append(await led(redis), gaps(1, 4))
    await redis.hset(leader_key("demo"), "until", "1")
    await AccountEventStore(redis, most=9).append(await led(redis, "two"), gaps(4, 6))
    assert list(await store.read("demo", None, 10)) == gaps(1, 6)
    assert await store.bounds("demo") == (1, 5)


async def test_a_reader_goes_on_behind_any_number(store: AccountEventStore, redis: Redis) -> None:
    await store.append(await led(redis), gaps(1, 11))
    assert list(await store.read("demo", 3, 4)) == gaps(4, 8)
    assert list(await store.read("demo", 10, 4)) == []
    assert list(await store.read("demo", 0, 2)) == gaps(1, 3)


async def test_accounts_are_counted_apart(store: AccountEventStore, redis: Redis) -> None:
    await store.append(await led(redis), gaps(1, 3))
    await store.append(await led(redis, account="other"), gaps(1, 2))
    assert await store.bounds("other") == (1, 1)
    assert await store.bounds("nobody's") == (1, 0)


@pytest.mark.parametrize("successor", ["one", "two"], ids=["same-owner", "other-owner"])
async def test_a_leadership_that_another_has_followed_appends_nothing(
    store: AccountEventStore, redis: Redis, successor: str
) -> None:
    old = await led(redis)
    await redis.hset(leader_key("demo"), "until", "1")
    await led(redis, successor)
    with pytest.raises(Fenced, match="leads demo"):
        await store.append(old, gaps(1, 2))
    assert await store.bounds("demo") == (1, 0)


async def test_the_same_epoch_of_another_owner_appends_nothing(
    store: AccountEventStore, redis: Redis
) -> None:
    await led(redis)
    with pytest.raises(Fenced):
        await store.append(Leadership("demo", "two", 1), gaps(1, 2))


async def test_events_whose_answer_was_lost_are_not_doubled(own_valkey: ValkeyServer) -> None:
    async with open_quick(own_valkey.url) as redis:
        store, leadership = AccountEventStore(redis, most=10), await led(redis)
        own_valkey.pause()
        appending = asyncio.create_task(store.append(leadership, gaps(1, 3)))
        # The first try is given up after 0.2 s and the second waits: both get through then.
        await asyncio.sleep(0.3)
        own_valkey.resume()
        await appending
        await store.append(leadership, gaps(3, 4))
        assert list(await store.read("demo", None, 10)) == gaps(1, 4)


async def test_about_so_many_are_kept_and_those_are_the_newest(redis: Redis) -> None:
    store, leadership = AccountEventStore(redis, most=200), await led(redis)
    for start in range(1, 2_001, 100):
        await store.append(leadership, gaps(start, start + 100))
    first, last = await store.bounds("demo")
    assert last == 2_000
    assert 200 <= last - first + 1 < 400
    assert list(await store.read("demo", 0, 1)) == gaps(first, first + 1)


async def test_in_the_place_of_an_event_that_cannot_be_read_stands_a_gap(
    store: AccountEventStore, redis: Redis
) -> None:
    leadership = await led(redis)
    await store.append(leadership, gaps(1, 2))
    await redis.xadd(events_key("demo"), {"event": "{"}, "2-0")
    await redis.xadd(events_key("demo"), {"other": "x"}, "3-0")
    await redis.hset(guard_key("demo"), "sequence", "3")
    await store.append(leadership, gaps(4, 5))
    with capture_logs() as lines:
        read = await store.read("demo", None, 10)
    assert [event.sequence for event in read] == [1, 2, 3, 4]
    unreadable = Gap(0, "the record of this event cannot be read")
    assert [event.gap == unreadable for event in read] == [False, True, True, False]
    assert [line["sequence"] for line in lines] == [2, 3]


async def test_redis_that_is_away_neither_takes_nor_gives_events() -> None:
    async with open_quick("redis://127.0.0.1:1") as away:
        store = AccountEventStore(away, most=10)
        with pytest.raises(StoreUnavailable):
            await store.append(Leadership("demo", "one", 1), gaps(1, 2))
        with pytest.raises(StoreUnavailable):
            await store.read("demo", None, 1)
        with pytest.raises(StoreUnavailable):
            await store.bounds("demo")
