"""What is done around each step that takes time."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeAlias

Watch: TypeAlias = Callable[[str], AbstractContextManager[object]]
"""Gives what a step of this name runs in; the names are a closed set."""


def unwatched(_step: str) -> AbstractContextManager[None]:
    """Nobody looks."""
    return nullcontext()
