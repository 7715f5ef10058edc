"""The sealed file: every version of every key, each under a lock of its own (`sealing`)."""

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from gateway.custody.credential import Credential, Key
from gateway.custody.encryption_keys import EncryptionKeys
from gateway.custody.envelope import NotOpened, RandomBytes
from gateway.custody.findings import account_fault, value_fault
from gateway.custody.locking import locked
from gateway.custody.sealed_entry import (
    EntryLabel,
    EntryState,
    SealedEntry,
    read_entries,
    write_entries,
)
from gateway.custody.sealing import seal, unseal
from gateway.custody.sources import FaultyCredentials, FoundKeys
from gateway.domain.signing import KeySlot

_MOST_BYTES = 16_777_216


class SealedFile:
    """A sealed file and the keys that open it. Every method reads the file anew.

    All raise `FaultyCredentials` when the file cannot be read or written, or an entry that they
    need does not open. Changes wait for another writer's, and are there whole or not at all.
    `wall_ms` is the time, `random_bytes` must be fit for keys.
    """

    def __init__(
        self,
        path: Path,
        keys: EncryptionKeys,
        *,
        wall_ms: Callable[[], int],
        random_bytes: RandomBytes,
    ) -> None:
        self._path = path
        self._keys = keys
        self._wall_ms = wall_ms
        self._random_bytes = random_bytes

    def entries(self) -> tuple[SealedEntry, ...]:
        """Every entry as it stands, unopened, by slot and version."""
        return _read(self._path)

    def credential(self, slot: KeySlot, version: int) -> Credential:
        """Open one entry, whatever its state."""
        return self._opened(_find(self._path, self.entries(), slot, version))

    def add(self, slot: KeySlot, api_key: str, api_secret: str) -> int:
        """Seal a pair and return its version: in use if it is its slot's first, else pending."""
        self._require_fit(slot, api_key, api_secret)
        with self._changing() as entries:
            versions = [it.label.version for it in entries if it.label.slot == slot]
            label = EntryLabel(
                slot,
                version=max(versions, default=0) + 1,
                state=EntryState.PENDING if versions else EntryState.ACTIVE,
                created=self._wall_ms(),
            )
            entries.append(self._sealed(label, Credential(api_key, api_secret)))
        return label.version

    def activate(self, slot: KeySlot, version: int) -> None:
        """Have `version` in use; the one that was is pending then, until it is retired."""
        with self._changing() as entries:
            chosen = _find(self._path, entries, slot, version)
            for number, entry in enumerate(entries):
                if entry is chosen:
                    entries[number] = self._in_state(entry, EntryState.ACTIVE)
                elif entry.label.slot == slot and entry.label.state is EntryState.ACTIVE:
                    entries[number] = self._in_state(entry, EntryState.PENDING)

    def retire(self, slot: KeySlot, version: int) -> None:
        """Mark `version` as used up; the slot is empty then if it was the one in use."""
        with self._changing() as entries:
            place = entries.index(_find(self._path, entries, slot, version))
            entries[place] = self._in_state(entries[place], EntryState.RETIRED)

    def reseal(self) -> int:
        """Seal every entry anew with the newest key-encryption key; say how many another had."""
        with self._changing() as entries:
            before = [entry.encryption_key for entry in entries]
            entries[:] = [self._sealed(entry.label, self._opened(entry)) for entry in entries]
        return sum(key != self._keys.newest for key in before)

    def _in_state(self, entry: SealedEntry, state: EntryState) -> SealedEntry:
        # The state is authenticated with the pair, so a change of it is a new seal.
        return self._sealed(replace(entry.label, state=state), self._opened(entry))

    def _sealed(self, label: EntryLabel, credential: Credential) -> SealedEntry:
        return seal(label, credential, self._keys, self._random_bytes)

    def _opened(self, entry: SealedEntry) -> Credential:
        return _open(self._path, entry, self._keys)

    @contextmanager
    def _changing(self) -> Iterator[list[SealedEntry]]:
        with locked(self._path):
            entries = list(self.entries())
            yield entries
            _write(self._path, _ordered(entries))

    def _require_fit(self, slot: KeySlot, api_key: str, api_secret: str) -> None:
        faults = (
            account_fault(slot.account, repr(slot.account[:64])),
            value_fault(api_key, f"{slot}, the key"),
            value_fault(api_secret, f"{slot}, the secret"),
        )
        if told := tuple(fault for fault in faults if fault):
            raise FaultyCredentials(told)


