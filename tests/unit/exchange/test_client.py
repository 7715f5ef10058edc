"""The client against a real socket: what it asks for, what it makes of the answer, how often."""

import asyncio
import hashlib
import hmac
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import pytest

from gateway.domain.errors import (
    BadUserInput,
    ExchangeFailure,
    NotSent,
    Refused,
    Unclear,
    UnknownSymbol,
)
from gateway.domain.market import CandleInterval, OrderSide
from gateway.domain.orders import OrderSpec, OrderStatus, PlaceOrder
from gateway.domain.signing import SignedText
from gateway.exchange.calls import PostForm, Retry
from gateway.exchange.client import ExchangeClient
from gateway.exchange.clock import ExchangeClock
from gateway.exchange.transport import Timeouts, open_transport
from tests.unit.exchange.peer import Answer, Peer, both, close, reply, serving, silence

pytestmark = pytest.mark.anyio

NOW = 1_578_398_112_000
SAMPLES = Path(__file__).parents[2] / "payloads" / "rest"
BUY = PlaceOrder(
    "demo",
    "a-1",
    "BTCUSDT",
    OrderSide.BUY,
    OrderSpec(price=Decimal("9500.0"), quantity=Decimal("1E-3")),
)
STAMPS = f"timestamp={NOW}&windowSize=5000"
TIME = reply(json.dumps({"code": "00000", "data": NOW}))
Call = Callable[[ExchangeClient], Awaitable[object]]


def sign(text: str) -> SignedText:
    signature = hmac.digest(b"secret", text.encode(), "sha256").hex()
    return SignedText(f"{text}&signature={signature}", ("X-APNK-APIKEY", "the-key"))


def sample(name: str) -> Answer:
    return reply((SAMPLES / f"{name}.json").read_bytes())


def code(value: str) -> Answer:
    return reply(json.dumps({"code": value}))


@dataclass
class Bench:
    """A client, the peer it talks to, and what it reported of its calls."""

    client: ExchangeClient
    peer: Peer
    calls: Counter[tuple[str, str]]


@asynccontextmanager
async def bench(
    *answers: Answer, post_form: PostForm = "query", synchronised: bool = True
) -> AsyncIterator[Bench]:
    calls: Counter[tuple[str, str]] = Counter()
    clock = ExchangeClock(lambda: NOW, lambda: 0.0)
    if synchronised:
        await clock.synchronise(lambda: asyncio.sleep(0, NOW))
    timeouts = Timeouts(connect=0.2, read=0.2)
    async with (
        serving(*answers) as peer,
        open_transport(peer.address, timeouts=timeouts) as transport,
    ):
        client = ExchangeClient(
            transport,
            clock,
            post_form=post_form,
            window_ms=5000,
            on_call=lambda *call: calls.update([call]),
            retry=Retry(attempts=3, timeout=5, wait=0.001),
        )
        yield Bench(client, peer, calls)


async def failing(awaitable: Awaitable[object]) -> ExchangeFailure:
    with pytest.raises(ExchangeFailure) as caught:
        await awaitable
    return caught.value


