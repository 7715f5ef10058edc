"""Many orders of many apps through two replicas while everything fails at random: `make storm`.

Prints the checker's report; ends with status 1 when there is anything wrong.
"""

import argparse
import itertools
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from threading import Event

import httpx
from redis.exceptions import RedisError

from gateway.cli.operations import operation
from tests.faults.checker import Report
from tests.faults.evidence import Evidence
from tests.faults.grid import SANDBOX, SYMBOL
from tests.faults.order_wire import Toll
from tests.faults.outsider import Outsider
from tests.faults.world import Setting, World
from tests.functional.callers import Json

PLACE, CANCEL = operation("place-order"), operation("cancel-order")
ACCOUNTS, APPS = 4, 20
_FAULT = 0.004
_INSISTS = 40

Identity = tuple[str, str, str]


@dataclass
class _Told:
    """What callers were answered, by app, account and client order id, and when (ms)."""

    answers: dict[Identity, list[tuple[float, Json]]] = field(default_factory=dict)

    def false(self, evidence: Evidence) -> Iterator[str]:
        """What they were told that was not so."""
        names = {
            (entry["account"], entry["detail"]["digest"]): _identity(entry)
            for entry in evidence.entries
            if entry["kind"] == "ORDER" and entry["outcome"] == "SENDING"
        }
        executed = {
            names.get((row["account"], row["digest"])): row["time"]
            for row in evidence.requests
            if row["orderId"]
        }
        for identity, answers in self.answers.items():
            executed_at = executed.get(identity)
            for told_at, answer in answers:
                accepted = answer["__typename"] == "OrderAccepted"
                refused = answer["__typename"] == "OrderRejected" and not answer["retryable"]
                if accepted and executed_at is None:
                    yield f"{identity} was told accepted, and was never executed"
                # What is asked twice may be refused the one time and go out the other, later.
                if refused and executed_at is not None and executed_at < told_at:
                    yield f"{identity} was told refused ({answer['code']}), and had been executed"


class Storm:
    """`orders` of all apps together, by `seed`."""

    def __init__(self, world: World, orders: int, seed: int) -> None:
        self._world = world
        self._orders = orders
        self._seed = seed
        self._numbers = itertools.count()
        self._end = Event()
        self._told = _Told()

    def run(self) -> tuple[Report, Sequence[str]]:
        """Let it rage, wait until all is settled, and look what is left."""
        rng = Random(self._seed)
        outsider = Outsider(self._world.exchange.url, Random(rng.random()))
        with ExitStack() as stack:
            pool = stack.enter_context(ThreadPoolExecutor(APPS + 2))
            stack.enter_context(self._faults(rng))
            stack.callback(outsider.close)
            pool.submit(outsider.trade, tuple(self._world.accounts.values()), SYMBOL)
            chaos = pool.submit(self._chaos, Random(rng.random()))
            apps = [
                pool.submit(self._trade, f"app-{number}", Random(rng.random()))
                for number in range(APPS)
            ]
            for each in apps:
                each.result()
            self._end.set()
            chaos.result()
        settled = self._world.settled(120)
        evidence = self._world.evidence(outsider.digests)
        problems = [
            *([] if settled else ["not everything came to an end"]),
            *(f"an order went out before its record: {order}" for order in self._world.log.ahead),
            *self._told.false(evidence),
        ]
        return self._world.judge(evidence), problems

    @contextmanager
    def _faults(self, rng: Random) -> Iterator[None]:
        with ExitStack() as stack:
            for fault in SANDBOX.values():
                for kind in ("limit-buy", "limit-sell", "market-buy", "market-sell"):
                    terms = {"probability": _FAULT, **fault}
                    if fault:
                        stack.enter_context(self._world.exchange.fault(f"market/{kind}", **terms))
            for each in self._world.replicas:
                each.orders.toll = _toll(Random(rng.random()))
            yield

    def _trade(self, app: str, rng: Random) -> None:
        accounts = sorted(self._world.accounts)
        while (number := next(self._numbers)) < self._orders:
            identity = (app, rng.choice(accounts), f"order-{number}")
            self._told.answers[identity] = []
            order_id = self._insist(identity, _order(rng), rng)
            if order_id is not None and rng.random() < 0.95:
                self._cancel(identity, order_id, rng)

    def _insist(self, identity: Identity, terms: Json, rng: Random) -> str | None:
        """Ask until something is known for good, now and then twice; the id of what rests."""
        for _ in range(_INSISTS):
            answer = self._place(identity, terms, rng)
            if answer is None or (answer["__typename"] == "OrderRejected" and answer["retryable"]):
                time.sleep(0.2)
                continue
            if rng.random() < 0.05:
                self._place(identity, terms, rng)
            if answer["__typename"] != "OrderAccepted" or "market" in terms["order"]:
                return None
            order_id: str | None = answer["order"]["orderId"]
            return order_id
        return None

    def _place(self, identity: Identity, terms: Json, rng: Random) -> Json | None:
        app, account, client_order_id = identity
        asked = {**terms, "account": account, "clientOrderId": client_order_id, "symbol": SYMBOL}
        caller = self._world.caller(rng.randrange(2), app)
        try:
            answer = caller.answer(PLACE, input=asked)["placeOrder"]
        except httpx.TransportError:
            return None
        self._told.answers[identity].append((time.time() * 1000, answer))
        return answer

    def _cancel(self, identity: Identity, order_id: str, rng: Random) -> None:
        app, account, _ = identity
        with suppress(httpx.TransportError, AssertionError):
            caller = self._world.caller(rng.randrange(2), app)
            caller.answer(CANCEL, account=account, orderId=order_id)

    def _chaos(self, rng: Random) -> None:
        """Kill and stop replicas and Redis, one after the other, and let operators reopen."""
        while not self._end.wait(rng.uniform(5, 12)):
            number = rng.randrange(2)
            deed = rng.choice(("kill", "kill", "stop", "redis"))
            if deed == "kill":
                self._world.kill([number])
                self._world.start([number])
            elif deed == "stop":
                self._world.replicas[number].stop()
                time.sleep(rng.uniform(0.5, 3))
                self._world.replicas[number].resume()
            else:
                with suppress(RedisError):
                    self._world.restart_redis()
                self._reopen()

    def _reopen(self) -> None:
        for _ in range(_INSISTS):
            with suppress(AssertionError, httpx.TransportError):
                self._world.reopen(0)
                return
            time.sleep(0.3)


