"""Cancelling all open orders: of an app, or of an account."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from gateway.access.policy import Action
from gateway.access.principal import Caller
from gateway.domain.errors import BadUserInput, GatewayError, NotLookedUp
from gateway.domain.order_errors import OrderClosedUnknown, OrderFilled, OrderNotFound
from gateway.domain.orders import Order
from gateway.domain.placements import Placement, PlacementState, Rejection
from gateway.exchange import ExchangeClient
from gateway.services.audit import AuditTrail
from gateway.services.authority import Authority
from gateway.services.cancels import Cancelled, Cancels, CancelUnknown
from gateway.services.order_audit import deny
from gateway.services.order_outcomes import rejection_of
from gateway.services.recent_placements import RecentPlacements
from gateway.services.signed_reads import SignedReads
from gateway.store.journal import OrderJournal

_AT_ONCE = 4
_ROUNDS = 5
_PAUSE_S = 0.2

Until = Callable[[], Awaitable[int | None]]
_Outcome = Cancelled | CancelUnknown | GatewayError
_GONE = (OrderFilled, OrderClosedUnknown, OrderNotFound)


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelledAll:
    """What became of each order that was open, by its id.

    `failed`: still open, and why; `pending`: nobody knows, be it that the last reading still showed
    it, `acknowledged` those among them whose cancel the exchange has confirmed; `ended`: it was
    filled before, or nobody knows how it ended. `unresolved` are the placements, by their ids, that
    may have made an order, or make one yet; `in_doubt` those among them that only a person settles.
    `unseen`: why there may be others of both, or None.
    """

    cancelled: tuple[str, ...] = ()
    failed: tuple[tuple[str, Rejection], ...] = ()
    pending: tuple[str, ...] = ()
    acknowledged: tuple[str, ...] = ()
    ended: tuple[str, ...] = ()
    unresolved: tuple[str, ...] = ()
    in_doubt: tuple[str, ...] = ()
    unseen: Rejection | None = None

    @property
    def nothing_left(self) -> bool:
        """True when none of the orders is open, and none can come."""
        return self.nothing_to_wait_for and not self.in_doubt

    @property
    def nothing_to_wait_for(self) -> bool:
        """True when time changes nothing more: what is left, if anything, is a person's."""
        awaited = set(self.unresolved).difference(self.in_doubt)
        return not (self.failed or self.pending or awaited or self.unseen)


class CancelAll:
    """Cancels by readings of the open orders, until one shows none that is meant.

    After a few readings it gives up: what the last of them showed is then `pending` at best.
    An order that is placed meanwhile is cancelled too if a reading shows it; who wants none to
    follow stops placing, or has the account switched to CANCEL_ONLY, before.
    """

    def __init__(
        self,
        *,
        authority: Authority,
        cancels: Cancels,
        journal: OrderJournal,
        recent: RecentPlacements,
        exchange: ExchangeClient,
        reads: SignedReads,
        audit: AuditTrail,
    ) -> None:
        self._authority = authority
        self._cancels = cancels
        self._journal = journal
        self._recent = recent
        self._exchange = exchange
        self._reads = reads
        self._audit = audit

    async def cancel(
        self,
        caller: Caller,
        account: str,
        *,
        principal: str | None = None,
        everybody: bool = False,
    ) -> CancelledAll:
        """Cancel the caller's own open orders; a `principal`'s, or `everybody`'s, with read-all.

        `everybody`: those placed elsewhere too. Raises `UnknownAccount`, `Forbidden` and
        `BadUserInput`, and what a reading of the account raises, before anything is sent. Without
        the journal, the orders are cancelled that this process knows to be meant. Running it again
        is safe.
        """
        if everybody and principal is not None:
            raise BadUserInput("principal", "leave it out when you cancel everybody's orders")
        own = not everybody and principal in (None, caller.id)
        self._require(caller, Action.ORDERS_CANCEL, account)
        if not own:
            self._require(caller, Action.ORDERS_READ_ALL, account)
        sweep = _Sweep(
            None if everybody else principal or caller.id,
            lambda: self._reads.read(account, self._exchange.open_orders, caller),
            lambda order_id: self._cancels.cancel(caller, account, order_id),
        )
        return await self._run(account, sweep)

    async def cancel_for(
        self, principal_id: str, account: str, *, until: Until, rule: str, trace_id: str
    ) -> CancelledAll:
        """Cancel the open orders of a principal that does not ask for it now, by `rule`.

        Those placed until the time (ms, by Redis' clock: no process's own is to be trusted here)
        that `until` gives, or all where it gives None. It is asked
        after each reading of the orders: so what is placed once it has changed is spared. Raises,
        before anything is sent, what a reading of the account raises, and what `until` raises.
        """
        sweep = _Sweep(
            principal_id,
            lambda: self._reads.read(account, self._exchange.open_orders),
            lambda order_id: self._cancels.cancel_for(
                principal_id, account, order_id, rule=rule, trace_id=trace_id
            ),
            until,
        )
        return await self._run(account, sweep)

    def _require(self, caller: Caller, action: Action, account: str) -> None:
        try:
            self._authority.require(caller, action, account)
        except GatewayError as denial:
            deny(self._audit, caller, action, account, denial, asked="cancelAllOrders")
            raise

    async def _run(self, account: str, sweep: "_Sweep") -> CancelledAll:
        for _ in range(_ROUNDS):
            sweep.unseen, sweep.listed = None, ()
            try:
                await self._round(account, sweep)
            except GatewayError as unread:
                if not sweep.outcomes:
                    raise
                sweep.unseen = unread
            if sweep.over:
                break
            await asyncio.sleep(_PAUSE_S)
        return sweep.result()

    async def _round(self, account: str, sweep: "_Sweep") -> None:
        # Before the orders are read: what has an outcome by then, the reading shows.
        standing = await self._unresolved(account, sweep)
        orders = await sweep.read()
        until = await sweep.until()
        sweep.unresolved = tuple(each for each in standing if sweep.means(each, until))
        await sweep.cancel_all(await self._meant(account, sweep, orders, until))

    async def _unresolved(self, account: str, sweep: "_Sweep") -> tuple[Placement, ...]:
        try:
            return await self._journal.unresolved(account)
        except NotLookedUp as away:
            sweep.unseen = away
            return sweep.unresolved

    async def _meant(
        self, account: str, sweep: "_Sweep", orders: tuple[Order, ...], until: int | None
    ) -> tuple[str, ...]:
        ids = [order.order_id for order in orders if order.order_id is not None]
        if sweep.principal is None:
            return tuple(ids)
        found = {each: self._recent.find(account, each) for each in ids}
        placed = {each: placement for each, placement in found.items() if placement is not None}
        try:
            unknown = [each for each in ids if each not in placed]
            placed |= await self._journal.of_orders(account, unknown)
        except NotLookedUp as away:
            sweep.unseen = away
        return tuple(each for each in ids if each in placed and sweep.means(placed[each], until))


