"""Calls every endpoint and listens to every stream; README.md says what goes in and comes out."""

import json
import sys
import time
from contextlib import ExitStack

import requests

from tests.clients.connections import CARRIERS, Keys, Rest, Stream
from tests.clients.shapes import Json
from tests.clients.trading import (
    BALANCE,
    BASE,
    MARKET,
    QUOTE,
    SYMBOL,
    Exchange,
    Trading,
    changed,
    look_at_wallet,
)

INTERVALS = ("m1", "m3", "m5", "m15", "m30", "h1", "h2", "h4", "d1")
DAY_MS = 86_400_000


def general(rest: Rest, keys: Keys) -> None:
    """'General Endpoints', and what 'Security' says of requests that are not as they should be."""
    rest.public("v3/api/ping")
    rest.public("v3/api/time")
    wallet = f"{BALANCE}/wallet"
    for carrier in CARRIERS:
        rest.post(wallet, keys, carrier)
        rest.post(wallet, keys, carrier, windowSize="5000")
    stranger = Keys("stranger", "0" * 64, keys.api_secret)
    impostor = Keys("impostor", keys.api_key, "0" * 64)
    rest.post(wallet, stranger, "query", code="20001")
    rest.get(wallet, impostor, code="20001")
    mine = {"X-APNK-APIKEY": keys.api_key}
    unstamped = f"signature={keys.sign('')}"
    stamp = f"timestamp={time.time_ns() // 1_000_000 - 60_000}"
    rest.bare("GET", wallet, unstamped, {}, "20000")
    rest.bare("GET", wallet, unstamped, mine, "20003")
    rest.bare("GET", wallet, f"{stamp}&signature={keys.sign(stamp)}", mine, "20004")


def market_endpoints(rest: Rest) -> None:
    """'Market Endpoints'."""
    rest.public(f"{MARKET}/markets")
    for name in ("24h", "info", "candles", "orderbook", "depth", "trades"):
        rest.public(f"{MARKET}/{name}", symbol=SYMBOL)
        rest.public(f"{MARKET}/{name}", code="10037", symbol="BTCBTC")
    for interval in INTERVALS:
        rest.public(f"{MARKET}/candles", symbol=SYMBOL, interval=interval)
    now = time.time_ns() // 1_000_000
    since, until = str(now - DAY_MS), str(now)
    candles = f"{MARKET}/candles"
    rest.public(candles, symbol=SYMBOL, startDate=since)
    rest.public(candles, symbol=SYMBOL, startDate=since, endDate=until, interval="h1")


def subscriptions(stream: Stream) -> None:
    """'Websocket Data Streams'; at the end every topic of `SYMBOL` is subscribed to."""
    stream.heartbeat()
    _refused(stream.ask("SUBSCRIBE", {"type": "ticker", "symbol": "BTCBTC"}))
    _refused(stream.ask("SUBSCRIBE", {"type": "orders", "symbol": SYMBOL}))
    _refused(stream.ask("SUBSCRIBE", {"type": "candles", "symbol": SYMBOL, "interval": "m2"}))
    _granted(stream, "SUBSCRIBE", {"type": "allTickers"})
    for kind in ("ticker", "orderBook", "depth", "trade"):
        _granted(stream, "SUBSCRIBE", {"type": kind, "symbol": SYMBOL})
    _granted(stream, "SUBSCRIBE", *_candles(INTERVALS))
    _granted(stream, "UNSUBSCRIBE", {"type": "depth", "symbol": SYMBOL})
    _granted(stream, "UNSUBSCRIBE", *_candles(INTERVALS[:2]))
    _granted(stream, "SUBSCRIBE", {"type": "depth", "symbol": SYMBOL})
    (listed,) = stream.ask("LIST_SUBSCRIPTIONS")
    assert (listed["status"], len(listed["result"])) == ("success", 5 + len(INTERVALS) - 2), listed


def _candles(intervals: tuple[str, ...]) -> list[dict[str, str]]:
    return [{"type": "candles", "symbol": SYMBOL, "interval": each} for each in intervals]


def _granted(stream: Stream, method: str, *params: dict[str, str]) -> None:
    answers = stream.ask(method, *params)
    assert answers == [{"method": method, "status": "success", **each} for each in params], answers


