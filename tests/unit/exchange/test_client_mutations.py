"""The client's orders, cancels and withdrawals against a real socket: each goes out once."""

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from urllib.parse import urlencode

import pytest

from gateway.domain.account import Withdraw
from gateway.domain.errors import (
    BadUserInput,
    ExchangeFailure,
    NotSent,
    Refused,
    Unclear,
    UnknownSymbol,
)
from gateway.domain.market import OrderSide
from gateway.domain.orders import Order, OrderSpec, OrderStatus, OrderType, PlaceOrder
from gateway.domain.signing import PostForm
from gateway.exchange.calls import PreparedRequest
from gateway.exchange.client import ExchangeClient
from tests.unit.exchange.calling import (
    KEY,
    NOW,
    SAMPLES,
    STAMPS,
    Bench,
    bench,
    code,
    failing,
    sample,
    sign,
    signed,
)
from tests.unit.exchange.peer import Answer, close, reply, silence

pytestmark = pytest.mark.anyio

D = Decimal
TIME = reply(json.dumps({"code": "00000", "data": NOW}))
LIMIT = OrderSpec(price=D("9500.0"), quantity=D("1E-3"))
BUY = PlaceOrder("demo", "a-1", "BTCUSDT", OrderSide.BUY, LIMIT)
WITHDRAW = Withdraw("demo", "XRP", D("1E+1"), "XRP Ledger", "rAddress", "42")


def order(side: OrderSide, order_type: OrderType, **terms: str) -> PlaceOrder:
    spec = OrderSpec(type=order_type, **{name: D(value) for name, value in terms.items()})
    return replace(BUY, side=side, spec=spec)


B, S = OrderSide.BUY, OrderSide.SELL
STOP_BUY = order(B, OrderType.STOP_LIMIT, stop_price="9525", price="9500", quantity="0.001")
STOP_SELL = order(S, OrderType.STOP_LIMIT, stop_price="9300", price="9305", quantity="0.001")
ORDERS = {
    "limit-buy": (BUY, "price=9500.0&amount=0.001"),
    "limit-sell": (replace(BUY, side=S), "price=9500.0&amount=0.001"),
    "market-buy": (order(B, OrderType.MARKET, quantity="0.001"), "amount=0.001"),
    "market-sell": (order(S, OrderType.MARKET, quantity="0.001"), "amount=0.001"),
    "stop-limit-buy": (STOP_BUY, "price=9500&target=9525&amount=0.001"),
    "stop-limit-sell": (STOP_SELL, "price=9305&target=9300&amount=0.001"),
    "fast-buy": (order(B, OrderType.FAST, quote_total="1E+2"), "total=100"),
    "fast-sell": (order(S, OrderType.FAST, quantity="0.001"), "amount=0.001"),
}


