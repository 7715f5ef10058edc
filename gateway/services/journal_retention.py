"""Dropping placements that ended long ago, each after it has been written to the export."""

import asyncio
from collections.abc import Callable, Collection, Sequence

import msgspec
import structlog

from gateway.domain.errors import JournalUnavailable
from gateway.domain.leadership import Leadership
from gateway.domain.placements import Placement
from gateway.store.journal import OrderJournal
from gateway.store.line_file import LineFile, LineOutput
from gateway.store.redis import StoreUnavailable

_log = structlog.get_logger(__name__)

_LOT = 100
_AGAIN_S = 60.0


def to_line(placement: Placement) -> str:
    """A placement as a line of the export; decimals are strings, as they are exact."""
    return f'{{"placement":{msgspec.json.encode(placement).decode()}}}\n'


class JournalRetention:
    """Keeps ended placements for `keep_ms`, then exports and drops them, as the account's leader.

    A placement is dropped only once it stands in the export, so none is lost; where a process ends
    in between, or a leader did not notice that it is none any more, it stands there twice. What has
    no outcome stays, however old, and so does what may still rest in the book: its owner could not
    cancel it any more. `open_orders` gives the ids of an account's open orders, None while they are
    not known. `problem`: why nothing is dropped; `exported` counts placements.
    """

    def __init__(
        self,
        *,
        journal: OrderJournal,
        export: LineFile | LineOutput,
        open_orders: Callable[[str], Collection[str] | None],
        keep_ms: int,
        wall_ms: Callable[[], int],
        every_s: float = 3600.0,
    ) -> None:
        self._journal = journal
        self._export = export
        self._open_orders = open_orders
        self._keep_ms = keep_ms
        self._wall_ms = wall_ms
        self._every_s = every_s
        self._problems: dict[str, str] = {}
        self.exported = 0

    @property
    def problem(self) -> str | None:
        """Why placements stay in the journal that are due to leave it, account by account."""
        told = sorted(self._problems.items())
        return "; ".join(f"{account}: {problem}" for account, problem in told) or None

    async def run(self, leadership: Leadership) -> None:
        """Export and drop what is due, now and every `every_s` seconds, until cancelled.

        Where that fails it is tried again within a minute.
        """
        account = leadership.account
        try:
            while True:
                swept = await self._sweep(account)
                await asyncio.sleep(self._every_s if swept else min(_AGAIN_S, self._every_s))
        finally:
            # Whether the next leader can do it is not known here.
            self._problems.pop(account, None)

    async def _sweep(self, account: str) -> bool:
        try:
            while await self._drop_some(account):
                pass
        except (JournalUnavailable, StoreUnavailable) as away:
            self._fail(account, f"the journal cannot be read or written ({type(away).__name__})")
            return False
        except OSError as fault:
            # Without the file's name: what a log shows of a failure is its kind.
            self._fail(account, f"the export takes no placements ({fault.strerror or fault})")
            return False
        self._problems.pop(account, None)
        return True

    async def _drop_some(self, account: str) -> bool:
        before = self._wall_ms() - self._keep_ms
        open_ids = self._open_orders(account)
        due: Sequence[Placement] = await self._journal.ended_before(
            account, before, _LOT, lambda placement: not _may_rest(placement, open_ids)
        )
        if not due:
            return False
        await self._export.append("".join(map(to_line, due)))
        dropped = await self._journal.drop(due)
        self.exported += len(due)
        _log.info("journal.exported", account=account, placements=len(due))
        # What has changed meanwhile is not due any more.
        return dropped > 0

    def _fail(self, account: str, problem: str) -> None:
        if self._problems.get(account) != problem:
            _log.error("journal.not_exported", account=account, problem=problem)
        self._problems[account] = problem


def _may_rest(placement: Placement, open_ids: Collection[str] | None) -> bool:
    order = placement.order
    if order is None or order.order_id is None or order.status.terminal:
        return False
    return open_ids is None or order.order_id in open_ids
