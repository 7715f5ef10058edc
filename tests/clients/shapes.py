"""Whether a value has the shape that `document.json` gives it; the notation is in README.md."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

Json: TypeAlias = Any

_ID = re.compile(r"[0-9a-f]{64,72}")
_TIME = re.compile(r"\d{13}")


@dataclass(frozen=True, slots=True)
class Number:
    """A JSON number with the digits that came."""

    text: str

    @property
    def value(self) -> Decimal:
        """The number itself."""
        return Decimal(self.text)


class Misfit(Exception):
    """A value has another shape; the text says where and how."""


def check(shape: Json, value: Json, where: str) -> None:
    """Compare `value`, found at `where`, with `shape`. Raises Misfit."""
    if isinstance(shape, dict):
        _check_members(shape, value, where)
    elif isinstance(shape, list):
        if not isinstance(value, list):
            raise Misfit(f"{where}: a list is due, not {value!r}")
        for index, item in enumerate(value):
            check(shape[0], item, f"{where}[{index}]")
    elif not _is_leaf(shape, value):
        raise Misfit(f"{where}: {shape} is due, not {value!r}")


def _check_members(shape: Mapping[str, Json], value: Json, where: str) -> None:
    if not isinstance(value, dict):
        raise Misfit(f"{where}: an object is due, not {value!r}")
    known = {name.rstrip("?"): member for name, member in shape.items()}
    needed = {name for name in shape if not name.endswith("?")}
    if value.keys() - known.keys() or needed - value.keys():
        raise Misfit(f"{where}: {sorted(shape)} are due, not {sorted(value)}")
    for name, member in value.items():
        check(known[name], member, f"{where}.{name}")


def _is_leaf(shape: str, value: Json) -> bool:
    if shape.startswith("nullable "):
        return value is None or _is_leaf(shape.removeprefix("nullable "), value)
    kind, _, allowed = shape.partition(" ")
    if allowed:
        content = value.text if isinstance(value, Number) else value
        return _is_leaf(kind, value) and content in allowed.split("|")
    return _LEAVES[kind](value)


def _is_time(value: Json) -> bool:
    return isinstance(value, Number) and _TIME.fullmatch(value.text) is not None


def _is_id(value: Json) -> bool:
    return isinstance(value, str) and _ID.fullmatch(value) is not None


_LEAVES: Mapping[str, Callable[[Json], bool]] = {
    "anything": lambda _: True,
    "boolean": lambda value: isinstance(value, bool),
    "number": lambda value: isinstance(value, Number),
    "text": lambda value: isinstance(value, str),
    "time": _is_time,
    "id": _is_id,
}
