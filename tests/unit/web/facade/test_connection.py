import asyncio
import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from gateway.access.policy import Action
from gateway.domain.account import BalanceChange
from gateway.domain.limits import Rate
from gateway.domain.orders import OrderStatus
from gateway.sandbox.authentication import Authenticator
from gateway.sandbox.stream_protocol import StreamProtocol
from gateway.services.account_stream import ACCOUNT
from gateway.services.streams import ALL_TICKERS
from tests.unit.services.examples import BTC, ETH, book, order, ticker, trade, until
from tests.unit.web.facade.houses import OTHER_PAIR, PAIR, granted
from tests.unit.web.facade.streaming import (
    ALL,
    BOOK,
    DEPTH,
    LIMITS,
    TRADE,
    TRADES,
    done,
    not_done,
    streams_of,
)
from tests.valkey import ValkeyServer

pytestmark = pytest.mark.anyio

UNAUTHORIZED = not_done("Unauthorized Access", "USER_STREAMS")


async def test_who_subscribes_hears_what_happens_from_then_on_and_nothing_from_before(
    valkey: ValkeyServer,
) -> None:
    async with streams_of(valkey.url) as streams, streams.client() as client:
        streams.tell(TRADES, trade(1))
        await client.subscribe(TRADE)
        streams.tell(TRADES, trade(2))
        heard = await client.hear()
        assert heard == {
            "type": "trade",
            "symbol": BTC,
            "amount": 1,
            "price": 3,
            "tradeType": 1,
            "time": 1002,
        }


async def test_one_market_s_ticker_comes_from_the_stream_of_all_of_them(
    valkey: ValkeyServer,
) -> None:
    async with streams_of(valkey.url) as streams, streams.client() as client:
        await client.subscribe({"type": "ticker", "symbol": ETH})
        streams.tell(ALL_TICKERS, ticker(5, BTC), ticker(7, ETH))
        heard = await client.hear()
        assert (heard["type"], heard["symbol"], heard["last"]) == ("ticker", ETH, 7)
        assert streams.house.desk.feed.wanted == [ALL_TICKERS]


async def test_a_subscription_is_acknowledged_when_the_exchange_tells_of_it(
    valkey: ValkeyServer,
) -> None:
    async with streams_of(valkey.url) as streams, streams.client() as client:
        await client.send(method="SUBSCRIBE", params=[BOOK])
        await until(lambda: DEPTH in streams.house.desk.feed.wanted)
        streams.begin(DEPTH)
        streams.tell(DEPTH, book(1))
        assert await client.hear() == done("SUBSCRIBE", **BOOK)
        await client.hears_nothing()
        streams.tell(DEPTH, book(2))
        assert (await client.hear())["depth"]["bids"] == [{"price": 2, "amount": 1}]


async def test_what_the_exchange_does_not_tell_of_is_not_acknowledged(
    valkey: ValkeyServer,
) -> None:
    async with streams_of(valkey.url) as streams, streams.client() as client:
        assert await client.ask("SUBSCRIBE", BOOK) == not_done("Unexpected Error", "SUBSCRIBE")
        assert await client.ask("LIST_SUBSCRIPTIONS") == done("LIST_SUBSCRIPTIONS", result=[])


async def test_who_has_unsubscribed_hears_nothing_more(valkey: ValkeyServer) -> None:
    async with streams_of(valkey.url) as streams, streams.client() as client:
        await client.subscribe(TRADE, ALL)
        assert await client.ask("UNSUBSCRIBE", TRADE) == done("UNSUBSCRIBE", **TRADE)
        streams.tell(TRADES, trade(1))
        listed = await client.ask("LIST_SUBSCRIPTIONS")
        assert listed == done("LIST_SUBSCRIPTIONS", result=[ALL])


