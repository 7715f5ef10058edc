"""Where keys come from. A source is a callable: a further one needs nothing else."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.custody.credential import Key
from gateway.domain.signing import KeySlot
from gateway.settings import PREFIX


class FaultyCredentials(Exception):
    """The credentials cannot be used; `faults` has one sentence for each reason.

    Each names the place and the fix, never a value.
    """

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__(faults)
        self.faults = faults

    def __str__(self) -> str:
        """List the faults, one a line."""
        return "\n".join(self.faults)


@dataclass(frozen=True, slots=True)
class FoundKeys:
    """The keys to have in force, by slot, and sentences about what could be safer."""

    keys: Mapping[KeySlot, Key] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


KeySource = Callable[[], FoundKeys]
"""Reads a source anew at each call; raises `FaultyCredentials` with every fault at once.

It may block: on a file, or on a vault.
"""


def read_keys(sources: Sequence[KeySource]) -> FoundKeys:
    """Put together what `sources` hold now.

    Raise `FaultyCredentials` if anything is wrong in any of them, if two hold a key for one slot,
    or if none holds any.
    """
    keys: dict[KeySlot, Key] = {}
    faults: list[str] = []
    warnings: list[str] = []
    for source in sources:
        try:
            found = source()
        except FaultyCredentials as faulty:
            faults += faulty.faults
            continue
        warnings += found.warnings
        faults += [
            f"{slot}: has a key in two places; keep one of them."
            for slot in sorted(found.keys.keys() & keys.keys(), key=str)
        ]
        keys |= found.keys
    if not keys and not faults:
        faults.append(
            f"No account has a key: make a sealed file with 'narkasa-gateway keys' and name it in "
            f"{PREFIX}KEYS_FILE, or give {PREFIX}CREDENTIALS_DIR a folder with "
            f"<account>/<purpose>/api-key and api-secret, or set {PREFIX}CREDENTIALS."
        )
    if faults:
        raise FaultyCredentials(tuple(faults))
    return FoundKeys(keys, tuple(warnings))
