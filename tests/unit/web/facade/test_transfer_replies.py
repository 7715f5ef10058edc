"""Every sample reply of the document on balances and transfers, read, and written again."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from gateway.domain.account import (
    Balance,
    Deposit,
    DepositChannel,
    DepositOptions,
    TransferState,
    WithdrawalOptions,
)
from gateway.exchange import readers
from gateway.web.facade import transfer_replies as replies
from gateway.web.facade.requests import Body
from tests.unit.web.facade.written import sample, sample_text, written

REPLIES: dict[str, Callable[[bytes], Body]] = {
    "wallet": lambda text: replies.wallet(readers.read_balances(text)),
    "currencies": lambda text: replies.currencies(readers.read_currencies(text)),
    "deposit": lambda text: replies.deposit_options(readers.read_deposit_options(text, "TRY")),
    "withdraw": lambda text: replies.withdrawal_options(
        readers.read_withdrawal_options(text, "BTC")
    ),
    "deposit-history": lambda text: replies.deposits(readers.read_deposits(text)),
    "withdraw-history": lambda text: replies.withdrawals(readers.read_withdrawals(text)),
}


@pytest.mark.parametrize("name", REPLIES)
def test_a_reply_of_the_document_is_written_as_it_was_read(name: str) -> None:
    told = sample(f"rest/{name}")
    del told["code"]
    assert written(REPLIES[name](sample_text(f"rest/{name}"))) == told


def test_a_balance_has_its_decimals_where_they_are_known_and_a_debt_its_sign() -> None:
    owed = Balance("BTC", Decimal("-1.50"), Decimal(-2), Decimal("0.5"), 8)
    assert written(replies.wallet([owed]))["wallet"] == [
        {
            "symbol": "BTC",
            "total": Decimal("-1.5"),
            "available": -2,
            "reserved": Decimal("0.5"),
            "maxLength": 8,
        }
    ]


def test_a_text_that_the_exchange_left_empty_is_empty_and_what_it_did_not_say_is_left_out() -> None:
    quantity = Decimal("0.00213")
    bare = Deposit("cdd0", "BTC", quantity, 5, TransferState.UNKNOWN, 3, None, None, None, None)
    assert written(replies.deposits([bare]))["history"] == [
        {
            "id": "cdd0",
            "symbol": "BTC",
            "amount": quantity,
            "time": 5,
            "state": 3,
            "information": "",
            "txid": "",
            "explorer": "",
        }
    ]


def test_what_the_exchange_says_of_a_transfer_is_passed_on() -> None:
    text = sample_text("rest/withdraw-history").replace(b'"txid": ""', b'"txid": "f00d"')
    text = text.replace(b'"information": ""', b'"information": "soon"')
    (row,) = written(REPLIES["withdraw-history"](text))["history"]
    assert (row["txid"], row["information"], row["real"]) == ("f00d", "soon", False)


def test_a_channel_without_an_address_has_an_empty_one() -> None:
    channels = (DepositChannel("BTC", None, enabled=False),)
    options = DepositOptions("BTC", "Bitcoin", True, Decimal(0), None, channels)  # noqa: FBT003 - in the order of the fields
    told = written(replies.deposit_options(options))["currency"]
    assert told["channels"] == [{"name": "BTC", "address": "", "enable": False}]
    assert "maxLength" not in told


def test_an_asset_that_cannot_be_paid_out_at_all_has_no_channels() -> None:
    options = WithdrawalOptions("TRY", "Lira", False, Decimal("1E+1"), 2, (), "cc8d")  # noqa: FBT003 - in the order of the fields
    assert written(replies.withdrawal_options(options))["currency"] == {
        "id": "cc8d",
        "symbol": "TRY",
        "name": "Lira",
        "enable": False,
        "minimumWithdrawAmount": 10,
        "maxLength": 2,
        "channels": [],
    }
