"""The streams over real sockets."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from decimal import Decimal

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError

from gateway.sandbox import RunningSandbox, SandboxConfig, serve
from tests.unit.sandbox.clients import Json, Trader, ask, next_frame, now_ms, subscribe

pytestmark = pytest.mark.anyio


@pytest.fixture
async def stream(sandbox: RunningSandbox) -> AsyncIterator[ClientConnection]:
    async with connect(sandbox.stream_url, proxy=None) as connection:
        yield connection


async def quiet_until_listed(stream: ClientConnection) -> None:
    """Nothing is on its way before the reply to a question asked now."""
    assert (await ask(stream, {"method": "LIST_SUBSCRIPTIONS"}))["method"] == "LIST_SUBSCRIPTIONS"


async def log_in(stream: ClientConnection, trader: Trader) -> None:
    await stream.send(trader.login_frame())
    assert await next_frame(stream) == {"method": "USER_STREAMS", "status": "success"}


async def take_frames(stream: ClientConnection, count: int) -> list[Json]:
    return [await next_frame(stream) for _ in range(count)]


async def test_the_handshake_offers_no_compression(stream: ClientConnection) -> None:
    assert stream.response is not None
    assert "Sec-WebSocket-Extensions" not in stream.response.headers


async def test_subscribing_sends_no_snapshot(stream: ClientConnection) -> None:
    await subscribe(stream, {"type": "depth", "symbol": "BTCUSDT"}, {"type": "allTickers"})
    await quiet_until_listed(stream)


async def test_a_heartbeat_and_garbage_keep_the_connection(stream: ClientConnection) -> None:
    await stream.send('{"data":"ping"}')
    await stream.send("garbage")
    assert (await next_frame(stream))["status"] == "failed"
    await stream.send(b"\x00\x01")
    assert (await next_frame(stream))["status"] == "failed"
    await quiet_until_listed(stream)


async def test_depth_frames_hold_the_whole_book(stream: ClientConnection, ann: Trader) -> None:
    await subscribe(stream, {"type": "depth", "symbol": "BTCUSDT"})
    await ann.limit("buy", "50000", "1")
    await ann.limit("buy", "49999.5", "0.25")
    _, frame = await take_frames(stream, 2)
    bids = [
        {"price": 50_000, "amount": 1, "count": 1},
        {"price": Decimal("49999.5"), "amount": Decimal("0.25"), "count": 1},
    ]
    depth = {"bids": bids, "asks": []}
    assert frame == {"type": "depth", "symbol": "BTCUSDT", "depth": depth}


async def test_top_of_book_frames_come_only_when_it_moves(
    stream: ClientConnection, ann: Trader
) -> None:
    await subscribe(stream, {"type": "orderBook", "symbol": "BTCUSDT"})
    await ann.limit("buy", "50000", "1")
    await ann.limit("buy", "49999", "1")
    await ann.limit("sell", "50001", "0.5")
    first, second = await take_frames(stream, 2)
    bid = {"type": "orderBook", "symbol": "BTCUSDT", "bidPrice": 50_000, "bidAmount": 1}
    assert first == {**bid, "askPrice": None, "askAmount": None}
    assert second == {**bid, "askPrice": 50_001, "askAmount": Decimal("0.5")}


async def test_a_trade_reaches_trade_candle_and_ticker_streams(
    stream: ClientConnection, ann: Trader, bob: Trader
) -> None:
    market = {"symbol": "BTCUSDT"}
    await ann.limit("sell", "50000", "1")
    await subscribe(
        stream,
        {"type": "trade", **market},
        {"type": "candles", **market, "interval": "m5"},
        {"type": "allTickers"},
        {"type": "ticker", **market},
    )
    await bob.limit("buy", "50000", "0.5")
    trade, candle, all_tickers, ticker = await take_frames(stream, 4)
    time = trade.pop("time")
    assert time <= now_ms()
    half = Decimal("0.5")
    assert trade == {"type": "trade", **market, "amount": half, "price": 50_000, "tradeType": 1}
    kline = candle["kline"]
    assert candle == {"type": "candles", **market, "interval": "m5", "kline": kline}
    assert kline.pop("openTime") % 300_000 == 0
    assert kline.pop("closeTime") == time
    assert kline == {**dict.fromkeys(("open", "low", "high", "close"), 50_000), "volume": half}
    assert all_tickers.pop("openTime") <= time
    assert all_tickers.pop("changePercent") == 0
    assert {**all_tickers, "type": "ticker"} == ticker
    assert ticker == {
        "type": "ticker",
        **market,
        "changeAmount": 0,
        "firstBid": None,
        "firstAsk": 50_000,
        **dict.fromkeys(("open", "high", "low", "avg", "last"), 50_000),
        "volume": 25_000,
        "volumeQty": half,
        "tradeCount": 1,
    }


async def test_other_markets_and_ended_subscriptions_are_silent(
    stream: ClientConnection, ann: Trader
) -> None:
    await subscribe(stream, {"type": "depth", "symbol": "XRPUSDT"})
    await subscribe(stream, {"type": "depth", "symbol": "BTCUSDT"})
    topic = {"type": "depth", "symbol": "BTCUSDT"}
    await ask(stream, {"method": "UNSUBSCRIBE", "params": [topic]})
    await ann.limit("buy", "50000", "1")
    await quiet_until_listed(stream)


async def test_an_account_hears_of_its_orders_and_balances(
    stream: ClientConnection, ann: Trader
) -> None:
    await log_in(stream, ann)
    placed = (await ann.limit("buy", "50000", "1"))["order"]
    update, available, reserved = await take_frames(stream, 3)
    assert update == {
        "type": "orderUpdate",
        "order": {
            "status": "NEW",
            "market": "BTCUSDT",
            "orderType": 0,
            "side": 0,
            "price": 50_000,
            "amount": 1,
            "filledAmount": 0,
            "stopType": 0,
            "targetPrice": 0,
            "orderId": placed["orderId"],
            "time": placed["time"],
        },
    }
    assert available == {"type": "balanceUpdate", "symbol": "USDT", "available": 950_000}
    assert reserved == {"type": "reservedUpdate", "symbol": "USDT", "reserved": 50_000}


async def test_a_resting_order_tells_its_fills_and_its_end(
    stream: ClientConnection, ann: Trader, bob: Trader
) -> None:
    order_id = (await ann.limit("sell", "50000", "1"))["order"]["orderId"]
    await log_in(stream, ann)
    await bob.limit("buy", "50000", "0.25")
    filled, *balances = await take_frames(stream, 3)
    assert filled["order"]["status"] == "PARTIALLY_FILLED"
    assert filled["order"]["filledAmount"] == Decimal("0.25")
    assert {frame["type"] for frame in balances} == {"reservedUpdate", "balanceUpdate"}
    await ann.call("POST", "market/cancel-order", orderId=order_id)
    assert (await next_frame(stream))["order"]["status"] == "CANCELLED"


async def test_an_account_hears_nothing_of_others(
    stream: ClientConnection, ann: Trader, bob: Trader
) -> None:
    await log_in(stream, ann)
    await bob.limit("buy", "50000", "0.25")
    await quiet_until_listed(stream)


async def test_cut_streams_break_off_without_a_closing_handshake(
    stream: ClientConnection, http: httpx.AsyncClient
) -> None:
    await quiet_until_listed(stream)
    await http.post("/control/streams", json={"action": "cut"})
    with pytest.raises(ConnectionClosedError) as caught:
        await stream.recv()
    assert caught.value.rcvd is None


async def test_muted_streams_stay_open_and_say_nothing(
    stream: ClientConnection, http: httpx.AsyncClient, ann: Trader
) -> None:
    await subscribe(stream, {"type": "depth", "symbol": "BTCUSDT"})
    await http.post("/control/streams", json={"action": "mute"})
    await stream.send("garbage")
    # The transport's own answer shows that the message before it has been read.
    await (await stream.ping())
    await ann.limit("buy", "50000", "1")
    state = (await http.post("/control/streams", json={"action": "unmute"})).json()
    topics = [{"type": "depth", "symbol": "BTCUSDT"}]
    assert state == {"muted": [], "connections": [{"account": None, "topics": topics}]}
    await quiet_until_listed(stream)


async def test_a_connection_that_ends_is_forgotten(
    sandbox: RunningSandbox, http: httpx.AsyncClient
) -> None:
    async with connect(sandbox.stream_url, proxy=None) as connection:
        await quiet_until_listed(connection)
        assert len((await http.get("/control/streams")).json()["connections"]) == 1
    assert (await http.get("/control/streams")).json()["connections"] == []


async def test_a_message_beyond_the_limit_closes_the_connection(stream: ClientConnection) -> None:
    await stream.send("x" * 70_000)
    with pytest.raises(ConnectionClosedError) as caught:
        await stream.recv()
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1009


async def test_the_market_maker_feeds_the_streams() -> None:
    config = SandboxConfig(port=0, history=False, tick_seconds=0.01)
    async with serve(config) as lively, connect(lively.stream_url, proxy=None) as connection:
        await subscribe(connection, {"type": "allTickers"})
        seen = {(await next_frame(connection))["symbol"] for _ in range(40)}
        assert len(seen) == 15


BTC_DEPTH = {"type": "depth", "symbol": "BTCUSDT"}
XRP_DEPTH = {"type": "depth", "symbol": "XRPUSDT"}


async def steer(http: httpx.AsyncClient, path: str, **order: Json) -> Json:
    reply = await http.post(f"/control/{path}", json=order)
    reply.raise_for_status()
    return reply.json()


async def test_a_muted_topic_is_silent_and_the_others_are_not(
    stream: ClientConnection, http: httpx.AsyncClient, ann: Trader
) -> None:
    await subscribe(stream, BTC_DEPTH, XRP_DEPTH)
    await steer(http, "streams", action="mute", topic=BTC_DEPTH)
    await ann.limit("buy", "50000", "1")
    await ann.limit("buy", "0.5", "100", "XRPUSDT")
    assert (await next_frame(stream))["symbol"] == "XRPUSDT"
    await quiet_until_listed(stream)
    await steer(http, "streams", action="unmute", topic=BTC_DEPTH)
    await ann.limit("buy", "50000", "1")
    assert (await next_frame(stream))["symbol"] == "BTCUSDT"


async def test_a_muted_account_hears_nothing_and_the_others_do(
    sandbox: RunningSandbox, http: httpx.AsyncClient, ann: Trader, bob: Trader
) -> None:
    async with (
        connect(sandbox.stream_url, proxy=None) as anns,
        connect(sandbox.stream_url, proxy=None) as bobs,
    ):
        for connection, trader in ((anns, ann), (bobs, bob)):
            await log_in(connection, trader)
            await subscribe(connection, BTC_DEPTH)
        await steer(http, "streams", action="mute", account="ann")
        await ann.limit("buy", "50000", "1")
        assert (await next_frame(bobs))["type"] == "depth"
        state = await steer(http, "streams", action="unmute")
        assert state["muted"] == []
        await quiet_until_listed(anns)


async def test_what_is_muted_is_told_until_all_is_unmuted(http: httpx.AsyncClient) -> None:
    await steer(http, "streams", action="mute", account="ann")
    await steer(http, "streams", action="mute", topic=BTC_DEPTH)
    state = await steer(http, "streams", action="mute")
    assert state["muted"] == [{"account": "ann"}, {"topic": BTC_DEPTH}, {}]
    state = await steer(http, "streams", action="unmute", account="ann")
    assert state["muted"] == [{"topic": BTC_DEPTH}, {}]
    assert (await steer(http, "streams", action="unmute"))["muted"] == []


@pytest.mark.parametrize("audience", [{"account": "ann"}, {"topic": BTC_DEPTH}])
async def test_the_streams_of_one_account_or_topic_may_be_cut_and_the_others_stay(
    sandbox: RunningSandbox, http: httpx.AsyncClient, ann: Trader, audience: dict[str, Json]
) -> None:
    async with (
        connect(sandbox.stream_url, proxy=None) as hit,
        connect(sandbox.stream_url, proxy=None) as spared,
    ):
        await log_in(hit, ann)
        await subscribe(hit, BTC_DEPTH)
        await subscribe(spared, XRP_DEPTH)
        await steer(http, "streams", action="cut", **audience)
        with pytest.raises(ConnectionClosedError):
            await hit.recv()
        await quiet_until_listed(spared)


@pytest.mark.parametrize("audience", [{"account": "ann"}, {"topic": BTC_DEPTH}, {}])
async def test_a_frame_is_injected_as_it_is_into_a_muted_stream(
    stream: ClientConnection, http: httpx.AsyncClient, ann: Trader, audience: dict[str, Json]
) -> None:
    await log_in(stream, ann)
    await subscribe(stream, BTC_DEPTH)
    await steer(http, "streams", action="mute")
    told = await steer(http, "frames", text='{"type": "depth", NaN', **audience)
    assert told == {"connections": 1}
    assert await stream.recv() == '{"type": "depth", NaN'


@pytest.mark.parametrize("audience", [{"account": "bob"}, {"topic": XRP_DEPTH}])
async def test_a_frame_for_nobody_says_that_nobody_got_it(
    stream: ClientConnection, http: httpx.AsyncClient, ann: Trader, audience: dict[str, Json]
) -> None:
    await log_in(stream, ann)
    await subscribe(stream, BTC_DEPTH)
    assert await steer(http, "frames", text="{}", **audience) == {"connections": 0}
    await quiet_until_listed(stream)


async def test_all_orders_that_go_at_once_are_told_by_one_frame(
    stream: ClientConnection, http: httpx.AsyncClient, ann: Trader
) -> None:
    for price in ("40000", "41000"):
        await ann.limit("buy", price, "1")
    await log_in(stream, ann)
    gone = await steer(http, "cancel-all", account="ann", symbol="BTCUSDT")
    update, *balances = await take_frames(stream, 3)
    assert update["order"]["status"] == "CANCELLED_ALL"
    assert update["order"]["orderId"] in gone["orderIds"]
    assert {frame["type"] for frame in balances} == {"balanceUpdate", "reservedUpdate"}
    await quiet_until_listed(stream)


async def test_the_stream_tells_of_each_order_in_the_order_of_the_replies(
    stream: ClientConnection, ann: Trader
) -> None:
    await log_in(stream, ann)
    await subscribe(stream, BTC_DEPTH)
    replies = await asyncio.gather(
        *(ann.limit("buy", str(40_000 + number), "0.001") for number in range(40))
    )
    frames = await take_frames(stream, 4 * 40)
    by_type = {
        kind: [frame for frame in frames if frame["type"] == kind]
        for kind in ("orderUpdate", "depth", "reservedUpdate")
    }
    told = [frame["order"]["orderId"] for frame in by_type["orderUpdate"]]
    assert sorted(told) == sorted(reply["order"]["orderId"] for reply in replies)
    assert [len(frame["depth"]["bids"]) for frame in by_type["depth"]] == [
        min(number, 20) for number in range(1, 41)
    ]
    held = [frame["reserved"] for frame in by_type["reservedUpdate"]]
    prices = [frame["order"]["price"] for frame in by_type["orderUpdate"]]
    sums = list(itertools.accumulate(price / 1000 for price in prices))
    assert held == sums


async def test_a_reply_that_is_held_back_comes_after_its_frames(
    stream: ClientConnection, http: httpx.AsyncClient, ann: Trader
) -> None:
    await log_in(stream, ann)
    fault = {"endpoint": "v3/api/market/limit-buy", "replyDelayMs": 60_000}
    await steer(http, "faults", **fault)
    placing = asyncio.create_task(ann.limit("buy", "50000", "1"))
    assert (await next_frame(stream))["order"]["status"] == "NEW"
    assert not placing.done()
    placing.cancel()
