"""The lines that people read."""

from typing import Any

import pytest

from gateway.cli.watch import lines

SOURCED = {"asOf": "2026-01-31T12:00:00.123Z", "source": "STREAM", "stale": False}
LEVEL = {"price": "53963.13", "quantity": "0.25", "orders": 1}
TIME = "12:00:00.123Z"
GAP = {"__typename": "Gap", "since": SOURCED["asOf"], "reason": "the feed was cut"}
ORDER: dict[str, Any] = {
    "__typename": "Order",
    "orderId": "ce82",
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "status": "FILLED",
    "price": "54000",
    "quantity": "0.001",
    "quoteTotal": None,
    "stopPrice": None,
    "filledQuantity": "0.001",
    "time": SOURCED["asOf"],
    "placement": None,
}


def ticker(**changes: object) -> dict[str, Any]:
    values = {"symbol": "BTCUSDT", "last": "5", "bid": "4", "ask": "6", "changePercent": "0.83"}
    return values | SOURCED | changes


def test_a_ticker() -> None:
    assert lines.ticker(ticker()) == f"{TIME}  BTCUSDT    last 5  bid 4  ask 6  0.83 %"


def test_a_ticker_of_which_little_is_known() -> None:
    line = lines.ticker(ticker(bid=None, ask=None, changePercent=None))
    assert line == f"{TIME}  BTCUSDT    last 5  bid -  ask -"


def test_a_stale_value_is_marked() -> None:
    assert lines.ticker(ticker(stale=True)).endswith("  STALE")


def test_a_top_of_book_with_an_empty_side() -> None:
    event = {"symbol": "BTCUSDT", "bid": LEVEL, "ask": None, **SOURCED}
    assert lines.top_of_book(event) == f"{TIME}  BTCUSDT  bid 0.25 at 53963.13  ask -"


def test_an_order_book() -> None:
    event = {"symbol": "BTCUSDT", "bids": [LEVEL, LEVEL], "asks": [], **SOURCED}
    line = lines.order_book(event)
    assert line == f"{TIME}  BTCUSDT  bids 2 from 0.25 at 53963.13  asks 0 from -"


def test_a_candle() -> None:
    values = {"openTime": "2026-01-31T11:55:00.000Z", "closeTime": "2026-01-31T12:00:00.000Z"}
    values |= {"open": "1", "high": "4", "low": "0.5", "close": "2", "volume": "9"}
    event = {"symbol": "BTCUSDT", "interval": "M5", "candle": values, **SOURCED}
    assert lines.candle(event) == (
        f"{TIME}  BTCUSDT M5 of 11:55:00.000Z  open 1  high 4  low 0.5  close 2  volume 9"
    )


def test_a_trade() -> None:
    event = {"__typename": "Trade", "symbol": "BTCUSDT", "side": "BUY", **LEVEL}
    line = lines.trade(event | {"time": SOURCED["asOf"]})
    assert line == f"{TIME}  BTCUSDT  BUY  0.25 at 53963.13"


def test_an_order_says_when_it_was_placed_and_how_much_of_it_is_filled() -> None:
    assert lines.order(ORDER) == (
        "BTCUSDT  BUY LIMIT 0.001 at 54000  FILLED  filled 0.001  order ce82"
        f"  placed {SOURCED['asOf']}"
    )


def test_an_order_of_one_s_own_has_the_id_that_one_gave_it() -> None:
    line = lines.order(ORDER | {"placement": {"id": "demo.1", "clientOrderId": "c-1"}})
    assert line == f"{lines.order(ORDER)}  client c-1"


def test_an_order_without_price_or_id() -> None:
    line = lines.order(ORDER | {"orderId": None, "price": None, "quantity": None})
    assert "BUY LIMIT - at -" in line
    assert "order -  placed" in line


def test_a_stop_limit_order_says_at_which_price_it_enters() -> None:
    line = lines.order(ORDER | {"type": "STOP_LIMIT", "stopPrice": "53000"})
    assert "BUY STOP_LIMIT 0.001 at 54000  stop 53000  " in line


