"""How market data looks in Redis: a line with version and time, then the value as JSON.

The line comes first so that the guard of a write reads two numbers, not an order book.
"""

import re
from urllib.parse import quote

import msgspec

from gateway.domain.market import (
    CandleSeries,
    MarketKey,
    MarketKind,
    MarketListing,
    MarketRules,
    MarketValue,
    OrderBook,
    Ticker,
    TopOfBook,
    TradeHistory,
    Version,
)

_HEAD = re.compile(rb"([0-9]{1,16}) ([0-9]{1,16}) ([0-9]{1,16})\n")

_DECODERS: dict[MarketKind, msgspec.json.Decoder[MarketValue]] = {
    MarketKind.LISTING: msgspec.json.Decoder(MarketListing),
    MarketKind.TICKER: msgspec.json.Decoder(Ticker),
    MarketKind.RULES: msgspec.json.Decoder(MarketRules),
    MarketKind.TOP_OF_BOOK: msgspec.json.Decoder(TopOfBook),
    MarketKind.ORDER_BOOK: msgspec.json.Decoder(OrderBook),
    MarketKind.CANDLES: msgspec.json.Decoder(CandleSeries),
    MarketKind.TRADES: msgspec.json.Decoder(TradeHistory),
}


class CorruptEntry(ValueError):
    """What stands under a key is not what this gateway writes there."""


def key_name(key: MarketKey) -> str:
    """The Redis key of `key`; the 1 is the version of the format."""
    parts = (key.kind, key.symbol, key.interval, key.start, key.end)
    return "ngw:1:market:" + ":".join("" if part is None else _quoted(part) for part in parts)


def _quoted(part: str | int) -> str:
    # Keeps parts from running together. A symbol may come from anyone, half a surrogate in it.
    return quote(str(part), safe="", errors="surrogatepass")


def encode(value: MarketValue, as_of: int, version: Version) -> bytes:
    """Write a value with its time (ms) and version; decimals become strings, digit for digit."""
    return b"%d %d %d\n" % (version.epoch, version.counter, as_of) + msgspec.json.encode(value)


def decode(kind: MarketKind, raw: bytes) -> tuple[MarketValue, int, Version]:
    """Read what `encode` wrote for a key of `kind`; raise `CorruptEntry` on anything else."""
    head = _HEAD.match(raw)
    if head is None:
        raise CorruptEntry
    epoch, counter, as_of = (int(number) for number in head.groups())
    try:
        value = _DECODERS[kind].decode(raw[head.end() :])
    except (msgspec.MsgspecError, ValueError) as error:
        raise CorruptEntry from error
    return value, as_of, Version(epoch, counter)
