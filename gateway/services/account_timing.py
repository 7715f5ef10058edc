"""How long what follows an account waits."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountTiming:
    """All in seconds. The account's connection is held for `linger_s` after its last subscriber.

    `settle_s`: how long frames that belong together may lie apart: so long one part of a balance
    waits for the other, and a wallet for the frames before it. `fills_every_s`: between two
    readings of the fills. `start_within_s`: a subscriber who got nothing by then is told why.
    `reread_pauses`: before each reading of what stands; the last one again and again.
    `confirm_within_s`: how long the exchange has to answer on the stream.
    """

    linger_s: float
    settle_s: float = 0.05
    fills_every_s: float = 1.0
    start_within_s: float = 10.0
    confirm_within_s: float = 2.0
    reread_pauses: tuple[float, ...] = (0.0, 0.5, 1.0, 2.0, 5.0)
