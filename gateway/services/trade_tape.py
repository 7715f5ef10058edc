"""The last trades of one market as its subscribers see them: in order, none twice, none dropped."""

from collections import Counter, deque
from collections.abc import Sequence

from gateway.domain.market import Trade, TradeHistory
from gateway.domain.streams import Gap
from gateway.services.mailbox import Mailbox

TRADES_SHOWN = 50
_PENDING_KEPT = 1000


class TradeTape:
    """Joins the history that REST tells to the frames that the stream tells.

    From `syncing` to `synced` frames are held back. Then the history goes out, oldest first, and
    after it those held back that it does not include: equal trades count as often as they occur,
    for trades have no ids. Only two that are equal to the millisecond, one before the topic started
    and one after, are taken for one.
    """

    def __init__(self) -> None:
        self.mailboxes: set[Mailbox[Trade | Gap]] = set()
        self._shown: deque[Trade] = deque(maxlen=TRADES_SHOWN)
        self._pending: deque[Trade] | None = None

    def shown(self) -> Sequence[Trade]:
        """The last trades, oldest first, for a subscriber who joins now."""
        return tuple(self._shown)

    def receive(self, trade: Trade) -> None:
        """Take a frame of the stream."""
        if self._pending is None:
            self._deliver(trade)
        else:
            self._pending.append(trade)

    def broken(self, gap: Gap) -> None:
        """Tell every subscriber that trades may be missing."""
        self._shown.clear()
        self._pending = None
        for mailbox in self.mailboxes:
            mailbox.put(gap)

    def syncing(self) -> None:
        """Hold frames back until `synced`."""
        self._shown.clear()
        self._pending = deque(maxlen=_PENDING_KEPT)

    def synced(self, history: TradeHistory) -> None:
        """Deliver `history` (newest first), then what was held back and is not part of it.

        Nothing is delivered when the tape was synced already, or broke since `syncing`.
        """
        if self._pending is None:
            return
        recent = history.trades[:TRADES_SHOWN][::-1]
        known = Counter(history.trades)
        oldest = recent[0].time if recent else 0
        held_back, self._pending = self._pending, None
        for trade in recent:
            self._deliver(trade)
        for trade in held_back:
            if known[trade] > 0:
                known[trade] -= 1
            elif trade.time >= oldest:
                self._deliver(trade)

    def _deliver(self, trade: Trade) -> None:
        self._shown.append(trade)
        for mailbox in self.mailboxes:
            mailbox.put(trade)
