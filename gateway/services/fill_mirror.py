"""The last fills of one account, and whether they are all there is."""

from gateway.domain.account import Fill


class FillMirror:
    """Keeps the last fills that were read; no frame tells a fill, so frames outdate them."""

    def __init__(self) -> None:
        self._fills: tuple[Fill, ...] = ()
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

    def take(self, fills: tuple[Fill, ...], begun: int) -> None:
        """Take the fills that were asked for at `begun`, unless later ones have come already."""
        if begun >= self._taken:
            self._fills, self._taken = fills, begun
