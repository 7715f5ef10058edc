from decimal import Decimal

from gateway.sandbox.events import Order, OrderType, Side, Trade
from gateway.sandbox.tape import DAY_MS, MINUTE_MS, Tape

MIDNIGHT = 1_577_836_800_000
ORDER = Order("1", "ann", "BTCTRY", OrderType.LIMIT, Side.BUY, Decimal(1), MIDNIGHT)


def trade(price: int, quantity: str, time: int) -> Trade:
    nothing = Decimal(0)
    size = Decimal(quantity)
    return Trade("BTCTRY", Decimal(price), size, time, ORDER, ORDER, nothing, nothing)


def tape(*trades: Trade) -> Tape:
    made = Tape(Decimal(54_500))
    for one in trades:
        made.print(one)
    return made


def test_the_statistics_are_those_of_the_documents_sample() -> None:
    trades = [trade(54_500, "0.5", MIDNIGHT), trade(54_501, "0.5", MIDNIGHT + 5)]
    statistics = tape(*trades).statistics(MIDNIGHT + 10)
    assert statistics.open == statistics.low == 54_500
    assert statistics.high == 54_501
    assert statistics.average == Decimal("54500.5")
    assert statistics.volume == 1
    assert statistics.quote_volume == Decimal("54500.5")
    assert statistics.trade_count == 2


def test_statistics_forget_what_is_older_than_a_day() -> None:
    both = tape(trade(50_000, "1", MIDNIGHT), trade(60_000, "1", MIDNIGHT + DAY_MS // 2))
    assert both.statistics(MIDNIGHT + DAY_MS - 1).low == 50_000
    assert both.statistics(MIDNIGHT + DAY_MS).low == 60_000


def test_without_a_trade_every_price_is_the_last_one() -> None:
    statistics = tape().statistics(MIDNIGHT)
    assert statistics.open == statistics.high == statistics.low == statistics.average == 54_500
    assert statistics.volume == statistics.trade_count == 0


def test_a_trade_changes_the_statistics_at_once() -> None:
    made = tape(trade(54_500, "1", MIDNIGHT))
    assert made.statistics(MIDNIGHT).trade_count == 1
    made.print(trade(54_600, "1", MIDNIGHT + 1))
    assert made.statistics(MIDNIGHT + 2).last == 54_600


def test_a_candle_takes_in_the_trades_of_its_interval() -> None:
    prices = (54_500, 54_700, 54_400, 54_600)
    made = tape(*(trade(price, "2", MIDNIGHT + 300_000 + n) for n, price in enumerate(prices)))
    (candle,) = made.series["m5"].candles
    assert candle.open_time == MIDNIGHT + 300_000
    assert [candle.open, candle.high, candle.low, candle.close] == list(
        map(Decimal, (54_500, 54_700, 54_400, 54_600))
    )
    assert candle.volume == 8
    assert candle.last_time == MIDNIGHT + 300_003


def test_the_next_interval_opens_a_candle_in_the_short_series_only() -> None:
    made = tape(trade(1, "1", MIDNIGHT), trade(2, "1", MIDNIGHT + MINUTE_MS))
    counts = {name: len(series.candles) for name, series in made.series.items()}
    assert counts.pop("m1") == 2
    assert set(counts.values()) == {1}


def test_the_newest_trade_comes_first() -> None:
    made = tape(trade(1, "1", MIDNIGHT), trade(2, "1", MIDNIGHT))
    assert [one.price for one in made.trades] == [2, 1]


def test_trades_after_the_clock_was_set_back_count_to_the_last_candle() -> None:
    late, early = trade(54_500, "1", MIDNIGHT + MINUTE_MS), trade(54_600, "2", MIDNIGHT)
    (candle,) = tape(late, early).series["m1"].candles
    assert (candle.open_time, candle.last_time) == (MIDNIGHT + MINUTE_MS, MIDNIGHT + MINUTE_MS)
    assert (candle.close, candle.volume) == (Decimal(54_600), Decimal(3))