def create(path: Path) -> None:
    """Make a sealed file without entries; raise `FaultyCredentials` if there is one already."""
    with locked(path):
        if path.exists():
            raise FaultyCredentials((f"{path}: is there already; nothing was written.",))
        _write(path, ())


def open_sealed(
    path: Path,
    keys: EncryptionKeys,
    *,
    wall_ms: Callable[[], int],
    random_bytes: RandomBytes,
) -> SealedFile:
    """Return the sealed file at `path`; raise `FaultyCredentials` if it is none.

    Entries are opened when they are needed.
    """
    _read(path)
    return SealedFile(path, keys, wall_ms=wall_ms, random_bytes=random_bytes)


def read_sealed(path: Path, keys: EncryptionKeys) -> FoundKeys:
    """Open a sealed file and return its active keys; raise `FaultyCredentials`.

    Every entry has to open, those not in use too: a file that was tampered with is refused whole.
    """
    found: dict[KeySlot, Key] = {}
    faults: list[str] = []
    for entry in _read(path):
        try:
            credential = _open(path, entry, keys)
        except FaultyCredentials as faulty:
            faults += faulty.faults
            continue
        if entry.label.state is EntryState.ACTIVE:
            found[entry.label.slot] = Key(str(entry.label.version), credential)
    if faults:
        raise FaultyCredentials(tuple(faults))
    return FoundKeys(found)


def _open(path: Path, entry: SealedEntry, keys: EncryptionKeys) -> Credential:
    try:
        return unseal(entry, keys)
    except NotOpened as refused:
        name = _name(entry.label.slot, entry.label.version)
        raise FaultyCredentials((f"{path}: {name} does not open: {refused.problem}.",)) from None


def _find(path: Path, entries: Iterable[SealedEntry], slot: KeySlot, version: int) -> SealedEntry:
    for entry in entries:
        if (entry.label.slot, entry.label.version) == (slot, version):
            return entry
    raise FaultyCredentials((f"{path}: holds no {_name(slot, version)}.",))


def _name(slot: KeySlot, version: int) -> str:
    return f"{slot.purpose} key of account {slot.account[:64]!r}, version {version}"


def _read(path: Path) -> tuple[SealedEntry, ...]:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES)
    except OSError as error:
        raise FaultyCredentials((f"{path}: cannot be read ({error.strerror}).",)) from None
    try:
        entries = read_entries(content)
    except ValueError:
        problem = "is no sealed file, or was cut; restore it from its backup"
        raise FaultyCredentials((f"{path}: {problem}.",)) from None
    if faults := tuple(_contradictions(path, entries)):
        raise FaultyCredentials(faults)
    return _ordered(entries)


def _ordered(entries: Iterable[SealedEntry]) -> tuple[SealedEntry, ...]:
    return tuple(sorted(entries, key=lambda it: (str(it.label.slot), it.label.version)))


def _contradictions(path: Path, entries: tuple[SealedEntry, ...]) -> Iterator[str]:
    labels = [entry.label for entry in entries]
    for (slot, version), count in Counter((it.slot, it.version) for it in labels).items():
        if count > 1:
            yield f"{path}: holds the {_name(slot, version)} {count} times."
    active = Counter(it.slot for it in labels if it.state is EntryState.ACTIVE)
    for slot, count in active.items():
        if count > 1:
            yield f"{path}: has {count} versions of {slot} in use at once."


def _write(path: Path, entries: tuple[SealedEntry, ...]) -> None:
    try:
        _replace(path, write_entries(entries))
    except OSError as error:
        problem = f"{path}: cannot be written ({error.strerror}); it is as it was."
        raise FaultyCredentials((problem,)) from None


def _replace(path: Path, content: bytes) -> None:
    """Put `content` in the place of the file's, on the disk before its name points there."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