async def _whenever() -> None:
    """Every order is meant, whenever it was placed."""


@dataclass(slots=True)
class _Sweep:
    """One run: whose orders, how they are read and cancelled, and the newest outcome of each.

    `principal`: None for everybody's. As of the last round: `listed`, the orders that are meant and
    that its reading showed, and `unseen`, why there may be others. `over`: another round is of no
    use.
    """

    principal: str | None
    read: Callable[[], Awaitable[tuple[Order, ...]]]
    cancel: Callable[[str], Awaitable[Cancelled | CancelUnknown]]
    until: Until = _whenever
    outcomes: dict[str, _Outcome] = field(default_factory=dict)
    unresolved: tuple[Placement, ...] = ()
    listed: tuple[str, ...] = ()
    unseen: GatewayError | None = None
    over: bool = False

    def means(self, placement: Placement, until: int | None) -> bool:
        """Whether the order of a placement is one of those that are meant."""
        if self.principal not in (None, placement.principal):
            return False
        return until is None or placement.begun_at <= until

    async def cancel_all(self, orders: tuple[str, ...]) -> None:
        """Cancel them, a few at once; what is not among them any more is not open."""
        for order_id in self._open().difference(orders):
            self.outcomes[order_id] = OrderClosedUnknown(order_id)
        self.listed = orders
        turns = asyncio.Semaphore(_AT_ONCE)
        told = await asyncio.gather(*(self._one(order_id, turns) for order_id in orders))
        self.outcomes |= zip(orders, told, strict=True)
        # An answer alone ends nothing: only the next reading shows whether the order is gone.
        refused = {order_id for order_id, why in self._failed() if not why.retryable}
        self.over = refused.issuperset(orders)

    def result(self) -> CancelledAll:
        """What became of each, and what is left."""
        doubtful = PlacementState.IN_DOUBT
        failed = self._failed()
        shown = set(self.listed).difference(order_id for order_id, _ in failed)
        pending = shown.union(self._of(CancelUnknown))
        return CancelledAll(
            cancelled=tuple(each for each in self._of(Cancelled) if each not in shown),
            failed=failed,
            pending=tuple(each for each in self.outcomes if each in pending),
            acknowledged=tuple(each for each in self._of(Cancelled) if each in shown),
            ended=tuple(each for each in self._of(_GONE) if each not in shown),
            unresolved=tuple(each.id for each in self.unresolved),
            in_doubt=tuple(each.id for each in self.unresolved if each.state is doubtful),
            unseen=None if self.unseen is None else rejection_of(self.unseen),
        )

    async def _one(self, order_id: str, turns: asyncio.Semaphore) -> _Outcome:
        async with turns:
            try:
                return await self.cancel(order_id)
            except GatewayError as failure:
                return failure

    def _open(self) -> set[str]:
        return {*self._of(CancelUnknown), *(order_id for order_id, _ in self._failed())}

    def _of(self, kind: type | tuple[type, ...]) -> tuple[str, ...]:
        return tuple(key for key, told in self.outcomes.items() if isinstance(told, kind))

    def _failed(self) -> tuple[tuple[str, Rejection], ...]:
        return tuple(
            (key, rejection_of(told))
            for key, told in self.outcomes.items()
            if isinstance(told, GatewayError) and not isinstance(told, _GONE)
        )
