from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from gateway.sandbox import Account, SandboxConfig, WithdrawalAddress
from gateway.sandbox.assets import (
    Asset,
    DepositChannel,
    DepositRules,
    WithdrawalChannel,
    WithdrawalRules,
)
from gateway.sandbox.codes import Refusal
from gateway.sandbox.ledger import Ledger
from gateway.sandbox.transfers import Ending
from gateway.sandbox.treasury import Treasury, WithdrawalOrder, deposit_address

HOME, OTHER = "0x" + "a" * 40, "0x" + "b" * 40
NOW = int(datetime(2026, 11, 30, 23, 59, tzinfo=UTC).timestamp() * 1000)
NEXT_MONTH = NOW + 60_000
FIRST_OF_MONTH = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp() * 1000)

COIN = Asset(
    "COIN",
    "Coin",
    deposit=DepositRules(blocked_countries=frozenset({"US"}), channels=(DepositChannel("NET"),)),
    withdraw=WithdrawalRules(
        minimum=Decimal(1),
        blocked_countries=frozenset({"US"}),
        step_one_monthly_limit=Decimal(20),
        step_two_monthly_limit=Decimal(40),
        channels=(
            WithdrawalChannel(
                "NET",
                fee=Decimal("0.5"),
                monthly_limit=Decimal(30),
                address_pattern=r"0x[0-9a-f]{40}",
            ),
            WithdrawalChannel("TAGGED", tag_pattern=r"[0-9]{1,10}"),
            WithdrawalChannel("SHUT", enabled=False),
        ),
    ),
)
ANN = Account(
    "ann",
    (),
    {"COIN": Decimal(100)},
    withdrawal_addresses=(
        WithdrawalAddress("COIN", "NET", "home", HOME),
        WithdrawalAddress("COIN", "TAGGED", "exchange", HOME),
        WithdrawalAddress("COIN", "NET", "not one of its network", "0xZZ"),
    ),
)


def build(
    account: Account = ANN, asset: Asset = COIN, *, registered_addresses_only: bool = True
) -> Treasury:
    ledger = Ledger()
    ledger.open_account("ann", account.balances)
    config = SandboxConfig(
        accounts=(account,),
        assets={"COIN": asset},
        registered_addresses_only=registered_addresses_only,
    )
    numbers = iter(range(1000))
    return Treasury(config, ledger, lambda: str(next(numbers)), NOW)


USUAL = WithdrawalOrder(COIN, Decimal(10), "NET", HOME, None)


def withdraw(treasury: Treasury, order: WithdrawalOrder = USUAL, now: int = NOW) -> str:
    order = replace(order, asset=treasury.asset("COIN"))
    return treasury.withdraw("ann", order, now).transfer_id


def of(quantity: str) -> WithdrawalOrder:
    return replace(USUAL, quantity=Decimal(quantity))


def test_a_withdrawal_takes_quantity_and_the_channels_fee() -> None:
    treasury = build()
    withdraw(treasury)
    (one,) = treasury.transfers.withdrawals("ann")
    assert (one.total, one.channel, one.address, one.time) == (Decimal("10.5"), "NET", HOME, NOW)


@pytest.mark.parametrize(
    ("code", "order"),
    [
        ("10029", replace(USUAL, channel="NOWHERE")),
        ("10029", replace(USUAL, channel="SHUT")),
        ("10030", of("0.99999999")),
        ("10035", of("30.00000001")),
        ("10055", of("40.00000001")),
        ("10063", replace(USUAL, address=HOME[:-1])),
        ("10063", replace(USUAL, address=OTHER)),
        ("10063", replace(USUAL, address="0xZZ")),
        ("10064", replace(USUAL, tag="1")),
        ("10064", replace(USUAL, channel="TAGGED")),
        ("10064", replace(USUAL, channel="TAGGED", tag="memo")),
    ],
)
def test_a_withdrawal_against_a_rule_is_refused(code: str, order: WithdrawalOrder) -> None:
    treasury = build()
    with pytest.raises(Refusal, match=code):
        withdraw(treasury, order)
    assert treasury.transfers.withdrawals("ann") == []


def test_the_balance_must_do_for_the_fee_too() -> None:
    with pytest.raises(Refusal, match="10031"):
        withdraw(build(replace(ANN, balances={"COIN": Decimal("10.4")})))
    withdraw(build(replace(ANN, balances={"COIN": Decimal("10.5")})))


