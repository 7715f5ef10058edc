"""An exchange, a Redis that can fail over, and replicas of the gateway between them."""

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from gateway.cli.operations import operation
from gateway.sandbox import Account
from tests.faults.ambush import Ambush
from tests.faults.checker import Report, judge
from tests.faults.desk import OPERATOR, App
from tests.faults.evidence import Evidence, gather
from tests.faults.journal_wire import let_pass
from tests.faults.replica import Replica
from tests.faults.secrecy import check_log
from tests.faults.tcp_wire import WireLog
from tests.functional.callers import Caller
from tests.functional.exchange import COUNTERPARTY, OUTSIDER, QUIET, Exchange, account
from tests.valkey import ValkeyServer

SETTLED_WITHIN_S = 30.0
# Only a stream that was whole for so long before an order tells that nothing came of it.
_WHOLE_S = 1.2
UNSETTLED = frozenset({"SENDING", "UNKNOWN"})


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a world is made of: accounts, apps that trade on all of them, and the replicas' clocks.

    `settings` are the gateway's that differ from the desk's; `spare`: the Redis has a replica.
    """

    accounts: Sequence[str]
    apps: Sequence[str] = ("app",)
    skews_s: Sequence[float] = (0, 0)
    spare: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0


class World:
    """All of it, started; `close` ends it, and sees that no log shows a secret."""

    def __init__(self, folder: Path, setting: Setting) -> None:
        self._stack = ExitStack()
        self._setting = setting
        self.accounts: dict[str, Account] = {name: account(name) for name in setting.accounts}
        self.log = WireLog({made.keys[0].api_key: name for name, made in self.accounts.items()})
        self.valkey = self._valkey()
        self._spare = self._valkey(replica_of=self.valkey) if setting.spare else None
        everybody = (*self.accounts.values(), OUTSIDER, COUNTERPARTY)
        config = replace(QUIET, accounts=everybody, seed=setting.seed)
        self.exchange = Exchange(config)
        self._stack.callback(self.exchange.close)
        people = (*(App(name, accounts=setting.accounts) for name in setting.apps), OPERATOR)
        self.replicas = [
            Replica(
                folder / f"replica-{number}",
                self.exchange,
                self.valkey,
                self.log,
                tuple(self.accounts.values()),
                people,
                setting.settings,
                skew_s,
            )
            for number, skew_s in enumerate(setting.skews_s)
        ]
        # A process dies with the thread that started it, so these threads stay to the end.
        self._starters = self._stack.enter_context(ThreadPoolExecutor(len(self.replicas)))
        for each in self.replicas:
            self._stack.callback(check_log, each.service)
            self._stack.callback(each.close)

    def start(self, which: Iterable[int] | None = None) -> None:
        """Start replicas, all of them unless some are named, and wait until they answer."""
        numbers = range(len(self.replicas)) if which is None else which
        for started in [self._starters.submit(self.replicas[each].start) for each in numbers]:
            started.result()
        time.sleep(_WHOLE_S)

    def close(self) -> None:
        """End everything."""
        self._stack.close()

    def caller(self, replica: int, name: str = "app") -> Caller:
        """A caller of one replica."""
        return self.replicas[replica].service.caller(name)

    def lay(self, ambush: Ambush) -> None:
        """Let writes of all replicas run into an ambush."""
        for number, each in enumerate(self.replicas):
            each.journal.hook = ambush.hook(str(number))

    def kill(self, which: Iterable[int]) -> None:
        """End replicas; what they had sent and not been answered is lost on the way."""
        for number in which:
            self.replicas[number].kill()
            self.replicas[number].journal.cut()

    def clear(self) -> None:
        """Let everything pass again."""
        for each in self.replicas:
            each.journal.hook = let_pass

    def restart_redis(self) -> None:
        """Kill the Redis, and start it on what it has on disk."""
        self.valkey.kill()
        self._starters.submit(self.valkey.start).result()

    def fail_over(self) -> None:
        """Kill the Redis, and lead everybody to its replica, which is promoted."""
        assert self._spare is not None, "it has no replica"
        self.valkey.kill()
        self._spare.promote()
        self.valkey = self._spare
        for each in self.replicas:
            each.lead_to(self.valkey)

    def reopen(self, replica: int) -> None:
        """Let an operator reopen every account, as soon as that can be done."""
        caller = self.caller(replica, OPERATOR.name)
        asked = {"reason": "compared with the exchange"}

        def reopened(name: str) -> bool:
            done = caller.answer(REOPEN, account=name, **asked)["reopenAccount"]
            assert done["__typename"] == "AccountReopened" or done["retryable"], done
            return bool(done["__typename"] == "AccountReopened")

        for name in self.accounts:
            assert wait_for(partial(reopened, name), SETTLED_WITHIN_S)

    def store(self) -> redis.Redis:
        """A client of the Redis that holds the journal now."""
        return redis.Redis(port=self.valkey.port, retry=Retry(NoBackoff(), 0))

    def states(self) -> dict[tuple[str, str], str]:
        """The state of each placement, by account and client order id."""
        with self.store() as store:
            texts = store.mget(list(store.scan_iter(match=RECORDS, count=1000)) or ["none"])
        records = [json.loads(text) for text in texts if text]
        return {
            (each["command"]["account"], each["command"]["client_order_id"]): each["state"]
            for each in records
        }

    def settled(self, within_s: float = SETTLED_WITHIN_S) -> bool:
        """Wait until every placement has an outcome, or is a person's to judge."""
        return wait_for(lambda: UNSETTLED.isdisjoint(self._unresolved()), within_s)

    def _unresolved(self) -> set[str]:
        """The states there are among what has no outcome: asked often, so not of all records."""
        with self.store() as store:
            keys = [f"ngw:1:journal:{{{name}}}:unresolved" for name in self.accounts]
            return {json.loads(entry)["state"] for key in keys for entry in store.hvals(key)}

    def evidence(self, foreign: Iterable[str] = ()) -> Evidence:
        """Everything there is, but for requests of others: those whose digest is `foreign`.

        The gateways are ended for it: what they have to write, they write then.
        """
        for each in self.replicas:
            each.service.close()
        files = [each.audit_file for each in self.replicas]
        with self.store() as store:
            found = gather(self.exchange.http, store, files)
        strangers = frozenset(foreign)
        requests = [
            row
            for row in found.requests
            if row["account"] in self.accounts and row["digest"] not in strangers
        ]
        return replace(found, requests=requests)

    def judge(self, evidence: Evidence) -> Report:
        """What the checker says of it."""
        ahead_ms = max(0, *(round(skew * 1000) for skew in self._setting.skews_s))
        return judge(evidence, clocks_apart_ms=ahead_ms)

    def _valkey(self, replica_of: ValkeyServer | None = None) -> ValkeyServer:
        folder = Path(tempfile.mkdtemp(prefix="ngw-"))
        self._stack.callback(shutil.rmtree, folder)
        server = ValkeyServer(folder)
        self._stack.callback(server.stop)
        server.start(replica_of=replica_of)
        return server


REOPEN = operation("reopen-account")
RECORDS = "ngw:1:journal:{*}:record:*"


def wait_for(holds: Callable[[], bool], within_s: float) -> bool:
    """Wait until `holds` says yes, however the store fails meanwhile."""
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
