"""The last trades of one market as its subscribers see them: in order, none twice, none dropped."""

from collections import deque
from collections.abc import Sequence

from gateway.domain.market import Trade, TradeHistory
from gateway.domain.streams import Gap
from gateway.services.mailbox import Mailbox
from gateway.services.stream_logs import TradeLog

TRADES_SHOWN = 50


class TradeTape:
    """Joins the history that REST tells to the frames that the stream tells.

    From `syncing` to `synced` frames are held back. Then the last trades of both go out, oldest
    first: never more than `TRADES_SHOWN` at once, however many were held back.
    """

    def __init__(self) -> None:
        self.mailboxes: set[Mailbox[Trade | Gap]] = set()
        self._shown: deque[Trade] = deque(maxlen=TRADES_SHOWN)
        self._log = TradeLog()
        self._syncing = False

    def shown(self) -> Sequence[Trade]:
        """The last trades, oldest first, for a subscriber who joins now."""
        return tuple(self._shown)

    def receive(self, trade: Trade) -> None:
        """Take a frame of the stream."""
        if self._log.receive(trade) and not self._syncing:
            self._deliver(trade)

    def broken(self, gap: Gap) -> None:
        """Tell every subscriber that trades may be missing."""
        self._shown.clear()
        self._syncing = False
        for mailbox in self.mailboxes:
            mailbox.put(gap)

    def syncing(self) -> None:
        """Hold frames back until `synced`."""
        self._shown.clear()
        self._log = TradeLog()
        self._syncing = True

    def synced(self, history: TradeHistory) -> None:
        """Deliver the last trades of `history` (newest first) and of what was held back.

        Nothing is delivered when the tape was synced already, or broke since `syncing`.
        """
        if not self._syncing:
            return
        self._syncing = False
        for trade in reversed(self._log.join(history).trades[:TRADES_SHOWN]):
            self._deliver(trade)

    def _deliver(self, trade: Trade) -> None:
        self._shown.append(trade)
        for mailbox in self.mailboxes:
            mailbox.put(trade)
