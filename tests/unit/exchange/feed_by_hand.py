"""The feed's protocol with a clock to turn by hand, and frames of the exchange for it."""

import json
import random
from collections import Counter

from gateway.domain.market import CandleInterval
from gateway.domain.streams import FeedEvent, Started, Topic, TopicKind
from gateway.exchange.feed_protocol import FeedProtocol
from gateway.exchange.feed_timing import FeedTiming, Instant
from gateway.exchange.stream_wire import Malformed

LOGIN = '{"method":"USER_STREAMS","signature":"d36256b4002dc7d6","apiKey":"Y0Ahb"}'
ALL = Topic(TopicKind.ALL_TICKERS)
TICKER = Topic(TopicKind.TICKER, "BTCTRY")
TRADES = Topic(TopicKind.TRADES, "BTCTRY")
CANDLES = Topic(TopicKind.CANDLES, "BTCTRY", CandleInterval.M5)
BOOK = Topic(TopicKind.ORDER_BOOK, "BTCTRY")
ACCOUNT = Topic(TopicKind.ACCOUNT)

NAMES: dict[Topic, dict[str, str]] = {
    ALL: {"type": "allTickers"},
    TICKER: {"type": "ticker", "symbol": "BTCTRY"},
    TRADES: {"type": "trade", "symbol": "BTCTRY"},
    CANDLES: {"type": "candles", "symbol": "BTCTRY", "interval": "m5"},
    BOOK: {"type": "depth", "symbol": "BTCTRY"},
}
TOPICS = {tuple(name.values()): topic for topic, name in NAMES.items()}
ORDER = {
    "status": "NEW",
    "market": "BTCUSDT",
    "orderType": 0,
    "side": 0,
    "price": 7350,
    "amount": 0.0001,
    "filledAmount": 0,
    "orderId": "6b11",
    "time": 1578405048608,
}
DATA: dict[Topic, dict[str, object]] = {
    ALL: {"type": "allTickers", "symbol": "BTCTRY", "last": 1, "changePercent": 0.5},
    TICKER: {"type": "ticker", "symbol": "BTCTRY", "last": 1},
    TRADES: NAMES[TRADES] | {"amount": 0.5, "price": 54500, "tradeType": 1, "time": 1588010323279},
    ACCOUNT: {"type": "orderUpdate", "order": ORDER},
}
CROSSED = json.dumps(
    {
        "type": "orderBook",
        "symbol": "A",
        "bidPrice": 2,
        "bidAmount": 1,
        "askPrice": 2,
        "askAmount": 1,
    }
)

UNREADABLE_TRADE = '{"type":"trade","symbol":"BTCTRY","price":"dear"}'
CROSSED_DEPTH = json.dumps(
    NAMES[BOOK]
    | {
        "depth": {
            "bids": [{"price": 2, "amount": 1, "count": 1}],
            "asks": [{"price": 1, "amount": 1, "count": 1}],
        }
    }
)
EMPTY_DEPTH = json.dumps(NAMES[BOOK] | {"depth": {"bids": [], "asks": []}})


def ack(topic: Topic, method: str = "SUBSCRIBE", status: str = "success") -> str:
    if topic == ACCOUNT:
        return json.dumps({"method": "USER_STREAMS", "status": status})
    return json.dumps({"method": method, "status": status, **NAMES[topic]})


def listing(*topics: Topic) -> str:
    result = [NAMES[topic] for topic in topics]
    return json.dumps({"method": "LIST_SUBSCRIPTIONS", "status": "success", "result": result})


class Bench:
    """A protocol with a clock to turn by hand; the wall clock shows the same time in ms."""

    def __init__(self, login: str | None = LOGIN) -> None:
        self.now = 1000.0
        self.malformed: Counter[Malformed] = Counter()
        self.refused: Counter[TopicKind] = Counter()
        self.protocol = FeedProtocol(
            timing=FeedTiming(),
            rng=random.Random(7),
            on_malformed=lambda reason: self.malformed.update([reason]),
            on_refused=lambda kind: self.refused.update([kind]),
            login=None if login is None else lambda: login,
        )

    @property
    def at(self) -> Instant:
        return Instant(self.now, int(self.now * 1000))

    def started(self, *topics: Topic) -> "Bench":
        """Connect, and have `topics` confirmed."""
        for topic in topics:
            self.protocol.want(topic)
        self.protocol.connected(self.at)
        for topic in topics:
            assert self.receive(ack(topic)) == [Started(topic, self.at.wall)]
        self.sent()
        return self

    def receive(self, text: str | bytes) -> list[FeedEvent]:
        return self.protocol.receive(text, self.at)

    def after(self, seconds: float) -> list[FeedEvent]:
        self.now += seconds
        return self.protocol.tick(self.at)

    def sent(self) -> list[dict[str, object]]:
        return [json.loads(frame) for frame in self.protocol.take_frames()]
