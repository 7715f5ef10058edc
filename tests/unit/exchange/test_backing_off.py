"""What a closed gate keeps from being sent, and what a 429 tells, over real sockets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal

import pytest

from gateway.domain.errors import ExchangeFailure, NotSent, RateLimited, Unclear
from gateway.domain.market import OrderSide
from gateway.domain.orders import OrderSpec, PlaceOrder
from gateway.exchange.calls import Retry
from gateway.exchange.client import ExchangeClient
from gateway.exchange.clock import ExchangeClock
from gateway.exchange.transport import Timeouts, open_transport
from tests.unit.exchange.calling import NO_AUTHORITIES, NOW, sample, sign
from tests.unit.exchange.peer import Answer, Peer, reply, serving

pytestmark = pytest.mark.anyio

ORDER = PlaceOrder(
    account="demo",
    client_order_id="c-1",
    symbol="BTCTRY",
    side=OrderSide.BUY,
    spec=OrderSpec(price=Decimal(1), quantity=Decimal(1)),
)
OK = reply('{"code":"00000"}')


def too_many(*headers: str) -> Answer:
    """Answer 429 with a page."""
    return reply("<h1>too many</h1>", *headers, status="429 Too Many Requests")


@dataclass
class Desk:
    """A client behind a gate; what the gate was asked for, and what was told of 429."""

    client: ExchangeClient
    peer: Peer
    asked: list[str]
    told: list[float | None]


@asynccontextmanager
async def desk_of(*answers: Answer, closed_after: int = 0) -> AsyncIterator[Desk]:
    clock = ExchangeClock(lambda: NOW, lambda: 0.0)
    await clock.synchronise(lambda: asyncio.sleep(0, NOW))
    told: list[float | None] = []
    async with (
        serving(*answers) as peer,
        open_transport(
            peer.address,
            timeouts=Timeouts(connect=5, read=5),
            tls=NO_AUTHORITIES,
            on_too_many=told.append,
        ) as transport,
    ):
        asked: list[str] = []

        def gate(endpoint: str) -> None:
            asked.append(endpoint)
            if len(asked) > closed_after and endpoint != "cancel-order":
                raise RateLimited("calls to the exchange", 5)

        client = ExchangeClient(
            transport,
            clock,
            post_form="query",
            window_ms=5000,
            on_call=lambda _endpoint, _code: None,
            gate=gate,
            retry=Retry(attempts=3, timeout=5, wait=0.001),
        )
        yield Desk(client, peer, asked, told)


@pytest.mark.parametrize(
    "read",
    [lambda c: c.open_orders(sign), lambda c: c.deposit_options(sign, "BTC")],
    ids=["get", "post"],
)
async def test_a_closed_gate_lets_no_read_of_an_account_out(
    read: Callable[[ExchangeClient], Awaitable[object]],
) -> None:
    async with desk_of(OK) as desk:
        with pytest.raises(RateLimited) as caught:
            await read(desk.client)
    assert caught.value.retry_after == 5
    assert desk.peer.requests == []
    assert len(desk.asked) == 1


async def test_a_market_behind_a_closed_gate_is_out_of_reach_as_in_an_outage() -> None:
    async with desk_of(OK) as desk:
        with pytest.raises(NotSent) as caught:
            await desk.client.ticker("BTCTRY")
    assert caught.value.cause == "backing_off"
    assert desk.peer.requests == []


async def test_a_closed_gate_lets_no_order_be_signed() -> None:
    async with desk_of(OK) as desk:
        with pytest.raises(RateLimited):
            await desk.client.prepare_order(sign, ORDER)
    assert desk.peer.requests == []


async def test_a_cancel_goes_out_through_a_gate_that_lets_it() -> None:
    async with desk_of(OK) as desk:
        prepared = await desk.client.prepare_cancel(sign, "7")
        await desk.client.cancel(prepared, "7")
    assert len(desk.peer.requests) == 1


async def test_the_exchanges_time_is_read_whatever_the_gate_says() -> None:
    async with desk_of(sample("time")) as desk:
        await desk.client.synchronise_clock()
    assert len(desk.peer.requests) == 1


async def test_a_gate_that_closes_between_two_attempts_ends_a_read() -> None:
    async with desk_of(too_many(), OK, closed_after=1) as desk:
        with pytest.raises(NotSent):
            await desk.client.ticker("BTCTRY")
    assert len(desk.peer.requests) == 1


@pytest.mark.parametrize(
    ("headers", "told"),
    [((), None), (("Retry-After: 7",), 7.0), (("Retry-After: soon",), None)],
    ids=["silent", "seconds", "word"],
)
async def test_every_429_is_told_with_what_it_asks_for(
    headers: tuple[str, ...], told: float | None
) -> None:
    async with desk_of(too_many(*headers), closed_after=9) as desk:
        prepared = await desk.client.prepare_order(sign, ORDER)
        with pytest.raises(Unclear) as caught:
            await desk.client.place(prepared, ORDER)
    assert caught.value.cause == "too_many_requests"
    assert desk.told == [told]


async def test_a_429_is_told_whatever_code_it_carries() -> None:
    answer = reply('{"code":"90000"}', status="429 Too Many Requests")
    async with desk_of(answer, closed_after=9) as desk:
        prepared = await desk.client.prepare_order(sign, ORDER)
        with pytest.raises(Unclear) as caught:
            await desk.client.place(prepared, ORDER)
    assert caught.value.exchange_code == "90000"
    assert desk.told == [None]


async def test_another_refusal_tells_nothing_of_too_many() -> None:
    async with desk_of(reply('{"code":"10031"}'), closed_after=9) as desk:
        with pytest.raises(ExchangeFailure):
            await desk.client.open_orders(sign)
    assert desk.told == []
