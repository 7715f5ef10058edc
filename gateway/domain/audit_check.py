"""Whether an audit log is whole: what copies of it, heads and anchors say of each other.

An entry that was changed has not its digest any more; one that was moved or taken out breaks the
order or the chain. What was cut off at the end, and a writer that is gone altogether, is found by
what tells of it: the other copy, the heads in Redis, other writers' anchors, the lines of the log.
A command on a terminal writes to Redis alone: what the files lack of it says nothing.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from gateway.domain.audit import SHELL, AuditEntry, AuditKind
from gateway.domain.audit_chain import Head, MalformedEntry, is_whole

REDIS = "redis"
FILE = "file"

_GRACE_MS = 5_000
"""So long may one copy be behind another while entries are being written."""


@dataclass(frozen=True, slots=True)
class Report:
    """`findings` are signs of tampering or loss; `notes` explain; `entries` and `writers` count."""

    findings: tuple[str, ...]
    notes: tuple[str, ...]
    entries: int
    writers: int


@dataclass(frozen=True, slots=True)
class _Link:
    time: int
    previous: str
    digest: str
    place: str


@dataclass(frozen=True, slots=True)
class _Told:
    """That a writer had come as far as `head`, and what says so."""

    head: Head
    by: str


@dataclass(slots=True)
class _Chain:
    """What is known of one writer."""

    copies: dict[str, dict[int, _Link]] = field(default_factory=lambda: {REDIS: {}, FILE: {}})
    told: list[_Told] = field(default_factory=list)
    base: Head | None = None
    holes: dict[str, list[range]] = field(default_factory=lambda: {REDIS: [], FILE: []})

    def union(self) -> dict[int, _Link]:
        """Every entry, from whichever copy has it, in the chain's order."""
        return dict(sorted((self.copies[FILE] | self.copies[REDIS]).items()))


