"""Enough of PromQL to say which metrics an expression asks for."""

import re

_STRINGS_AND_LABELS = re.compile(r"\{[^}]*\}|\b(?:by|without|on|ignoring)\s*\([^)]*\)|\"[^\"]*\"")
_NAME = re.compile(r"\b[a-zA-Z_:][\w:]*\b(?!\s*\()")
_WORDS = {"and", "or", "unless", "offset", "bool", "by", "without", "on", "ignoring", "inf"}


def metrics_in(expression: str) -> set[str]:
    """The names of the series that an expression selects."""
    bare = re.sub(r"\[[^\]]*\]", "", _STRINGS_AND_LABELS.sub("", expression))
    return set(_NAME.findall(bare)) - _WORDS
