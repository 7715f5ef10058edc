"""A sealed file's entries as lines: what each is for, its state and its age, never a key."""

from collections.abc import Iterator, Sequence

from gateway.custody.sealed_entry import SealedEntry
from gateway.domain.durations import DAY_MS

_HEADINGS = ("ACCOUNT", "PURPOSE", "VERSION", "STATE", "AGE", "KEK")
_HOUR_MS = 3_600_000
_MINUTE_MS = 60_000


def listed(entries: Sequence[SealedEntry], now: int) -> Iterator[str]:
    """Lines of a table, its headings first; `now` in ms."""
    return aligned([_HEADINGS, *(_row(entry, now) for entry in entries)])


def aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Lines in which each column is as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).strip()


def _row(entry: SealedEntry, now: int) -> tuple[str, ...]:
    label = entry.label
    return (
        label.slot.account,
        label.slot.purpose,
        str(label.version),
        label.state,
        _age(max(0, now - label.created)),
        entry.encryption_key,
    )


def _age(ms: int) -> str:
    """An age in the largest unit of which there are two, or in minutes."""
    if ms >= 2 * DAY_MS:
        return f"{ms // DAY_MS} d"
    if ms >= 2 * _HOUR_MS:
        return f"{ms // _HOUR_MS} h"
    return f"{ms // _MINUTE_MS} min"
