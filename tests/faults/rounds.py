"""Playing a round of the fault grid, and what may be said of it afterwards."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from threading import Timer

import httpx
from redis.exceptions import RedisError

from gateway.cli.operations import operation
from tests.faults.ambush import Ambush, Step
from tests.faults.checker import NOTHING_STANDS, Report
from tests.faults.grid import (
    HELD,
    REFUSED,
    SANDBOX,
    SHAPES,
    SYMBOL,
    TORN,
    TWICE,
    Cell,
    RedisFate,
    Round,
)
from tests.faults.journal_wire import BEGIN, Hook, Moment, Write
from tests.faults.order_wire import OrderWire, Toll
from tests.faults.outsider import Outsider
from tests.faults.world import Setting, World
from tests.functional.callers import Json

PLACE = operation("place-order")
ID = "the-order"
NOT_RECORDED = "JOURNAL_UNAVAILABLE"
_INSISTS_S = 12.0
_HELD_S = 1.6
_REFUSED_S = 1.0


@dataclass(frozen=True)
class Played:
    """What a round came to: the checker's report, and what only its play could show.

    `states` are the cells' placements at the end. `problems` are sentences.
    """

    report: Report
    states: dict[Cell, str]
    problems: tuple[str, ...]

    @property
    def violations(self) -> tuple[str, ...]:
        """All that is wrong."""
        return (*self.report.violations, *self.problems)


def play(folder: Path, round_: Round) -> Played:
    """Play a round in a world of its own."""
    cells = round_.cells()
    setting = Setting(
        accounts=[cell.account for cell in cells],
        skews_s=(round_.skew_s, -round_.skew_s),
        spare=round_.redis is RedisFate.FAILED_OVER,
        settings=round_.settings,
        seed=round_.seed,
    )
    world = World(folder, setting)
    try:
        world.exchange.counterparty.limit("sell", SYMBOL, "434497", "100")
        world.start()
        return _Play(world, round_, cells).run()
    finally:
        world.close()


QUARANTINED = "ACCOUNT_QUARANTINED"

_BOTH_DIE = 0.25
"""How often an ambush kills every replica that it meets: nobody has followed the accounts then."""


class _Play:
    def __init__(self, world: World, round_: Round, cells: Sequence[Cell]) -> None:
        self._world = world
        self._round = round_
        self._cells = cells
        self._rng = Random(round_.seed)
        self._outsider = Outsider(world.exchange.url, self._rng)
        self._answers: dict[Cell, list[Json]] = {cell: [] for cell in cells}
        self._ambush: Ambush | None = None

    def run(self) -> Played:
        """Send the orders, let things go wrong, mend them, and look what is left."""
        with ExitStack() as stack:
            pool = stack.enter_context(ThreadPoolExecutor(2 * len(self._cells) + 2))
            stack.enter_context(self._faults())
            stack.callback(self._outsider.close)
            self._lay_first()
            sent = [pool.submit(self._insist, cell) for cell in self._cells]
            if self._round.outsider:
                accounts = tuple(self._world.accounts.values())
                pool.submit(self._outsider.trade, accounts, SYMBOL)
            dead = self._break()
            self._world.clear()
            self._world.start(dead)
            for each in sent:
                each.result()
        settled = self._world.settled()
        if self._round.redis is not RedisFate.STEADY:
            self._world.reopen(0)
        again = self._insist_all()
        settled = self._world.settled() and settled and again
        return self._judge(settled=settled)

    def _lay_first(self) -> None:
        kill = self._round.kill
        if kill is None:
            self._lay_refusals()
            return
        # A recovery begins with a sender that dies before it can say what it was told.
        in_recovery = kill.in_recovery
        step, moment = (Step.OUTCOME, Moment.ASKED) if in_recovery else (kill.step, kill.moment)
        self._ambush = Ambush(step, moment)
        self._world.lay(self._ambush)
        self._lay_refusals()

    def _lay_refusals(self) -> None:
        """Let the exchange refuse connections from an intent's record on, where a cell wants it."""
        if REFUSED not in self._round.faults:
            return
        for each in self._world.replicas:
            each.journal.hook = _refusing(each.journal.hook, each.orders)

    def _break(self) -> list[int]:
        """Kill gateways and Redis as the round has it; give which gateways are dead."""
        dead: set[int] = set()
        kill = self._round.kill
        if self._ambush is not None:
            dead |= self._spring(self._ambush)
        if kill is not None and kill.in_recovery:
            second = Ambush(kill.step, kill.moment)
            self._world.lay(second)
            dead |= self._spring(second)
        if kill is None:
            time.sleep(self._rng.uniform(0, 0.8))
        if self._round.redis is RedisFate.RESTARTED:
            self._world.restart_redis()
        elif self._round.redis is RedisFate.FAILED_OVER:
            self._world.fail_over()
        return sorted(dead)

    def _spring(self, ambush: Ambush) -> set[int]:
        """Kill one replica that was met, for the other to take over; now and then both of them."""
        dead: set[int] = set()

        def kill(met: list[str]) -> None:
            dead.update(map(int, met))
            self._world.kill(sorted(dead))

        ambush.wait(len(self._cells))
        ambush.spring(kill, on_all=self._rng.random() < _BOTH_DIE)
        return dead

    @contextmanager
    def _faults(self) -> Iterator[None]:
        keys = {}
        with ExitStack() as stack:
            for cell in self._cells:
                side = "market-buy" if cell.shape == "market" else "limit-buy"
                fault = SANDBOX.get(cell.fault)
                if fault:
                    terms = {"account": cell.account, "count": 1, **fault}
                    stack.enter_context(self._world.exchange.fault(f"market/{side}", **terms))
                keys[self._world.accounts[cell.account].keys[0].api_key] = cell.fault
            for each in self._world.replicas:
                each.orders.toll = _toll(keys)
            yield

    def _insist(self, cell: Cell) -> None:
        """Ask for an order until it is clear what is known of it, now here, now there."""
        deadline = time.monotonic() + _INSISTS_S
        replica = 0
        while time.monotonic() < deadline:
            # Somebody who is impatient asks both at once.
            asked = (0, 1) if cell.fault == TWICE else (replica,)
            with ThreadPoolExecutor(len(asked)) as pool:
                answers = list(pool.map(lambda number: self._ask(cell, number), asked))
            known = [answer for answer in answers if answer is not None]
            self._answers[cell] += known
            if any(self._settles(cell, answer) for answer in known):
                return
            replica = 1 - replica
            time.sleep(0.1)

    def _ask(self, cell: Cell, replica: int) -> Json | None:
        order = {"account": cell.account, "clientOrderId": ID, "symbol": SYMBOL, "side": "BUY"}
        asked = {**order, "order": SHAPES[cell.shape]}
        try:
            return self._world.caller(replica).answer(PLACE, input=asked)["placeOrder"]
        except httpx.TransportError:
            return None

    def _settles(self, cell: Cell, answer: Json) -> bool:
        """Whether asking again makes no difference: a record, or a refusal, stands for good."""
        if answer["__typename"] != "OrderRejected" or not answer["retryable"]:
            return True
        with suppress(RedisError):
            recorded = self._world.states().get((cell.account, ID)) in NOTHING_STANDS
            return recorded and answer["code"] != NOT_RECORDED
        return False

    def _insist_all(self) -> bool:
        """Ask for every order once more; whether everybody got an answer that settles it."""
        with ThreadPoolExecutor(len(self._cells)) as pool:
            list(pool.map(self._insist, self._cells))
        return all(
            answers and self._settles(cell, answers[-1]) for cell, answers in self._answers.items()
        )

    def _judge(self, *, settled: bool) -> Played:
        states = self._world.states()
        evidence = self._world.evidence(self._outsider.digests)
        report = self._world.judge(evidence)
        executed = {row["account"] for row in evidence.requests if row["executed"] == "00000"}
        problems = [
            *([] if settled else ["not everything came to an end"]),
            *(f"an order went out before its record: {order}" for order in self._world.log.ahead),
            *(f"{report.late} orders within the guard came late" for _ in range(report.late > 0)),
            *_false_answers(self._answers, executed),
        ]
        at_end = {cell: states.get((cell.account, "the-order"), "none") for cell in self._cells}
        return Played(report, at_end, tuple(problems))