def test_every_rule_has_its_turn() -> None:
    """One order breaks all rules; each repair uncovers the next refusal."""
    account = replace(ANN, balances={}, country="US", verification=0)
    rules = replace(COIN.withdraw, enabled=False, step_two_monthly_limit=Decimal(0))
    tight = replace(rules.channels[0], monthly_limit=Decimal(0))
    order = WithdrawalOrder(COIN, Decimal("0.1"), "SHUT", OTHER, "1")

    def refused(code: str) -> None:
        with pytest.raises(Refusal, match=code):
            withdraw(build(account, replace(COIN, withdraw=rules)), order)

    refused("10028")
    rules = replace(rules, enabled=True)
    refused("10051")
    account = replace(account, country="TR")
    refused("10026")
    account = replace(account, verification=2)
    refused("10029")
    rules, order = replace(rules, channels=(tight,)), replace(order, channel="NET")
    refused("10030")
    order = replace(order, quantity=Decimal(5))
    refused("10063")
    order = replace(order, address=HOME)
    refused("10064")
    order = replace(order, tag=None)
    refused("10055")
    rules = replace(rules, step_two_monthly_limit=None)
    refused("10035")
    rules = replace(rules, channels=COIN.withdraw.channels)
    refused("10031")
    account = replace(account, balances={"COIN": Decimal("5.5")})
    withdraw(build(account, replace(COIN, withdraw=rules)), order)


def test_an_address_off_the_list_will_do_where_the_scenario_says_so() -> None:
    treasury = build(registered_addresses_only=False)
    withdraw(treasury, replace(USUAL, address=OTHER))
    with pytest.raises(Refusal, match="10063"):
        withdraw(treasury, replace(USUAL, address="0xZZ"))


@pytest.mark.parametrize(("step", "more", "code"), [(1, "10", "10054"), (2, "20", "10035")])
def test_the_months_withdrawals_count_together_up_to_the_limit(
    step: int, more: str, code: str
) -> None:
    treasury = build(replace(ANN, verification=step))
    withdraw(treasury, of("10"))
    withdraw(treasury, of(more))
    with pytest.raises(Refusal, match=code):
        withdraw(treasury, of("1"))


def test_a_limit_is_for_one_calendar_month() -> None:
    treasury = build(replace(ANN, verification=1))
    withdraw(treasury, of("20"), now=FIRST_OF_MONTH)
    with pytest.raises(Refusal, match="10054"):
        withdraw(treasury, of("1"))
    withdraw(treasury, of("20"), now=NEXT_MONTH)


def test_a_withdrawal_that_came_back_leaves_its_room_in_the_limit() -> None:
    treasury = build(replace(ANN, verification=1))
    rejected = withdraw(treasury, of("20"))
    treasury.transfers.end(rejected, Ending.REJECTED)
    withdraw(treasury, of("20"))


def test_an_unknown_asset_is_no_symbol() -> None:
    with pytest.raises(Refusal, match="10037"):
        build().asset("NOSUCH")


def test_who_may_not_pay_in_is_told_the_first_reason() -> None:
    account = replace(ANN, country="US", verification=0)
    shut = replace(COIN, deposit=replace(COIN.deposit, enabled=False))
    for code, treasury in (
        ("10027", build(account, shut)),
        ("10051", build(account)),
        ("10026", build(replace(account, country="TR"))),
    ):
        with pytest.raises(Refusal, match=code):
            treasury.check_deposit("ann", treasury.asset("COIN"))
    build().check_deposit("ann", COIN)


def test_each_account_has_a_deposit_address_of_its_own_on_each_channel() -> None:
    money = Asset("EUR", "Euro", fiat=True)
    addresses = [
        deposit_address("ann", COIN, "NET", "0x"),
        deposit_address("bob", COIN, "NET", "0x"),
        deposit_address("ann", COIN, "SIDE", "0x"),
        deposit_address("ann", money, "BANK", "TR"),
    ]
    assert len(set(addresses)) == 4
    assert addresses[0] == deposit_address("ann", COIN, "NET", "0x")
    assert all(len(address) == 42 for address in addresses[:3])
    assert addresses[3][:2] == "TR"
    assert addresses[3][2:].isdigit()
