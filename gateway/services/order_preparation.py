"""From a command to a record in the journal, beside the signed request that may go out for it.

Gate, what is unresolved, baseline, risk rules, limits, signature, audit log, journal: in this
order. What keeps an order from being recorded now and passes by itself within moments is waited
for; everything else is raised, and nothing was sent.
"""

import asyncio
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from gateway.access.policy import Grant
from gateway.access.principal import Caller
from gateway.domain.account import TradingState
from gateway.domain.errors import GatewayError, NotInTime, OverLimit
from gateway.domain.order_errors import DuplicateOrder, LaneUnresolved
from gateway.domain.orders import PlaceOrder
from gateway.domain.placements import Placement, PlacementState
from gateway.domain.signing import Sign
from gateway.exchange import ExchangeClient, PreparedRequest
from gateway.services.audit import AuditTrail
from gateway.services.baselines import AccountView, Baselines
from gateway.services.market_data import MarketData, MarketView
from gateway.services.order_audit import order_not_sent, order_sending
from gateway.services.order_gate import OrderGate
from gateway.services.risk import RiskRules
from gateway.store.budgets import BudgetClaim
from gateway.store.journal import LaneMoved, Look, OrderJournal, new_placement_id

_PAUSE_S = 0.01
_PASSING = (DuplicateOrder, LaneUnresolved, LaneMoved)
"""What `begin` may raise because of an order that came between the look and the record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTiming:
    """`ready_within_s`: how long an order may take until it is recorded; later it is not sent.

    In ms, `lease`: how long after its window its sender has to record what became of it;
    `unknown`: how long after its window an outcome may stay unknown.
    """

    ready_within_s: float
    lease: int
    unknown: int


@dataclass(frozen=True, slots=True)
class Recorded:
    """The placement that stands, and the request that carries it, if it is the caller's to send."""

    placement: Placement
    prepared: PreparedRequest | None


