"""The keys that encrypt keys: kept apart from the sealed file, and never on the exchange."""

import base64
import binascii
import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gateway.custody.findings import OPEN_TO_OTHERS
from gateway.custody.sources import FaultyCredentials

KEY_BYTES = 32

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_MOST_BYTES = 65_536
_MOST_FAULTS = 3
_FORM = f"'<id> <base64 of {KEY_BYTES} bytes>'"


@dataclass(frozen=True, slots=True)
class EncryptionKeys:
    """Key-encryption keys by their ids. `newest` seals; the others still open what they sealed."""

    newest: str
    by_id: Mapping[str, bytes] = field(repr=False)


def new_encryption_key(key_id: str, random_bytes: Callable[[int], bytes]) -> str:
    """Make a line of a file of key-encryption keys; raise ValueError for what can be no id."""
    if not _ID.fullmatch(key_id):
        message = "a key-encryption key's id has 1 to 64 letters, digits, '.', '_' or '-'"
        raise ValueError(message)
    return f"{key_id} {base64.b64encode(random_bytes(KEY_BYTES)).decode()}\n"


def read_encryption_keys(path: Path) -> EncryptionKeys:
    """Read a file of key-encryption keys, the newest first, one a line.

    Raise `FaultyCredentials`, also when users other than the file's owner and group may read it.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read(_MOST_BYTES)
    except OSError as error:
        raise FaultyCredentials((f"{path}: cannot be read ({error.strerror}).",)) from None
    if mode & OPEN_TO_OTHERS:
        problem = f"open to other users of this machine (mode {mode:04o}); 'chmod 600' closes it"
        raise FaultyCredentials((f"{path}: {problem}.",))
    return parse_encryption_keys(content.decode("ascii", errors="replace"), str(path))


def parse_encryption_keys(text: str, place: str) -> EncryptionKeys:
    """Read the text of such a file, found at `place`; empty lines and those with # are no keys."""
    keys: dict[str, bytes] = {}
    faults: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.startswith("#"):
            fault = _read_line(line, keys)
            faults += [f"{place}, line {number}: {fault}"] if fault else []
    if not keys and not faults:
        faults.append(f"{place}: holds no key; write {_FORM}, the newest first.")
    if len(faults) > _MOST_FAULTS:
        told = f"{place}: {len(faults)} lines in all are at fault; is this another file?"
        faults[_MOST_FAULTS:] = [told]
    if faults:
        raise FaultyCredentials(tuple(faults))
    return EncryptionKeys(next(iter(keys)), keys)


def _read_line(line: str, keys: dict[str, bytes]) -> str | None:
    key_id, _, encoded = line.strip().partition(" ")
    try:
        key = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not _ID.fullmatch(key_id) or len(key) != KEY_BYTES:
        return f"is no key-encryption key; write {_FORM}."
    if key_id in keys:
        return "has the id of a line before; ids are never used twice."
    keys[key_id] = key
    return None