def _refused(answers: list[Json]) -> None:
    (answer,) = answers
    assert answer["status"] == "failed", answer
    assert answer["message"], answer


def log_in(stream: Stream, keys: Keys) -> None:
    """'Starting User Data Stream': first with a signature that is not right."""
    refused = stream.ask("USER_STREAMS", apiKey=keys.api_key, signature="0" * 64)
    failure = {"status": "failed", "message": "Unauthorized Access"}
    assert refused == [{"method": "USER_STREAMS", **failure}], refused
    granted = stream.ask("USER_STREAMS", apiKey=keys.api_key, signature=keys.sign(keys.api_key))
    assert granted == [{"method": "USER_STREAMS", "status": "success"}], granted


def transfers(exchange: Exchange) -> None:
    """'Signed Balance Endpoints'; what is withdrawn is reserved at once."""
    rest, trader = exchange.rest, exchange.trader
    rest.get(f"{BALANCE}/currencies", trader)
    for carrier in CARRIERS:
        for asset in ("TRY", BASE):
            rest.post(f"{BALANCE}/deposit", trader, carrier, symbol=asset)
        for path in ("deposit", "withdraw"):
            rest.post(f"{BALANCE}/{path}", trader, carrier, code="10037", symbol="NOSUCH")
        _withdraw(exchange, carrier, BASE, "0.01")
        _withdraw(exchange, carrier, "XRP", "100", secondParameter="12345")
    rest.get(f"{BALANCE}/withdraw-history", trader)
    rest.get(f"{BALANCE}/deposit-history", trader)


def _withdraw(exchange: Exchange, carrier: str, asset: str, amount: str, **extra: str) -> None:
    rest, trader = exchange.rest, exchange.trader
    options = rest.post(f"{BALANCE}/withdraw", trader, carrier, symbol=asset)["currency"]
    channel = next(each for each in options["channels"] if each["addressList"])
    named = {"symbol": asset, "address": channel["addressList"][0]["address"], **extra}
    path, node = f"{BALANCE}/create-withdraw", channel["name"]
    rest.post(path, trader, carrier, amount=amount, node=node, **named)
    rest.post(path, trader, carrier, code="10029", amount=amount, node="NOSUCH", **named)
    rest.post(path, trader, carrier, code="20009", amount="0", node=node, **named)
    look_at_wallet(exchange, (asset,))


def cancelled_all(exchange: Exchange, request: Json) -> None:
    """The exchange cancels all orders of the trader ('User Order Update Messages')."""
    rest, trader = exchange.rest, exchange.trader
    order = {"symbol": SYMBOL, "price": "50000", "amount": "0.001"}
    order_id = rest.post(f"{MARKET}/limit-buy", trader, "query", **order)["order"]["orderId"]
    requests.post(request["url"], json=request["body"], timeout=20).raise_for_status()
    changed(exchange.own, order_id, "CANCELLED_ALL")
    assert not rest.get(f"{MARKET}/user-orders", trader)["orders"]
    look_at_wallet(exchange, (QUOTE,))


def run(base_url: str, stream_url: str, given: Json) -> None:
    """Do everything in order; what is not as the document says ends it with an exception."""
    trader, counterparty = (
        Keys(name, given[name]["apiKey"], given[name]["apiSecret"])
        for name in ("trader", "counterparty")
    )
    rest = Rest(base_url, tell)
    with ExitStack() as stack:
        public, own, others = (stack.enter_context(Stream(stream_url, tell)) for _ in range(3))
        exchange = Exchange(trader, counterparty, rest, public, own, others)
        general(rest, trader)
        market_endpoints(rest)
        subscriptions(public)
        log_in(own, trader)
        log_in(others, counterparty)
        for carrier in CARRIERS:
            Trading(exchange, carrier).run()
        transfers(exchange)
        cancelled_all(exchange, given["cancelAll"])
        assert not public.left("trade"), public.left("trade")


def tell(call: str, request: Json, reply: Json) -> None:
    """Write a line of the transcript."""
    line = {"call": call, "request": request, "reply": reply}
    sys.stdout.write(json.dumps(line, default=lambda number: {"number": number.text}) + "\n")


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2], json.load(sys.stdin))
