import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import count
from typing import TypeAlias, cast

import pytest
from redis.asyncio import Redis

from gateway.access.policy import Action, Policy
from gateway.domain.account import Balance, BalanceChange, Currency
from gateway.domain.errors import UnknownAccount
from gateway.domain.orders import OrderSpec, OrderStatus
from gateway.domain.placements import Placement, PlacementState
from gateway.domain.resolution import Verdict
from gateway.domain.streams import Gap
from gateway.services.account_changes import AccountChange
from gateway.services.account_events import AccountEvents
from gateway.services.account_stream import ACCOUNT, AccountStream
from gateway.services.accounts import Accounts
from gateway.services.ownership import Ownership
from gateway.services.recent_placements import RecentPlacements
from gateway.store.account_events import AccountEventStore
from gateway.store.journal import OrderJournal
from tests.unit.services.desks import CALLER, OTHER, Watch, reads_of, streams_of
from tests.unit.services.examples import (
    APP,
    ETH,
    StandInExchange,
    StandInFeed,
    fill,
    order,
    policy,
    turns,
    until,
)
from tests.unit.services.following import desk_of as following_desk
from tests.unit.store.examples import accepted, open_patient, placement
from tests.unit.store.journals import journal_on, lead, lost
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

EVERYTHING = policy(*Action)


@dataclass
class StandInPlacement:
    principal: str


@dataclass
class StandInJournal:
    """Knows whose each order is."""

    owners: dict[str, str] = field(default_factory=dict)

    async def of_orders(self, _account: str, ids: Iterable[str]) -> dict[str, StandInPlacement]:
        return {each: StandInPlacement(self.owners[each]) for each in ids if each in self.owners}


BALANCE = Balance("BTC", Decimal(2), Decimal(1), Decimal(1))


AWAY = "redis://127.0.0.1:1"


@asynccontextmanager
async def accounts_over(
    url: str, exchange: StandInExchange, streams: Mapping[str, AccountStream], granted: Policy
) -> AsyncIterator[tuple[Accounts, OrderJournal, Redis]]:
    """Accounts with a real journal, and its events, in the Redis at `url`."""
    async with open_patient(url) as redis:
        journal = journal_on(redis)
        accounts = _accounts(exchange, granted, journal, redis, streams)
        yield accounts, journal, redis


def accounts_of(
    exchange: StandInExchange, granted: Policy = EVERYTHING, journal: StandInJournal | None = None
) -> Accounts:
    """Accounts of which nobody follows one."""
    redis = Redis.from_url(AWAY)
    return _accounts(exchange, granted, cast("OrderJournal", journal or StandInJournal()), redis)


def _accounts(
    exchange: StandInExchange,
    granted: Policy,
    journal: OrderJournal,
    redis: Redis,
    streams: Mapping[str, AccountStream] | None = None,
) -> Accounts:
    return Accounts(
        exchange=exchange.client,
        reads=reads_of(Watch()),
        streams=streams_of(streams or {}),
        ownership=Ownership(journal=journal, recent=RecentPlacements(), policy=lambda: granted),
        events=AccountEvents(AccountEventStore(redis, most=100), every_s=0.005),
    )


Ask: TypeAlias = Callable[[Accounts, str], Awaitable[object]]

READS: dict[str, Ask] = {
    "balances": lambda accounts, account: accounts.balances(CALLER, account),
    "open orders": lambda accounts, account: accounts.open_orders(CALLER, account),
    "fills": lambda accounts, account: accounts.fills(CALLER, account),
    "currencies": lambda accounts, account: accounts.currencies(CALLER, account),
    "deposit options BTC": lambda accounts, account: accounts.deposit_options(
        CALLER, account, "BTC"
    ),
    "withdrawal options BTC": lambda accounts, account: accounts.withdrawal_options(
        CALLER, account, "BTC"
    ),
    "deposits": lambda accounts, account: accounts.deposits(CALLER, account),
    "withdrawals": lambda accounts, account: accounts.withdrawals(CALLER, account),
}
ANSWERS: dict[str, object] = {
    "balances": (BALANCE,),
    "open orders": (order(),),
    "fills": (fill(1),),
    "currencies": (Currency("1", "BTC", "Bitcoin"),),
    "deposit options BTC": "how BTC is paid in",
    "withdrawal options BTC": "how BTC is paid out",
    "deposits": ("a deposit",),
    "withdrawals": ("a withdrawal",),
}


