"""The one deadline of a stop, and how its parts share the time."""

from collections.abc import Callable

_REQUESTS_UNTIL = 0.8
_RECORDS_UNTIL = 0.9
_CLOSING = 0.05


class StopDeadline:
    """From the signal to the end of the process there are `grace_s` seconds.

    Requests and orders under way come first, then the records, then the connections.
    What a part does not need is left to the next. `monotonic` is a clock in seconds.
    """

    def __init__(self, grace_s: float, monotonic: Callable[[], float]) -> None:
        self._grace_s = grace_s
        self._monotonic = monotonic
        self._began: float | None = None

    def begin(self) -> None:
        """Let the time run; only the first call counts."""
        if self._began is None:
            self._began = self._monotonic()

    def for_requests(self) -> float:
        """Seconds that requests and orders under way still have."""
        return self._left(_REQUESTS_UNTIL)

    def for_records(self) -> float:
        """Seconds that what waits to be recorded still has."""
        return self._left(_RECORDS_UNTIL)

    @property
    def for_closing(self) -> float:
        """Seconds for one round of closing connections; there are two, stream and REST."""
        return self._grace_s * _CLOSING

    def _left(self, share: float) -> float:
        self.begin()
        assert self._began is not None  # noqa: S101  # it has just begun
        return max(0.0, self._began + self._grace_s * share - self._monotonic())