class OrderPreparation:
    """Makes an order ready to be sent. `owner` names this process in what it records."""

    def __init__(  # noqa: PLR0913 - each is a part that an order passes through
        self,
        *,
        gate: OrderGate,
        market_data: MarketData,
        baselines: Baselines,
        risk: RiskRules,
        signer: Callable[[str], Sign],
        exchange: ExchangeClient,
        journal: OrderJournal,
        audit: AuditTrail,
        owner: str,
        now: Callable[[], int],
        random_bytes: Callable[[int], bytes],
        timing: OrderTiming,
    ) -> None:
        self._gate = gate
        self._market_data = market_data
        self._baselines = baselines
        self._risk = risk
        self._signer = signer
        self._exchange = exchange
        self._journal = journal
        self._audit = audit
        self._owner = owner
        self._now = now
        self._random_bytes = random_bytes
        self._timing = timing
        self._preparing: set[tuple[str, str]] = set()

    async def record(self, caller: Caller, command: PlaceOrder) -> Recorded:
        """Record the intent, or find the one that stands.

        Raises what the gate raises, `UnknownSymbol`, `SourceUnavailable`, `AgainstRules`,
        `DuplicateOrder`, `LaneUnresolved`, `Quarantined`, `KeyUnavailable`, `NotSent` (the
        exchange's time is not known), `AuditUnavailable`, `NotRecorded` (`RefusedMeanwhile` among
        them) and `NotDurable`: then nothing was sent.
        """
        passing: GatewayError | None = None
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self._timing.ready_within_s) as deadline:
                grant = await self._admit(caller, command)
                while True:
                    with self._turn(command) as its_turn:
                        found = await self._look(caller, command, began)
                        if found.standing is not None:
                            return Recorded(found.standing, None)
                        passing = found.obstacle
                        if passing is None and its_turn:
                            recorded = await self._attempt(caller, command, grant, found, deadline)
                            if recorded is not None:
                                return recorded
                    await asyncio.sleep(_PAUSE_S)
        except TimeoutError:
            raise (passing or NotInTime()) from None

    async def refuse(self, caller: Caller, command: PlaceOrder) -> Placement | None:
        """What stands for an order that is refused; where nothing does, nothing will.

        Raises `NotLookedUp`.
        """
        identity = (caller.id, command.account, command.client_order_id)
        return await self._journal.refuse(identity, self._owner)

    async def trading_state(self, caller: Caller, account: str) -> TradingState:
        """What is sent for the account now; while none can be recorded, no order is."""
        state = await self._gate.trading_state(caller, account)
        if state is TradingState.ACTIVE and not await self._journal.writable(account):
            return TradingState.CANCEL_ONLY
        return state

    @contextmanager
    def _turn(self, command: PlaceOrder) -> Iterator[bool]:
        """Whether it is the order's turn to be prepared.

        Of the orders of a lane that go out one by one, one at a time is: each reads the account and
        takes of its rate, and all but one would in vain.
        """
        lane = (command.account, command.lane)
        its_turn = lane not in self._preparing
        if command.immediate and its_turn:
            self._preparing.add(lane)
            try:
                yield True
            finally:
                self._preparing.discard(lane)
        else:
            yield not command.immediate

    async def _admit(self, caller: Caller, command: PlaceOrder) -> Grant:
        grant = await self._gate.permit(caller, command)
        await MarketView(self._market_data, self._now).market(command.symbol)
        await self._gate.take_order(caller, grant)
        return grant

    async def _look(self, caller: Caller, command: PlaceOrder, began: float) -> Look:
        """Whether something stands in the way; raises what does not pass within moments."""
        found = await self._journal.look(caller.id, command)
        if found.obstacle is not None and not found.obstacle_sending:
            raise found.obstacle
        # Rather too early than too late: the look's answer has been on its way for a moment.
        waited_ms = math.ceil((asyncio.get_running_loop().time() - began) * 1000)
        return replace(found, asked_at=found.asked_at - waited_ms)

    async def _attempt(
        self,
        caller: Caller,
        command: PlaceOrder,
        grant: Grant,
        found: Look,
        deadline: asyncio.Timeout,
    ) -> Recorded | None:
        """Record the intent; None when another order came between, and it must be tried again."""
        view = await self._baselines.of(
            command.account, command.symbol, command.side, fresh_fills=command.immediate
        )
        await self._risk.check(command, view)
        placement_id = new_placement_id(command.account, self._random_bytes)
        claim = await self._gate.claim(caller, grant, command, placement_id)
        prepared = await self._exchange.prepare_order(self._signer(command.account), command)
        await self._gate.recheck(caller, command)
        if deadline.expired():  # for its cancellation can get lost: see `end_all`
            raise TimeoutError
        intent = self._intent(caller, command, placement_id, grant, prepared, view, claim)
        await self._audit.require(order_sending(caller, intent, prepared))
        return await self._begin(caller, intent, prepared, claim, found)

    async def _begin(
        self,
        caller: Caller,
        intent: Placement,
        prepared: PreparedRequest,
        claim: BudgetClaim | None,
        found: Look,
    ) -> Recorded | None:
        """Whoever is not sent is on record too."""
        standing = None
        try:
            standing = await self._journal.begin(
                intent,
                lease_ms=prepared.window + self._timing.lease,
                claim=claim,
                lane=found.lane if intent.command.immediate else None,
                asked_at=found.asked_at,
            )
        except _PASSING:
            return None
        except OverLimit as over:
            assert claim is not None  # noqa: S101  # it is what is over
            await self._gate.relieve(claim, over)
            return None
        finally:
            if standing is None or standing.id != intent.id:
                self._audit.note(order_not_sent(caller, intent, prepared, standing))
        return Recorded(standing, prepared if standing.id == intent.id else None)

    def _intent(
        self,
        caller: Caller,
        command: PlaceOrder,
        placement_id: str,
        grant: Grant,
        prepared: PreparedRequest,
        view: AccountView,
        claim: BudgetClaim | None,
    ) -> Placement:
        now = self._now()
        return Placement(
            id=placement_id,
            principal=caller.id,
            command=command,
            state=PlacementState.SENDING,
            created_at=now,
            updated_at=now,
            rule=grant.id,
            signed_at=prepared.signed_at,
            window=prepared.window,
            digest=prepared.digest,
            lease_until=0,  # by Redis' clock: the journal sets it
            owner=self._owner,
            claimed=claim is not None,
            baseline=view.baseline,
            resolve_by=prepared.signed_at + prepared.window + self._timing.unknown,
        )
