from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from gateway.access.policy import Action
from gateway.domain.account import TradingState
from gateway.domain.errors import NotSent, Refused, Unclear
from gateway.domain.market import OrderSide
from gateway.domain.orders import Order, OrderSpec, OrderStatus, OrderType
from gateway.domain.switches import Scope, Switch
from gateway.exchange import ERROR_CODES
from tests.unit.services.examples import order
from tests.unit.web.facade.houses import LIMIT, LIMIT_BUY, TRADER, granted, house_of
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

MARKET = "/v3/api/market"
CANCEL = f"{MARKET}/cancel-order"
UNKNOWN = {"code": "90000", "msg": "outcome unknown, do not resend"}
D = Decimal


def refused(code: str) -> Refused:
    known = ERROR_CODES[code]
    return Refused("e", code, known.name, known.meaning, known.advice, known.retryable)


ORDERS: list[tuple[str, dict[str, str], OrderSide, OrderSpec]] = [
    (
        "limit-buy",
        {"price": "9500.5", "amount": "1e-3"},
        OrderSide.BUY,
        OrderSpec(price=D("9500.5"), quantity=D("0.001")),
    ),
    (
        "limit-sell",
        {"amount": "2", "price": "3"},
        OrderSide.SELL,
        OrderSpec(price=D(3), quantity=D(2)),
    ),
    (
        "market-buy",
        {"amount": "0.1"},
        OrderSide.BUY,
        OrderSpec(type=OrderType.MARKET, quantity=D("0.1")),
    ),
    (
        "market-sell",
        {"amount": "0.1"},
        OrderSide.SELL,
        OrderSpec(type=OrderType.MARKET, quantity=D("0.1")),
    ),
    (
        "stop-limit-buy",
        {"price": "1", "target": "2", "amount": "3"},
        OrderSide.BUY,
        OrderSpec(type=OrderType.STOP_LIMIT, price=D(1), stop_price=D(2), quantity=D(3)),
    ),
    (
        "stop-limit-sell",
        {"price": "1", "target": "2", "amount": "3"},
        OrderSide.SELL,
        OrderSpec(type=OrderType.STOP_LIMIT, price=D(1), stop_price=D(2), quantity=D(3)),
    ),
    (
        "fast-buy",
        {"total": "54"},
        OrderSide.BUY,
        OrderSpec(type=OrderType.FAST, quote_total=D(54)),
    ),
    (
        "fast-sell",
        {"amount": "0.5"},
        OrderSide.SELL,
        OrderSpec(type=OrderType.FAST, quantity=D("0.5")),
    ),
]


@pytest.mark.parametrize(("name", "terms", "side", "spec"), ORDERS)
async def test_each_endpoint_places_the_order_that_the_document_says(
    valkey: ValkeyServer, name: str, terms: dict[str, str], side: OrderSide, spec: OrderSpec
) -> None:
    async with house_of(valkey.url, journal=False) as house:
        reply = await house.ask("POST", f"{MARKET}/{name}", symbol="BTCUSDT", **terms)
        assert (reply["code"], reply["order"]["market"]) == ("00000", "BTCUSDT")
        (begun,) = house.desk.journal.begun  # type: ignore[union-attr]  # it is made up
        assert (begun.command.side, begun.command.spec) == (side, spec)
        assert (begun.command.account, begun.command.symbol) == ("demo", "BTCUSDT")


async def test_a_placed_order_is_shown_as_the_exchange_shows_it(valkey: ValkeyServer) -> None:
    async with house_of(valkey.url) as house:
        shown = {
            "status": "NEW",
            "orderId": "placed",
            "market": "BTCUSDT",
            "orderType": "LIMIT",
            "side": "BUY",
            "price": 100,
            "amount": 10,
            "filledAmount": 0,
            "time": 1000,
        }
        assert await house.ask("POST", LIMIT_BUY, **LIMIT) == {"code": "00000", "order": shown}


async def test_the_same_bytes_again_are_the_same_order(valkey: ValkeyServer) -> None:
    async with house_of(valkey.url) as house:
        first, second = [await house.ask("POST", LIMIT_BUY, **LIMIT) for _ in range(2)]
        assert first == second
        assert house.desk.exchange.asked.count("place") == 1
        house.clock.now += 1
        await house.ask("POST", LIMIT_BUY, **LIMIT)
        assert house.desk.exchange.asked.count("place") == 2