@dataclass(frozen=True)
class Mutation:
    """How a request that changes something is prepared and sent, and what it carries."""

    path: str
    pairs: str
    prepare: Callable[[ExchangeClient], Awaitable[PreparedRequest]]
    send: Callable[[ExchangeClient, PreparedRequest], Awaitable[object]]

    @property
    def endpoint(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def text(self) -> str:
        return signed(f"{self.pairs}&{STAMPS}")

    async def call(self, it: Bench) -> object:
        return await self.send(it.client, await self.prepare(it.client))


def placing(path: str, command: PlaceOrder, terms: str) -> Mutation:
    return Mutation(
        path,
        f"symbol=BTCUSDT&{terms}",
        lambda client: client.prepare_order(sign, command),
        lambda client, prepared: client.place(prepared, command),
    )


MUTATIONS = [
    *(placing(f"market/{name}", *order_) for name, order_ in ORDERS.items()),
    Mutation(
        "market/cancel-order",
        "orderId=abc",
        lambda client: client.prepare_cancel(sign, "abc"),
        lambda client, prepared: client.cancel(prepared, "abc"),
    ),
    Mutation(
        "balance/create-withdraw",
        "symbol=XRP&amount=10&address=rAddress&secondParameter=42&node=XRP%20Ledger",
        lambda client: client.prepare_withdrawal(sign, WITHDRAW),
        lambda client, prepared: client.withdraw(prepared),
    ),
]
each_mutation = pytest.mark.parametrize("it", MUTATIONS, ids=lambda it: it.endpoint)


@each_mutation
async def test_a_mutation_carries_its_signed_text_in_the_address(it: Mutation) -> None:
    async with bench(sample(it.endpoint)) as at:
        await it.call(at)
        (request,) = at.peer.requests
        assert at.calls == {(it.endpoint, "00000"): 1}
    assert request.startswith(f"POST /v3/api/{it.path}?{it.text} HTTP/1.1\r\n".encode())
    assert b"the-key" in request
    assert request.endswith(b"\r\n\r\n")
    assert b"content-type" not in request.lower()


@each_mutation
async def test_a_mutation_carries_the_same_pairs_as_json_where_that_is_set(it: Mutation) -> None:
    async with bench(sample(it.endpoint), post_form="json") as at:
        await it.call(at)
        head, _, body = at.peer.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(f"POST /v3/api/{it.path} HTTP/1.1\r\n".encode())
    assert b"content-type: application/json" in head.lower()
    pairs = json.loads(body)
    signature = pairs.pop("signature")
    text = f"{it.pairs}&{STAMPS}".replace("%20", "+")
    assert urlencode(pairs) == text
    assert signed(text) == f"{text}&signature={signature}"


@pytest.mark.parametrize("post_form", ["query", "json"])
async def test_each_mutation_has_a_connection_of_its_own(post_form: PostForm) -> None:
    answers = [sample(it.endpoint) for it in MUTATIONS]
    async with bench(*answers, post_form=post_form) as at:
        for it in MUTATIONS:
            await it.call(at)
        assert at.peer.connections == len(MUTATIONS)


@each_mutation
async def test_what_is_prepared_says_what_it_is_and_not_how_to_repeat_it(it: Mutation) -> None:
    async with bench(close) as at:
        prepared = await it.prepare(at.client)
        assert at.peer.requests == []
    assert (prepared.endpoint, prepared.signed_at, prepared.window) == (it.endpoint, NOW, 5000)
    covered = it.text.rpartition("&signature=")[0]
    assert prepared.digest == hashlib.sha256(covered.encode()).hexdigest()
    assert it.text[-64:] not in repr(prepared)
    assert "the-key" not in repr(prepared)


@each_mutation
async def test_nothing_is_prepared_without_the_exchanges_time(it: Mutation) -> None:
    async with bench(close, synchronised=False) as at:
        error = await failing(it.prepare(at.client))
        assert set(at.peer.targets) == {"/v3/api/time"}
    assert isinstance(error, NotSent)
    assert error.cause == "clock_unknown"


async def test_an_order_takes_the_exchanges_time_itself_when_nobody_has() -> None:
    async with bench(TIME, synchronised=False) as it:
        assert (await it.client.prepare_order(sign, BUY)).signed_at == NOW


FAILURES = {
    "closed": (close, Unclear, "broken_off"),
    "silent": (silence, Unclear, "timeout"),
    "HTML": (reply("<html>", status="500 No"), Unclear, "server_error"),
    "too-many": (reply("", status="429 No"), Unclear, "too_many_requests"),
    "90000": (code("90000"), Unclear, "90000"),
    "90001": (code("90001"), Unclear, "90001"),
    "unlisted": (code("12345"), Unclear, "unlisted"),
    "refused": (code("10031"), Refused, "10031"),
    "empty-code": (code(""), Unclear, "unlisted"),
    "two-codes": (reply('{"code":"10031","code":"00000"}'), Unclear, "unparsable"),
    "wash-trading": (code("10041"), Refused, "10041"),
}


@each_mutation
@pytest.mark.parametrize(("answer", "kind", "label"), FAILURES.values(), ids=FAILURES)
async def test_a_mutation_is_sent_once_whatever_comes_of_it(
    it: Mutation, answer: Answer, kind: type[ExchangeFailure], label: str
) -> None:
    async with bench(answer) as at:
        assert isinstance(await failing(it.call(at)), kind)
        assert len(at.peer.requests) == 1
        assert at.calls == {(it.endpoint, label): 1}


@each_mutation
@pytest.mark.parametrize("post_form", ["query", "json"])
async def test_the_key_of_a_mutation_that_the_exchange_refuses_is_told_of(
    it: Mutation, post_form: PostForm
) -> None:
    async with bench(code("20011"), code("10031"), post_form=post_form) as at:
        for _ in range(2):
            await failing(it.call(at))
        assert at.refused == [(KEY, "20011")]


@each_mutation
async def test_a_mutation_that_could_not_leave_is_not_sent(it: Mutation) -> None:
    async with bench(close) as at:
        prepared = await it.prepare(at.client)
    assert isinstance(await failing(it.send(at.client, prepared)), NotSent)
    assert at.calls == {(it.endpoint, "closing"): 1}


@pytest.mark.parametrize(("name", "command"), [(name, ORDERS[name][0]) for name in ORDERS])
async def test_an_accepted_order_is_the_one_that_was_placed(name: str, command: PlaceOrder) -> None:
    async with bench(sample(name)) as it:
        placed = await it.client.place(await it.client.prepare_order(sign, command), command)
    rests = command.type in (OrderType.LIMIT, OrderType.STOP_LIMIT)
    assert (placed.symbol, placed.side, placed.type) == ("BTCUSDT", command.side, command.type)
    assert placed.status is (OrderStatus.NEW if rests else OrderStatus.FILLED)
    assert (placed.order_id is not None) is rests


ANOTHER = {"market": "ETHUSDT", "orderType": "ICEBERG", "side": "", "status": "PENDING", "time": -1}
MISMATCHES: dict[str, dict[str, object]] = {
    "limit": ANOTHER | {"orderType": "MARKET", "price": 9501, "amount": 0.0011, "orderId": ""},
    "market": ANOTHER | {"orderType": "FAST", "amount": 0.0011, "filledAmount": 0.0011},
    "stop-limit": ANOTHER | {"target": 9301, "price": "1E+99", "amount": None, "orderId": None},
    "fast-buy": ANOTHER | {"total": 101, "filledTotal": 101},
    "fast-sell": ANOTHER | {"amount": 0.0011, "filledAmount": -1, "orderType": "LIMIT"},
}
CHANGES = [
    (name, field, value)
    for name in ORDERS
    for kind, changes in MISMATCHES.items()
    for field, value in changes.items()
    if name.startswith(kind)
]


@pytest.mark.parametrize(("name", "field", "value"), CHANGES)
async def test_success_with_another_order_than_the_one_placed_is_unclear(
    name: str, field: str, value: object
) -> None:
    answer = json.loads((SAMPLES / f"{name}.json").read_bytes())
    answer["order"][field] = value
    command, _ = ORDERS[name]
    async with bench(reply(json.dumps(answer))) as it:
        prepared = await it.client.prepare_order(sign, command)
        error = await failing(it.client.place(prepared, command))
        ((endpoint, label),) = it.calls
    assert isinstance(error, Unclear)
    assert (endpoint, label) == (name, error.cause)
    assert error.cause in {"mismatch", "unparsable"}
    assert error.exchange_code == "00000"


@pytest.mark.parametrize("name", ORDERS)
async def test_an_order_on_the_other_side_is_a_mismatch(name: str) -> None:
    other = name.replace("buy", "SELL") if "buy" in name else name.replace("sell", "BUY")
    answer = json.loads((SAMPLES / f"{name}.json").read_bytes())
    answer["order"]["side"] = other.rpartition("-")[2]
    command, _ = ORDERS[name]
    async with bench(reply(json.dumps(answer))) as it:
        error = await failing(
            it.client.place(await it.client.prepare_order(sign, command), command)
        )
        assert it.calls == {(name, "mismatch"): 1}
    assert isinstance(error, Unclear)


@pytest.mark.parametrize(
    "command",
    [order(S, OrderType.FAST, quote_total="100"), order(B, OrderType.FAST, quantity="1")],
    ids=["sell a total", "buy a quantity"],
)
async def test_a_fast_order_by_the_terms_of_the_other_side_is_bad_input(
    command: PlaceOrder,
) -> None:
    async with bench(close) as it:
        with pytest.raises(BadUserInput, match="quoteTotal when buying") as error:
            await it.client.prepare_order(sign, command)
        assert it.peer.requests == []
    assert error.value.field == "order.fast"


@pytest.mark.parametrize("symbol", ["", "\ud800", "BTC TRY", "A&B", "A" * 65], ids=ascii)
async def test_an_order_in_what_can_be_no_market_is_not_prepared(symbol: str) -> None:
    async with bench(close) as it:
        with pytest.raises(UnknownSymbol):
            await it.client.prepare_order(sign, replace(BUY, symbol=symbol))


async def test_success_without_an_order_is_unclear_for_placing_and_enough_for_all_else() -> None:
    async with bench(sample("cancel-order")) as it:
        prepared = await it.client.prepare_order(sign, BUY)
        assert isinstance(await failing(it.client.place(prepared, BUY)), Unclear)
        assert await it.client.cancel(await it.client.prepare_cancel(sign, "abc"), "abc") is None
        await it.client.withdraw(await it.client.prepare_withdrawal(sign, WITHDRAW))


async def cancelled(answer: Answer) -> Order | None:
    async with bench(answer) as it:
        return await it.client.cancel(await it.client.prepare_cancel(sign, "abc"), "abc")


def with_order(**changes: object) -> Answer:
    """Answer with an order, as the live exchange does, of which some members are others."""
    answer = json.loads((SAMPLES / "limit-buy.json").read_bytes())
    answer["order"] |= changes
    return reply(json.dumps(answer))


@pytest.mark.parametrize("order_", ["{}", "5", '{"side":7}'])
async def test_an_unreadable_order_takes_nothing_from_an_accepted_cancel(order_: str) -> None:
    assert await cancelled(reply(f'{{"code":"00000","order":{order_}}}')) is None


@pytest.mark.parametrize("order_id", ["abc", "", None])
@pytest.mark.parametrize("status", ["CANCELLED", "CANCELLED_ALL", "", None])
async def test_a_cancel_brings_the_order_where_the_exchange_gives_it(
    order_id: str | None, status: str | None
) -> None:
    found = await cancelled(with_order(orderId=order_id, status=status))
    assert found is not None
    assert (found.order_id, found.symbol, found.status) == ("abc", "BTCUSDT", "CANCELLED")


@pytest.mark.parametrize(
    ("order_id", "status"),
    [("deadbeef", "CANCELLED"), ("ABC", None), *(("abc", it) for it in ("NEW", "FILLED"))],
)
async def test_an_order_that_is_not_the_cancelled_one_is_not_shown_as_it(
    order_id: str, status: str | None
) -> None:
    assert await cancelled(with_order(orderId=order_id, status=status)) is None


@pytest.mark.parametrize("order_id", ["", "a b", "a&b=c", "ü", "a" * 257, "\ud800"], ids=ascii)
async def test_what_cannot_be_an_order_id_is_not_sent(order_id: str) -> None:
    async with bench(close) as it:
        with pytest.raises(BadUserInput):
            await it.client.prepare_cancel(sign, order_id)
        assert it.peer.requests == []


NO_QUANTITIES = ["NaN", "sNaN", "Infinity", "-5", "0", "-0", "1E+999999", "1E-999999", "9" * 37]
no_quantity = pytest.mark.parametrize(
    "value", [D(text) for text in NO_QUANTITIES], ids=NO_QUANTITIES
)


@no_quantity
@pytest.mark.parametrize(
    ("command", "term", "field"),
    [
        (BUY, "price", "order.limit.price"),
        (BUY, "quantity", "order.limit.quantity"),
        (ORDERS["market-sell"][0], "quantity", "order.market.quantity"),
        (STOP_BUY, "stop_price", "order.stopLimit.stopPrice"),
        (ORDERS["fast-buy"][0], "quote_total", "order.fast.quoteTotal"),
    ],
    ids=lambda it: it if isinstance(it, str) else "",
)
async def test_an_order_by_what_is_no_price_or_quantity_is_not_prepared(
    command: PlaceOrder, term: str, field: str, value: Decimal
) -> None:
    spec = OrderSpec(type=command.type, **command.spec.terms() | {term: value})
    async with bench(close) as it:
        with pytest.raises(BadUserInput) as error:
            await it.client.prepare_order(sign, replace(command, spec=spec))
        assert it.peer.requests == []
    assert error.value.field == field


@no_quantity
async def test_a_withdrawal_of_what_is_no_quantity_is_not_prepared(value: Decimal) -> None:
    async with bench(close) as it:
        with pytest.raises(BadUserInput) as error:
            await it.client.prepare_withdrawal(sign, replace(WITHDRAW, quantity=value))
        assert it.peer.requests == []
    assert error.value.field == "quantity"


@pytest.mark.parametrize("text", ["", " ", " a", "a ", "a\nb", "\ud800", "a" * 257], ids=ascii)
@pytest.mark.parametrize("field", ["asset", "channel", "address", "tag"])
async def test_a_withdrawal_whose_texts_cannot_be_sent_is_bad_input(field: str, text: str) -> None:
    command = {
        "asset": replace(WITHDRAW, asset=text),
        "channel": replace(WITHDRAW, channel=text),
        "address": replace(WITHDRAW, address=text),
        "tag": replace(WITHDRAW, tag=text),
    }[field]
    async with bench(close) as it:
        with pytest.raises(BadUserInput) as error:
            await it.client.prepare_withdrawal(sign, command)
        assert it.peer.requests == []
    assert error.value.field == field
