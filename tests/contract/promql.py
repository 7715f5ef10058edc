"""Enough of PromQL to say which series an expression asks for."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_STRINGS_AND_LABELS = re.compile(r"\{[^}]*\}|\b(?:by|without|on|ignoring)\s*\([^)]*\)|\"[^\"]*\"")
_NAME = re.compile(r"\b[a-zA-Z_:][\w:]*\b(?!\s*\()")
_WORDS = {"and", "or", "unless", "offset", "bool", "by", "without", "on", "ignoring", "inf"}
_COUNTED = re.compile(r"\b(?:increase|rate)\(\s*(\w+)(?:\{([^}]*)\})?\[")
_MATCHER = re.compile(r"(\w+)\s*(=~|!~|!=|=)\s*\"([^\"]*)\"")


@dataclass(frozen=True)
class Selector:
    """A metric, and what is asked of its labels: name, operator, value."""

    metric: str
    matchers: tuple[tuple[str, str, str], ...]

    def selects(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether a sample is one of those."""
        return name == self.metric and all(
            _matches(labels.get(label, ""), operator, value)
            for label, operator, value in self.matchers
        )

    def named(self) -> Iterator[tuple[str, str]]:
        """Each label with each of the values that it is asked for by name."""
        for label, operator, value in self.matchers:
            if operator in {"=", "=~"}:
                yield from ((label, each) for each in value.split("|") if each.isidentifier())


def _matches(found: str, operator: str, asked: str) -> bool:
    same = re.fullmatch(asked, found) if operator.endswith("~") else found == asked
    return bool(same) != operator.startswith("!")


def metrics_in(expression: str) -> set[str]:
    """The names of the series that an expression selects."""
    bare = re.sub(r"\[[^\]]*\]", "", _STRINGS_AND_LABELS.sub("", expression))
    return set(_NAME.findall(bare)) - _WORDS


def counted_in(expression: str) -> set[Selector]:
    """What an expression asks of counters: how much, or how fast, they rise."""
    return {
        Selector(metric, tuple(_MATCHER.findall(matchers)))
        for metric, matchers in _COUNTED.findall(expression)
    }