@pytest.mark.parametrize("question", READS)
async def test_callers_who_ask_the_same_at_once_share_one_request(question: str) -> None:
    exchange = StandInExchange(ANSWERS)
    accounts = accounts_of(exchange)
    answers = await asyncio.gather(*(READS[question](accounts, "demo") for _ in range(10)))
    assert answers == [ANSWERS[question]] * 10
    assert exchange.asked == [question]


async def test_callers_who_ask_of_different_assets_get_each_their_answer() -> None:
    exchange = StandInExchange({f"deposit options {asset}": asset for asset in ("BTC", "ETH")})
    accounts = accounts_of(exchange)
    asked = (accounts.deposit_options(CALLER, "demo", asset) for asset in ("BTC", "ETH"))
    assert list[object](await asyncio.gather(*asked)) == ["BTC", "ETH"]


async def test_who_asks_after_an_order_was_answered_shares_no_earlier_request() -> None:
    exchange = StandInExchange({"open orders": ()})
    accounts = accounts_of(exchange)
    exchange.hold()
    before = asyncio.create_task(accounts.open_orders(CALLER, "demo"))
    await until(lambda: exchange.waiting == 1)
    accounts.order_answered("demo")
    exchange.answers["open orders"] = (order(),)
    after = asyncio.create_task(accounts.open_orders(CALLER, "demo"))
    await until(lambda: exchange.waiting == 2)
    exchange.release()
    assert (await before, await after) == ((), (order(),))


async def test_open_orders_and_fills_can_be_those_of_one_market() -> None:
    orders, fills = (order("o1"), order("o2", symbol=ETH)), (fill(1), fill(2, ETH))
    exchange = StandInExchange({"open orders": orders, "fills": fills})
    accounts = accounts_of(exchange)
    assert await accounts.open_orders(CALLER, "demo", ETH) == (order("o2", symbol=ETH),)
    assert await accounts.fills(CALLER, "demo", ETH) == (fill(2, ETH),)


async def test_an_account_without_a_credential_is_unknown() -> None:
    accounts = accounts_of(StandInExchange())
    for ask in READS.values():
        with pytest.raises(UnknownAccount):
            await ask(accounts, "other")
    with pytest.raises(UnknownAccount):
        accounts.follow_balances("other")
    with pytest.raises(UnknownAccount):
        await anext(accounts.follow_orders(CALLER, "other"))


async def test_open_orders_are_the_caller_s_own_unless_it_may_read_all() -> None:
    exchange = StandInExchange({"open orders": (order("o1"), order("o2"))})
    journal = StandInJournal({"o1": APP.id, "o2": OTHER.id})
    reader = accounts_of(exchange, policy(Action.ACCOUNT_READ), journal)
    assert await reader.open_orders(CALLER, "demo") == (order("o1"),)
    everybody = accounts_of(exchange, policy(Action.ORDERS_READ_ALL), journal)
    assert await everybody.open_orders(CALLER, "demo") == (order("o1"), order("o2"))


async def test_closing_leaves_no_request_under_way() -> None:
    exchange = StandInExchange()
    exchange.hold()
    accounts = accounts_of(exchange)
    reading = asyncio.create_task(accounts.balances(CALLER, "demo"))
    await until(lambda: exchange.waiting)
    await accounts.aclose()
    await asyncio.gather(reading, return_exceptions=True)
    assert exchange.waiting == 0


