import json
from decimal import Decimal

import pytest

from gateway.custody.keyring import Keyring, SlotStatus
from gateway.custody.whitelist import NotSignable
from gateway.domain.errors import UnknownAccount
from gateway.domain.key_errors import KeyStopped, NoKey
from gateway.domain.signing import KeyId, Sign
from tests.unit.custody.examples import key, request, slot

WALLET = request("balance/wallet")
CANCEL = request("market/cancel-order", ("orderId", "abc"))
PAY_OUT = request(
    "balance/create-withdraw",
    ("symbol", "XRP"),
    ("amount", Decimal(1)),
    ("address", "rAddress"),
    ("node", "XRP Ledger"),
)


def keyring(*names: str) -> Keyring:
    """Have a key for each slot, named after it."""
    return Keyring({slot(name): key(name) for name in names})


def id_of(name: str, version: str = "1") -> KeyId:
    return KeyId(slot(name), version)


def used(sign: Sign, asked: object = WALLET) -> str:
    """Say which key signs."""
    signed = sign(asked)  # type: ignore[arg-type]
    assert signed.header[1].startswith("the-key-")
    return signed.header[1].removeprefix("the-key-")


def test_a_keyring_names_its_accounts_and_slots_in_order() -> None:
    held = keyring("savings/read", "demo/trade", "demo/read")
    assert held.accounts == ("demo", "savings")
    assert held.slots() == (
        SlotStatus(slot("demo/read"), "1", None),
        SlotStatus(slot("demo/trade"), "1", None),
        SlotStatus(slot("savings/read"), "1", None),
    )


def test_an_account_can_be_read_by_a_read_or_a_trade_key_and_not_by_one_to_withdraw() -> None:
    held = keyring("pays/withdraw", "reads/read", "trades/trade")
    assert held.accounts == ("pays", "reads", "trades")
    assert held.readable == ("reads", "trades")


def test_each_request_is_signed_by_its_accounts_key_for_its_purpose() -> None:
    held = keyring("demo/read", "demo/trade", "savings/read")
    assert used(held.signer("demo")) == "demo/read"
    assert used(held.signer("demo"), CANCEL) == "demo/trade"
    assert used(held.signer("savings")) == "savings/read"
    assert held.signer("demo")(CANCEL).key == id_of("demo/trade")


def test_the_trade_key_reads_where_there_is_no_read_key() -> None:
    held = keyring("demo/trade")
    assert used(held.signer("demo")) == "demo/trade"
    assert json.loads(held.login_frame("demo")())["apiKey"] == "the-key-demo/trade"
    assert held.reading_key("demo") == id_of("demo/trade")


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("demo/read", CANCEL),
        ("demo/withdraw", CANCEL),
        ("demo/withdraw", WALLET),
        ("demo/trade", PAY_OUT),
    ],
)
def test_no_other_key_stands_in_for_one_that_is_missing(name: str, asked: object) -> None:
    with pytest.raises(NoKey):
        keyring(name).signer("demo")(asked)  # type: ignore[arg-type]


def test_a_stream_is_bound_by_the_read_key() -> None:
    held = keyring("demo/read", "demo/trade")
    assert json.loads(held.login_frame("demo")())["apiKey"] == "the-key-demo/read"
    assert held.reading_key("demo") == id_of("demo/read")


def test_an_account_without_a_key_is_unknown() -> None:
    held = keyring("demo/read")
    with pytest.raises(UnknownAccount):
        held.signer("other")
    with pytest.raises(UnknownAccount):
        held.login_frame("other")
    assert held.reading_key("other") is None
    assert keyring("demo/withdraw").reading_key("demo") is None


def test_what_is_not_listed_is_not_signed() -> None:
    with pytest.raises(NotSignable):
        keyring("demo/trade").signer("demo")(request("market/cancel-order"))


def test_a_signer_uses_the_key_that_was_switched_to_from_its_next_call_on() -> None:
    held = keyring("demo/read")
    sign, frame = held.signer("demo"), held.login_frame("demo")
    held.replace(slot("demo/read"), key("newer", "2"))
    assert used(sign) == "newer"
    assert sign(WALLET).key == id_of("demo/read", "2")
    assert json.loads(frame())["apiKey"] == "the-key-newer"
    held.replace(slot("demo/trade"), key("trade"))
    assert used(sign, CANCEL) == "trade"


