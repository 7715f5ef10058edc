"""What is printed: one table for all paths, in Markdown, so that it can be kept as it is."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from bench.measured import Measured

_COLUMNS = ("path", "server", "per second", "CPU each", "p50", "p99", "client busy", "CPU ratio")


@dataclass(frozen=True, slots=True)
class Row:
    """One server's figures on one path; `ratio` is its advantage, where it has one to show."""

    path: str
    server: str
    measured: Measured
    ratio: str = ""

    def cells(self) -> tuple[str, ...]:
        """The row as text."""
        measured = self.measured
        return (
            self.path,
            self.server,
            f"{measured.rate:,.0f}",
            _time(measured.cpu_each) if measured.server_cpu else "",
            _time(measured.percentile(50)),
            _time(measured.percentile(99)),
            f"{measured.client_share:.0%}" if measured.client_cpu else "",
            self.ratio,
        )


def compared(path: str, gateway: Measured, textbook: Measured) -> list[Row]:
    """Both sides of a comparison."""
    ratio = f"{textbook.cpu_each / gateway.cpu_each:.1f}x"
    return [Row(path, "gateway", gateway, ratio), Row(path, "textbook", textbook)]


def show(rows: Sequence[Row]) -> None:
    """Print the table."""
    table = Table(*_COLUMNS, box=MARKDOWN)
    for row in rows:
        table.add_row(*row.cells())
    Console(width=140, highlight=False).print(table)


def _time(seconds: float) -> str:
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    return f"{seconds * 1e3:.1f} ms"