async def test_the_same_bytes_again_are_the_order_whose_outcome_is_unknown(
    valkey: ValkeyServer,
) -> None:
    async with house_of(valkey.url) as house:
        house.desk.exchange.answers["place"] = Unclear("limit-buy", "timeout")
        assert [await house.ask("POST", LIMIT_BUY, **LIMIT) for _ in range(2)] == [UNKNOWN] * 2
        assert house.desk.exchange.asked.count("place") == 1


async def test_an_identical_order_that_is_unresolved_stands_in_the_way(
    valkey: ValkeyServer,
) -> None:
    async with house_of(valkey.url) as house:
        house.desk.exchange.answers["place"] = Unclear("limit-buy", "timeout")
        await house.ask("POST", LIMIT_BUY, **LIMIT)
        house.clock.now += 1
        pairs = {**LIMIT, "timestamp": str(house.clock.now)}
        response = await house.send("POST", LIMIT_BUY, pairs)
        assert response.json()["code"] == "20011"
        assert int(response.headers["retry-after"]) > 0
        assert house.desk.exchange.asked.count("place") == 1


async def test_a_refused_order_has_the_exchanges_code_unless_that_speaks_of_the_real_key(
    valkey: ValkeyServer,
) -> None:
    async with house_of(valkey.url) as house:
        for given, told in (("10042", "10042"), ("20001", "10038"), ("20011", "10038")):
            house.desk.exchange.answers["place"] = refused(given)
            house.clock.now += 1
            assert await house.code("POST", LIMIT_BUY, **LIMIT) == told


async def test_an_order_that_never_left_is_one_that_the_market_did_not_take(
    valkey: ValkeyServer,
) -> None:
    async with house_of(valkey.url) as house:
        house.desk.exchange.answers["place"] = NotSent("limit-buy", "connect")
        assert await house.code("POST", LIMIT_BUY, **LIMIT) == "10038"


BAD_ORDERS: list[tuple[str, str, dict[str, str]]] = [
    ("20005", "limit-buy", {"price": "1", "amount": "1"}),
    ("20006", "limit-buy", {"symbol": "btc/usdt", "price": "x"}),
    ("10037", "limit-buy", {"symbol": "BTCBTC", "price": "x"}),
    ("10037", "limit-buy", {"symbol": "BTCBTC", "price": "1", "amount": "1"}),
    ("20007", "limit-buy", {"symbol": "BTCUSDT", "price": "0", "amount": "x"}),
    ("20009", "limit-buy", {"symbol": "BTCUSDT", "price": "1", "amount": "-1"}),
    ("20005", "limit-buy", {"symbol": "BTCUSDT", "price": "1"}),
    ("20009", "market-sell", {"symbol": "BTCUSDT", "amount": "1e-10"}),
    ("20007", "stop-limit-buy", {"symbol": "BTCUSDT", "price": "x", "target": "x", "amount": "x"}),
    ("20008", "stop-limit-buy", {"symbol": "BTCUSDT", "price": "1", "target": "x", "amount": "x"}),
    ("20012", "fast-buy", {"symbol": "BTCUSDT", "total": "0"}),
    ("20009", "fast-sell", {"symbol": "BTCUSDT", "amount": "0"}),
]


@pytest.mark.parametrize(("code", "name", "terms"), BAD_ORDERS)
async def test_bad_terms_are_refused_in_the_exchanges_order(
    valkey: ValkeyServer, code: str, name: str, terms: dict[str, str]
) -> None:
    async with house_of(valkey.url, journal=False) as house:
        assert await house.code("POST", f"{MARKET}/{name}", **terms) == code
        assert house.desk.journal.begun == []  # type: ignore[union-attr]  # it is made up


async def test_who_may_not_trade_is_told_that_and_nothing_of_the_terms(
    valkey: ValkeyServer,
) -> None:
    async with house_of(valkey.url, granted(Action.ACCOUNT_READ), journal=False) as house:
        for _, name, terms in BAD_ORDERS:
            assert await house.code("POST", f"{MARKET}/{name}", **terms) == "20011"
        assert await house.code("POST", LIMIT_BUY, **LIMIT) == "20011"
        assert await house.code("POST", CANCEL) == "20011"
        assert await house.code("POST", CANCEL, orderId="o1") == "20011"
        assert {event.outcome for event in house.desk.watch.audit.events} == {"FORBIDDEN"}


