"""Reads keys from a folder of mounted secrets (Kubernetes Secret, External Secrets, CSI)."""

import os
import stat
from pathlib import Path

from gateway.custody.findings import (
    MAX_LENGTH,
    OPEN_TO_OTHERS,
    UNNAMED_PURPOSES,
    Findings,
    account_fault,
)
from gateway.custody.sources import FoundKeys
from gateway.domain.signing import KeySlot, Purpose

API_KEY_FILE = "api-key"
API_SECRET_FILE = "api-secret"  # noqa: S105  # the name of the file

_PAIR = (API_KEY_FILE, API_SECRET_FILE)


def read_folder(folder: Path) -> FoundKeys:
    """Read `folder`/<account>/<purpose>/api-key and api-secret.

    A pair that stands in the account's folder itself is for reading and trading. Names that begin
    with a dot are ignored: Kubernetes keeps the versions of a mounted secret under such names.
    """
    found = Findings()
    try:
        places = _visible(folder)
    except OSError as error:
        found.faults.append(
            f"{folder}: cannot be read ({error.strerror}); name a folder that the gateway's "
            f"user can list."
        )
        return found.result()
    for place in places:
        _read_account(place, found)
    return found.result()


def _visible(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))


def _read_account(place: Path, found: Findings) -> None:
    if not place.is_dir():
        found.faults.append(
            f"{place}: is no folder; each account is a folder with one for each purpose in it: "
            f"{', '.join(Purpose)}."
        )
        return
    if (fault := account_fault(place.name, str(place))) is not None:
        found.faults.append(fault)
    names = [entry.name for entry in _visible(place)]
    purposes = [purpose for purpose in Purpose if purpose in names]
    if not purposes or any(name in names for name in _PAIR):
        _read_pair(place, [KeySlot(place.name, purpose) for purpose in UNNAMED_PURPOSES], found)
    for purpose in purposes:
        _read_pair(place / purpose, [KeySlot(place.name, purpose)], found)
    found.faults += [
        f"{place / name}: is no purpose; a key is for {', '.join(Purpose)}."
        for name in names
        if name not in (*Purpose, *_PAIR) and (place / name).is_dir()
    ]


def _read_pair(place: Path, slots: list[KeySlot], found: Findings) -> None:
    key, secret = (_read_file(place / name, found) for name in _PAIR)
    found.add(slots, str(place), key, secret)


def _read_file(file: Path, found: Findings) -> str | None:
    try:
        with file.open("rb") as stream:
            mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
            content = stream.read(MAX_LENGTH + len("\r\n"))
    except OSError as error:
        found.faults.append(
            f"{file}: cannot be read ({error.strerror}); put the account's value there, readable "
            f"by the gateway's user."
        )
        return None
    if mode & OPEN_TO_OTHERS:
        found.warnings.append(
            f"{file}: open to other users of this machine (mode {mode:04o}); 'chmod 600' closes it."
        )
    line = content.decode("ascii", errors="replace").removesuffix("\n").removesuffix("\r")
    return found.checked(line, str(file))
