"""How often a connection may speak."""

from gateway.domain.limits import Rate


class MessageRate:
    """A bucket that holds `rate.count` messages, and fills up in `rate.per_s` seconds."""

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate = rate
        self._left = float(rate.count)
        self._at = now

    def take(self, now: float) -> bool:
        """Count a message at `now` (s, monotonic); False when it is one too many."""
        filled = (now - self._at) * self._rate.count / self._rate.per_s
        self._left, self._at = min(self._left + filled, float(self._rate.count)), now
        if self._left < 1:
            return False
        self._left -= 1
        return True
