import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import TypeAlias

import pytest

from gateway.access.policy import Action, Policy, Principal, PrincipalKind
from gateway.domain.account import Balance, Currency
from gateway.domain.errors import Forbidden, UnknownAccount
from gateway.services.accounts import Accounts
from tests.unit.services.examples import APP, ETH, StandInExchange, fill, order, policy, sign, until

pytestmark = pytest.mark.anyio

STRANGER = Principal("stranger", PrincipalKind.PERSON)
BALANCE = Balance("BTC", Decimal(2), Decimal(1), Decimal(1))


def accounts_of(exchange: StandInExchange, granted: Policy) -> Accounts:
    return Accounts(
        policy=lambda: granted, signers={"demo": sign}, exchange=exchange.client, streams={}
    )


async def test_an_account_is_visible_when_it_is_granted_and_has_a_credential() -> None:
    exchange = StandInExchange()
    accounts = accounts_of(exchange, policy(Action.ACCOUNT_READ))
    assert accounts.visible(APP) == ("demo",)
    assert accounts.visible(STRANGER) == ()
    assert accounts_of(exchange, policy(Action.ACCOUNT_READ, account="other")).visible(APP) == ()


async def test_what_is_required_names_the_grant_or_is_refused_without_a_hint() -> None:
    accounts = accounts_of(StandInExchange(), policy(Action.ACCOUNT_READ))
    assert accounts.require(APP, Action.ACCOUNT_READ, "demo") == "trade"
    with pytest.raises(Forbidden):
        accounts.require(APP, Action.ORDERS_PLACE, "demo")
    for who, account in ((STRANGER, "demo"), (APP, "other"), (APP, "nowhere")):
        with pytest.raises(UnknownAccount):
            accounts.require(who, Action.ACCOUNT_READ, account)


Ask: TypeAlias = Callable[[Accounts, str], Awaitable[object]]

READS: dict[str, Ask] = {
    "balances": lambda accounts, account: accounts.balances(account),
    "open orders": lambda accounts, account: accounts.open_orders(account),
    "fills": lambda accounts, account: accounts.fills(account),
    "currencies": lambda accounts, account: accounts.currencies(account),
    "deposit options BTC": lambda accounts, account: accounts.deposit_options(account, "BTC"),
    "withdrawal options BTC": lambda accounts, account: accounts.withdrawal_options(account, "BTC"),
    "deposits": lambda accounts, account: accounts.deposits(account),
    "withdrawals": lambda accounts, account: accounts.withdrawals(account),
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
    accounts = accounts_of(exchange, policy(Action.ACCOUNT_READ))
    answers = await asyncio.gather(*(READS[question](accounts, "demo") for _ in range(10)))
    assert answers == [ANSWERS[question]] * 10
    assert exchange.asked == [question]


async def test_callers_who_ask_of_different_assets_get_each_their_answer() -> None:
    exchange = StandInExchange({f"deposit options {asset}": asset for asset in ("BTC", "ETH")})
    accounts = accounts_of(exchange, policy(Action.ACCOUNT_READ))
    asked = (accounts.deposit_options("demo", asset) for asset in ("BTC", "ETH"))
    assert list[object](await asyncio.gather(*asked)) == ["BTC", "ETH"]


async def test_who_asks_after_an_order_was_answered_shares_no_earlier_request() -> None:
    exchange = StandInExchange({"open orders": ()})
    accounts = accounts_of(exchange, policy(Action.ACCOUNT_READ))
    exchange.hold()
    before = asyncio.create_task(accounts.open_orders("demo"))
    await until(lambda: exchange.waiting == 1)
    accounts.order_answered("demo")
    exchange.answers["open orders"] = (order(),)
    after = asyncio.create_task(accounts.open_orders("demo"))
    await until(lambda: exchange.waiting == 2)
    exchange.release()
    assert (await before, await after) == ((), (order(),))


async def test_open_orders_and_fills_can_be_those_of_one_market() -> None:
    orders, fills = (order("o1"), order("o2", symbol=ETH)), (fill(1), fill(2, ETH))
    exchange = StandInExchange({"open orders": orders, "fills": fills})
    accounts = accounts_of(exchange, policy(Action.ACCOUNT_READ))
    assert await accounts.open_orders("demo", ETH) == (order("o2", symbol=ETH),)
    assert await accounts.fills("demo", ETH) == (fill(2, ETH),)


async def test_an_account_without_a_credential_is_unknown() -> None:
    accounts = accounts_of(StandInExchange(), policy())
    for ask in READS.values():
        with pytest.raises(UnknownAccount):
            await ask(accounts, "other")
    for follow in (accounts.follow_orders, accounts.follow_balances):
        with pytest.raises(UnknownAccount):
            follow("other")


async def test_closing_leaves_no_request_under_way() -> None:
    exchange = StandInExchange()
    exchange.hold()
    accounts = accounts_of(exchange, policy())
    reading = asyncio.create_task(accounts.balances("demo"))
    await until(lambda: exchange.waiting)
    await accounts.aclose()
    await asyncio.gather(reading, return_exceptions=True)
    assert exchange.waiting == 0
