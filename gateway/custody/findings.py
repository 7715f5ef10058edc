"""What reading a source brings to light: keys, faults and warnings, gathered to be told at once."""

import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.custody.credential import Credential, Key, fingerprinted
from gateway.custody.sources import FaultyCredentials, FoundKeys
from gateway.domain.signing import KeySlot, Purpose

MAX_LENGTH = 4096
"""Characters in a key or a secret at most: who names a wrong file shall not load it."""

OPEN_TO_OTHERS = stat.S_IWGRP | stat.S_IRWXO
"""The bits of a mode that let others at a secret. Group read is not among them:

Kubernetes' fsGroup lets the group read mounted secrets, and only the pod is in that group.
"""

UNNAMED_PURPOSES = (Purpose.READ, Purpose.TRADE)
"""What a pair is for whose purpose is not said: all but paying out."""

_ACCOUNT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}", re.ASCII)
_VALUE = re.compile(r"[!-~]+", re.ASCII)


def account_fault(account: str, place: str) -> str | None:
    """Say what is wrong with the name of an account, found at `place`; None if nothing is."""
    if _ACCOUNT.fullmatch(account):
        return None
    return (
        f"{place}: is no name for an account; use 1 to 64 letters, digits, '.', '_' or '-', "
        f"not beginning with '.'."
    )


def value_fault(value: object, place: str) -> str | None:
    """Say what is wrong with a key or a secret, found at `place`; None if nothing is."""
    if isinstance(value, str) and len(value) <= MAX_LENGTH and _VALUE.fullmatch(value):
        return None
    return (
        f"{place}: must be one line of 1 to {MAX_LENGTH} printable ASCII characters "
        f"without spaces; copy it again from the exchange."
    )


@dataclass(slots=True)
class Findings:
    """Gathers what one source holds."""

    keys: dict[KeySlot, Key] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def checked(self, value: object, place: str) -> str | None:
        """Return a key or a secret, or None and note what is wrong with it."""
        if (fault := value_fault(value, place)) is not None:
            self.faults.append(fault)
            return None
        return str(value)

    def add(
        self, slots: Iterable[KeySlot], place: str, key: str | None, secret: str | None
    ) -> None:
        """Note a pair for each of `slots`; a half that is None has been told of already."""
        for slot in slots:
            if slot in self.keys:
                self.faults.append(f"{place}: is a second key for {slot}; keep one of them.")
            elif key is not None and secret is not None:
                self.keys[slot] = fingerprinted(Credential(key, secret))

    def result(self) -> FoundKeys:
        """Give the keys, or raise `FaultyCredentials`."""
        if self.faults:
            raise FaultyCredentials(tuple(self.faults))
        return FoundKeys(self.keys, tuple(self.warnings))
