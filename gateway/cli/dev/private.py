"""Files that only their owner may read."""

import os
from pathlib import Path
from typing import BinaryIO


def create(path: Path) -> BinaryIO:
    """Open an empty file of mode 0600 for writing."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def write(path: Path, text: str) -> None:
    """Put `text` in place at once, with mode 0600: no reader sees half of it."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    with create(draft) as file:
        file.write(text.encode())
    draft.replace(path)
