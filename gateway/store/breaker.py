"""Fast failure while Redis is away."""

from collections.abc import Callable


class Breaker:
    """Opens after `failures` in a row; from then on lets one call through every `pause_s`.

    `clock` gives seconds and never goes back. A probe that is cancelled reports nothing, and
    the next one follows a pause later: there is no half-open state to be stuck in.
    """

    def __init__(self, *, failures: int, pause_s: float, clock: Callable[[], float]) -> None:
        self._limit = failures
        self._pause_s = pause_s
        self._clock = clock
        self._failures = 0
        self._next_probe = 0.0

    @property
    def open(self) -> bool:
        """True while calls are held back."""
        return self._failures >= self._limit

    def allows(self) -> bool:
        """Whether to call now. When open, a True makes the caller the probe."""
        if not self.open:
            return True
        if self._clock() < self._next_probe:
            return False
        self._next_probe = self._clock() + self._pause_s
        return True

    def failed(self) -> bool:
        """Take note of a failure; True when it opened the breaker."""
        was_open = self.open
        self._failures += 1
        self._next_probe = self._clock() + self._pause_s
        return self.open and not was_open

    def succeeded(self) -> bool:
        """Take note of a success; True when it closed the breaker."""
        was_open = self.open
        self._failures = 0
        return was_open
