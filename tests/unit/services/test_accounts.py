import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias, cast

import pytest

from gateway.access.policy import Action, Policy
from gateway.domain.account import Balance, Currency
from gateway.domain.errors import UnknownAccount
from gateway.services.accounts import Accounts
from gateway.services.ownership import Ownership
from gateway.services.recent_placements import RecentPlacements
from gateway.store.journal import OrderJournal
from tests.unit.services.desks import CALLER, OTHER, Watch, reads_of, streams_of
from tests.unit.services.examples import APP, ETH, StandInExchange, fill, order, policy, until

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


def accounts_of(
    exchange: StandInExchange, granted: Policy = EVERYTHING, journal: StandInJournal | None = None
) -> Accounts:
    ownership = Ownership(
        journal=cast("OrderJournal", journal or StandInJournal()),
        recent=RecentPlacements(),
        policy=lambda: granted,
    )
    return Accounts(
        exchange=exchange.client,
        reads=reads_of(Watch()),
        streams=streams_of({}),
        ownership=ownership,
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