def _identity(entry: Mapping[str, Json]) -> Identity:
    return entry["principal"], entry["account"], entry["detail"]["clientOrderId"]


def _order(rng: Random) -> Json:
    """An order of some kind: most rest, some are executed at once."""
    side = rng.choice(("BUY", "SELL"))
    quantity = f"0.{rng.randint(1, 9_999):04}"
    kind = rng.choice(("resting",) * 6 + ("taking", "market"))
    if kind == "market":
        return {"side": side, "order": {"market": {"quantity": quantity}}}
    away = rng.randint(50_000, 100_000) if kind == "resting" else -100
    price = 434_000 - away if side == "BUY" else 435_000 + away
    return {"side": side, "order": {"limit": {"price": str(price), "quantity": quantity}}}


def _toll(rng: Random) -> Toll:
    def toll(api_key: str) -> bool:
        if rng.random() < _FAULT:
            time.sleep(1.6)
        return rng.random() >= _FAULT

    return toll


def rage(folder: Path, orders: int, seed: int) -> tuple[Report, Sequence[str]]:
    """Let a storm rage in a world of its own."""
    setting = Setting(
        accounts=[f"account-{number}" for number in range(ACCOUNTS)],
        apps=[f"app-{number}" for number in range(APPS)],
        # As in production: a leader that is lost after a second is lost all the time under load.
        settings={"NGW_ACCOUNT_LEASE_S": "3"},
        seed=seed,
    )
    world = World(folder, setting)
    try:
        counterparty = world.exchange.counterparty
        counterparty.limit("sell", SYMBOL, "435000", "900")
        counterparty.limit("buy", SYMBOL, "434000", "900")
        world.start()
        return Storm(world, orders, seed).run()
    finally:
        world.close()


def main(arguments: Sequence[str]) -> int:
    """Run; give the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    asked = parser.parse_args(arguments)
    folder = Path(tempfile.mkdtemp(prefix="ngw-storm-"))
    sys.stdout.write(f"{asked.orders} orders by the seed {asked.seed}, logs in {folder}\n")
    began = time.monotonic()
    report, problems = rage(folder / "world", asked.orders, asked.seed)
    kinds = Counter(problem.rpartition(") was ")[2] for problem in problems)
    sys.stdout.write(f"{time.monotonic() - began:.0f} s\n{report}\n")
    sys.stdout.writelines(f"{count} x {kind}\n" for kind, count in kinds.items())
    sys.stdout.writelines(f"{problem}\n" for problem in problems[:50])
    return int(bool(problems or report.violations))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
