from decimal import Decimal
from typing import Any

import pytest

from gateway.access.policy import Action
from gateway.domain.account import (
    Currency,
    Deposit,
    DepositOptions,
    TransferState,
    Withdrawal,
    WithdrawalOptions,
)
from gateway.domain.errors import BadUserInput, NotSent, Unclear
from tests.unit.schema.examples import OPTIONS
from tests.unit.services.examples import balance, fill, order
from tests.unit.web.facade.houses import OTHER_PAIR, TRADER, granted, house_of
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

API = "/v3/api"
TRANSFER: dict[str, Any] = {
    "id": "t1",
    "asset": "BTC",
    "quantity": Decimal("0.00213"),
    "time": 1,
    "state": TransferState.UNKNOWN,
    "state_code": 3,
    "txid": None,
    "explorer": None,
}
ANSWERS: dict[str, object] = {
    "open orders": (order("o1"),),
    "fills": (fill(1),),
    "balances": (balance("BTC", 2, 1),),
    "currencies": (Currency("c1", "TRY", "Türk Lira"),),
    "deposit options BTC": DepositOptions(**OPTIONS),
    "withdrawal options BTC": WithdrawalOptions(**OPTIONS),
    "deposits": (Deposit(**TRANSFER, confirmations=3, required_confirmations=6),),
    "withdrawals": (Withdrawal(**TRANSFER),),
}

READS: list[tuple[str, str, str, tuple[str, str]]] = [
    ("GET", "market/user-orders", "orders", ("orderId", "o1")),
    ("GET", "market/user-trades", "trades", ("commissionSymbol", "BTC")),
    ("GET", "balance/wallet", "wallet", ("symbol", "BTC")),
    ("GET", "balance/currencies", "currencies", ("name", "Türk Lira")),
    ("POST", "balance/deposit", "currency", ("symbol", "BTC")),
    ("POST", "balance/withdraw", "currency", ("symbol", "BTC")),
    ("GET", "balance/deposit-history", "history", ("id", "t1")),
    ("GET", "balance/withdraw-history", "history", ("id", "t1")),
]


@pytest.mark.parametrize(("method", "path", "member", "shown"), READS)
async def test_an_account_is_shown_as_the_exchange_shows_it(
    valkey: ValkeyServer, method: str, path: str, member: str, shown: tuple[str, str]
) -> None:
    async with house_of(valkey.url) as house:
        house.desk.exchange.answers |= ANSWERS
        reply = await house.ask(method, f"{API}/{path}", symbol="BTC")
        assert reply["code"] == "00000"
        assert set(reply) == {"code", member}
        found = reply[member]
        row = found[0] if isinstance(found, list) else found
        assert shown in row.items()


@pytest.mark.parametrize(("method", "path", "member", "shown"), READS)
async def test_who_may_not_read_the_account_is_told_nothing_of_it(
    valkey: ValkeyServer, method: str, path: str, member: str, shown: tuple[str, str]
) -> None:
    rest = tuple(action for action in TRADER if action is not Action.ACCOUNT_READ)
    async with house_of(valkey.url, granted(*rest)) as house:
        house.desk.exchange.answers |= ANSWERS
        reply = await house.ask(method, f"{API}/{path}")
        told = {"code": "20011", "msg": "API is not allowed to this action"}
        assert reply == told, (member, shown)
        assert house.desk.exchange.asked == []
        assert house.desk.watch.audit.outcomes() == [("DENIED", "FORBIDDEN")]


async def test_the_authentication_test_answers_its_code_alone_and_asks_the_exchange_nothing(
    valkey: ValkeyServer,
) -> None:
    async with house_of(valkey.url) as house:
        assert await house.ask("POST", f"{API}/balance/wallet") == {"code": "00000"}
        assert house.desk.exchange.asked == []
        house.desk.policy = granted()
        assert await house.code("POST", f"{API}/balance/wallet") == "20011"


async def test_the_open_orders_of_others_are_not_shown(valkey: ValkeyServer) -> None:
    own = tuple(action for action in TRADER if action is not Action.ORDERS_READ_ALL)
    async with house_of(valkey.url, granted(*own)) as house:
        terms = {"symbol": "BTCUSDT", "price": "100", "amount": "10"}
        await house.ask("POST", f"{API}/market/limit-buy", **terms)
        house.desk.exchange.answers["open orders"] = (order("placed"), order("another"))
        mine = await house.ask("GET", f"{API}/market/user-orders")
        assert [row["orderId"] for row in mine["orders"]] == ["placed"]
        theirs = await house.ask("GET", f"{API}/market/user-orders", OTHER_PAIR)
        assert theirs["orders"] == []


@pytest.mark.parametrize("name", ["deposit", "withdraw"])
async def test_an_asset_must_be_one(valkey: ValkeyServer, name: str) -> None:
    async with house_of(valkey.url) as house:
        path = f"{API}/balance/{name}"
        missing = BadUserInput("asset", "no asset is called that")
        house.desk.exchange.answers |= {
            "deposit options NOSUCH": missing,
            "withdrawal options NOSUCH": missing,
        }
        assert await house.code("POST", path) == "20005"
        assert await house.code("POST", path, symbol="no such") == "20006"
        assert await house.code("POST", path, symbol="NOSUCH") == "10037"


async def test_nobody_can_pay_out_until_there_are_approvals(valkey: ValkeyServer) -> None:
    async with house_of(valkey.url) as house:
        path = f"{API}/balance/create-withdraw"
        assert await house.code("POST", path, symbol="BTC", amount="1") == "20011"
        (denied,) = house.desk.watch.audit.events
        assert (denied.action, denied.rule) == ("withdrawals:request", "withdrawals-need-approval")
        assert house.desk.exchange.asked == []


@pytest.mark.parametrize("failure", [NotSent("wallet", "connect"), Unclear("wallet", "timeout")])
async def test_an_exchange_that_is_away_is_an_unexpected_error(
    valkey: ValkeyServer, failure: Exception
) -> None:
    async with house_of(valkey.url) as house:
        house.desk.exchange.answers["currencies"] = failure
        told = {"code": "90000", "msg": "Unexpected Error"}
        assert await house.ask("GET", f"{API}/balance/currencies") == told