PARAMS: list[Any] = [
    None,
    5,
    "allTickers",
    ALL,
    [],
    [5],
    [None],
    [{}],
    [{"type": 5}],
    [{"type": "nope", "symbol": BTC}],
    [{"type": "depth"}],
    [{"type": "depth", "symbol": "NOPE"}],
    [{"type": "depth", "symbol": "btcusdt"}],
    [{"type": "depth", "symbol": []}],
    [{"type": "depth", "symbol": BTC, "interval": "m1"}],
    [{"type": "candles", "symbol": BTC}],
    [{"type": "candles", "symbol": BTC, "interval": "m2"}],
    [{"type": "candles", "symbol": BTC, "interval": "M1"}],
    [{"type": "allTickers", "symbol": BTC}],
    [{"type": "allTickers", "more": 1}],
    [{"type": "nope"}, ALL],
    [ALL] * 501,
]
MESSAGES: list[Any] = [
    {"method": "SUBSCRIBE", "params": [ALL]},
    {"method": "SUBSCRIBE", "params": [ALL, TRADE, ALL]},
    {"method": "LIST_SUBSCRIPTIONS"},
    {"method": "LIST_SUBSCRIPTIONS", "params": 5},
    {"method": "UNSUBSCRIBE", "params": [BOOK]},
    {"method": "UNSUBSCRIBE", "params": [TRADE]},
    *(
        {"method": method, "params": params}
        for method in ("SUBSCRIBE", "UNSUBSCRIBE")
        for params in PARAMS
    ),
    {"method": "USER_STREAMS", "apiKey": "nobody's", "signature": "00"},
    {"method": "USER_STREAMS", "apiKey": "nobody's", "signature": "ü"},
    {"method": "USER_STREAMS", "apiKey": None, "signature": None},
    {"method": "USER_STREAMS", "apiKey": [], "signature": "00"},
    {"method": "USER_STREAMS", "apiKey": "nobody's"},
    {"method": "USER_STREAMS"},
    {"method": "DANCE"},
    {"method": "subscribe", "params": [ALL]},
    {"method": 5},
    {"method": None},
    {"params": [ALL]},
    {"type": "allTickers"},
    {},
    [],
    5,
    None,
]
GARBAGE = ("", "nonsense", '{method: "SUBSCRIBE"}', b"\xff", b"{}", "[" * 30_000, '{"a":1}{')


async def test_every_message_is_answered_as_the_sandbox_answers_it(valkey: ValkeyServer) -> None:
    sandbox = StreamProtocol({BTC, ETH}, Authenticator([]), "127.0.0.1")
    said: list[str | bytes] = [*map(json.dumps, MESSAGES), *GARBAGE]
    async with streams_of(valkey.url) as streams, streams.client() as client:
        for message in said:
            await client.connection.send(message)
            due = sandbox.receive(message)
            assert [await client.hear() for _ in due] == due, message
        await client.hears_nothing()


async def test_a_heartbeat_gets_no_answer(valkey: ValkeyServer) -> None:
    async with streams_of(valkey.url) as streams, streams.client() as client:
        await client.send(data="ping")
        await client.hears_nothing()


async def test_too_many_messages_fail_and_the_connection_lives(valkey: ValkeyServer) -> None:
    async with (
        streams_of(valkey.url, limits=replace(LIMITS, messages=Rate(3, 3600))) as streams,
        streams.client() as client,
    ):
        await client.subscribe(TRADE)
        for _ in range(2):
            await client.hears_nothing()
        assert await client.ask("LIST_SUBSCRIPTIONS") == not_done("Too many messages")
        streams.tell(TRADES, trade(1))
        assert (await client.hear())["type"] == "trade"


async def test_frames_missing_from_trades_close_with_1012(valkey: ValkeyServer) -> None:
    async with (
        streams_of(valkey.url) as streams,
        streams.client() as client,
        streams.client() as other,
    ):
        await client.subscribe(TRADE)
        await other.subscribe(ALL)
        streams.house.desk.feed.cut([TRADES, ALL_TICKERS])
        assert await client.closed() == 1012
        streams.begin(ALL_TICKERS)
        streams.tell(ALL_TICKERS, ticker(9))
        assert (await other.hear())["last"] == 9


async def test_who_reads_too_slowly_is_closed_with_1013_and_missed_no_trade_unknowingly(
    valkey: ValkeyServer,
) -> None:
    few = replace(LIMITS, outbox=5)
    async with streams_of(valkey.url, limits=few) as streams, streams.client() as client:
        await client.subscribe(TRADE)
        streams.tell(TRADES, *map(trade, range(50)))
        assert await client.closed() == 1013


async def test_of_what_tells_all_each_time_who_reads_slowly_gets_the_latest(
    valkey: ValkeyServer,
) -> None:
    async with (
        streams_of(valkey.url, limits=replace(LIMITS, outbox=5), live=(DEPTH,)) as streams,
        streams.client() as client,
    ):
        await client.subscribe(BOOK)
        streams.tell(DEPTH, *map(book, range(1, 50)))
        assert (await client.hear())["depth"]["bids"][0]["price"] == 49


async def test_without_the_grant_nobody_subscribes(valkey: ValkeyServer) -> None:
    async with streams_of(valkey.url, granted()) as streams, streams.client() as client:
        refused = not_done("API is not allowed to this action", "SUBSCRIBE")
        assert await client.ask("SUBSCRIBE", TRADE) == refused
        assert await client.log_in() == UNAUTHORIZED


async def test_who_has_logged_in_subscribes_by_the_key_s_grants(valkey: ValkeyServer) -> None:
    async with (
        streams_of(valkey.url, None, live=(ALL_TICKERS, TRADES, ACCOUNT)) as streams,
        streams.client() as client,
    ):
        refused = not_done("API is not allowed to this action", "SUBSCRIBE")
        assert await client.ask("SUBSCRIBE", TRADE) == refused
        assert await client.log_in() == done("USER_STREAMS")
        await client.subscribe(TRADE)