def test_a_fast_order_says_what_it_spends() -> None:
    line = lines.order(ORDER | {"type": "FAST", "quantity": None, "quoteTotal": "100"})
    assert "BUY FAST - at 54000  for 100  " in line


def test_a_balance() -> None:
    event = {"__typename": "Balance", "asset": "BTC", "total": "3", "available": "2", "held": "1"}
    assert lines.balance(event) == "BTC     total 3  available 2  held 1"


def test_a_gap_is_never_silent() -> None:
    expected = f"{TIME}  gap: something may be missing since then (the feed was cut)"
    assert lines.trade(GAP) == lines.order(GAP) == lines.balance(GAP) == expected


def test_what_could_steer_a_terminal_is_escaped_and_all_else_is_left() -> None:
    event = {"asset": "\x1b[2JB\u202eTC\n", "total": "1", "available": "1", "held": "0"}
    line = lines.printable(lines.balance({"__typename": "Balance", **event}))
    assert line == "\\x1b[2JB\\u202eTC\\n  total 1  available 1  held 0"
    assert lines.printable("12:00  ÜBTC 1") == "12:00  ÜBTC 1"


PLACEMENT = {
    "__typename": "Placement",
    "id": "demo.1",
    "clientOrderId": "c-1",
    "symbol": "BTCUSDT",
    "side": "BUY",
    "state": "IN_DOUBT",
    "evidence": "two orders fit",
}
ACCOUNT_PLACEMENT = PLACEMENT | {
    "principal": "desk",
    "type": "LIMIT",
    "orderedPrice": "54000",
    "orderedQuantity": "0.001",
    "stopPrice": None,
    "quoteTotal": None,
}


def test_a_placement_among_the_orders() -> None:
    told = "placement demo.1  client c-1  BTCUSDT  BUY  IN_DOUBT"
    assert lines.order(PLACEMENT) == f"{told}  two orders fit"
    assert lines.order(PLACEMENT | {"evidence": None}) == told


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            {
                "__typename": "AccountOrder",
                "origin": "EXTERNAL",
                "placementId": None,
                "order": ORDER,
            },
            f"{lines.order(ORDER)}  EXTERNAL",
        ),
        (
            {
                "__typename": "AccountOrder",
                "origin": "GATEWAY",
                "placementId": "demo.1",
                "order": ORDER,
            },
            f"{lines.order(ORDER)}  GATEWAY  placement demo.1",
        ),
        (
            ACCOUNT_PLACEMENT | {"evidence": None},
            "placement demo.1  of desk  client c-1  BTCUSDT  BUY LIMIT 0.001 at 54000  IN_DOUBT",
        ),
        (
            {
                "__typename": "Fill",
                "symbol": "BTCUSDT",
                "side": "BUY",
                "type": "LIMIT",
                "price": "54000",
                "quantity": "0.001",
                "fee": "0.1",
                "feeAsset": "USDT",
                "executedAt": SOURCED["asOf"],
            },
            f"BTCUSDT  BUY LIMIT 0.001 at 54000  fee 0.1 USDT  executed {SOURCED['asOf']}",
        ),
        (
            {"__typename": "Balance", "asset": "BTC", "total": "3", "available": "2", "held": "1"},
            "BTC     total 3  available 2  held 1",
        ),
        (
            GAP,
            f"gap: something may be missing since {SOURCED['asOf']} (the feed was cut)",
        ),
        (
            GAP | {"since": "1970-01-01T00:00:00.000Z"},
            "gap: something may be missing (the feed was cut)",
        ),
    ],
    ids=["order", "own order", "placement", "fill", "balance", "gap", "gap since ever"],
)
def test_an_account_s_event_has_its_number_and_its_time_before_it(
    change: dict[str, Any], line: str
) -> None:
    told = {"sequence": "17", "time": SOURCED["asOf"], "change": change}
    assert lines.account_event(told) == f"    17  {SOURCED['asOf']}  {line}"
    missing = {"sequence": None, "time": SOURCED["asOf"], "change": change}
    assert lines.account_event(missing) == f"     -  {SOURCED['asOf']}  {line}"
