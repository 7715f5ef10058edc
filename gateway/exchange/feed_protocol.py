"""The exchange's WebSocket protocol without I/O: requests, audits, liveness, events.

Headings 'Websocket Data Streams', 'Market Data Streams' and 'User Data Streams'. Time comes in
with every call, frames to send are collected for the shell, and nothing that the exchange sends
makes this raise.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from gateway.domain.key_errors import KeyUnavailable
from gateway.domain.market import Ticker
from gateway.domain.signing import LoginFrame
from gateway.domain.streams import (
    Broken,
    FeedEvent,
    LoginRefused,
    Started,
    Topic,
    TopicKind,
    Withheld,
)
from gateway.exchange.feed_subscriptions import ACCOUNT, Phase, Subscriptions
from gateway.exchange.feed_timing import FeedTiming, Instant
from gateway.exchange.stream_mapping import (
    cancels_all,
    map_frame,
    stream_name,
    topic_of,
    topic_of_unreadable,
)
from gateway.exchange.stream_wire import (
    Acknowledgement,
    DataFrame,
    Malformed,
    Method,
    StreamName,
    Unreadable,
    decode_frame,
    encode_request,
)
from gateway.exchange.wire import Unparsable

MAX_FRAME = 1 << 20
"""Characters; of a longer frame no more is read than which topic it belongs to."""

_EACH_FRAME_COUNTS = frozenset({TopicKind.TRADES, TopicKind.ACCOUNT})
"""Elsewhere a frame tells the whole value, and the next one makes up for one that is lost."""


@dataclass(frozen=True, slots=True)
class _Audit:
    """A LIST_SUBSCRIPTIONS without its reply, and the topics that the reply must name."""

    sent: Instant
    expected: frozenset[Topic]


class FeedProtocol:
    """Keeps the exchange's subscriptions equal to the wanted topics, and turns frames into events.

    `want` and `unwant` take effect at the next `tick`. After `want` of an unwanted topic one
    `Started` follows; an `Update` comes only between `Started` and the next `Broken` or `unwant`.
    `on_malformed` counts frames that were withheld, `on_refused` requests that failed or stayed
    unanswered. `login` gives the frame that binds the account's stream, anew for each use.
    """

    def __init__(
        self,
        *,
        timing: FeedTiming,
        rng: random.Random,
        on_malformed: Callable[[Malformed], None],
        on_refused: Callable[[TopicKind], None],
        login: LoginFrame | None = None,
    ) -> None:
        self._timing = timing
        self._on_malformed = on_malformed
        self._on_refused = on_refused
        self._login = login
        self._topics = Subscriptions(timing, rng)
        self._tickers: dict[str, Ticker] = {}
        self._outgoing: list[str] = []
        self._heard: Instant | None = None
        self._audit: _Audit | None = None
        self._audit_at = 0.0
        self._audited_at: float | None = None
        self._needs_tick = False

    @property
    def wanted(self) -> frozenset[Topic]:
        """What was asked for, confirmed or not."""
        return self._topics.wanted

    @property
    def confirmed(self) -> frozenset[Topic]:
        """What the exchange acknowledged on this connection, and was not asked to end."""
        return self._topics.in_phase(Phase.CONFIRMED)

    def is_started(self, topic: Topic) -> bool:
        """True while updates of `topic` are passed on."""
        return self._topics.is_started(topic)

    @property
    def needs_tick(self) -> bool:
        """True when something was acknowledged since the last `tick`: deadlines may be nearer."""
        return self._needs_tick

    def want(self, topic: Topic) -> None:
        """Ask for `topic`. Raise ValueError for the account's stream without a login."""
        if topic == ACCOUNT and self._login is None:
            msg = "an account's stream needs a login"
            raise ValueError(msg)
        self._topics.want(topic)

    def unwant(self, topic: Topic) -> None:
        """Ask for `topic` no longer; its updates end now."""
        self._topics.unwant(topic)

    def forgive_login(self) -> None:
        """Log in at the next turn, however often that failed: there is another key."""
        self._topics.forgive(ACCOUNT)

    def audit_soon(self) -> None:
        """Send a LIST_SUBSCRIPTIONS at the next `tick`, once the one before is answered."""
        self._audit_at = 0.0

    def audited_since(self, time: float) -> bool:
        """True when an audit was answered that was sent then (monotonic) or later.

        All that the exchange sent on the connection before that answer has been taken.
        """
        return self._audited_at is not None and self._audited_at >= time

    def take_frames(self) -> list[str]:
        """Hand over the frames to send, in order. One may be a credential: never log them."""
        frames, self._outgoing = self._outgoing, []
        return frames

    def connected(self, at: Instant) -> list[FeedEvent]:
        """Begin a connection: nothing is confirmed yet."""
        self._heard = at
        self._audit_at = at.monotonic + self._timing.audit_every
        return self._reconcile(at)

    def disconnected(self, reason: str) -> list[FeedEvent]:
        """End the connection; what was started is broken since the last frame that was read."""
        heard, self._heard = self._heard, None
        broken = bool(self._topics.started)
        self._topics.disconnect()
        self._outgoing.clear()
        self._audit = None
        return [Broken(heard.wall, reason)] if heard and broken else []

    def receive(self, text: str | bytes, at: Instant) -> list[FeedEvent]:
        """Take one frame. What cannot be read is counted, and is no sign of life."""
        if self._heard is None:
            return []
        try:
            events = self._read(text, at, self._heard)
        except Unreadable as fault:
            self._on_malformed(fault.reason)
            return self._lost(text, self._heard, at)
        self._heard = at
        return events

    def tick(self, at: Instant) -> list[FeedEvent]:
        """Do what is due: requests, retries, overdue acknowledgements, the audit."""
        if self._heard is None:
            return []
        self._needs_tick = False
        self._failed(self._topics.overdue(at.monotonic), at)
        events = self._reconcile(at)
        if at.monotonic >= self._audit_at and self._silent_since() is None:
            self._send_audit(at)
        return events

    def is_mute(self, now: float) -> bool:
        """True when nothing came for `mute_after` since an audit was sent: drop the connection."""
        silent = self._silent_since()
        return silent is not None and now >= silent + self._timing.mute_after

    def next_deadline(self) -> float:
        """The monotonic time at which `tick` or `is_mute` has something to say, at the latest."""
        silent = self._silent_since()
        audit = self._audit_at if silent is None else silent + self._timing.mute_after
        return min(audit, self._topics.next_deadline())

    def _silent_since(self) -> float | None:
        """When the audit was sent that nothing followed yet; None when something did."""
        if self._audit is None or self._heard is None:
            return None
        sent = self._audit.sent.monotonic
        return sent if self._heard.monotonic <= sent else None

    def _send_audit(self, at: Instant) -> None:
        self._audit = _Audit(at, self.confirmed - {ACCOUNT})
        self._audit_at = at.monotonic + self._timing.audit_every
        self._outgoing.append(encode_request(Method.LIST_SUBSCRIPTIONS))

    def _reconcile(self, at: Instant) -> list[FeedEvent]:
        changes = self._topics.reconcile(at)
        self._send_leave(changes.leave)
        refused = [event for batch in changes.join for event in self._join(batch, at)]
        return [*(Started(topic, at.wall) for topic in changes.started), *refused]

    def _join(self, batch: list[Topic], at: Instant) -> list[FeedEvent]:
        """Ask for topics. A login that there is no key for counts as refused, and is not sent."""
        try:
            self._outgoing.append(self._join_frame(batch))
        except KeyUnavailable:
            self._failed(batch, at)
            return [LoginRefused()]
        return []

    def _join_frame(self, batch: list[Topic]) -> str:
        if batch == [ACCOUNT] and self._login is not None:
            return self._login()
        return encode_request(Method.SUBSCRIBE, map(stream_name, batch))

    def _send_leave(self, topics: list[Topic]) -> None:
        if topics:
            self._outgoing.append(encode_request(Method.UNSUBSCRIBE, map(stream_name, topics)))

    def _failed(self, topics: list[Topic], at: Instant) -> None:
        for topic in topics:
            self._on_refused(topic.kind)
        self._topics.fail(topics, at.monotonic)

    def _read(self, text: str | bytes, at: Instant, heard: Instant) -> list[FeedEvent]:
        if isinstance(text, bytes):
            raise Unreadable(Malformed.BINARY)
        if len(text) > MAX_FRAME:
            raise Unreadable(Malformed.OVERSIZED)
        frame = decode_frame(text)
        if isinstance(frame, Acknowledgement):
            return self._acknowledged(frame, at)
        return self._told(frame, at, heard)

    def _told(self, frame: DataFrame, at: Instant, heard: Instant) -> list[FeedEvent]:
        update = map_frame(frame, at.wall, self._tickers)
        if not self.is_started(update.topic):
            return []
        self._topics.whole([update.topic], at.wall)
        if isinstance(update.value, Ticker):
            self._tickers[update.value.symbol] = update.value
        if cancels_all(frame):
            reason = "CANCELLED_ALL: open orders are read again"
            untold = Broken(heard.wall, reason, frozenset({ACCOUNT}), lossless=True)
            return [update, untold, Started(ACCOUNT, at.wall)]
        return [update]

    def _lost(self, text: str | bytes, heard: Instant, at: Instant) -> list[FeedEvent]:
        """Say that a frame without meaning is missing from its topic, or outdates its value.

        One that may be of any topic is missing from all of them.
        """
        try:
            topic, symbol = topic_of_unreadable(text)
        except Unparsable:
            return self._restarted(self._topics.started, heard, at)
        if topic is None or not self.is_started(topic):
            return []
        if topic.kind in _EACH_FRAME_COUNTS or symbol is None:
            return self._restarted(frozenset({topic}), heard, at)
        return [Withheld(topic, symbol)]

    def _restarted(self, topics: frozenset[Topic], heard: Instant, at: Instant) -> list[FeedEvent]:
        if not topics:
            return []
        self._needs_tick = True
        for topic in topics:
            self._topics.restart(topic, at.monotonic)
        return [Broken(heard.wall, "a frame could not be read", topics), *self._reconcile(at)]

    def _acknowledged(self, frame: Acknowledgement, at: Instant) -> list[FeedEvent]:
        self._needs_tick = True
        match frame.method:
            case Method.LIST_SUBSCRIPTIONS:
                return self._listed(frame, at)
            case Method.USER_STREAMS if frame.succeeded:
                self._topics.confirm(ACCOUNT)
            case Method.USER_STREAMS:
                self._failed(refused := self._in_flight(Phase.REQUESTED, ACCOUNT), at)
                return [*(LoginRefused() for _ in refused), *self._reconcile(at)]
            case Method.SUBSCRIBE if frame.succeeded:
                self._topics.confirm(_topic(frame.name))
            case Method.SUBSCRIBE:
                self._failed(self._in_flight(Phase.REQUESTED, _topic_if_named(frame.name)), at)
            case Method.UNSUBSCRIBE if frame.succeeded:
                return self._left(_topic(frame.name), at)
            case Method.UNSUBSCRIBE:
                self._failed(self._in_flight(Phase.LEAVING, _topic_if_named(frame.name)), at)
        return self._reconcile(at)

    def _in_flight(self, phase: Phase, topic: Topic | None) -> list[Topic]:
        """Whose request failed: `topic`'s, or any public one's when the exchange does not say."""
        waiting = self._topics.in_phase(phase)
        return list(waiting - {ACCOUNT} if topic is None else waiting & {topic})

    def _left(self, topic: Topic, at: Instant) -> list[FeedEvent]:
        if topic in self._topics.in_phase(Phase.REQUESTED):
            return []
        return self._missing(frozenset({topic}), "the exchange ended the subscription", at)

    def _missing(self, topics: frozenset[Topic], reason: str, at: Instant) -> list[FeedEvent]:
        started = topics & self._topics.started
        since = self._topics.drop(topics)
        broken = [] if since is None else [Broken(since, reason, started)]
        return [*broken, *self._reconcile(at)]

    def _listed(self, frame: Acknowledgement, at: Instant) -> list[FeedEvent]:
        listed = {topic for name in frame.result or () if (topic := _known(name)) is not None}
        audit, self._audit = self._audit, None
        if audit is None:
            return []
        self._audited_at = audit.sent.monotonic
        if not frame.succeeded or frame.result is None:
            return []
        expected = audit.expected & self.confirmed
        self._topics.whole(expected & listed, audit.sent.wall)
        # Whatever stands there without our knowing starts clean: it is ended before it is
        # asked for again.
        surplus = [topic for topic in listed if self._topics.is_absent(topic)]
        self._topics.leave(surplus, at)
        self._send_leave(surplus)
        return self._missing(expected - listed, "an audit missed the subscription", at)


def _known(name: StreamName) -> Topic | None:
    try:
        return topic_of(name)
    except Unparsable:
        raise Unreadable(Malformed.WRONG_SHAPE) from None


def _topic_if_named(name: StreamName | None) -> Topic | None:
    return None if name is None else _topic(name)


def _topic(name: StreamName | None) -> Topic:
    topic = None if name is None else _known(name)
    if topic is None:
        raise Unreadable(Malformed.WRONG_SHAPE)
    return topic
