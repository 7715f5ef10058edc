"""Whom a soak loads, and what came of it."""

from collections import Counter
from dataclasses import dataclass, field

SYMBOLS = ("BTCUSDT", "ETHUSDT", "XRPUSDT", "LINKUSDT", "UNIUSDT", "BTCTRY", "ETHTRY", "USDTTRY")

_PROBLEMS_KEPT = 50
_LONGEST_KEPT = 500


@dataclass(frozen=True, slots=True)
class Gateway:
    """Whom the load goes to, in whose name, on which account."""

    url: str
    account: str
    token: str = field(repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """What every request carries."""
        return {"Authorization": f"Bearer {self.token}"}


@dataclass(slots=True)
class Tally:
    """What came: events, answers and outcomes of orders by name, seconds of each answer.

    A problem is an error, a closed socket, a refused connection; the first are kept as text.
    """

    events: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    problem_count: int = 0
    problems: list[str] = field(default_factory=list)

    def complain(self, problem: str) -> None:
        """Count a problem, and keep its text unless there are too many."""
        self.problem_count += 1
        if len(self.problems) < _PROBLEMS_KEPT:
            self.problems.append(problem[:_LONGEST_KEPT])
