"""Making a file of key-encryption keys, and putting a new key before the others in it."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from gateway.custody import FaultyCredentials
from gateway.custody.encryption_keys import new_encryption_key


def make(path: Path, random_bytes: Callable[[int], bytes], now: datetime) -> None:
    """Make a file with one new key, readable by its owner only.

    Raises `FaultyCredentials` if there is a file already, or it cannot be made.
    """
    try:
        _write(path, _new_line(random_bytes, now))
        _flush_folder(path.parent)
    except FileExistsError:
        raise FaultyCredentials((f"{path}: is there already; nothing was written.",)) from None
    except OSError as error:
        raise FaultyCredentials((f"{path}: cannot be made ({error.strerror}).",)) from None


def put_new_first(path: Path, random_bytes: Callable[[int], bytes], now: datetime) -> None:
    """Put a new key before those in the file, which is there whole at every moment.

    It is on the disk at the end: what it will seal must not outlive it. Whoever calls holds the
    file's lock, or a key that another puts there at the same time is lost. Raises
    `FaultyCredentials`.
    """
    draft = path.with_name(f".{path.name}.new")
    try:
        draft.unlink(missing_ok=True)
        _write(draft, _new_line(random_bytes, now) + path.read_text(encoding="ascii"))
        draft.replace(path)
        _flush_folder(path.parent)
    except OSError as error:
        raise FaultyCredentials((f"{path}: cannot be changed ({error.strerror}).",)) from None


def _new_line(random_bytes: Callable[[int], bytes], now: datetime) -> str:
    """A key named for its day, and for no other key of that day."""
    day = now.astimezone(UTC).date().isoformat()
    return new_encryption_key(f"{day}-{random_bytes(3).hex()}", random_bytes)


def _write(path: Path, text: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
