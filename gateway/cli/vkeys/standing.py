"""The entries of virtual keys that stand, and which of them somebody means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.custody import NotOpened, shown_place
from gateway.custody.virtual_sealing import read_virtual
from gateway.domain.virtual_keys import VirtualKey

SHORTEST_BEGINNING = 8


class Ambiguous(Exception):
    """Several entries begin as was said."""


@dataclass(frozen=True, slots=True)
class Standing:
    """An entry at its digest; `key` is what it says it is, None for what cannot be read."""

    digest: str
    key: VirtualKey | None

    @property
    def place(self) -> str:
        """The digest, as it is shown and typed."""
        return shown_place(self.digest)

    def __str__(self) -> str:
        """Name it for a person."""
        if self.key is None:
            return f"the entry '{self.place}'"
        return f"{self.key.id} ({self.key.principal} on {self.key.account})"


def standing_in(entries: Mapping[str, bytes]) -> tuple[Standing, ...]:
    """Read what each entry says of itself; nothing of it is proven."""
    return tuple(Standing(digest, _said(entry)) for digest, entry in entries.items())


def named(entries: Sequence[Standing], name: str) -> Sequence[Standing]:
    """All of the id `name`; else what stands at the digest `name`, or at one that begins so.

    A beginning has at least 8 characters. Raises `Ambiguous` when several begin so.
    """
    # An id may stand twice: whoever writes to Redis can copy an entry, though not one that opens.
    meant = [entry for entry in entries if entry.key is not None and entry.key.id == name]
    meant = meant or [entry for entry in entries if entry.place == name]
    if not meant and len(name) >= SHORTEST_BEGINNING:
        meant = [entry for entry in entries if entry.place.startswith(name)]
        if len(meant) > 1:
            raise Ambiguous
    return meant


def held_by(entries: Sequence[Standing], principal: str, account: str | None) -> Sequence[Standing]:
    """All that say they are of `principal`, on `account` if that is given."""
    return [
        entry
        for entry in entries
        if entry.key is not None
        and entry.key.principal == principal
        and account in (None, entry.key.account)
    ]


def _said(entry: bytes) -> VirtualKey | None:
    try:
        return read_virtual(entry).key
    except NotOpened:
        return None
