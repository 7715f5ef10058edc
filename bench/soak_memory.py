"""Memory of processes over time, and whether it has stopped growing."""

import asyncio
import resource
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

_EVERY_S = 2.0
_ROUNDING_BYTES = 4 << 20  # an allocator takes memory in pieces
_TOLERATED = 0.03


@dataclass(frozen=True, slots=True)
class MemoryCourse:
    """One process's resident memory in bytes, oldest first."""

    name: str
    samples: list[int] = field(default_factory=list)

    @property
    def thirds(self) -> tuple[float, float, float]:
        """The mean of each third of the time; the first is warming up."""
        third = len(self.samples) // 3
        first, rest = self.samples[:third], self.samples[third:]
        return fmean(first), fmean(rest[:third]), fmean(rest[third:])

    @property
    def growing(self) -> bool:
        """Whether the last third lies above the second by more than an allocator's rounding."""
        _, second, last = self.thirds
        return last - second > max(_ROUNDING_BYTES, second * _TOLERATED)


async def follow_memory(pids: Mapping[str, int], courses: list[MemoryCourse]) -> None:
    """Sample every process into a course of its own until cancelled."""
    following = [(MemoryCourse(name), pid) for name, pid in pids.items()]
    courses += [course for course, _ in following]
    while True:
        for course, pid in following:
            course.samples.append(resident_bytes(pid))
        await asyncio.sleep(_EVERY_S)


def resident_bytes(pid: int) -> int:
    """How much memory a process has in use."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()
