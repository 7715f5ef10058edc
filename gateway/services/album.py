"""The pictures of an account that its unknown outcomes are judged by: no more than that takes."""

from collections import deque
from collections.abc import Sequence

from gateway.domain.placements import Placement, PlacementState
from gateway.domain.resolution import Picture, Terms
from gateway.services.account_stream import AccountStream
from gateway.services.pictures import Pictures

_KEPT = 8
_LOOK_MS = 5_000
"""At least so often an account is read while an outcome is unknown, and at most so often for the
sake of what is IN_DOUBT or may have been placed late."""

_LOOK_RARELY_MS = 60_000


class Album:
    """Takes a picture when something happened since the last one, or silence is about to tell.

    Two pictures lie `Terms.spacing` apart at the least, by the exchange's clock.
    """

    def __init__(self, account: str, stream: AccountStream, pictures: Pictures) -> None:
        self._account = account
        self._stream = stream
        self._pictures = pictures
        self._taken: deque[Picture] = deque(maxlen=_KEPT)
        self._tried_at: int | None = None
        self._seen: object = None

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """What was taken, oldest first."""
        return tuple(self._taken)

    def clear(self) -> None:
        """Nothing is to be judged any more."""
        self._taken.clear()
        self._tried_at = None

    async def refresh(self, now: int, placements: Sequence[Placement], terms: Terms) -> bool:
        """Take a picture if one is due for these placements; return whether one was taken."""
        if not self._due(now, placements, terms):
            return False
        self._tried_at, self._seen = now, self._changes()
        if (picture := await self._pictures.take(self._account)) is None:
            return False
        self._taken.append(picture)
        return True

    def _due(self, now: int, placements: Sequence[Placement], terms: Terms) -> bool:
        if self._tried_at is None:
            return True
        passed = now - self._tried_at
        if passed < terms.spacing:
            return False
        unknown = [each for each in placements if each.state is PlacementState.UNKNOWN]
        if any(self._silence_tells(placement, now, terms) for placement in unknown):
            return True
        if self._changes() != self._seen:
            return bool(unknown) or passed >= _LOOK_MS
        blind = self._stream.whole_since is None
        return passed >= (_LOOK_MS if unknown or blind else _LOOK_RARELY_MS)

    def _silence_tells(self, placement: Placement, now: int, terms: Terms) -> bool:
        """The exchange executes it no more, and two pictures of that time are not there yet."""
        last = placement.signed_at + placement.window + terms.guard
        return now > last and sum(picture.read_at > last for picture in self._taken) < 2  # noqa: PLR2004 - two readings prove it, see `verdicts`

    def _changes(self) -> object:
        mirror = self._stream.mirror
        marks = (mirror.orders.mark(), mirror.balances.mark(), mirror.fills.mark())
        return marks, self._stream.whole_since