class AuditCheck:
    """Give it everything there is, then ask for the `report`. Times in ms."""

    def __init__(self, now: int) -> None:
        self._now = now
        self._chains: dict[str, _Chain] = {}
        self._read: set[str] = set()
        self._findings: list[str] = []
        self._notes: list[str] = []
        self._entries = 0
        self._trimmed_before = 0

    def read(self, copy: str, entries: Iterable[tuple[str, AuditEntry]]) -> None:
        """Take in entries, each with its place: those of the stream (REDIS), or of one FILE."""
        self._read.add(copy)
        newest: dict[str, int] = {}
        for place, entry in entries:
            self._take(copy, place, entry, newest)

    def based(self, bases: Mapping[str, Head], trimmed_before: int) -> None:
        """Take in what the stream lacks because it was taken off."""
        for writer, base in bases.items():
            self._chain(writer).base = base
            self.told(writer, base, "the base in Redis")
        self._trimmed_before = trimmed_before

    def told(self, writer: str, head: Head, by: str) -> None:
        """Take in that a writer had come as far as `head`."""
        self._chain(writer).told.append(_Told(head, by))

    def unreadable(self, place: str) -> None:
        """Take in that something stands there that is no entry."""
        self._findings.append(f"{place}: this is no entry")

    def empty(self, place: str) -> None:
        """Take in that there is no entry where there should be."""
        self._findings.append(f"{place}: no entry of an audit log is there")

    def note(self, text: str) -> None:
        """Take in an explanation."""
        self._notes.append(text)

    def report(self) -> Report:
        """Compare, and say what was found."""
        for writer in sorted(self._chains):
            chain = self._chains[writer]
            of_shell = writer.startswith(SHELL)
            if of_shell and REDIS not in self._read and not chain.copies[FILE]:
                self._notes.append(f"writer {writer}: a command's, which writes to Redis alone")
                continue
            found = (*self._wholeness(chain), *self._links(chain), *self._differing(chain))
            lacking = self._lacking_anywhere(chain, in_files=not of_shell)
            self._findings += [f"writer {writer}: {text}" for text in (*found, *lacking)]
        if not self._entries:
            self._findings.append("there is no entry to verify")
        writers = sum(1 for chain in self._chains.values() if chain.union())
        return Report(tuple(self._findings), tuple(self._notes), self._entries, writers)

    def _chain(self, writer: str) -> _Chain:
        return self._chains.setdefault(writer, _Chain())

    def _take(self, copy: str, place: str, entry: AuditEntry, newest: dict[str, int]) -> None:
        self._entries += 1
        chain = self._chain(entry.writer)
        named = f"{place}: entry {entry.sequence} of writer {entry.writer}"
        if not is_whole(entry):
            self._findings.append(f"{named} was changed: its digest is another's")
        if entry.sequence <= newest.get(entry.writer, 0):
            self._findings.append(f"{named} stands behind entry {newest[entry.writer]}")
        newest[entry.writer] = entry.sequence
        link = _Link(entry.time, entry.previous, entry.digest, place)
        chain.copies[copy].setdefault(entry.sequence, link)
        self._explain(chain, entry)

    def _explain(self, chain: _Chain, entry: AuditEntry) -> None:
        event = entry.event
        if event.kind is AuditKind.LOST and event.detail.get("sink") in chain.holes:
            chain.holes[event.detail["sink"]].append(_hole(event.detail))
        elif event.kind is AuditKind.LOST:
            count = event.detail.get("count", "some")
            note = f"writer {entry.writer}: {count} events were lost for want of room"
            if note not in self._notes:  # each copy has the entry
                self._notes.append(note)
        if event.kind is AuditKind.ANCHOR:
            by = f"the anchor {entry.sequence} of writer {entry.writer}"
            for other, text in event.detail.items():
                self.told(other, _parsed(text), by)

    def _wholeness(self, chain: _Chain) -> Iterator[str]:
        """What no copy has."""
        union = chain.union()
        last = max(union, default=0 if chain.base is None else chain.base.sequence)
        for told in _furthest(chain.told):
            gone = told.head.time < self._trimmed_before and not union
            if told.head.sequence > last and not gone:
                lacking = _ranges(range(last + 1, told.head.sequence + 1))
                yield f"entries {lacking} are gone: {told.by} tells of them"
        for told in chain.told:
            link = union.get(told.head.sequence)
            if link is not None and link.digest != told.head.digest:
                yield f"{link.place} is not the entry {told.head.sequence} of which {told.by} tells"
        yield from self._beginning(chain, union)

    def _beginning(self, chain: _Chain, union: Mapping[int, _Link]) -> Iterator[str]:
        first = min(union, default=1)
        base = 0 if chain.base is None else chain.base.sequence
        if first <= base + 1:
            return
        aged = union[first].time < self._trimmed_before
        if REDIS not in self._read or (chain.base is None and aged):
            self._notes.append(f"{union[first].place}: the chain begins with entry {first}")
        else:
            yield f"entries {_ranges(range(base + 1, first))} are gone"

    def _links(self, chain: _Chain) -> Iterator[str]:
        """Whether each entry stands behind the one before it."""
        union = chain.union()
        before: tuple[int, str] | None = None
        if chain.base is not None:
            before = (chain.base.sequence, chain.base.digest)
        for sequence, link in union.items():
            expected = "" if sequence == 1 else None
            if before is not None and before[0] == sequence - 1:
                expected = before[1]
            elif before is not None and before[0] < sequence - 1 and sequence != min(union):
                yield f"entries {_ranges(range(before[0] + 1, sequence))} are gone"
            if expected is not None and link.previous != expected:
                yield f"{link.place} (entry {sequence}) does not stand behind the entry before it"
            before = (sequence, link.digest)

    def _differing(self, chain: _Chain) -> Iterator[str]:
        """What one copy has otherwise than the other."""
        redis, file = chain.copies[REDIS], chain.copies[FILE]
        for sequence in sorted(redis.keys() & file.keys()):
            if redis[sequence].digest != file[sequence].digest:
                yield f"{redis[sequence].place} and {file[sequence].place} differ"

    def _lacking_anywhere(self, chain: _Chain, *, in_files: bool) -> Iterator[str]:
        """What one copy has and the other has not."""
        if self._read != {REDIS, FILE}:
            return
        redis, file = chain.copies[REDIS], chain.copies[FILE]
        if in_files:
            yield from self._lacking(redis, file, chain.holes[FILE], "the files lack")
        kept = {sequence: link for sequence, link in file.items() if self._is_kept(chain, sequence)}
        yield from self._lacking(kept, redis, chain.holes[REDIS], "Redis lacks")

    def _is_kept(self, chain: _Chain, sequence: int) -> bool:
        if chain.base is not None:
            return sequence > chain.base.sequence
        return chain.copies[FILE][sequence].time >= self._trimmed_before

    def _lacking(
        self, there: Mapping[int, _Link], here: Mapping[int, _Link], holes: list[range], what: str
    ) -> Iterator[str]:
        old = self._now - _GRACE_MS
        lacking = {each for each in there.keys() - here.keys() if there[each].time < old}
        explained = {each for each in lacking if any(each in hole for hole in holes)}
        if explained:
            self._notes.append(
                f"{what} entries {_ranges(explained)}, as an entry of kind LOST says"
            )
        if unexplained := lacking - explained:
            yield f"{what} entries {_ranges(unexplained)}, which the other copy has"


def _furthest(told: Iterable[_Told]) -> tuple[_Told, ...]:
    """What tells of most; nothing if nothing tells anything."""
    furthest = max(told, key=lambda each: each.head.sequence, default=None)
    return () if furthest is None else (furthest,)


def _parsed(text: str) -> Head:
    try:
        return Head.parse(text)
    except MalformedEntry:
        return Head(0, "", 0)


def _hole(detail: Mapping[str, str]) -> range:
    try:
        return range(int(detail["first"]), int(detail["last"]) + 1)
    except (KeyError, ValueError):
        return range(0)


def _ranges(sequences: Iterable[int]) -> str:
    """As "3-5, 9"."""
    spans: list[list[int]] = []
    for sequence in sorted(sequences):
        if spans and spans[-1][1] == sequence - 1:
            spans[-1][1] = sequence
        else:
            spans.append([sequence, sequence])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)
