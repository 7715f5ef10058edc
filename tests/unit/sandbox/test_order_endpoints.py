"""Orders of every type over real sockets, each in the document's shape."""

import re
from decimal import Decimal

import pytest

from tests.unit.sandbox.clients import Json, Trader, now_ms

pytestmark = pytest.mark.anyio

ORDER_ID = re.compile(r"[0-9a-f]{72}")


async def order(trader: Trader, path: str, **terms: str) -> Json:
    """Place an order, check that it was accepted just now, and return the rest of the reply."""
    before = now_ms()
    reply = await trader.call("POST", f"market/{path}", symbol="BTCUSDT", **terms)
    assert reply["code"] == "00000"
    assert before <= reply["order"].pop("time") <= now_ms()
    return reply["order"]


async def stand(trader: Trader) -> None:
    """Offer two bitcoins at 50000, and bid for two at 49000."""
    await trader.limit("sell", "50000", "2")
    await trader.limit("buy", "49000", "2")


@pytest.mark.parametrize("side", ["buy", "sell"])
async def test_a_market_order_answers_what_was_filled_and_no_id(
    ann: Trader, bob: Trader, side: str
) -> None:
    await stand(ann)
    assert await order(bob, f"market-{side}", amount="0.001") == {
        "status": "FILLED",
        "market": "BTCUSDT",
        "orderType": "MARKET",
        "side": side.upper(),
        "amount": Decimal("0.001"),
        "filledAmount": Decimal("0.001"),
    }


async def test_a_market_order_that_empties_the_book_answers_how_far_it_came(
    ann: Trader, bob: Trader
) -> None:
    await stand(ann)
    reply = await order(bob, "market-buy", amount="3")
    assert (reply["status"], reply["amount"], reply["filledAmount"]) == ("PARTIALLY_FILLED", 3, 2)
    assert (await bob.call("GET", "market/user-orders"))["orders"] == []


@pytest.mark.parametrize(
    ("side", "target", "stop_type"), [("buy", "54000", "GREATER"), ("sell", "53000", "LESS")]
)
async def test_a_stop_limit_order_answers_its_target_and_which_way_it_lies(
    ann: Trader, side: str, target: str, stop_type: str
) -> None:
    terms = {"price": "53500", "target": target, "amount": "0.1"}
    reply = await order(ann, f"stop-limit-{side}", **terms)
    order_id = reply.pop("orderId")
    assert ORDER_ID.fullmatch(order_id)
    assert reply == {
        "status": "NEW",
        "market": "BTCUSDT",
        "orderType": "STOP LIMIT",
        "stopType": stop_type,
        "side": side.upper(),
        "target": Decimal(target),
        "price": 53_500,
        "amount": Decimal("0.1"),
    }
    (row,) = (await ann.call("GET", "market/user-orders"))["orders"]
    assert (row["orderId"], row["orderType"], row["targetPrice"]) == (order_id, 2, Decimal(target))
    cancelled = await ann.call("POST", "market/cancel-order", orderId=order_id)
    assert cancelled["order"]["status"] == "CANCELLED"
    assert (await ann.call("GET", "market/user-orders"))["orders"] == []


async def test_a_fast_buy_answers_the_total_and_what_of_it_was_spent(
    ann: Trader, bob: Trader
) -> None:
    await stand(ann)
    assert await order(bob, "fast-buy", total="100.03") == {
        "status": "FILLED",
        "market": "BTCUSDT",
        "orderType": "FAST",
        "side": "BUY",
        "total": Decimal("100.03"),
        "filledTotal": 100,
    }


async def test_a_fast_sell_answers_the_amount_and_what_of_it_was_sold(
    ann: Trader, bob: Trader
) -> None:
    await stand(ann)
    assert await order(bob, "fast-sell", amount="0.5") == {
        "status": "FILLED",
        "market": "BTCUSDT",
        "orderType": "FAST",
        "side": "SELL",
        "amount": Decimal("0.5"),
        "filledAmount": Decimal("0.5"),
    }


async def test_user_trades_tell_each_side_its_own_fee_newest_first(
    ann: Trader, bob: Trader
) -> None:
    await stand(ann)
    await order(bob, "market-buy", amount="0.1")
    await order(bob, "fast-sell", amount="0.2")
    trades = (await bob.call("GET", "market/user-trades"))["trades"]
    assert trades[0].pop("time") >= trades[1].pop("time")
    assert trades == [
        {
            "symbol": "BTCUSDT",
            "price": 49_000,
            "amount": Decimal("0.2"),
            "side": 1,
            "orderType": 3,
            "commission": Decimal("19.6"),
            "commissionSymbol": "USDT",
        },
        {
            "symbol": "BTCUSDT",
            "price": 50_000,
            "amount": Decimal("0.1"),
            "side": 0,
            "orderType": 1,
            "commission": Decimal("0.0002"),
            "commissionSymbol": "BTC",
        },
    ]
    theirs = (await ann.call("GET", "market/user-trades"))["trades"]
    assert [(row["side"], row["orderType"], row["commissionSymbol"]) for row in theirs] == [
        (0, 0, "BTC"),
        (1, 0, "USDT"),
    ]


LIMIT = {"price": "50000", "amount": "1"}
STOP = {**LIMIT, "target": "55000"}


@pytest.mark.parametrize(
    ("path", "terms", "code"),
    [
        ("limit-buy", {**LIMIT, "symbol": "btc/usdt"}, "20006"),
        ("limit-buy", {**LIMIT, "symbol": "BTCEUR"}, "10037"),
        ("market-buy", {"amount": "1"}, "10042"),
        ("market-sell", {"amount": "1"}, "10042"),
        ("market-buy", {"amount": "x"}, "20009"),
        ("market-sell", {}, "20005"),
        ("fast-buy", {"total": "100"}, "10060"),
        ("fast-buy", {"total": "-1"}, "20012"),
        ("fast-buy", {"amount": "1"}, "20005"),
        ("fast-sell", {"amount": "1"}, "10060"),
        ("fast-sell", {"amount": "0"}, "20009"),
        ("stop-limit-buy", {**STOP, "target": "high"}, "20008"),
        ("stop-limit-sell", {**STOP, "target": "0"}, "20008"),
        ("stop-limit-sell", {**STOP, "price": "1e12"}, "20007"),
        ("stop-limit-sell", LIMIT, "20005"),
        ("stop-limit-buy", {**STOP, "amount": "100"}, "10031"),
        ("stop-limit-sell", {**STOP, "price": "134907.83"}, "10061"),
        ("stop-limit-buy", {**STOP, "price": "21585.25"}, "10062"),
    ],
)
async def test_a_bad_order_is_refused_by_its_code(
    still_ann: Trader, path: str, terms: dict[str, str], code: str
) -> None:
    reply = await still_ann.call("POST", f"market/{path}", **{"symbol": "BTCUSDT", **terms})
    assert reply["code"] == code
