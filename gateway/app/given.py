"""What everything is built from."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client import Histogram

from gateway.access.candidate import CandidateFile
from gateway.access.policy import Policy
from gateway.access.policy_file import PolicyFile
from gateway.custody import Keyring, KeySource, OpenVirtual
from gateway.metrics import Metrics
from gateway.observability import Redactor
from gateway.settings import Settings
from gateway.stopping import StopDeadline
from gateway.tracing import Spans, Watch


def wall_ms() -> int:
    """The machine's time in ms since the Unix epoch."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Given:
    """Settings, keys and where they come from, the policy, and what watches over the process.

    `open_virtual` opens virtual keys; None where no key-encryption key is set.
    """

    settings: Settings
    key_sources: Sequence[KeySource]
    keyring: Keyring
    open_virtual: OpenVirtual | None
    policy_file: PolicyFile
    candidate_file: CandidateFile | None
    metrics: Metrics
    redact: Redactor
    stop: StopDeadline
    spans: Spans

    def watch(self, layer: str, seconds: Histogram) -> Watch:
        """Take the time of each step, by its name, and make a span of it."""

        @contextmanager
        def around(step: str) -> Iterator[None]:
            with seconds.labels(step).time(), self.spans.call(f"{layer} {step}"):
                yield

        return around

    def count_failures_of(self, loops: Iterable[str]) -> None:
        """Tell from now on how often each loop failed, though none has yet."""
        for loop in loops:
            self.metrics.loop_failures.labels(loop)

    def loop_failed(self, loop: str) -> None:
        """Count that something which runs all the time failed, and begins again."""
        self.metrics.loop_failures.labels(loop).inc()

    def policy(self) -> Policy:
        """The policy in force."""
        return self.policy_file.current

    def candidate(self) -> Policy | None:
        """The policy that is being tried out, if one is."""
        return None if self.candidate_file is None else self.candidate_file.current
