"""A Redis with a replica, over which Sentinels of the system watch."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.cluster.programs import program
from tests.processes import eventually
from tests.sentinel import SERVICE, SentinelServer
from tests.valkey import ValkeyServer

_SENTINELS = 3


class WatchedRedis:
    """A master, its replica, and the Sentinels over both."""

    def __init__(self, folder: Path, binary: str | None = None) -> None:
        folders = [folder / name for name in ("a", "b")]
        for each in folders:
            each.mkdir()
        self.master, self.replica = (ValkeyServer(each, binary=binary) for each in folders)
        command = (program("redis-sentinel"),)
        self.sentinels = [
            SentinelServer(folder, self.master, command=command, quorum=2, down_after_ms=2000)
            for _ in range(_SENTINELS)
        ]

    @property
    def url(self) -> str:
        """The address of whichever is the master."""
        hosts = ",".join(f"127.0.0.1:{each.port}" for each in self.sentinels)
        return f"redis+sentinel://{hosts}/{SERVICE}"

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run all of them, who know of each other, until the block ends."""
        with ExitStack() as stack:
            self.master.start()
            stack.callback(self.master.stop)
            self.replica.start(replica_of=self.master)
            stack.callback(self.replica.stop)
            for sentinel in self.sentinels:
                stack.callback(sentinel.stop)
                sentinel.start()
            assert eventually(self._all_know_all)
            yield

    def promoted(self) -> bool:
        """Whether the replica is the master now."""
        return b"role:master" in self.replica.command("INFO", "replication")

    def _all_know_all(self) -> bool:
        others = _SENTINELS - 1
        return all(each.knows(replicas=1, others=others) for each in self.sentinels)
