from dataclasses import replace
from decimal import Decimal

import pytest

from gateway.domain.account import (
    Balance,
    Currency,
    Deposit,
    DepositChannel,
    DepositOptions,
    Fill,
    TransferState,
    Withdrawal,
    WithdrawalAddress,
    WithdrawalChannel,
    WithdrawalOptions,
)
from gateway.domain.errors import BadUserInput
from gateway.domain.market import OrderSide
from gateway.domain.orders import OrderType
from tests.unit.schema.examples import EVERYTHING, OPTIONS, Desk, Journal, codes, desk_of
from tests.unit.services.examples import BTC, ETH

pytestmark = pytest.mark.anyio

D = Decimal


def fill(symbol: str) -> Fill:
    return Fill(symbol, D(100), D("0.5"), OrderSide.SELL, OrderType.FAST, D("0.1"), "USDT", 1_000)


async def asked(desk: Desk, selection: str) -> object:
    response = await desk.run(f'{{ account(id: "demo") {{ {selection} }} }}')
    assert "errors" not in response, response
    return next(iter(response["data"]["account"].values()))


async def test_fills_are_shown_with_their_fee_all_or_of_one_market() -> None:
    async with desk_of() as desk:
        desk.exchange.answers["fills"] = (fill(BTC), fill(ETH))
        members = "symbol price quantity side type fee feeAsset time"
        shown = await asked(desk, f"fills {{ {members} }}")
        assert shown == [
            {
                "symbol": symbol,
                "price": "100",
                "quantity": "0.5",
                "side": "SELL",
                "type": "FAST",
                "fee": "0.1",
                "feeAsset": "USDT",
                "time": "1970-01-01T00:00:01.000Z",
            }
            for symbol in (BTC, ETH)
        ]
        assert await asked(desk, f'fills(symbol: "{ETH}") {{ symbol }}') == [{"symbol": ETH}]


async def test_fills_of_no_market_are_refused() -> None:
    async with desk_of() as desk:
        response = await desk.run('{ account(id: "demo") { fills(symbol: "NOPE") { symbol } } }')
    assert codes(response) == ["UNKNOWN_SYMBOL"]


async def test_currencies_are_shown() -> None:
    async with desk_of() as desk:
        desk.exchange.answers["currencies"] = (Currency("7", "BTC", "Bitcoin"),)
        shown = await asked(desk, "currencies { id asset name }")
    assert shown == [{"id": "7", "asset": "BTC", "name": "Bitcoin"}]


async def test_how_an_asset_is_paid_in_is_shown_down_to_the_address() -> None:
    channels = (
        DepositChannel("Bitcoin", "1abc", enabled=True),
        DepositChannel("other", None, enabled=False),
    )
    options = replace(DepositOptions(**OPTIONS), channels=channels)
    async with desk_of() as desk:
        desk.exchange.answers["deposit options BTC"] = options
        shown = await asked(
            desk,
            'depositOptions(asset: "BTC") { asset name enabled minimum precision '
            "channels { name address enabled } }",
        )
    assert shown == {
        "asset": "BTC",
        "name": "Bitcoin",
        "enabled": True,
        "minimum": "0.001",
        "precision": 8,
        "channels": [
            {"name": "Bitcoin", "address": "1abc", "enabled": True},
            {"name": "other", "address": None, "enabled": False},
        ],
    }


async def test_how_an_asset_is_paid_out_is_shown_down_to_the_addresses() -> None:
    address = WithdrawalAddress("3", "cold", "1abc")
    channel = WithdrawalChannel("Bitcoin", enabled=True, fee=D("0.0005"), addresses=(address,))
    given = WithdrawalOptions(**OPTIONS)
    options = replace(given, enabled=False, precision=None, channels=(channel,))
    async with desk_of() as desk:
        desk.exchange.answers["withdrawal options BTC"] = options
        shown = await asked(
            desk,
            'withdrawalOptions(asset: "BTC") { asset name enabled minimum precision '
            "channels { name enabled fee addresses { id name address } } }",
        )
    assert shown == {
        "asset": "BTC",
        "name": "Bitcoin",
        "enabled": False,
        "minimum": "0.001",
        "precision": None,
        "channels": [
            {
                "name": "Bitcoin",
                "enabled": True,
                "fee": "0.0005",
                "addresses": [{"id": "3", "name": "cold", "address": "1abc"}],
            }
        ],
    }


@pytest.mark.parametrize("field", ["depositOptions", "withdrawalOptions"])
async def test_an_asset_that_the_exchange_does_not_know_is_bad_input(field: str) -> None:
    async with desk_of() as desk:
        for kind in ("deposit", "withdrawal"):
            unknown = BadUserInput("asset", "is none")
            desk.exchange.answers[f"{kind} options NOPE"] = unknown
        response = await desk.run(
            f'{{ account(id: "demo") {{ {field}(asset: "NOPE") {{ asset }} }} }}'
        )
    (error,) = response["errors"]
    assert (error["extensions"]["code"], error["extensions"]["field"]) == (
        "BAD_USER_INPUT",
        "asset",
    )


async def test_deposits_are_shown_with_the_exchange_s_own_number_of_their_state() -> None:
    deposit = Deposit(
        "5",
        "BTC",
        D("0.5"),
        1_000,
        TransferState.UNKNOWN,
        3,
        1,
        6,
        "f00d",
        "https://x.example",
        "on its way",
    )
    async with desk_of() as desk:
        desk.exchange.answers["deposits"] = (deposit,)
        shown = await asked(
            desk,
            "deposits { id asset quantity time state stateCode confirmations "
            "requiredConfirmations txid explorer information }",
        )
    assert shown == [
        {
            "id": "5",
            "asset": "BTC",
            "quantity": "0.5",
            "time": "1970-01-01T00:00:01.000Z",
            "state": "UNKNOWN",
            "stateCode": 3,
            "confirmations": 1,
            "requiredConfirmations": 6,
            "txid": "f00d",
            "explorer": "https://x.example",
            "information": "on its way",
        }
    ]


async def test_withdrawals_are_shown_with_what_is_not_known_yet_as_null() -> None:
    withdrawal = Withdrawal("6", "XRP", D(20), 2_000, TransferState.PENDING, 21, None, None)
    async with desk_of() as desk:
        desk.exchange.answers["withdrawals"] = (withdrawal,)
        shown = await asked(
            desk, "withdrawals { id asset quantity time state stateCode txid explorer information }"
        )
    assert shown == [
        {
            "id": "6",
            "asset": "XRP",
            "quantity": "20",
            "time": "1970-01-01T00:00:02.000Z",
            "state": "PENDING",
            "stateCode": 21,
            "txid": None,
            "explorer": None,
            "information": None,
        }
    ]


async def test_balances_are_shown_and_followed() -> None:
    balance = Balance("BTC", D(3), D(2), D(1), 8)
    async with desk_of() as desk:
        desk.exchange.answers["balances"] = (balance,)
        shown = await asked(desk, "balances { asset total available held precision }")
    assert shown == [{"asset": "BTC", "total": "3", "available": "2", "held": "1", "precision": 8}]


class FullJournal(Journal):
    """A journal that takes no records."""

    async def writable(self, _account: str) -> bool:
        return False


@pytest.mark.parametrize(
    ("journal", "state"),
    [(Journal(), "ACTIVE"), (FullJournal(), "CANCEL_ONLY")],
    ids=["well", "full"],
)
async def test_an_account_s_trading_state_follows_the_journal(journal: Journal, state: str) -> None:
    async with desk_of(EVERYTHING, journal) as desk:
        assert await asked(desk, "tradingState") == state
