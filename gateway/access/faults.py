"""What is wrong with a policy file: everything at once, each with its line."""

import re
from dataclasses import dataclass

_SHORT = re.compile(r"[!-~]{1,24}", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """Something wrong at `line`, counted from 1; 0 means the file as a whole."""

    line: int
    problem: str


@dataclass(eq=False)
class BadPolicy(Exception):
    """The policy is refused whole, for all of `faults`, in the order of their lines."""

    faults: tuple[Fault, ...]

    def __str__(self) -> str:
        """One fault a line."""
        return "\n".join(_sentence(fault) for fault in self.faults)


class FaultList:
    """Collects faults while reading goes on."""

    def __init__(self) -> None:
        self._faults: set[Fault] = set()

    def add(self, line: int, problem: str) -> None:
        """Note one fault; the same one twice counts once."""
        self._faults.add(Fault(line, problem))

    def check(self) -> None:
        """Raise `BadPolicy` if there were any."""
        if self._faults:
            raise BadPolicy(tuple(sorted(self._faults)))


def named(what: str, text: str | None) -> str:
    """The kind of a thing, and its name, unless that is too long to be a slip of the pen.

    It may be a token in the wrong place, and whoever asks whether the gateway is ready sees faults.
    """
    return f"{what} {text!r}" if text is not None and _SHORT.fullmatch(text) else what


def _sentence(fault: Fault) -> str:
    return f"line {fault.line}: {fault.problem}" if fault.line else fault.problem
