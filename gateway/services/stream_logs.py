"""What a topic told since it started, to be joined with an answer of REST."""

from collections import Counter, deque
from dataclasses import replace

from gateway.domain.market import Candle, CandleSeries, Trade, TradeHistory

TRADES_KEPT = 100
_SURELY_TOLD = 50
_CANDLES_KEPT = 10


class TradeLog:
    """The trades that the stream told, and those of a history that it may still tell.

    Trades have no ids, so equal ones count as often as they occur. Only two that are equal to the
    millisecond, one before the topic started and one after, are taken for one.
    """

    def __init__(self) -> None:
        self._frames: deque[Trade] = deque(maxlen=TRADES_KEPT)
        self._awaited: Counter[Trade] = Counter()

    def receive(self, trade: Trade) -> bool:
        """Take a frame; return False if the history that was joined told its trade already."""
        self._frames.append(trade)
        if self._awaited[trade] == 0:
            return True
        self._awaited[trade] -= 1
        return False

    def join(self, history: TradeHistory) -> TradeHistory:
        """Return `history`, asked for since the topic started, with what the stream told after it.

        A frame that is older than many of its trades is older than all of them.
        """
        self._awaited = Counter(history.trades)
        recent = history.trades[:_SURELY_TOLD]
        oldest = recent[-1].time if recent else 0
        newer: deque[Trade] = deque()
        for trade in self._frames:
            if self._awaited[trade] > 0:
                self._awaited[trade] -= 1
            elif trade.time >= oldest:
                newer.appendleft(trade)
        return replace(history, trades=(*newer, *history.trades)[:TRADES_KEPT])


class CandleLog:
    """The newest states of the last candles that the stream told, by the count of their frames."""

    def __init__(self) -> None:
        self._told: deque[tuple[int, Candle]] = deque(maxlen=_CANDLES_KEPT)

    def receive(self, candle: Candle, counter: int) -> None:
        """Take a frame."""
        if self._told and self._told[-1][1].open_time == candle.open_time:
            self._told.pop()
        self._told.append((counter, candle))

    def join(self, series: CandleSeries, begun: int) -> CandleSeries | None:
        """Return `series` with the candles told since `begun`; None if one between is missing."""
        joined: CandleSeries | None = series
        for counter, candle in self._told:
            if counter > begun and joined is not None:
                joined = continued(joined, candle)
        return joined


def continued(series: CandleSeries, candle: Candle) -> CandleSeries | None:
    """Put a candle in its place in `series`, or after its end; None if that leaves a hole."""
    if not series.candles:
        return None
    end = series.candles[-1].open_time
    if candle.open_time > end + series.interval.milliseconds:
        return None
    if candle.open_time > end:
        return replace(series, candles=(*series.candles[1:], candle))
    in_place = (candle if old.open_time == candle.open_time else old for old in series.candles)
    return replace(series, candles=tuple(in_place))