def _false_answers(answers: dict[Cell, list[Json]], executed: set[str]) -> Iterator[str]:
    """What callers were told that was not so."""
    for cell, told in answers.items():
        for answer in told:
            name = answer["__typename"]
            if name == "OrderAccepted" and cell.account not in executed:
                yield f"{cell} was told accepted, and was never executed"
            final = name == "OrderRejected" and not answer["retryable"]
            # The operator ends a quarantine, and the order is asked for again.
            if final and answer["code"] != QUARANTINED and cell.account in executed:
                yield f"{cell} was told refused ({answer['code']}), and was executed"


def _toll(faults: dict[str, str]) -> Toll:
    """Tear the first order of one that is to be torn, and hold up that of one to be held up."""
    met: set[str] = set()

    def toll(api_key: str) -> bool:
        fault = faults.get(api_key)
        if fault not in (TORN, HELD) or api_key in met:
            return True
        met.add(api_key)
        if fault == HELD:
            time.sleep(_HELD_S)
        return fault != TORN

    return toll


def _refusing(hook: Hook, wire: OrderWire) -> Hook:
    """Refuse connections from the first acknowledged intent on, and for a while only."""
    begun: list[Write] = []

    def met(write: Write, moment: Moment) -> bool:
        goes_on = hook(write, moment)
        if goes_on and write.script == BEGIN and moment is Moment.ANSWERED and not begun:
            begun.append(write)
            wire.refuse()
            Timer(_REFUSED_S, wire.listen).start()
        return goes_on

    return met
