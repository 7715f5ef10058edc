"""What an account holds and moves, from the document's samples."""

from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import pytest

from gateway.domain.account import (
    Balance,
    Currency,
    Deposit,
    DepositChannel,
    DepositOptions,
    TransferState,
    Withdraw,
    Withdrawal,
    WithdrawalAddress,
    WithdrawalChannel,
    WithdrawalOptions,
)
from gateway.domain.money import NotADecimal
from gateway.exchange import account_mapping, account_wire, readers, wire

D = Decimal
T = TypeVar("T")
SAMPLES = Path(__file__).parents[2] / "payloads" / "rest"
TRANSFER_ID = "cdd0af3eee648a4eec93a88268dc49936b68c49aad4b4d32adab4fae56e6c29db1e47179"
EXPLORER = "https://www.blockchain.com/en/explorer"


def sample(name: str, shape: type[T]) -> T:
    return wire.parse((SAMPLES / f"{name}.json").read_bytes(), shape)


def transfer(name: str, **fields: object) -> account_wire.TransferRow:
    (row,) = sample(name, account_wire.TransfersReply).history
    for field, value in fields.items():
        setattr(row, field, value)
    return row


def test_what_the_exchange_calls_reserved_is_held() -> None:
    text = '{"symbol":"BTC","total":3,"available":1,"reserved":2,"maxLength":8}'
    row = wire.parse(text, account_wire.BalanceRow)
    assert account_mapping.map_balance(row) == Balance("BTC", D(3), D(1), D(2), 8)


def test_a_balance_may_lack_its_precision() -> None:
    (bare,) = sample("wallet", account_wire.WalletReply).wallet
    assert account_mapping.map_balance(bare) == Balance("TRY", D(0), D(0), D(0))


def test_a_debt_is_shown_and_less_than_nothing_is_never_held() -> None:
    row = account_wire.BalanceRow(symbol="BTC", total=D(-1), available=D("-1.5"), reserved=D("0.5"))
    assert account_mapping.map_balance(row).available == D("-1.5")
    row.reserved = D("-0.5")
    with pytest.raises(wire.Unparsable):
        account_mapping.map_balance(row)


def test_an_asset_has_its_id_symbol_and_name() -> None:
    (row,) = sample("currencies", account_wire.CurrenciesReply).currencies
    assert account_mapping.map_currency(row) == Currency(
        "cc8dfd30b230de18ec95a88438dc49c13868c49afd484832aaae1ea70fbb92cce6b12e72",
        "TRY",
        "T\u00fcrk Liras\u0131",
    )


def test_deposit_options_list_every_channel_with_its_address() -> None:
    row = sample("deposit", account_wire.DepositOptionsReply).currency
    channel = DepositChannel("VAKIFBANK", "TR 34 0001 5001 5800 7308 8132 39", enabled=True)
    assert account_mapping.map_deposit_options(row) == DepositOptions(
        asset="TRY",
        name="T\u00fcrk Liras\u0131",
        enabled=True,
        minimum=D(10),
        precision=2,
        channels=(channel,),
        id="cc8dfd30b230de18ec95a88438dc49c13868c49afd484832aaae1ea70fbb92cce6b12e72",
    )


@pytest.mark.parametrize("address", ["", None])
def test_a_channel_without_an_address_has_none(address: str | None) -> None:
    row = sample("deposit", account_wire.DepositOptionsReply).currency
    row.channels[0].address = address
    assert account_mapping.map_deposit_options(row).channels[0].address is None


def test_withdrawal_options_list_every_channel_with_its_fee_and_addresses() -> None:
    row = sample("withdraw", account_wire.WithdrawalOptionsReply).currency
    address = WithdrawalAddress(
        "9d80ac3ae93f8e48ec9bf9826bdc49913b68c4c3aa1b4b32a9ab4af40fbc9e9de2b22b2f",
        "123123123123",
        "123123123123",
    )
    channel = WithdrawalChannel("BTC", enabled=False, fee=D("0.0005"), addresses=(address,))
    assert account_mapping.map_withdrawal_options(row) == WithdrawalOptions(
        asset="BTC",
        name="Bitcoin",
        enabled=True,
        minimum=D("0.0001"),
        precision=8,
        channels=(channel,),
        id="ce87ad6fef308b43ec95a9d73cdc49933f3bc4c3aa471f32f9a81ef206ee94cee5bd7f73",
    )


def test_a_deposit_tells_how_far_it_is_confirmed() -> None:
    assert account_mapping.map_deposit(transfer("deposit-history", state=13)) == Deposit(
        id=TRANSFER_ID,
        asset="BTC",
        quantity=D("0.00213"),
        time=1578943895994,
        state=TransferState.RESUMING,
        state_code=13,
        confirmations=3,
        required_confirmations=6,
        txid=None,
        explorer=EXPLORER,
        precision=8,
        real=False,
    )