async def test_among_the_orders_an_own_placement_is_followed_to_its_order(
    valkey: ValkeyServer,
) -> None:
    trader = policy(Action.ACCOUNT_READ)
    async with (
        following_desk() as desk,
        accounts_over(valkey.url, desk.exchange, {"demo": desk.stream}, trader) as parts,
    ):
        accounts, journal, redis = parts
        heard: list[object] = []
        listening = asyncio.create_task(hear(accounts, heard))
        await turns()
        desk.list(order("o-1"), order("nobodys"))
        desk.feed.start(ACCOUNT)
        await until(desk.stream.mirror.orders.open_orders)
        unknown = await one_that_is_heard_of(journal, heard)
        heard.clear()
        found = accepted(unknown, "o-1").order
        verdict = Verdict(
            placement=unknown, state=PlacementState.ACCEPTED, evidence="it", order=found
        )
        resolved = await journal.resolve(verdict, leader=await lead(redis))
        await until(lambda: len(heard) == 2)
        assert order("o-1") in heard
        assert [each.id for each in heard if isinstance(each, Placement)] == [resolved.id]
        desk.feed.cut(since=7)
        await until(lambda: len(heard) == 3)
        assert heard[-1] == Gap(7, "cut")
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def one_that_is_heard_of(journal: OrderJournal, heard: list[object]) -> Placement:
    """An own placement of unknown outcome, from after its events are followed."""
    numbers = count(1)
    unknown = await lost(journal, own(next(numbers)))
    while not heard:
        unknown = await lost(journal, own(next(numbers)))
    await until(lambda: unknown in heard)
    return unknown


def own(number: int) -> Placement:
    """An intent of the caller's that is like no other."""
    made = placement(number, client_order_id=f"c-{number}")
    spec = OrderSpec(price=Decimal(number), quantity=Decimal(1))
    return replace(made, principal=APP.id, command=replace(made.command, spec=spec))


async def hear(accounts: Accounts, heard: list[object]) -> None:
    async with aclosing(accounts.follow_orders(CALLER, "demo")) as events:
        async for event in events:
            heard += [event]


@asynccontextmanager
async def changes_of(
    url: str, granted: Policy, owners: Mapping[str, str]
) -> AsyncIterator[tuple[StandInFeed, AsyncIterator[AccountChange]]]:
    """An account's stream, and its changes as the app may see them."""
    async with following_desk() as desk, open_patient(url) as redis:
        journal = cast("OrderJournal", StandInJournal(dict(owners)))
        streams = {"demo": desk.stream}
        accounts = _accounts(desk.exchange, granted, journal, redis, streams)
        with desk.stream.held():
            desk.feed.start(ACCOUNT)
            async with accounts.changes(CALLER, "demo") as changes:
                yield desk.feed, changes


HELD = BalanceChange("BTC", held=Decimal(2))
SWEPT = replace(order("o1", status=OrderStatus.CANCELLED), mass_cancelled=True)
ITS_OWN = policy(Action.ACCOUNT_READ)


async def test_changes_are_those_of_balances_and_of_one_s_own_orders(valkey: ValkeyServer) -> None:
    owners = {"o1": OTHER.id, "o2": APP.id}
    async with changes_of(valkey.url, ITS_OWN, owners) as (feed, changes):
        for event in (order("o1"), HELD, order("o2")):
            feed.tell(ACCOUNT, event)
        assert [await anext(changes), await anext(changes)] == [HELD, order("o2")]


async def test_who_sees_all_orders_is_told_of_their_changes(valkey: ValkeyServer) -> None:
    async with changes_of(valkey.url, EVERYTHING, {"o1": OTHER.id}) as (feed, changes):
        for event in (order("o1"), order(None), SWEPT):
            feed.tell(ACCOUNT, event)
        told = [await anext(changes) for _ in range(3)]
        assert told == [order("o1"), order(None), SWEPT]


async def test_that_all_orders_were_cancelled_is_a_gap_to_who_does_not_see_all(
    valkey: ValkeyServer,
) -> None:
    async with changes_of(valkey.url, ITS_OWN, {"o1": OTHER.id}) as (feed, changes):
        feed.tell(ACCOUNT, SWEPT)
        assert isinstance(await anext(changes), Gap)


async def test_an_account_without_a_key_has_no_changes(valkey: ValkeyServer) -> None:
    async with open_patient(valkey.url) as redis:
        accounts = _accounts(
            StandInExchange(), EVERYTHING, cast("OrderJournal", StandInJournal()), redis
        )
        with pytest.raises(UnknownAccount):
            async with accounts.changes(CALLER, "demo"):
                pass
