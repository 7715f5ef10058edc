import asyncio
from decimal import Decimal

import pytest

from gateway.access.policy import Action, Policy, Principal, PrincipalKind
from gateway.domain.account import Balance
from gateway.domain.errors import Forbidden, UnknownAccount
from gateway.services.accounts import Accounts
from tests.unit.services.examples import APP, ETH, StandInExchange, order, policy, sign, until

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


async def test_callers_at_once_share_one_request_of_each_kind() -> None:
    exchange = StandInExchange({"balances": (BALANCE,), "open orders": (order(),)})
    accounts = accounts_of(exchange, policy(Action.ACCOUNT_READ))
    balances = await asyncio.gather(*(accounts.balances("demo") for _ in range(10)))
    orders = await asyncio.gather(*(accounts.open_orders("demo") for _ in range(10)))
    assert (balances[9], orders[9]) == ((BALANCE,), (order(),))
    assert sorted(exchange.asked) == ["balances", "open orders"]


async def test_open_orders_can_be_those_of_one_market() -> None:
    exchange = StandInExchange({"open orders": (order("o1"), order("o2", symbol=ETH))})
    accounts = accounts_of(exchange, policy(Action.ACCOUNT_READ))
    assert await accounts.open_orders("demo", ETH) == (order("o2", symbol=ETH),)


async def test_an_account_without_a_credential_is_unknown() -> None:
    accounts = accounts_of(StandInExchange(), policy())
    with pytest.raises(UnknownAccount):
        await accounts.balances("other")
    with pytest.raises(UnknownAccount):
        accounts.follow_orders("other")


async def test_closing_leaves_no_request_under_way() -> None:
    exchange = StandInExchange()
    exchange.hold()
    accounts = accounts_of(exchange, policy())
    reading = asyncio.create_task(accounts.balances("demo"))
    await until(lambda: exchange.waiting)
    await accounts.aclose()
    await asyncio.gather(reading, return_exceptions=True)
    assert exchange.waiting == 0
