"""The last fills of one account, and whether they are all there is."""

from gateway.domain.account import Fill
from gateway.domain.streams import Gap


class FillMirror:
    """Keeps the last fills that were read; no frame tells a fill, so frames outdate them."""

    def __init__(self) -> None:
        self._fills: tuple[Fill, ...] = ()
        self._known = False
        self._outdated = 0
        self._taken = -1

    @property
    def current(self) -> bool:
        """True when nothing happened since the fills were asked for that may have added one."""
        return self._taken == self._outdated

    def fills(self) -> tuple[Fill, ...]:
        """The fills, newest first, as they were when they were read last."""
        return self._fills

    def mark(self) -> int:
        """The count to hand to `take` with fills that are asked for now."""
        return self._outdated

    def outdate(self) -> None:
        """Note that there may be a new fill."""
        self._outdated += 1

    def forget(self) -> None:
        """Nobody follows any more: whatever is read next is not new to anybody."""
        self.outdate()
        self._known = False

    def take(self, fills: tuple[Fill, ...], begun: int) -> tuple[Fill | Gap, ...] | None:
        """Take the fills that were asked for at `begun`; return what is new, oldest first.

        None: later ones have come already. A `Gap` comes first when the list does not go back to
        those that were known, so that some may be missing.
        """
        if begun < self._taken:
            return None
        before, known = self._fills, self._known
        self._fills, self._taken, self._known = fills, begun, True
        return new_among(fills, before) if known else ()


def new_among(fills: tuple[Fill, ...], before: tuple[Fill, ...]) -> tuple[Fill | Gap, ...]:
    """Those of `fills` that came after the list `before`, oldest first; both are newest first.

    The exchange lists so many of the newest: what was known is found again further down, or there
    is a `Gap` first.
    """
    for new in range(len(fills)):
        if fills[new:] == before[: len(fills) - new]:
            return fills[:new][::-1]
    if not before or not fills:
        return fills[::-1]
    return (Gap(before[0].time, "more was traded than the list of fills shows"), *fills[::-1])
