"""What is printed: one table for all paths, in Markdown, so that it can be kept as it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

from bench.measured import Measured

_COLUMNS = (
    "path",
    "server",
    "per second",
    "CPU each",
    "p50",
    "p99",
    "client busy",
    "beside gateway",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One server's figures on one path; `beside` says how it compares with the gateway."""

    path: str
    server: str
    measured: Measured
    beside: str = ""

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
            self.beside,
        )


def compared(path: str, gateway: Measured, others: Mapping[str, Measured]) -> list[Row]:
    """The gateway, and what the others spend on the same."""
    rows = [Row(path, "gateway", gateway)]
    for server, measured in others.items():
        ratio = measured.cpu_each / gateway.cpu_each
        rows.append(Row(path, server, measured, f"{ratio:,.1f}x CPU"))
    return rows


def show(rows: Sequence[Row]) -> None:
    """Print the table."""
    table = Table(*_COLUMNS, box=MARKDOWN)
    for row in rows:
        table.add_row(*row.cells())
    Console(width=200, highlight=False).print(table)


def _time(seconds: float) -> str:
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    return f"{seconds * 1e3:.1f} ms"
