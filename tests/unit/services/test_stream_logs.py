from dataclasses import replace

from gateway.services.stream_logs import TRADES_KEPT, CandleLog, TradeLog, continued
from tests.unit.services.examples import candle, history, series, trade


def test_a_history_gets_the_trades_told_after_it_and_no_equal_one_twice() -> None:
    log = TradeLog()
    for number in (2, 3, 3, 4):
        assert log.receive(trade(number))
    assert log.join(history(1, 2, 3)) == history(1, 2, 3, 3, 4)


def test_each_trade_of_a_history_swallows_one_frame_that_comes_late() -> None:
    log = TradeLog()
    log.join(history(1, 2, 2))
    assert [log.receive(trade(2)) for _ in range(3)] == [False, False, True]


def test_a_second_history_awaits_no_frame_that_came_before_it() -> None:
    log = TradeLog()
    log.join(history(1, 2))
    log.receive(trade(2))
    log.join(history(1, 2))
    assert log.receive(trade(2))


def test_a_history_without_trades_is_all_that_was_told() -> None:
    log = TradeLog()
    log.receive(trade(1))
    assert log.join(history()) == history(1)


def test_no_more_than_the_last_trades_are_kept() -> None:
    log = TradeLog()
    for number in range(1, 2 * TRADES_KEPT):
        log.receive(trade(number))
    assert log.join(history(1)) == history(*range(TRADES_KEPT, 2 * TRADES_KEPT))


def test_a_series_gets_the_newest_state_of_each_candle_told_since_it_was_begun() -> None:
    log = CandleLog()
    for counter, told in enumerate([candle(1, 5), candle(2, 6), candle(2, 7), candle(3, 8)]):
        log.receive(told, counter)
    joined = log.join(series(0, 1, 2), 0)
    assert joined == replace(series(1), candles=(candle(1), candle(2, 7), candle(3, 8)))


def test_a_series_that_ends_before_the_candle_told_last_is_not_joined_over_the_hole() -> None:
    log = CandleLog()
    log.receive(candle(5), 1)
    assert log.join(series(1, 2), 0) is None


def test_a_candle_older_than_a_series_changes_nothing() -> None:
    assert continued(series(2, 3), candle(1)) == series(2, 3)
    assert continued(series(), candle(1)) is None
