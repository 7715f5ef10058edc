"""What a soak has found: tables, and why it has failed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import quantiles

from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from bench.soak_memory import MemoryCourse
from bench.soak_tally import Tally

_LEAST_PART_OF_THE_PACE = 0.95


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, and how much: subscriptions at a time, queries and orders in a second."""

    minutes: float
    subscriptions: int
    queries: float
    orders: float


@dataclass(slots=True)
class Findings:
    """What a soak has seen."""

    tally: Tally
    courses: list[MemoryCourse] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def faults(self, plan: Plan) -> list[str]:
        """Why the soak has failed; none if it has not."""
        tally = self.tally
        faults = [f"problem: {problem}" for problem in tally.problems]
        faults += [f"in a log: {line}" for line in self.complaints]
        faults += [f"memory of {course.name} grows" for course in self.courses if course.growing]
        wanted = plan.queries * plan.minutes * 60
        if len(tally.latencies) < wanted * _LEAST_PART_OF_THE_PACE:
            faults.append(f"only {len(tally.latencies)} of {wanted:.0f} queries were answered")
        return faults


def show(findings: Findings) -> None:
    """Print the tables, in Markdown, so that they can be kept as they are."""
    tally = findings.tally
    _print_table("memory", ("process", "first third", "second", "last"), _memory_rows(findings))
    _print_table("events", ("subscription", "events"), sorted(tally.events.items()))
    _print_table("answers", ("query", "answers"), sorted(tally.answers.items()))
    _print_table("orders", ("outcome", "orders"), sorted(tally.outcomes.items()))
    percentiles = quantiles(tally.latencies, n=100, method="inclusive")
    print(f"an answer: p50 {percentiles[49] * 1e3:.1f} ms, p99 {percentiles[98] * 1e3:.1f} ms")
    print(f"problems: {tally.problem_count}")


def _memory_rows(findings: Findings) -> list[tuple[object, ...]]:
    return [
        (course.name, *(f"{third / (1 << 20):.1f} MB" for third in course.thirds))
        for course in findings.courses
    ]


def _print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    table = Table(*columns, title=title, title_justify="left", box=MARKDOWN)
    for row in rows:
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
    Console(width=100, highlight=False).print(table)