CANDLES = "startDate=0&endDate=9&interval=m5"
READS: dict[str, tuple[Call, str, str]] = {
    "ping": (lambda client: client.ping(), "ping", "ping"),
    "server time": (lambda client: client.server_time(), "time", "time"),
    "markets": (lambda client: client.markets(), "markets", "market/markets"),
    "ticker": (lambda client: client.ticker("BTCTRY"), "24h", "market/24h?symbol=BTCTRY"),
    "rules": (lambda client: client.rules("BTCTRY"), "info", "market/info?symbol=BTCTRY"),
    "candles": (
        lambda client: client.candles("BTCTRY", CandleInterval.M5, 0, 9),
        "candles",
        f"market/candles?symbol=BTCTRY&{CANDLES}",
    ),
    "latest candles": (
        lambda client: client.candles("BTCTRY", CandleInterval.D1),
        "candles",
        "market/candles?symbol=BTCTRY&interval=d1",
    ),
    "top of book": (
        lambda client: client.top_of_book("BTCTRY"),
        "orderbook",
        "market/orderbook?symbol=BTCTRY",
    ),
    "order book": (
        lambda client: client.order_book("BTCTRY"),
        "depth",
        "market/depth?symbol=BTCTRY",
    ),
    "trades": (lambda client: client.trades("BTCTRY"), "trades", "market/trades?symbol=BTCTRY"),
    "balances": (
        lambda client: client.balances(sign),
        "wallet",
        f"balance/wallet?{sign(STAMPS).text}",
    ),
    "open orders": (
        lambda client: client.open_orders(sign),
        "user-orders",
        f"market/user-orders?{sign(STAMPS).text}",
    ),
}
each_read = pytest.mark.parametrize(
    ("call", "name", "target"), READS.values(), ids=[name.replace(" ", "-") for name in READS]
)
OF_A_MARKET = {name: call for name, (call, _, target) in READS.items() if "symbol=" in target}


@each_read
async def test_a_read_asks_for_one_exact_address_and_maps_the_documents_sample(
    call: Call, name: str, target: str
) -> None:
    async with bench(sample(name)) as it:
        await call(it.client)
        assert it.peer.requests[0].startswith(f"GET /v3/api/{target} HTTP/1.1\r\n".encode())
        assert (b"the-key" in it.peer.requests[0]) == ("signature=" in target)
        assert list(it.calls) == [(it.peer.targets[0].partition("?")[0].split("/")[-1], "00000")]


async def test_what_a_read_brings_is_in_the_domains_terms() -> None:
    async with bench(sample("time"), sample("markets"), sample("wallet")) as it:
        assert await it.client.server_time() == 1578405048608
        listing, tickers = await it.client.markets()
        assert [market.symbol for market in listing.markets] == ["BTCTRY"]
        assert [ticker.last for ticker in tickers] == [Decimal(60000)]
        assert [balance.asset for balance in await it.client.balances(sign)] == ["TRY"]


@each_read
@pytest.mark.parametrize(
    ("answer", "label"),
    [(close, "broken_off"), (reply("<html>", status="502 No"), "server_error")],
    ids=["closed", "HTML"],
)
async def test_a_read_is_repeated_until_it_succeeds(
    call: Call, name: str, target: str, answer: Answer, label: str
) -> None:
    async with bench(answer, code("90000"), sample(name)) as it:
        await call(it.client)
        assert len(it.peer.requests) == 3
        assert sorted(label for _, label in it.calls) == sorted([label, "90000", "00000"])


@each_read
async def test_a_read_gives_up_after_its_attempts(call: Call, name: str, target: str) -> None:
    async with bench(code("90000")) as it:
        error = await failing(call(it.client))
        assert len(it.peer.requests) == 3
    assert isinstance(error, Unclear)
    assert error.exchange_code == "90000"


@each_read
async def test_a_refusal_is_final(call: Call, name: str, target: str) -> None:
    async with bench(code("20002")) as it:
        error = await failing(call(it.client))
        assert len(it.peer.requests) == 1
    assert isinstance(error, Refused)
    assert error.exchange_code == "20002"


@pytest.mark.parametrize("call", OF_A_MARKET.values(), ids=OF_A_MARKET)
@pytest.mark.parametrize("value", ["10037", "20006"])
async def test_a_market_that_the_exchange_does_not_know_is_an_unknown_symbol(
    call: Call, value: str
) -> None:
    async with bench(code(value)) as it:
        with pytest.raises(UnknownSymbol) as error:
            await call(it.client)
        assert len(it.peer.requests) == 1
        assert [label for _, label in it.calls] == [value]
    assert error.value.symbol == "BTCTRY"


