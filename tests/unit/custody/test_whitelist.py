import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.custody.whitelist import WHITELIST, NotSignable, required_purpose
from gateway.domain.signing import SigningRequest
from tests.unit.custody.examples import NOW, READ, STAMPS, TRADE, WITHDRAW, request

COVERAGE = Path(__file__).parents[3] / "docs" / "coverage.md"
ROW = re.compile(r"^\|[^|]*\| `(?:GET|POST) v3/api/([a-z0-9/-]+)'?` \|", re.MULTILINE)
SYMBOL = ("symbol", "BTCTRY")
PRICE = ("price", Decimal("434497.5"))
QUANTITY = ("amount", Decimal("1E-8"))
TARGET = ("target", Decimal(9300))
PAY_OUT = (SYMBOL, QUANTITY, ("address", "rAddress"), ("node", "XRP Ledger"))
ORDINARY = {
    "market/limit-buy": (SYMBOL, PRICE, QUANTITY),
    "market/limit-sell": (SYMBOL, PRICE, QUANTITY),
    "market/market-buy": (SYMBOL, QUANTITY),
    "market/market-sell": (SYMBOL, QUANTITY),
    "market/stop-limit-buy": (SYMBOL, PRICE, TARGET, QUANTITY),
    "market/stop-limit-sell": (SYMBOL, PRICE, TARGET, QUANTITY),
    "market/fast-buy": (SYMBOL, ("total", Decimal(100))),
    "market/fast-sell": (SYMBOL, QUANTITY),
    "market/cancel-order": (("orderId", "0a" * 36),),
    "market/user-orders": (),
    "market/user-trades": (),
    "balance/wallet": (),
    "balance/currencies": (),
    "balance/withdraw": (SYMBOL,),
    "balance/deposit": (SYMBOL,),
    "balance/withdraw-history": (),
    "balance/deposit-history": (),
    "balance/create-withdraw": PAY_OUT,
}
each_endpoint = pytest.mark.parametrize("endpoint", ORDINARY)


def refused(endpoint: str, *parameters: tuple[str, object]) -> str:
    """Give the name of the parameter for which a request is not signed."""
    with pytest.raises(NotSignable) as refusal:
        required_purpose(request(endpoint, *parameters))
    assert refusal.value.endpoint == endpoint
    return refusal.value.parameter


def section(heading: str) -> str:
    return (
        COVERAGE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    )


def test_the_whitelist_is_every_signed_endpoint_of_the_document() -> None:
    signed = section("Signed Market Endpoints") + section("Signed Balance Endpoints")
    assert set(ROW.findall(signed)) == set(WHITELIST) == set(ORDINARY)


@each_endpoint
def test_an_ordinary_request_needs_the_key_for_its_purpose(endpoint: str) -> None:
    path = endpoint.partition("/")[2]
    trades = path == "cancel-order" or path.endswith(("-buy", "-sell"))
    expected = WITHDRAW if path == "create-withdraw" else TRADE if trades else READ
    assert required_purpose(request(endpoint, *ORDINARY[endpoint])) is expected


@each_endpoint
def test_nothing_is_signed_with_a_parameter_missing_twice_or_too_many(endpoint: str) -> None:
    parameters = (*ORDINARY[endpoint], *STAMPS)
    for number, (name, _) in enumerate(parameters):
        without = SigningRequest(endpoint, parameters[:number] + parameters[number + 1 :])
        twice = SigningRequest(endpoint, (*parameters, parameters[number]))
        for wrong in (without, twice):
            with pytest.raises(NotSignable) as refusal:
                required_purpose(wrong)
            assert refusal.value.parameter == name
    assert refused(endpoint, *ORDINARY[endpoint], ("signature", "0")) == "signature"


@pytest.mark.parametrize("endpoint", ["", "ping", "market/limit-buy/", "market/../balance/wallet"])
def test_an_endpoint_that_is_not_listed_is_not_signed(endpoint: str) -> None:
    assert refused(endpoint) == ""


NO_PRICES = [
    *(Decimal(it) for it in ("0", "-1", "NaN", "sNaN", "Infinity", "1E+99", "1E-37", "9" * 37)),
    1,
    1.5,
    "1",
    None,
]


@pytest.mark.parametrize("value", NO_PRICES, ids=repr)
def test_a_price_or_quantity_is_an_exact_decimal_above_zero(value: object) -> None:
    assert refused("market/market-buy", SYMBOL, ("amount", value)) == "amount"
    assert refused("market/limit-buy", SYMBOL, ("price", value), QUANTITY) == "price"
    assert refused("market/fast-buy", SYMBOL, ("total", value)) == "total"


@pytest.mark.parametrize("value", ["", "A" * 65, "BTC TRY", "A&B", "ÅB", "A\n", 5, Decimal(5)])
def test_a_symbol_is_a_short_plain_name(value: object) -> None:
    assert refused("balance/deposit", ("symbol", value)) == "symbol"


@pytest.mark.parametrize("value", ["", "a" * 257, "a-b", "a b", "ü", 7])
def test_an_order_id_is_letters_and_digits(value: object) -> None:
    assert refused("market/cancel-order", ("orderId", value)) == "orderId"


@pytest.mark.parametrize("value", ["", " a", "a ", "a" * 257, "a\nb", "a\x00", "\ud800", 7])
@pytest.mark.parametrize("name", ["address", "node", "secondParameter"])
def test_where_a_withdrawal_goes_is_a_printable_line(name: str, value: object) -> None:
    others = [pair for pair in PAY_OUT if pair[0] != name]
    assert refused("balance/create-withdraw", *others, (name, value)) == name


def test_a_withdrawal_may_have_a_tag() -> None:
    tagged = request("balance/create-withdraw", *PAY_OUT, ("secondParameter", "42"))
    assert required_purpose(tagged) is WITHDRAW


@pytest.mark.parametrize("value", [0, -1, 60_001, True, "5000", Decimal(5000)])
def test_a_window_is_a_whole_number_of_ms_up_to_a_minute(value: object) -> None:
    stamps = (("timestamp", NOW), ("windowSize", value))
    with pytest.raises(NotSignable, match="windowSize"):
        required_purpose(SigningRequest("balance/wallet", stamps))  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [0, -1, 10**15, True, str(NOW), Decimal(NOW)])
def test_a_timestamp_is_a_whole_number_of_ms(value: object) -> None:
    stamps = (("timestamp", value), ("windowSize", 5000))
    with pytest.raises(NotSignable, match="timestamp"):
        required_purpose(SigningRequest("balance/wallet", stamps))  # type: ignore[arg-type]


@given(st.text(max_size=300), st.sampled_from(["address", "node", "symbol", "amount", "other"]))
def test_a_refusal_names_the_parameter_and_shows_no_value(value: str, name: str) -> None:
    told = f"<{value}>\n"
    with pytest.raises(NotSignable) as refusal:
        required_purpose(request("balance/create-withdraw", *PAY_OUT, (name, told)))
    assert told not in str(refusal.value)
    assert repr(name) in str(refusal.value)
