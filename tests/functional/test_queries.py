"""What can be read, asked of a running gateway over HTTP."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from gateway.cli.operations import operation
from tests.functional.callers import Caller
from tests.functional.exchange import BALANCES, Exchange, Json
from tests.functional.service import Service

CANDLES = operation("candles")


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def text(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def of_market(caller: Caller, symbol: str, fields: str) -> Json:
    return caller.answer(f'{{ market(symbol: "{symbol}") {{ {fields} }} }}')["market"]


def test_a_ticker_shows_the_last_price_and_where_it_comes_from(
    exchange: Exchange, trader: Caller
) -> None:
    exchange.trade("LINKTRY", "218.5", "1")
    fields = "symbol name baseAsset quoteAsset ticker { symbol last high low tradeCount stale }"
    market = of_market(trader, "LINKTRY", fields)
    ticker = market.pop("ticker")
    assert market == {
        "symbol": "LINKTRY",
        "name": "ChainLink",
        "baseAsset": "LINK",
        "quoteAsset": "TRY",
    }
    assert Decimal(ticker["low"]) <= Decimal("218.5") <= Decimal(ticker["high"])
    assert ticker["tradeCount"] > 0
    assert (ticker["symbol"], ticker["stale"]) == ("LINKTRY", False)


def test_rules_show_decimals_minimums_and_fees(trader: Caller) -> None:
    fields = (
        "pricePrecision quantityPrecision minTotal minQuantity makerFeePercent takerFeePercent "
        "enabled orderEnabled cancelEnabled"
    )
    assert of_market(trader, "BTCUSDT", f"rules {{ {fields} }}")["rules"] == {
        "pricePrecision": 2,
        "quantityPrecision": 6,
        "minTotal": "10",
        "minQuantity": "0.000001",
        "makerFeePercent": "0.2",
        "takerFeePercent": "0.2",
        "enabled": True,
        "orderEnabled": True,
        "cancelEnabled": True,
    }


def test_a_closed_market_says_so_in_its_rules(trader: Caller) -> None:
    rules = of_market(trader, "HOTTRY", "rules { enabled orderEnabled }")["rules"]
    assert rules == {"enabled": False, "orderEnabled": False}


def test_an_empty_book_has_no_best_prices(trader: Caller) -> None:
    fields = "topOfBook { bid { price } ask { price } } orderBook { bids { price } asks { price } }"
    assert of_market(trader, "HOTTRY", fields) == {
        "topOfBook": {"bid": None, "ask": None},
        "orderBook": {"bids": [], "asks": []},
    }


def test_a_book_shows_its_best_levels_first_and_no_more_than_asked_for(
    exchange: Exchange, trader: Caller
) -> None:
    for price in ("229", "230", "231"):
        exchange.outsider.limit("buy", "UNITRY", price, "1.5")
    exchange.counterparty.limit("buy", "UNITRY", "231", "0.5")
    exchange.counterparty.limit("sell", "UNITRY", "232.125", "2")
    level = "{ price quantity orders }"
    fields = (
        f"topOfBook {{ bid {level} ask {level} }} "
        f"orderBook(depth: 2) {{ bids {level} asks {level} }}"
    )
    best_bid = {"price": "231", "quantity": "2", "orders": 2}
    best_ask = {"price": "232.125", "quantity": "2", "orders": 1}
    assert of_market(trader, "UNITRY", fields) == {
        "topOfBook": {"bid": {**best_bid, "orders": None}, "ask": {**best_ask, "orders": None}},
        "orderBook": {
            "bids": [best_bid, {"price": "230", "quantity": "1.5", "orders": 1}],
            "asks": [best_ask],
        },
    }


@pytest.mark.parametrize("depth", [0, 101, -1])
def test_a_depth_out_of_bounds_is_refused(trader: Caller, depth: int) -> None:
    query = 'query($d: Int) { market(symbol: "ETHUSDT") { orderBook(depth: $d) { symbol } } }'
    assert trader.error(query, d=depth)["extensions"] == {
        "code": "BAD_USER_INPUT",
        "retryable": False,
        "field": "depth",
    }


def test_trades_show_the_newest_first_with_the_takers_side(
    exchange: Exchange, trader: Caller
) -> None:
    exchange.trade("UNIUSDT", "28.4", "2")
    exchange.outsider.limit("buy", "UNIUSDT", "28.3", "3")
    exchange.counterparty.limit("sell", "UNIUSDT", "28.3", "3")
    fields = "trades(first: 2) { symbol trades { symbol price quantity side } }"
    assert of_market(trader, "UNIUSDT", fields)["trades"] == {
        "symbol": "UNIUSDT",
        "trades": [
            {"symbol": "UNIUSDT", "price": "28.3", "quantity": "3", "side": "SELL"},
            {"symbol": "UNIUSDT", "price": "28.4", "quantity": "2", "side": "BUY"},
        ],
    }


def test_candles_from_and_to_are_snapped_to_the_interval(trader: Caller) -> None:
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=3)
    series = trader.answer(
        CANDLES,
        symbol="ETHUSDT",
        interval="M5",
        **{
            "from": text(hour + timedelta(minutes=3)),
            "to": text(hour + timedelta(minutes=24)),
        },
    )["market"]["candles"]
    opens = [moment(candle["openTime"]) for candle in series["candles"]]
    assert opens == [hour + timedelta(minutes=minutes) for minutes in (0, 5, 10, 15, 20)]
    for candle in series["candles"]:
        assert moment(candle["closeTime"]) - moment(candle["openTime"]) == timedelta(minutes=5)
        assert Decimal(candle["low"]) <= Decimal(candle["close"]) <= Decimal(candle["high"])


def test_candles_of_ever_other_times_make_no_call_each(exchange: Exchange, trader: Caller) -> None:
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    for hours in range(1, 40):
        start = text(hour - timedelta(hours=hours))
        bounds = {"from": start, "to": text(hour)}
        found = trader.answer(CANDLES, symbol="LINKUSDT", interval="H1", **bounds)
        assert found["market"]["candles"]["candles"][0]["openTime"] == start
    assert len(exchange.requests("market/candles", symbol="LINKUSDT", interval="h1")) <= 2


def test_candles_without_bounds_end_with_the_one_now_open(
    exchange: Exchange, trader: Caller
) -> None:
    exchange.trade("1INCHUSDT", "3.9", "10")
    series = trader.answer(CANDLES, symbol="1INCHUSDT", interval="D1")["market"]["candles"]
    last = series["candles"][-1]
    assert last["close"] == "3.9"
    assert moment(last["openTime"]).date() == datetime.now(UTC).date()


@pytest.mark.parametrize(
    ("interval", "start", "end"),
    [
        ("M1", "2021-03-25T00:00:00.000Z", "2021-03-26T00:00:00.000Z"),
        ("M1", "2021-03-25T00:00:00.000Z", None),
        ("H1", "2021-03-25T12:00:00.000Z", "2021-03-25T10:00:00.000Z"),
        ("H1", "2999-03-25T12:00:00.000Z", None),
    ],
    ids=["too many", "too many until now", "reversed", "in the future"],
)
def test_candles_out_of_bounds_are_refused(
    trader: Caller, interval: str, start: str, end: str | None
) -> None:
    bounds = {"from": start, "to": end}
    error = trader.error(CANDLES, symbol="ETHUSDT", interval=interval, **bounds)
    assert (error["extensions"]["code"], error["extensions"]["field"]) == ("BAD_USER_INPUT", "from")


def test_markets_lists_all_fifteen(trader: Caller) -> None:
    markets = trader.answer("{ markets { symbol ticker { last } } }")["markets"]
    assert len({market["symbol"] for market in markets}) == 15
    assert all(Decimal(market["ticker"]["last"]) > 0 for market in markets)


def test_markets_can_be_named(trader: Caller) -> None:
    query = '{ markets(symbols: ["ETHTRY", "BTCUSDT", "ETHTRY"]) { symbol } }'
    assert trader.answer(query)["markets"] == [{"symbol": "ETHTRY"}, {"symbol": "BTCUSDT"}]


def test_markets_can_be_chosen_by_quote_asset(trader: Caller) -> None:
    query = "query($q: String) { markets(quoteAsset: $q) { symbol quoteAsset } }"
    markets = trader.answer(query, q="USDT")["markets"]
    assert len(markets) == 7
    assert {market["quoteAsset"] for market in markets} == {"USDT"}
    error = trader.error(query, q="usdt")
    assert (error["extensions"]["code"], error["extensions"]["field"]) == (
        "BAD_USER_INPUT", "quoteAsset",
    )  # fmt: skip
    both = '{ markets(symbols: ["BTCUSDT"], quoteAsset: "TRY") { symbol } }'
    assert trader.answer(both)["markets"] == []


def test_an_unknown_symbol_among_markets_is_an_error(trader: Caller) -> None:
    assert trader.code('{ markets(symbols: ["BTCUSDT", "NOSUCH"]) { symbol } }') == "UNKNOWN_SYMBOL"


def test_an_unknown_symbol_is_null_with_an_error_and_is_never_asked_for(
    exchange: Exchange, trader: Caller
) -> None:
    response = trader.post('{ market(symbol: "NOSUCH") { ticker { last } } }').json()
    assert response["data"] == {"market": None}
    assert response["errors"][0]["extensions"]["code"] == "UNKNOWN_SYMBOL"
    assert response["errors"][0]["path"] == ["market"]
    assert exchange.requests("market/24h", symbol="NOSUCH") == []


def test_the_exchange_is_reachable_and_its_stream_connected(trader: Caller) -> None:
    state = trader.answer(operation("exchange"))["exchange"]
    assert state["reachable"] is True
    assert abs(moment(state["serverTime"]) - datetime.now(UTC)) < timedelta(seconds=30)
    assert state["clockOffsetMs"] <= 0
    assert state["feed"]["connected"] is True
    assert state["feed"]["topics"] >= 1


def test_accounts_are_those_that_a_grant_names(service: Service, trader: Caller) -> None:
    assert trader.answer("{ accounts { id } }") == {"accounts": [{"id": "demo"}]}
    assert service.caller("reader").answer("{ accounts { id } }") == {"accounts": []}


def test_balances_are_exact_and_held_is_what_open_orders_reserve(
    exchange: Exchange, trader: Caller
) -> None:
    query = '{ account(id: "demo") { balances { asset total available held } } }'
    held = trader.answer(query)["account"]["balances"]
    assert {balance["asset"] for balance in held} >= set(BALANCES)
    truth = exchange.truth("demo")["balances"]["demo"]
    available = {row["symbol"]: Decimal(str(row["available"])) for row in truth}
    for balance in held:
        total, free, reserved = (Decimal(balance[name]) for name in ("total", "available", "held"))
        assert free == available[balance["asset"]]
        assert total == free + reserved


def test_the_viewer_sees_who_they_are_and_what_they_may(service: Service) -> None:
    viewer = service.caller("auditor").answer(operation("viewer"))["viewer"]
    assert [limit["name"] for limit in viewer.pop("limits")] == ["requests", "calls demo"]
    assert viewer == {
        "principal": "auditor",
        "kind": "app",
        "grants": [
            {"id": "auditor-0", "account": None, "actions": ["market:read"], "symbols": None},
            {"id": "auditor-1", "account": "demo", "actions": ["account:read"], "symbols": None},
        ],
    }


def test_a_placement_that_does_not_exist_is_null(trader: Caller) -> None:
    query = "query($id: ID!) { placement(id: $id) { id } }"
    for unknown in ("demo.00000000000000000000000000000000", "nonsense", "", "."):
        assert trader.answer(query, id=unknown) == {"placement": None}
