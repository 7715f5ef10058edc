"""Who is measured, and what comes out: values that cross from the load process to the report."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Self


@dataclass(frozen=True, slots=True)
class Target:
    """A server under load."""

    name: str
    port: int
    pid: int
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Measured:
    """What one server did in one or more rounds; seconds throughout.

    `latencies` has one entry for each unit of work: an answer, a frame, an order.
    `server_cpu` and `client_cpu` are user and system time of the two processes; 0: not taken.
    """

    latencies: Sequence[float]
    elapsed: float
    server_cpu: float = 0.0
    client_cpu: float = 0.0

    @classmethod
    def together(cls, rounds: Sequence[Self]) -> Self:
        """Several rounds as one."""
        return cls(
            latencies=[latency for each in rounds for latency in each.latencies],
            elapsed=sum(each.elapsed for each in rounds),
            server_cpu=sum(each.server_cpu for each in rounds),
            client_cpu=sum(each.client_cpu for each in rounds),
        )

    @property
    def rate(self) -> float:
        """Units of work in a second."""
        return len(self.latencies) / self.elapsed

    @property
    def cpu_each(self) -> float:
        """The server's CPU time for one unit of work."""
        return self.server_cpu / len(self.latencies)

    @property
    def client_share(self) -> float:
        """The part of one core that the load client used: near 1 it would be the bottleneck."""
        return self.client_cpu / self.elapsed

    def percentile(self, percent: int) -> float:
        """The latency that `percent` of the units stayed within."""
        return quantiles(self.latencies, n=100, method="inclusive")[percent - 1]