def test_a_signer_of_an_account_that_went_signs_nothing() -> None:
    held = keyring("demo/read")
    sign, frame = held.signer("demo"), held.login_frame("demo")
    held.remove(slot("demo/read"))
    assert held.accounts == ()
    with pytest.raises(UnknownAccount):
        sign(WALLET)
    with pytest.raises(UnknownAccount):
        frame()


def test_a_key_that_is_stopped_signs_nothing_and_no_other_stands_in_for_it() -> None:
    held = keyring("demo/read", "demo/trade")
    assert held.stop(id_of("demo/read"), "20001")
    for refused in (lambda: held.signer("demo")(WALLET), held.login_frame("demo")):
        with pytest.raises(KeyStopped) as stopped:
            refused()
        assert (stopped.value.purpose, stopped.value.exchange_code) == ("read", "20001")
    assert used(held.signer("demo"), CANCEL) == "demo/trade"
    assert held.slots()[0].stopped == "20001"


def test_a_key_is_stopped_and_resumed_once() -> None:
    held = keyring("demo/read")
    assert not held.resume(id_of("demo/read"))
    assert held.stop(id_of("demo/read"), "20001")
    assert not held.stop(id_of("demo/read"), "20002")
    assert held.resume(id_of("demo/read"))
    assert not held.resume(id_of("demo/read"))
    assert used(held.signer("demo")) == "demo/read"


def test_a_late_refusal_of_the_key_before_does_not_stop_the_one_after() -> None:
    held = keyring("demo/read")
    held.replace(slot("demo/read"), key("newer", "2"))
    assert not held.stop(id_of("demo/read", "1"), "20001")
    assert not held.stop(id_of("demo/trade"), "20001")
    assert used(held.signer("demo")) == "newer"


def test_a_new_key_is_not_stopped_by_what_stopped_the_one_before() -> None:
    held = keyring("demo/read")
    held.stop(id_of("demo/read"), "20001")
    held.replace(slot("demo/read"), key("newer", "2"))
    assert used(held.signer("demo")) == "newer"
    held.stop(id_of("demo/read", "2"), "20001")
    held.remove(slot("demo/read"))
    held.replace(slot("demo/read"), key("newest", "3"))
    assert used(held.signer("demo")) == "newest"


def test_a_candidate_signs_though_it_is_not_in_force() -> None:
    held = keyring("demo/trade")
    signed = held.candidate(slot("demo/trade"), key("newer", "2"))(CANCEL)
    assert signed.header[1] == "the-key-newer"
    assert signed.key == id_of("demo/trade", "2")
    assert used(held.signer("demo"), CANCEL) == "demo/trade"


def test_a_key_that_is_stopped_can_be_tried() -> None:
    held = keyring("demo/trade")
    held.stop(id_of("demo/trade"), "20001")
    assert used(held.candidate(slot("demo/trade")), CANCEL) == "demo/trade"
    with pytest.raises(NoKey):
        held.candidate(slot("demo/read"))


def test_a_candidate_signs_for_its_purpose_and_reads_and_no_more() -> None:
    candidate = keyring().candidate(slot("demo/withdraw"), key("new"))
    assert used(candidate) == "new"
    with pytest.raises(NotSignable):
        candidate(CANCEL)


def test_the_secrets_are_all_that_must_never_be_printed() -> None:
    held = keyring("demo/read", "savings/read")
    login = json.loads(held.login_frame("demo")())["signature"]
    assert held.secrets() >= {"the-key-demo/read", "the-secret-savings/read", login}
    assert len(held.secrets()) == 6
    assert keyring().secrets() == frozenset()


def test_neither_a_keyring_nor_what_it_hands_out_shows_a_secret() -> None:
    held = keyring("demo/trade")
    handed = [held, held.signer("demo"), held.login_frame("demo"), held.slots()]
    shown = repr([*handed, held.candidate(slot("demo/trade")), held.signer("demo")(WALLET)])
    assert "demo" in shown
    assert "the-" not in shown
