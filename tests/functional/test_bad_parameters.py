"""Bad parameters past the gateway: the sandbox refuses each with a code that the document has."""

from collections.abc import Iterator

import pytest

from tests.functional.exchange import Exchange, Json

LIMIT = {"symbol": "BTCTRY", "price": "300000", "amount": "0.001"}
STOP = {**LIMIT, "price": "500000", "target": "500000"}
WITHDRAWAL = {"symbol": "BTC", "amount": "1", "address": "bc1q0000000000000", "node": "BTC"}
# By endpoint: its verb, and good parameters.
GOOD: dict[str, tuple[str, dict[str, str]]] = {
    "market/24h": ("GET", {"symbol": "BTCTRY"}),
    "market/info": ("GET", {"symbol": "BTCTRY"}),
    "market/candles": (
        "GET",
        {"symbol": "BTCTRY", "interval": "m1", "startDate": "0", "endDate": "1"},
    ),
    "market/orderbook": ("GET", {"symbol": "BTCTRY"}),
    "market/depth": ("GET", {"symbol": "BTCTRY"}),
    "market/trades": ("GET", {"symbol": "BTCTRY"}),
    **{f"market/limit-{side}": ("POST", LIMIT) for side in ("buy", "sell")},
    **{f"market/stop-limit-{side}": ("POST", STOP) for side in ("buy", "sell")},
    **{
        f"market/market-{side}": ("POST", {"symbol": "BTCTRY", "amount": "0.001"})
        for side in ("buy", "sell")
    },
    "market/fast-buy": ("POST", {"symbol": "BTCTRY", "total": "100"}),
    "market/fast-sell": ("POST", {"symbol": "BTCTRY", "amount": "0.001"}),
    "market/cancel-order": ("POST", {"orderId": "0" * 72}),
    "balance/withdraw": ("POST", {"symbol": "BTC"}),
    "balance/deposit": ("POST", {"symbol": "BTC"}),
    "balance/create-withdraw": ("POST", WITHDRAWAL),
}
BAD = {
    "blank": " ",
    "zero": "0.000",
    "below zero": "-1",
    "not a number": "NaN",
    "infinite": "Infinity",
    "a huge exponent": "1E+999999999",
    "words": "a lot",
    "other scripts": "\u0661\u0662\U0001f4a3",
    "long": "9" * 5_000,
    "a zero byte": "1\x00",
    "more parameters": "1&apiKey=1",
}
# By parameter: what a bad one is refused with, if there is one.
CODES = {
    "symbol": {"20006", "10037"},
    "price": {"20007"},
    "target": {"20008"},
    "amount": {"20009"},
    "total": {"20012"},
    "orderId": {"10075"},
    "address": {"10063", "90001"},
    "node": {"10029"},
    "interval": {"90001"},
    "startDate": {"90001"},
    "endDate": {"90001"},
}
ABSENT = {"address": "20010"}
OPTIONAL = {"interval", "startDate", "endDate"}
CASES = [(endpoint, name) for endpoint, (_, good) in GOOD.items() for name in good]
NEEDED = [(endpoint, name) for endpoint, name in CASES if name not in OPTIONAL]


@pytest.fixture(autouse=True)
def unchanged(exchange: Exchange) -> Iterator[None]:
    """What is refused leaves no trace."""
    before = exchange.truth("outsider")
    yield
    after = exchange.truth("outsider")
    assert (after["orders"], after["balances"]) == (before["orders"], before["balances"])


def attempt(exchange: Exchange, endpoint: str, parameters: dict[str, str]) -> Json:
    return exchange.outsider.attempt(endpoint, GOOD[endpoint][0], **parameters)


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize(("endpoint", "name"), CASES)
def test_a_bad_parameter_is_refused_with_its_code(
    exchange: Exchange, endpoint: str, name: str, bad: str
) -> None:
    reply = attempt(exchange, endpoint, {**GOOD[endpoint][1], name: BAD[bad]})
    assert reply["code"] in CODES[name], reply


@pytest.mark.parametrize("how", ["missing", "empty"])
@pytest.mark.parametrize(("endpoint", "name"), NEEDED)
def test_a_parameter_that_is_needed_and_not_there_is_missed(
    exchange: Exchange, endpoint: str, name: str, how: str
) -> None:
    given = {**GOOD[endpoint][1], name: ""}
    if how == "missing":
        del given[name]
    assert attempt(exchange, endpoint, given)["code"] == ABSENT.get(name, "20005")


def test_a_parameter_that_no_table_has_is_passed_over(exchange: Exchange) -> None:
    given = {"symbol": "BTCTRY", "colour": "red"}
    assert attempt(exchange, "market/info", given)["code"] == "00000"