@pytest.mark.parametrize(
    "body",
    [
        '{"code":"00000"}',
        '{"code":"00000","market":{"symbol":"BTCTRY"}}',
        '{"code":"00000","market":{"symbol":"BTCTRY","last":1E+99}}',
        '{"code":"00000","market":{"symbol":"BTCTRY","last":"NaN"}}',
    ],
    ids=["nothing", "half", "a megabyte", "no number"],
)
async def test_a_success_that_says_nothing_usable_is_unclear(body: str) -> None:
    async with bench(reply(body)) as it:
        error = await failing(it.client.ticker("BTCTRY"))
        assert it.calls == {("24h", "unparsable"): 3}
    assert isinstance(error, Unclear)


async def test_a_signed_read_takes_the_exchanges_time_first_and_is_signed_anew_each_time() -> None:
    async with bench(code("90000"), TIME, close, sample("wallet"), synchronised=False) as it:
        await it.client.balances(sign)
        assert [target.partition("?")[0] for target in it.peer.targets] == [
            "/v3/api/time",
            "/v3/api/time",
            "/v3/api/balance/wallet",
            "/v3/api/balance/wallet",
        ]


ORDER_TEXT = f"symbol=BTCUSDT&price=9500.0&amount=0.001&{STAMPS}"


async def test_an_order_carries_its_signed_text_in_the_address() -> None:
    async with bench(sample("limit-buy")) as it:
        order = await it.client.place(await it.client.prepare_order(sign, BUY), BUY)
        (request,) = it.peer.requests
        text = sign(ORDER_TEXT).text
        assert request.startswith(f"POST /v3/api/market/limit-buy?{text} HTTP".encode())
        assert b"the-key" in request
        assert request.endswith(b"\r\n\r\n")
        assert b"content-type" not in request.lower()
        assert it.calls == {("limit-buy", "00000"): 1}
    assert (order.status, order.price) == (OrderStatus.NEW, Decimal(9500))


async def test_an_order_carries_the_same_pairs_as_json_where_that_is_set() -> None:
    async with bench(sample("limit-sell"), post_form="json") as it:
        sell = replace(BUY, side=OrderSide.SELL)
        await it.client.place(await it.client.prepare_order(sign, sell), sell)
        head, _, body = it.peer.requests[0].partition(b"\r\n\r\n")
        assert head.startswith(b"POST /v3/api/market/limit-sell HTTP")
    pairs = json.loads(body)
    assert "&".join(f"{name}={value}" for name, value in pairs.items()) == sign(ORDER_TEXT).text


@pytest.mark.parametrize("post_form", ["query", "json"])
async def test_each_mutation_has_a_connection_of_its_own(post_form: PostForm) -> None:
    async with bench(sample("limit-buy"), post_form=post_form) as it:
        for _ in range(3):
            await it.client.place(await it.client.prepare_order(sign, BUY), BUY)
            await it.client.cancel(await it.client.prepare_cancel(sign, "abc"))
        assert it.peer.connections == 6


async def test_a_prepared_order_says_what_it_is_and_not_how_to_repeat_it() -> None:
    async with bench(close) as it:
        prepared = await it.client.prepare_order(sign, BUY)
        assert it.peer.requests == []
    text = sign(ORDER_TEXT).text
    assert (prepared.endpoint, prepared.signed_at, prepared.window) == ("limit-buy", NOW, 5000)
    assert prepared.digest == hashlib.sha256(text.encode()).hexdigest()
    assert text[-64:] not in repr(prepared)
    assert "the-key" not in repr(prepared)


async def test_an_order_is_not_prepared_without_the_exchanges_time() -> None:
    async with bench(close, synchronised=False) as it:
        for preparing in (
            it.client.prepare_order(sign, BUY),
            it.client.prepare_cancel(sign, "abc"),
        ):
            error = await failing(preparing)
            assert isinstance(error, NotSent)
            assert error.cause == "clock_unknown"
        assert set(it.peer.targets) == {"/v3/api/time"}


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
    "empty code": (code(""), Unclear, "unlisted"),
    "wash trading": (code("10041"), Refused, "10041"),
}


