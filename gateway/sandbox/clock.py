"""The exchange's clock, which tests may set wrong."""

from gateway.sandbox.endpoints import Clock


class AdjustableClock:
    """A clock (epoch ms) that goes ``skew_ms`` ahead of the one it is handed, or behind it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.skew_ms = 0

    def __call__(self) -> int:
        """The time as the exchange has it."""
        return self._clock() + self.skew_ms
