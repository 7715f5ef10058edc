"""The audit log of this process: every event becomes an entry of its chain, in two sinks."""

import asyncio
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace

import structlog

from gateway.domain.audit import GATEWAY, AuditEntry, AuditEvent, AuditKind, AuditPage
from gateway.domain.audit_chain import Head, first_or_next
from gateway.domain.errors import AuditUnavailable
from gateway.domain.placements import PlacementState
from gateway.services.audit_lanes import Lane
from gateway.services.loops import end_all
from gateway.store.audit_file import AuditFile, AuditOutput
from gateway.store.audit_stream import AuditStream
from gateway.store.redis import StoreUnavailable

_log = structlog.get_logger(__name__)

_OFTEN_S = 1.0
_MOST_OFTEN = 1_000
"""How many keys of `note_often` a second has."""
_MOST_ANCHORED = 100
"""How many other writers' heads one anchor names."""


def new_writer(host: str, started: int, random_bytes: Callable[[int], bytes]) -> str:
    """A name that no other process has or had: its host, its start (ms), and something random."""
    return f"{host}-{started}-{random_bytes(4).hex()}"


@dataclass(eq=False, slots=True)
class _Waiter:
    """Somebody who waits for an entry; `lanes` are those that may still make it durable."""

    lanes: set[Lane]
    done: asyncio.Future[None]


@dataclass(slots=True)
class _Merged:
    alike: AuditEvent
    count: int = field(default=1)


