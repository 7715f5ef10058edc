"""Calls every endpoint and listens to every stream; README.md says what goes in and comes out."""

import json
import sys
import time
from contextlib import ExitStack
from decimal import Decimal

import requests

from tests.clients.accounting import Accounting
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
    wallet,
)

INTERVALS = ("m1", "m3", "m5", "m15", "m30", "h1", "h2", "h4", "d1")
DAY_MS = 86_400_000
HISTORY_ROWS = 5
WITHDRAWN = {(BASE, "0.01"), ("XRP", "100")}
REFUSED = (
    ("10029", {"node": "NOSUCH"}),
    ("10031", {"amount": "20000"}),
    ("10063", {"address": "nobody"}),
    ("20009", {"amount": "0"}),
    ("20010", {"address": ""}),
)
PENDING = {"11", "21"}

# How old a request is, its window, and what is answered; without a window it is 10 seconds.
AGES = (
    (0, "", "00000"),
    (60_000, "", "20004"),
    (20_000, "&windowSize=60000", "00000"),
    (5_000, "&windowSize=1000", "20004"),
)


def general(rest: Rest, keys: Keys) -> None:
    """'General Endpoints', and what 'Security' says of requests that are not as they should be."""
    rest.public("v3/api/ping")
    rest.public("v3/api/time")
    path = f"{BALANCE}/wallet"
    for carrier in CARRIERS:
        rest.post(path, keys, carrier)
        rest.post(path, keys, carrier, windowSize="5000")
    stranger = Keys("stranger", "0" * 64, keys.api_secret)
    impostor = Keys("impostor", keys.api_key, "0" * 64)
    rest.post(path, stranger, "query", code="20001")
    rest.get(path, impostor, code="20001")
    mine = {"X-APNK-APIKEY": keys.api_key}
    unstamped = f"signature={keys.sign('')}"
    rest.bare("GET", path, unstamped, {}, "20000")
    rest.bare("GET", path, unstamped, mine, "20003")
    for age_ms, window, code in AGES:
        stamp = f"timestamp={time.time_ns() // 1_000_000 - age_ms}{window}"
        rest.bare("GET", path, f"{stamp}&signature={keys.sign(stamp)}", mine, code)


def market_endpoints(rest: Rest) -> Accounting:
    """'Market Endpoints', while nothing was traded; gives the accounting of what will be."""
    rows = rest.public(f"{MARKET}/markets")["markets"]
    info = rest.public(f"{MARKET}/info", symbol=SYMBOL)["info"]
    assert (info["symbol"], info["firstSymbol"], info["secondSymbol"]) == (SYMBOL, BASE, QUOTE)
    accounting = Accounting(info)
    accounting.check_statistics(next(row for row in rows if row["symbol"] == SYMBOL))
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
    return accounting


def candles_of_a_time(exchange: Exchange) -> None:
    """The trades of today are in the candles of these days, and in none before or after."""

    def asked(**bounds: str) -> list[Json]:
        path, names = f"{MARKET}/candles", {"symbol": SYMBOL, "interval": "d1"}
        rows: list[Json] = exchange.rest.public(path, **names, **bounds)["candles"]
        return rows

    now = time.time_ns() // 1_000_000
    before, after = str(now - 2 * DAY_MS), str(now + DAY_MS)
    exchange.accounting.check_candles(asked(startDate=before, endDate=after))
    exchange.accounting.check_candles(asked(startDate=before))
    exchange.accounting.check_candles(asked(endDate=after))
    assert asked(endDate=before) == asked(startDate=after) == []


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
    currencies = rest.get(f"{BALANCE}/currencies", trader)["currencies"]
    assert {row["symbol"] for row in currencies} == wallet(exchange).keys(), currencies
    for carrier in CARRIERS:
        for asset in ("TRY", BASE):
            options = rest.post(f"{BALANCE}/deposit", trader, carrier, symbol=asset)
            assert options["currency"]["symbol"] == asset, options
        for path in ("deposit", "withdraw"):
            rest.post(f"{BALANCE}/{path}", trader, carrier, code="10037", symbol="NOSUCH")
        _withdraw(exchange, carrier, BASE, "0.01")
        _withdraw(exchange, carrier, "XRP", "100", secondParameter="12345")
    _histories(exchange)


def _histories(exchange: Exchange) -> None:
    rest, trader = exchange.rest, exchange.trader
    withdrawn = rest.get(f"{BALANCE}/withdraw-history", trader)["history"]
    assert len(withdrawn) == (0 if exchange.no_withdrawal else HISTORY_ROWS), withdrawn
    sums = {(row["symbol"], row["amount"].text) for row in withdrawn}
    assert sums == (set() if exchange.no_withdrawal else WITHDRAWN), withdrawn
    deposited = rest.get(f"{BALANCE}/deposit-history", trader)["history"]
    assert [(row["symbol"], row["amount"].text) for row in deposited] == [(BASE, "0.00213")]
    assert {row["state"].text for row in withdrawn + deposited} <= PENDING


def _withdraw(exchange: Exchange, carrier: str, asset: str, amount: str, **extra: str) -> None:
    rest, trader = exchange.rest, exchange.trader
    options = rest.post(f"{BALANCE}/withdraw", trader, carrier, symbol=asset)["currency"]
    channel = next(each for each in options["channels"] if each["addressList"])
    sent = {"symbol": asset, "address": channel["addressList"][0]["address"]}
    sent |= {"amount": amount, "node": channel["name"]}
    path, before = f"{BALANCE}/create-withdraw", wallet(exchange)[asset]
    wrong = {} if extra else {"secondParameter": "12345"}
    complete = {**sent, **extra}
    refused = ((code, {**complete, **change}) for code, change in REFUSED)
    for code, terms in (("00000", complete), *refused, ("10064", {**sent, **wrong})):
        rest.post(path, trader, carrier, exchange.no_withdrawal or code, **terms)
    after = look_at_wallet(exchange, () if exchange.no_withdrawal else (asset,))[asset]
    assert after["total"] == before["total"], (before, after)
    bound = after["reserved"].value - before["reserved"].value
    withdrawn = Decimal(amount) + channel["commission"].value
    assert bound == (0 if exchange.no_withdrawal else withdrawn), (before, after)


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
        general(rest, trader)
        accounting = market_endpoints(rest)
        exchange = Exchange(
            trader, counterparty, rest, public, own, others, accounting, given.get("noWithdrawal")
        )
        subscriptions(public)
        log_in(own, trader)
        log_in(others, counterparty)
        for carrier in CARRIERS:
            Trading(exchange, carrier).run()
        candles_of_a_time(exchange)
        transfers(exchange)
        cancelled_all(exchange, given["cancelAll"])
        assert not public.left("trade"), public.left("trade")


def tell(call: str, request: Json, reply: Json) -> None:
    """Write a line of the transcript."""
    line = {"call": call, "request": request, "reply": reply}
    sys.stdout.write(json.dumps(line, default=lambda number: {"number": number.text}) + "\n")


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2], json.load(sys.stdin))
