"""Reads the keyring from a folder, from the environment, or from both.

Every fault is told at once, each as a sentence that names the place and the fix, never a value.
"""

import json
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path

from gateway.custody.credential import Credential
from gateway.custody.keyring import Keyring
from gateway.settings import PREFIX

API_KEY_FILE = "api-key"
API_SECRET_FILE = "api-secret"  # noqa: S105  # the name of the file
MAX_LENGTH = 4096
"""Characters in a key or a secret at most: who names a wrong file shall not load it."""

_ACCOUNT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}", re.ASCII)
_VALUE = re.compile(r"[!-~]+", re.ASCII)
_TEXT = f"{PREFIX}CREDENTIALS"
_FORM = '{"<account>": {"api_key": "…", "api_secret": "…"}}'
# Kubernetes' fsGroup lets the group read mounted secrets, and only the pod is in that group.
_OPEN_TO_OTHERS = stat.S_IWGRP | stat.S_IRWXO


class FaultyCredentials(Exception):
    """The credentials cannot be used; `faults` has one sentence for each reason."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__(faults)
        self.faults = faults

    def __str__(self) -> str:
        """List the faults, one a line."""
        return "\n".join(self.faults)


@dataclass(frozen=True, slots=True)
class LoadedKeyring:
    """A keyring, and sentences about what could be safer."""

    keyring: Keyring
    warnings: tuple[str, ...]


@dataclass(slots=True)
class _Findings:
    seen: set[str] = field(default_factory=set)
    credentials: dict[str, Credential] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def load_keyring(folder: Path | None = None, text: str | None = None) -> LoadedKeyring:
    """Read `folder`/<account>/api-key and api-secret, and `text`, JSON by account.

    Names that begin with a dot are ignored: Kubernetes keeps the versions of a mounted secret
    under such names. Raise `FaultyCredentials` if anything is wrong, or if there is no account.
    """
    found = _Findings()
    if folder is not None:
        _read_folder(folder, found)
    if text is not None:
        _read_text(text, found)
    if not found.seen and not found.faults:
        found.faults.append(
            f"No account has credentials: give {PREFIX}CREDENTIALS_DIR a folder with "
            f"<account>/{API_KEY_FILE} and <account>/{API_SECRET_FILE}, or set {_TEXT}."
        )
    if found.faults:
        raise FaultyCredentials(tuple(found.faults))
    return LoadedKeyring(Keyring(found.credentials), tuple(found.warnings))


def _read_folder(folder: Path, found: _Findings) -> None:
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        found.faults.append(
            f"{folder}: cannot be read ({error.strerror}); name a folder that the gateway's "
            f"user can list."
        )
        return
    for entry in entries:
        _read_account(entry, found)


def _read_account(place: Path, found: _Findings) -> None:
    if not place.is_dir():
        found.faults.append(
            f"{place}: is no folder; each account is a folder with {API_KEY_FILE} and "
            f"{API_SECRET_FILE} in it."
        )
        return
    key, secret = (_read_file(place / name, found) for name in (API_KEY_FILE, API_SECRET_FILE))
    _add(place.name, str(place), key, secret, found)


def _read_file(file: Path, found: _Findings) -> str | None:
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
    if mode & _OPEN_TO_OTHERS:
        found.warnings.append(
            f"{file}: open to other users of this machine (mode {mode:04o}); 'chmod 600' closes it."
        )
    line = content.decode("ascii", errors="replace").removesuffix("\n").removesuffix("\r")
    return _checked(line, str(file), found)


def _read_text(text: str, found: _Findings) -> None:
    try:
        accounts = json.loads(text)
    except (ValueError, RecursionError):
        accounts = None
    if not isinstance(accounts, dict):
        found.faults.append(f"{_TEXT}: is not the JSON expected; write {_FORM}.")
        return
    for account, pair in accounts.items():
        place = f"{_TEXT}, account {account[:64]!r}"
        if not isinstance(pair, dict) or pair.keys() != {"api_key", "api_secret"}:
            found.faults.append(f"{place}: needs api_key and api_secret, and only these: {_FORM}.")
            continue
        key, secret = (
            _checked(pair[name], f"{place}, {name}", found) for name in ("api_key", "api_secret")
        )
        _add(account, place, key, secret, found)


def _checked(value: object, place: str, found: _Findings) -> str | None:
    if isinstance(value, str) and len(value) <= MAX_LENGTH and _VALUE.fullmatch(value):
        return value
    found.faults.append(
        f"{place}: must be one line of 1 to {MAX_LENGTH} printable ASCII characters "
        f"without spaces; copy it again from the exchange."
    )
    return None


def _add(account: str, place: str, key: str | None, secret: str | None, found: _Findings) -> None:
    if not _ACCOUNT.fullmatch(account):
        found.faults.append(
            f"{place}: is no name for an account; use 1 to 64 letters, digits, '.', '_' or '-', "
            f"not beginning with '.'."
        )
    elif account in found.seen:
        found.faults.append(f"{place}: has credentials in both places; keep one of them.")
    elif key is not None and secret is not None:
        found.credentials[account] = Credential(key, secret)
    found.seen.add(account)