def test_a_withdrawal_is_read_as_the_document_shows_it() -> None:
    assert account_mapping.map_withdrawal(transfer("withdraw-history")) == Withdrawal(
        id=TRANSFER_ID,
        asset="BTC",
        quantity=D("0.00213"),
        time=1578943895994,
        state=TransferState.RESUMING,
        state_code=13,
        txid=None,
        explorer=EXPLORER,
        precision=8,
        real=False,
    )


DEPOSIT_STATES = {11: "PENDING", 12: "VALIDATING", 13: "RESUMING", 14: "COMPLETED"}
WITHDRAWAL_STATES = {
    11: "PENDING",
    13: "RESUMING",
    14: "COMPLETED",
    21: "PENDING",
    22: "VALIDATING",
    23: "RESUMING",
    24: "COMPLETED",
    98: "REJECTED",
    99: "CANCELLED",
}


@pytest.mark.parametrize("code", range(101))
def test_a_state_is_what_the_documents_tables_say_and_unknown_where_they_are_silent(
    code: int,
) -> None:
    deposit = account_mapping.map_deposit(transfer("deposit-history", state=code))
    assert (deposit.state, deposit.state_code) == (DEPOSIT_STATES.get(code, "UNKNOWN"), code)
    withdrawal = account_mapping.map_withdrawal(transfer("withdraw-history", state=code))
    assert (withdrawal.state, withdrawal.state_code) == (
        WITHDRAWAL_STATES.get(code, "UNKNOWN"),
        code,
    )


@pytest.mark.parametrize("state", [-(2**31), -1, 2**31 - 1])
def test_a_state_that_no_table_could_list_does_not_hide_the_other_transfers(state: int) -> None:
    text = (SAMPLES / "withdraw-history.json").read_text()
    body = text.replace('"state": 13', f'"state": {state}').encode()
    (withdrawal,) = readers.read_withdrawals(body)
    assert (withdrawal.state, withdrawal.state_code) == ("UNKNOWN", state)


def test_the_sample_of_a_deposit_has_a_state_that_no_table_lists() -> None:
    assert account_mapping.map_deposit(transfer("deposit-history")).state == "UNKNOWN"


@pytest.mark.parametrize("name", ["deposit-history", "withdraw-history"])
@pytest.mark.parametrize(
    ("explorer", "shown"),
    [
        ("", None),
        (None, None),
        ("javascript:alert(1)", None),
        ("data:text/html,<script>", None),
        ("https://a.example/tx", "https://a.example/tx"),
        ("HTTP://a.example/tx", "HTTP://a.example/tx"),
    ],
)
def test_an_explorer_is_a_web_address_or_none(
    name: str, explorer: str | None, shown: str | None
) -> None:
    row = transfer(name, explorer=explorer, txid="abc")
    for mapped in (account_mapping.map_deposit(row), account_mapping.map_withdrawal(row)):
        assert (mapped.explorer, mapped.txid) == (shown, "abc")


@pytest.mark.parametrize(
    ("written", "shown"), [("", None), (None, None), ("no such address", "no such address")]
)
def test_what_the_exchange_says_of_a_transfer_is_shown_as_it_stands(
    written: str | None, shown: str | None
) -> None:
    assert (
        account_mapping.map_deposit(transfer("deposit-history", information=written)).information,
        account_mapping.map_withdrawal(
            transfer("withdraw-history", information=written)
        ).information,
    ) == (shown, shown)


@pytest.mark.parametrize("amount", [D(-1), D("NaN"), D("1E+99")], ids=str)
def test_a_transfer_of_less_than_nothing_or_of_no_number_has_no_meaning(amount: Decimal) -> None:
    row = transfer("withdraw-history", amount=amount)
    for read in (account_mapping.map_withdrawal, account_mapping.map_deposit):
        with pytest.raises((wire.Unparsable, NotADecimal)):
            read(row)


def test_a_withdrawal_has_the_documents_parameters_and_a_tag_only_where_there_is_one() -> None:
    command = Withdraw("demo", "XRP", D("1E-7"), "XRP Ledger", "rAddress", "42")
    assert account_mapping.withdraw_parameters(command) == (
        ("symbol", "XRP"),
        ("amount", D("1E-7")),
        ("address", "rAddress"),
        ("secondParameter", "42"),
        ("node", "XRP Ledger"),
    )
    without = Withdraw("demo", "XRP", D(1), "XRP Ledger", "rAddress")
    assert "secondParameter" not in dict(account_mapping.withdraw_parameters(without))
