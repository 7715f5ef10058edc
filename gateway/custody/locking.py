"""One writer of a file at a time, among all processes of a machine."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.custody.sources import FaultyCredentials


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait for other writers of `path`; readers need no lock, for the file is replaced whole.

    The lock is an empty file beside it, `<path>.lock`. Raises `FaultyCredentials` if there can be
    none.
    """
    try:
        lock = os.open(f"{path}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise FaultyCredentials((f"{path}.lock: cannot be made ({error.strerror}).",)) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