@pytest.mark.parametrize(
    ("answer", "kind", "label"),
    FAILURES.values(),
    ids=[name.replace(" ", "-") for name in FAILURES],
)
async def test_a_mutation_is_sent_once_whatever_comes_of_it(
    answer: Answer, kind: type[ExchangeFailure], label: str
) -> None:
    async with bench(answer) as it:
        order = await it.client.prepare_order(sign, BUY)
        cancel = await it.client.prepare_cancel(sign, "abc")
        assert isinstance(await failing(it.client.place(order, BUY)), kind)
        assert isinstance(await failing(it.client.cancel(cancel)), kind)
        assert len(it.peer.requests) == 2
        assert it.calls == {("limit-buy", label): 1, ("cancel-order", label): 1}


async def test_an_order_that_could_not_leave_is_not_sent() -> None:
    async with bench(close) as it:
        prepared = await it.client.prepare_order(sign, BUY)
    assert isinstance(await failing(it.client.place(prepared, BUY)), NotSent)
    assert it.calls == {("limit-buy", "closing"): 1}


@pytest.mark.parametrize(
    "change",
    [
        {"market": "ETHUSDT"},
        {"side": "SELL"},
        {"orderType": "MARKET"},
        {"price": 9501},
        {"amount": 0.0011},
        {"orderId": None},
        {"orderId": ""},
        {"status": "PENDING"},
        {"price": "1E+99"},
    ],
    ids=str,
)
async def test_success_with_another_order_than_the_one_placed_is_unclear(
    change: dict[str, object],
) -> None:
    answer = json.loads((SAMPLES / "limit-buy.json").read_bytes())
    answer["order"] |= change
    async with bench(reply(json.dumps(answer))) as it:
        error = await failing(it.client.place(await it.client.prepare_order(sign, BUY), BUY))
    assert isinstance(error, Unclear)
    assert error.exchange_code == "00000"


async def test_success_without_an_order_is_unclear_for_placing_and_enough_for_cancelling() -> None:
    async with bench(sample("cancel-order")) as it:
        prepared = await it.client.prepare_order(sign, BUY)
        assert isinstance(await failing(it.client.place(prepared, BUY)), Unclear)
        assert await it.client.cancel(await it.client.prepare_cancel(sign, "abc")) is None
        assert it.peer.targets[1] == (
            f"/v3/api/market/cancel-order?{sign(f'orderId=abc&{STAMPS}').text}"
        )


@pytest.mark.parametrize("order", ["{}", "5", '{"side":7}'])
async def test_an_unreadable_order_takes_nothing_from_an_accepted_cancel(order: str) -> None:
    async with bench(reply(f'{{"code":"00000","order":{order}}}')) as it:
        assert await it.client.cancel(await it.client.prepare_cancel(sign, "abc")) is None


async def test_a_cancel_brings_the_order_where_the_exchange_gives_it() -> None:
    async with bench(sample("limit-buy")) as it:
        order = await it.client.cancel(await it.client.prepare_cancel(sign, "abc"))
    assert order is not None
    assert (order.symbol, order.status) == ("BTCUSDT", "NEW")


async def test_a_cancelled_order_without_a_status_is_cancelled() -> None:
    text = (SAMPLES / "limit-buy.json").read_text().replace('"status"', '"unknown"')
    async with bench(reply(text)) as it:
        order = await it.client.cancel(await it.client.prepare_cancel(sign, "abc"))
    assert order is not None
    assert order.status == "CANCELLED"


@pytest.mark.parametrize("order_id", ["", "a b", "a&b=c", "ü", "a" * 257, "\ud800"], ids=ascii)
async def test_what_cannot_be_an_order_id_is_not_sent(order_id: str) -> None:
    async with bench(close) as it:
        with pytest.raises(BadUserInput):
            await it.client.prepare_cancel(sign, order_id)
        assert it.peer.requests == []


async def test_reads_go_on_over_connections_that_the_server_closes_after_each_answer() -> None:
    async with bench(both(sample("ping"), close)) as it:
        for _ in range(10):
            await it.client.ping()
