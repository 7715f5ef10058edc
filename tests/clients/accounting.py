"""What must follow from trades: rows of fills, balances and statistics."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from tests.clients.shapes import Json, Number

BUY, SELL = Decimal(0), Decimal(1)
LIMIT = Decimal(0)

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Traded:
    """A trade of the trader, whose order took, with a limit order of the counterparty."""

    price: Decimal
    amount: Decimal
    side: Decimal
    order_type: Decimal

    @property
    def total(self) -> Decimal:
        """What was paid, in the quote asset."""
        return self.price * self.amount


class Accounting:
    """All trades since the exchange started, at the rates that 'Get Symbol Detailed Info' tells.

    A rate is percent of what is received: the sample of 'Get User Trades' sells 0.0012 at 9800 for
    a commission of 0.02352 where that of 'Get Symbol Detailed Info' tells 0.2.
    """

    def __init__(self, info: Json) -> None:
        self._names = {"base": info["firstSymbol"], "quote": info["secondSymbol"]}
        self._symbol = info["symbol"]
        self._taker = info["commissionTaker"].value / 100
        self._maker = info["commissionMaker"].value / 100
        self._trades: list[Traded] = []

    def add(self, trade: Traded) -> None:
        """Take account of a trade."""
        self._trades.append(trade)

    def check_fills(self, taken: Iterable[Json], made: Iterable[Json]) -> None:
        """Hold the rows of 'Get User Trades' of trader and counterparty against the trades."""
        _check_rows(taken, [self._row(trade, trade.side, self._taker) for trade in self._trades])
        other = {BUY: SELL, SELL: BUY}
        due = [self._row(trade, other[trade.side], self._maker) for trade in self._trades]
        _check_rows(made, [{**row, "orderType": LIMIT} for row in due])

    def _row(self, trade: Traded, side: Decimal, rate: Decimal) -> dict[str, Json]:
        received = trade.amount if side == BUY else trade.total
        return {
            "symbol": self._symbol,
            "price": trade.price,
            "amount": trade.amount,
            "side": side,
            "orderType": trade.order_type,
            "commission": received * rate,
            "commissionSymbol": self._names["base" if side == BUY else "quote"],
        }

    def moved(self) -> dict[str, Decimal]:
        """By how much the trades changed the trader's balance of each asset."""
        base = quote = _ZERO
        for trade in self._trades:
            if trade.side == BUY:
                base += trade.amount * (1 - self._taker)
                quote -= trade.total
            else:
                base -= trade.amount
                quote += trade.total * (1 - self._taker)
        return {self._names["base"]: base, self._names["quote"]: quote}

    def check_statistics(self, day: Json) -> None:
        """Hold 'Get Symbol 24h Statistics' against the trades; its average has no definition."""
        due = {
            "tradeCount": Decimal(len(self._trades)),
            "volumeQty": sum((trade.amount for trade in self._trades), _ZERO),
            "volume": sum((trade.total for trade in self._trades), _ZERO),
        }
        if self._trades:
            due |= self._prices()
            due["last"] = due.pop("close")
            due["changeAmount"] = due["last"] - due["open"]
        seen = {name: day[name].value for name in due}
        assert seen == due, (seen, due)
        assert day["low"].value <= day["avg"].value <= day["high"].value, day

    def check_candles(self, candles: Iterable[Json]) -> None:
        """Hold all candles of an interval ('Get Symbol Candlestick Data') against the trades."""
        rows = sorted(map(_values, candles), key=lambda row: Decimal(row["openTime"]))
        seen = {
            "open": rows[0]["open"],
            "low": min(row["low"] for row in rows),
            "high": max(row["high"] for row in rows),
            "close": rows[-1]["close"],
            "volume": sum((row["volume"] for row in rows), _ZERO),
        }
        due = {**self._prices(), "volume": sum((trade.amount for trade in self._trades), _ZERO)}
        assert seen == due, (seen, due)

    def _prices(self) -> dict[str, Decimal]:
        prices = [trade.price for trade in self._trades]
        return {"open": prices[0], "low": min(prices), "high": max(prices), "close": prices[-1]}


def reserved(rows: Iterable[Json], base: str, quote: str) -> dict[str, Decimal]:
    """What rows of 'Get User Active Orders' bind of each asset."""
    bound = {base: _ZERO, quote: _ZERO}
    for row in rows:
        left = row["amount"].value - row["filledAmount"].value
        if row["side"].value == BUY:
            bound[quote] += left * row["price"].value
        else:
            bound[base] += left
    return bound


def _check_rows(rows: Iterable[Json], due: list[dict[str, Json]]) -> None:
    """Compare rows, but for their times; the document names no order."""
    left = [_values(row) for row in rows]
    for row in due:
        assert row in left, (row, left)
        left.remove(row)
    assert not left, left


def _values(row: Mapping[str, Json]) -> dict[str, Json]:
    return {
        name: member.value if isinstance(member, Number) else member
        for name, member in row.items()
        if name != "time"
    }