class AuditTrail:
    """The audit log of one writer, in a Redis stream and a file; readers see all writers' entries.

    While one sink is away the other goes on alone, and up to `spool_limit` entries wait for the
    first; beyond that an entry of kind LOST says which ones it lacks. With both away, as many wait
    in memory, and a LOST entry counts the events beyond. `anchor_s`: seconds between two anchors.
    `on_lost` is called for each event that is on record nowhere.
    """

    def __init__(  # noqa: PLR0913 - what bounds it is handed in one by one
        self,
        *,
        stream: AuditStream,
        file: AuditFile | AuditOutput | None,
        writer: str,
        wall_ms: Callable[[], int],
        spool_limit: int = 10_000,
        anchor_s: float = 60.0,
        retry_s: float = 0.5,
        patience_s: float = 5.0,
        on_lost: Callable[[], None] = lambda: None,
    ) -> None:
        self._stream = stream
        self._writer = writer
        self._wall_ms = wall_ms
        self._anchor_s = anchor_s
        self._retry_s = retry_s
        self._patience_s = patience_s
        sinks = {"redis": stream.append} | ({} if file is None else {"file": file.append})
        self._lanes = tuple(
            Lane(name, append, spool_limit, patience_s) for name, append in sinks.items()
        )
        self._head: Head | None = None
        self._durable: Head | None = None
        self._anchored: Head | None = None
        self._others: dict[str, Head] = {}
        self._waiters: dict[int, _Waiter] = {}
        self._often: dict[Hashable, _Merged] = {}
        self._unnoted = 0
        self._unlike = 0
        self._moved = asyncio.Event()
        self._on_lost = on_lost
        self.note(_own(AuditKind.STARTED, "start"))

    @property
    def problem(self) -> str | None:
        """What keeps entries from a sink, and how many events are lost for good."""
        problems = [
            f"the audit log's {lane.name} takes no entries ({lane.problem}): {len(lane)} wait"
            for lane in self._lanes
            if lane.problem is not None
        ]
        if self._unnoted:
            problems.append(f"{self._unnoted} events found no room")
        return "; ".join(problems) or None

    def pending(self) -> int:
        """How many entries wait for the sink that lacks most."""
        return max(map(len, self._lanes))

    def note(self, event: AuditEvent) -> None:
        """Put an event on record soon; never waits, never raises. What finds no room is counted."""
        self._enter(event)

    def note_often(self, key: Hashable, event: AuditEvent, alike: AuditEvent) -> None:
        """Put one of many alike on record: the first at once, those of the next second as one.

        Events of one `key` count as equal: `alike` is what they have in common, and its entry says
        in `detail` how many there were. Keys are few, or some events are only counted: no key may
        hold text of a caller's.
        """
        standing = self._often.get(key)
        if standing is not None:
            standing.count += 1
        elif len(self._often) < _MOST_OFTEN:
            self._often[key] = _Merged(alike, 0)
            self.note(event)
        else:
            self._unlike += 1
            self._on_lost()

    async def require(self, event: AuditEvent) -> None:
        """Put an event on record before what it tells of is done.

        Returns when the entry is durable in a sink. Raises `AuditUnavailable` when that is not
        certain: then nothing may be done, and a second entry with that outcome says so; when it is
        cancelled meanwhile, one with the outcome NOT_SENT.
        """
        able = {lane for lane in self._lanes if lane.problem is None}
        entry = self._enter(event) if able else None
        if entry is None:
            self._undo(event)
            raise AuditUnavailable
        done = asyncio.get_running_loop().create_future()
        waiter = _Waiter({lane for lane in able if lane.hole is None}, done)
        self._waiters[entry.sequence] = waiter
        self._give_up_hopeless()
        try:
            async with asyncio.timeout(self._patience_s):
                await done
        except (AuditUnavailable, TimeoutError):
            self._undo(event)
            raise AuditUnavailable from None
        except asyncio.CancelledError:
            self._undo(event, PlacementState.NOT_SENT)
            raise
        finally:
            del self._waiters[entry.sequence]

    async def page(
        self,
        *,
        first: int,
        after: str | None = None,
        wanted: Callable[[AuditEntry], bool] = lambda _: True,
    ) -> AuditPage:
        """The `first` newest entries of all writers that are `wanted`, behind the cursor `after`.

        Raises `BadUserInput` for what is no cursor, and `AuditUnavailable` while Redis is away.
        """
        try:
            return await self._stream.page(first=first, after=after, wanted=wanted)
        except StoreUnavailable as away:
            raise AuditUnavailable from away

    async def run(self) -> None:
        """Write what is noted, for ever, and anchor the head now and then."""
        loops = (*map(self._write, self._lanes), self._anchor_often(), self._count_often())
        tasks = [asyncio.create_task(loop) for loop in loops]
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            await end_all(tasks)

    async def finish(self) -> None:
        """Put what is merged and a last anchor on record, and wait until all is; `run` goes on."""
        self._tell_merged()
        await self._tend()
        await self.caught_up()
        self._log_head()

    async def caught_up(self) -> None:
        """Wait until every entry is in each sink that takes any, and in one at least."""
        while not self._settled():
            self._moved.clear()
            await self._moved.wait()

    def _settled(self) -> bool:
        working = [lane for lane in self._lanes if lane.problem is None]
        return bool(working) and not any(map(len, working))

    def _enter(self, event: AuditEvent) -> AuditEntry | None:
        if not any(lane.has_room for lane in self._lanes):
            self._lose()
            return None
        entry = first_or_next(self._head, self._writer, self._wall_ms(), event)
        self._head = Head.of(entry)
        for lane in self._lanes:
            lane.offer(entry)
        return entry

    def _lose(self) -> None:
        if not self._unnoted:
            _log.critical("audit.spool_full")
        self._unnoted += 1
        self._on_lost()

    def _undo(self, event: AuditEvent, outcome: str = AuditUnavailable.code) -> None:
        self.note(replace(event, outcome=outcome))

    async def _write(self, lane: Lane) -> None:
        while True:
            await lane.filled()
            written = await lane.write()
            if written:
                self._made_durable(written)
                self._tell_lost(lane)
            else:
                self._give_up(lane)
            self._moved.set()
            if not written:
                await asyncio.sleep(self._retry_s)

    def _made_durable(self, written: tuple[AuditEntry, ...]) -> None:
        newest = Head.of(written[-1])
        if self._durable is None or self._durable.sequence < newest.sequence:
            self._durable = newest
        for entry in written:
            waiter = self._waiters.get(entry.sequence)
            if waiter is not None and not waiter.done.done():
                waiter.done.set_result(None)

    def _give_up(self, lane: Lane) -> None:
        for waiter in self._waiters.values():
            waiter.lanes.discard(lane)
        self._give_up_hopeless()

    def _give_up_hopeless(self) -> None:
        for waiter in self._waiters.values():
            if not waiter.lanes and not waiter.done.done():
                waiter.done.set_exception(AuditUnavailable())

    def _tell_lost(self, lane: Lane) -> None:
        hole = lane.mend()
        if hole is not None:
            _log.error("audit.hole", sink=lane.name, first=hole[0], last=hole[1])
            detail = {"sink": lane.name, "first": str(hole[0]), "last": str(hole[1])}
            self.note(replace(_own(AuditKind.LOST, "spool"), detail=detail))
        if self._unnoted and lane.has_room:
            count, self._unnoted = self._unnoted, 0
            self._tell_count("spool", count)

    def _tell_count(self, where: str, count: int) -> None:
        self.note(replace(_own(AuditKind.LOST, where), detail={"count": str(count)}))

    async def _count_often(self) -> None:
        while True:
            await asyncio.sleep(_OFTEN_S)
            self._tell_merged()

    def _tell_merged(self) -> None:
        merged, self._often = self._often, {}
        for each in merged.values():
            if each.count:
                detail = {**each.alike.detail, "count": str(each.count)}
                self.note(replace(each.alike, detail=detail))
        if self._unlike:
            count, self._unlike = self._unlike, 0
            _log.error("audit.too_many_unlike", count=count)
            self._tell_count("unlike", count)

    async def _anchor_often(self) -> None:
        while True:
            await self._tend()
            await asyncio.sleep(self._anchor_s)

    async def _tend(self) -> None:
        """Take off what is too old, learn how far the others are, and anchor."""
        try:
            await self._stream.trim()
            heads = (await self._stream.marks()).heads
        except StoreUnavailable as away:
            _log.warning("audit.not_tended", cause=away.cause)
            heads = {}
        others = {writer: head for writer, head in heads.items() if writer != self._writer}
        news = [writer for writer, head in others.items() if self._others.get(writer) != head]
        self._anchor({writer: others[writer] for writer in news[:_MOST_ANCHORED]})
        self._others = others
        self._log_head()

    def _anchor(self, others: dict[str, Head]) -> None:
        """Put on record how far the others are, if this writer has done anything since.

        Otherwise idle replicas would go on anchoring each other's anchors.
        """
        if self._head == self._anchored:
            return
        detail = {writer: str(head) for writer, head in others.items()}
        self.note(replace(_own(AuditKind.ANCHOR, "anchor"), detail=detail))
        self._anchored = self._head

    def _log_head(self) -> None:
        head = self._durable
        if head is not None:
            _log.info(
                "audit.head",
                writer=self._writer,
                sequence=head.sequence,
                digest=head.digest,
                time=head.time,
            )


def _own(kind: AuditKind, action: str) -> AuditEvent:
    return AuditEvent(kind=kind, principal=GATEWAY, action=action, outcome="OK")