async def test_a_key_s_account_is_told_of_change_by_change(valkey: ValkeyServer) -> None:
    async with (
        streams_of(valkey.url, live=(ACCOUNT,)) as streams,
        streams.client() as client,
    ):
        assert await client.log_in() == done("USER_STREAMS")
        await client.hears_nothing()
        filled = order("o2", filled=4, status=OrderStatus.PARTIALLY_FILLED)
        streams.tell(ACCOUNT, filled)
        heard = await client.hear()
        assert heard["type"] == "orderUpdate"
        assert (heard["order"]["orderId"], heard["order"]["filledAmount"]) == ("o2", 4)
        streams.tell(ACCOUNT, BalanceChange("BTC", available=Decimal("0.00000001")))
        streams.tell(ACCOUNT, BalanceChange("BTC", held=Decimal(3)))
        assert await client.hear() == {
            "type": "balanceUpdate",
            "symbol": "BTC",
            "available": Decimal("0.00000001"),
        }
        assert await client.hear() == {"type": "reservedUpdate", "symbol": "BTC", "reserved": 3}


async def test_all_orders_cancelled_at_once_are_told_as_the_exchange_tells_it(
    valkey: ValkeyServer,
) -> None:
    async with streams_of(valkey.url, live=(ACCOUNT,)) as streams, streams.client() as client:
        await client.log_in()
        gone = replace(order("o1", status=OrderStatus.CANCELLED), mass_cancelled=True)
        streams.tell(ACCOUNT, gone)
        assert (await client.hear())["order"]["status"] == "CANCELLED_ALL"


async def test_a_second_login_takes_the_place_of_the_first(valkey: ValkeyServer) -> None:
    async with streams_of(valkey.url, live=(ACCOUNT,)) as streams, streams.client() as client:
        for pair in (PAIR, OTHER_PAIR, OTHER_PAIR):
            assert await client.log_in(pair) == done("USER_STREAMS")
        streams.tell(ACCOUNT, BalanceChange("BTC", held=Decimal(3)))
        assert (await client.hear())["type"] == "reservedUpdate"
        await client.hears_nothing()


@pytest.mark.parametrize(
    "changed",
    [
        {"signature": "0" * 64},
        {"apiKey": OTHER_PAIR.api_key},
        {"apiKey": "nobody's"},
        {"apiKey": ""},
        {"apiKey": None},
    ],
)
async def test_a_login_that_proves_nothing_is_unauthorized_and_takes_nothing_away(
    valkey: ValkeyServer, changed: dict[str, Any]
) -> None:
    async with streams_of(valkey.url, live=(ACCOUNT,)) as streams, streams.client() as client:
        assert await client.log_in(**changed) == UNAUTHORIZED
        await client.log_in()
        assert await client.log_in(**changed) == UNAUTHORIZED
        streams.tell(ACCOUNT, BalanceChange("BTC", held=Decimal(3)))
        assert (await client.hear())["type"] == "reservedUpdate"


async def test_an_account_whose_stream_is_away_is_not_called_followed(
    valkey: ValkeyServer,
) -> None:
    async with streams_of(valkey.url) as streams, streams.client() as client:
        assert await client.log_in() == not_done("Unexpected Error", "USER_STREAMS")


async def test_a_gap_in_the_account_s_stream_closes_with_1012(valkey: ValkeyServer) -> None:
    async with streams_of(valkey.url, live=(ACCOUNT,)) as streams, streams.client() as client:
        await client.log_in()
        streams.house.desk.account_feed.cut()
        assert await client.closed() == 1012


async def test_changes_of_an_account_that_nobody_reads_close_with_1013(
    valkey: ValkeyServer,
) -> None:
    async with (
        streams_of(valkey.url, live=(ACCOUNT,), limits=replace(LIMITS, outbox=5)) as streams,
        streams.client() as client,
    ):
        await client.log_in()
        changes = [BalanceChange("BTC", held=Decimal(number)) for number in range(1, 500)]
        streams.tell(ACCOUNT, *changes)
        assert await client.closed() == 1013


async def test_who_is_granted_nothing_and_does_not_log_in_is_closed(valkey: ValkeyServer) -> None:
    async with (
        streams_of(
            valkey.url,
            granted(Action.ACCOUNT_READ),
            limits=replace(LIMITS, init_s=0.1),
            live=(ACCOUNT,),
        ) as streams,
        streams.client() as stranger,
        streams.client() as client,
    ):
        assert await client.log_in() == done("USER_STREAMS")
        assert await stranger.closed() == 1008
        await client.hears_nothing()


async def test_who_may_read_markets_may_take_its_time(valkey: ValkeyServer) -> None:
    short = replace(LIMITS, init_s=0.05)
    async with streams_of(valkey.url, limits=short) as streams, streams.client() as client:
        await asyncio.sleep(0.1)
        await client.subscribe(TRADE)