def cancelled(**changed: Any) -> Order:  # noqa: ANN401 - any member
    return replace(order("o1"), status=OrderStatus.CANCELLED, **changed)


async def test_a_cancelled_order_is_shown_when_it_is_known(valkey: ValkeyServer) -> None:
    async with house_of(valkey.url) as house:
        house.desk.exchange.answers["cancel"] = cancelled()
        reply = await house.ask("POST", CANCEL, orderId="o1")
        assert (reply["code"], reply["order"]["status"]) == ("00000", "CANCELLED")
        house.desk.exchange.answers["cancel"] = None
        assert await house.ask("POST", CANCEL, orderId="o2") == {"code": "00000"}


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (refused("10075"), "10075"),
        (refused("20001"), "20011"),
        (NotSent("cancel-order", "connect"), "20011"),
    ],
)
async def test_a_cancel_that_did_nothing_says_so(
    valkey: ValkeyServer, failure: Exception, told: str
) -> None:
    async with house_of(valkey.url) as house:
        house.desk.exchange.answers["cancel"] = failure
        assert await house.code("POST", CANCEL, orderId="o1") == told


async def test_a_cancel_whose_outcome_nobody_knows_is_called_unknown(valkey: ValkeyServer) -> None:
    async with house_of(valkey.url) as house:
        house.desk.exchange.answers |= {
            "cancel": Unclear("cancel-order", "timeout"),
            "open orders": (order("o1"),),
        }
        again = {"code": "90000", "msg": "outcome unknown, send again"}
        assert await house.ask("POST", CANCEL, orderId="o1") == again


async def test_a_cancel_that_could_not_be_sent_says_when_to_send_it_again(
    valkey: ValkeyServer,
) -> None:
    async with house_of(valkey.url) as house:
        house.desk.exchange.answers["cancel"] = NotSent("cancel-order", "connect")
        pairs = {"orderId": "o1", "timestamp": str(house.clock.now)}
        away = await house.send("POST", CANCEL, pairs)
        house.desk.watch.switch.holding = Switch(Scope(), TradingState.HALTED, "a drill", "ops", 1)
        halted = await house.send("POST", CANCEL, pairs)
        assert [one.json()["code"] for one in (away, halted)] == ["20011"] * 2
        assert [int(one.headers["retry-after"]) for one in (away, halted)] == [3, 3]


async def test_a_cancel_that_may_not_be_sent_says_no_time_to_send_it_again(
    valkey: ValkeyServer,
) -> None:
    async with house_of(valkey.url, granted(Action.ACCOUNT_READ)) as house:
        pairs = {"orderId": "o1", "timestamp": str(house.clock.now)}
        refusal = await house.send("POST", CANCEL, pairs)
        assert refusal.json()["code"] == "20011"
        assert "retry-after" not in refusal.headers


async def test_an_order_that_was_cancelled_before_is_not_found_to_be_open(
    valkey: ValkeyServer,
) -> None:
    async with house_of(valkey.url) as house:
        await house.ask("POST", LIMIT_BUY, **LIMIT)
        house.desk.exchange.answers["cancel"] = refused("10075")
        assert await house.code("POST", CANCEL, orderId="placed") == "10075"


async def test_an_order_of_another_app_is_refused_like_what_may_not_be_done(
    valkey: ValkeyServer,
) -> None:
    own = tuple(action for action in TRADER if action is not Action.ORDERS_READ_ALL)
    async with house_of(valkey.url, granted(*own)) as house:
        assert await house.code("POST", CANCEL, orderId="o1") == "20011"
        assert "cancel" not in house.desk.exchange.asked


async def test_what_can_be_no_order_id_is_none(valkey: ValkeyServer) -> None:
    async with house_of(valkey.url) as house:
        assert await house.code("POST", CANCEL) == "20005"
        assert await house.code("POST", CANCEL, orderId="a b") == "10075"
