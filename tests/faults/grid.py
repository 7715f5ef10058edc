"""The fault grid: what goes wrong on the wire, at which step of the journal, with what besides.

A round is one world in which everything but the fault on the wire is the same for all its orders;
each of its cells is an order on an account of its own that meets a fault of its own.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import product
from random import Random

from tests.faults.ambush import Step
from tests.faults.journal_wire import Moment

SYMBOL = "BTCTRY"
SHAPES: Mapping[str, Mapping[str, object]] = {
    "resting": {"limit": {"price": "300000", "quantity": "0.001"}},
    "taking": {"limit": {"price": "434497", "quantity": "0.002"}},
    "market": {"market": {"quantity": "0.003"}},
}
"""The kinds of orders: the first stays in the book, the others are executed at once."""

TORN, HELD, TWICE, REFUSED = "torn", "held", "twice", "refused"
LATE_MS = 1_900
"""How late the exchange executes an order: after its window, and well within the guard."""

SANDBOX: Mapping[str, Mapping[str, object]] = {
    "answered": {},
    "dropped": {"outcome": "drop-before"},
    "executed-without-reply": {"outcome": "drop-after"},
    "truncated": {"outcome": "truncated"},
    "html-502": {"outcome": "html-502"},
    "html-502-executed": {"outcome": "html-502", "executes": True},
    "90000": {"outcome": "code-before"},
    "90000-executed": {"outcome": "code-after"},
    "refusal": {"outcome": "code-before", "code": "10031"},
    "wash-trading-executed": {"outcome": "code-after", "code": "10041"},
    "slow": {"replyDelayMs": 2_000},
    "late": {"outcome": "execute-late", "lateMs": LATE_MS},
    "429": {"outcome": "too-many-requests"},
    "429-executed": {"outcome": "too-many-requests", "executes": True},
}
"""What the exchange does wrong, in the terms of docs/sandbox-control.md."""

# What concerns everybody is met by nobody else: a refused connection, and a 429, after which the
# gateway holds off from the exchange.
ALONE: Sequence[Sequence[str]] = ((REFUSED,), ("429", "429-executed"))
TOGETHER = (*(name for name in SANDBOX if not name.startswith("429")), TORN, HELD, TWICE)


class RedisFate(Enum):
    """What happens to Redis while the orders are under way."""

    STEADY = "steady"
    RESTARTED = "restarted"
    FAILED_OVER = "failed-over"


@dataclass(frozen=True)
class Kill:
    """Which step of the journal the gateway is killed at, before or after it is written."""

    step: Step
    moment: Moment

    @property
    def in_recovery(self) -> bool:
        """Whether it is one of the steps by which another replica takes over."""
        return self.step in (Step.LAPSE, Step.RESOLUTION)


@dataclass(frozen=True)
class Cell:
    """One order: the fault that it meets, and what kind of order it is."""

    fault: str
    shape: str

    @property
    def account(self) -> str:
        """The account that is its alone."""
        return f"{self.fault}.{self.shape}"


@dataclass(frozen=True, kw_only=True)
class Round:
    """What the cells of one world have in common; `skew_s` is how far off the gateways' clocks are.

    The first of two replicas runs ahead by so much, the other lags behind.
    """

    faults: Sequence[str]
    shapes: Sequence[str] = tuple(SHAPES)
    kill: Kill | None = None
    redis: RedisFate = RedisFate.STEADY
    skew_s: float = 0
    outsider: bool = False
    seed: int = 0
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What it is called."""
        killed = "lives" if self.kill is None else f"{self.kill.step.value}-{self.kill.moment.name}"
        parts = (killed.lower(), self.redis.value, f"skew{self.skew_s:+g}")
        return "-".join((*parts, *(["outsider"] if self.outsider else []), self.faults[0]))

    def cells(self) -> list[Cell]:
        """One for each fault, of shapes that the seed decides: two of the three."""
        rng = Random(self.seed)
        count = min(2, len(self.shapes))
        return [
            Cell(fault, shape)
            for fault in self.faults
            for shape in rng.sample(sorted(self.shapes), count)
        ]


KILLS = (None, *(Kill(step, moment) for step, moment in product(Step, Moment)))


def whole_grid(seed: int) -> Iterator[Round]:
    """Every round there is, each with a seed of its own."""
    rng = Random(seed)
    kinds = product((TOGETHER, *ALONE), KILLS, RedisFate, (0, 3, -3), (False, True))
    for faults, kill, redis, skew_s, outsider in kinds:
        yield Round(
            faults=faults,
            kill=kill,
            redis=redis,
            skew_s=skew_s,
            outsider=outsider,
            seed=rng.randrange(1 << 32),
        )
